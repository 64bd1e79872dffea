// The pass of k-means for few clusters and columns, all of it in lanes: rows side by side, all their distances at once.
//
//     a_j = |x - c_j|^2 from the differences    label = argmin_j a_j    counts, sums and inertia as in assign.hpp
//
// Distances are known up to a share of themselves. A row with a second centroid within that share of its least
// distance is looked at again in double, so a label is that of a float64 computation, equal ones to the first.
// Where few rows of a panel change their cluster they are added to the sums one by one, else by masks per cluster.
// Cost: k (2 d + 5) vector operations for each `lanes` rows; X is read once.
#pragma once

#include "assignment.hpp"
#include "rows/argmin.hpp"
#include "lanes.hpp"

namespace gramfold {

// Beyond so many k d a tile of scores, which needs one FMA where a distance needs two operations, is as fast; measured
// on Zen 4.
template <class T>
inline constexpr Index few_terms = 16 * lanes<T>;

namespace few_detail {

// acc with the entries of v, the M-th of the vectors that hold D columns of the same rows, where column Q has them.
template <int D, int Q, int M, class V, int... I>
inline V take(V acc, V v, std::integer_sequence<int, I...>) {
    using T = std::decay_t<decltype(v[0])>;
    constexpr int n = sizeof...(I);
    using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    constexpr Vec<Bits, n> from = {
        Bits((I * D + Q) / n == M ? n + (I * D + Q) % n : M == 1 && (I * D + Q) / n == 0 ? I * D + Q : I)...};
    return __builtin_shuffle(acc, v, from);
}

template <int D, int Q, int M, class V>
inline V column(V acc, const V* v) {
    constexpr int n = sizeof(V) / sizeof(v[0][0]);
    if constexpr (M == D) return acc;
    else return column<D, Q, M + 1>(take<D, Q, M>(acc, v[M], std::make_integer_sequence<int, n>{}), v);
}

// D columns of rows that lie one behind the other.
template <class T, int D, int... Q>
inline void columns(const T* rows, T* out, Index stride, std::integer_sequence<int, Q...>) {
    using V = Vec<T>;
    V v[D];
    for (int m = 0; m < D; ++m) v[m] = load<V>(rows + m * lanes<T>);
    (store(out + Q * stride, column<D, Q, 1>(v[0], v)), ...);
}

}  // namespace few_detail

// D: the columns, of rows without gaps; or 0, for any.
template <class T, int D>
class FewWorker {
  public:
    static constexpr int across = tile_rows >= 12 ? 4 : 2, width = across * lanes<T>;

    FewWorker(Matrix<const T> x, const Assignment<T>& job)
        : x_(x), job_(job), to_lanes_(std::vector<double>(static_cast<std::size_t>(job.d), 0.0), 1.0),
          centers_(job.k * job.d), x_lanes_(width * job.d), rows_(D * width), squares_(job.k * width),
          sums_(job.k * job.d * lanes<T>), moved_(job.k * lanes<T>), counts_(job.k * lanes<T>) {
        std::copy_n(job.centers, job.k * job.d, centers_.get());
        // Of equal centroids the first one takes the rows: the others need no second look at every tie.
        for (Index j = 1; j < job.k; ++j)
            for (Index i = 0; i < j; ++i)
                if (std::equal(job.center(i), job.center(i) + job.d, job.center(j)))
                    std::fill_n(centers_.get() + j * job.d, job.d, std::numeric_limits<T>::infinity());
        sums_.zero(), moved_.zero(), counts_.zero();
    }

    void operator()(Index first, Index count, AssignSums<T>& sums) {
        const Index end = first + count;
        V inertia = {};
        Doubles total = {};
        for (; first + width <= end; first += width) {
            open(first, width);
            inertia = job_.weights ? panel<true>(first, width, job_.weights + first, sums)
                                   : panel<false>(first, width, nullptr, sums);
            total += pairs(inertia);
        }
        if (first < end) {
            T weights[width];
            for (Index r = 0; r < width; ++r) weights[r] = first + r < end ? job_.weight(first + r) : T(0);
            open(first, end - first);
            total += pairs(panel<true>(first, end - first, weights, sums));
        }
        for (int l = 0; l < pairs_; ++l) sums.inertia += total[l];
        flush(sums);
        sums.searched += count * job_.k;
    }

  private:
    using V = Vec<T>;
    using Id = typename Nearest<T>::Id;
    using I = Vec<Id>;
    static constexpr int w = lanes<T>, pairs_ = sizeof(T) == 8 ? w : w / 2;
    using Doubles = Vec<double, pairs_>;

    // Rows first to first + count side by side, the last one again and again behind them.
    void open(Index first, Index count) {
        if constexpr (D > 0) {
            const T* rows = x_.row(first);
            if (count < width) {
                for (Index r = 0; r < width; ++r) std::copy_n(x_.row(first + std::min(r, count - 1)), D, rows_.get() + r * D);
                rows = rows_.get();
            }
            for (int v = 0; v < across; ++v)
                few_detail::columns<T, D>(rows + v * w * D, x_lanes_.get() + v * w, width,
                                          std::make_integer_sequence<int, D>{});
        } else {
            const T* rows[width];
            for (Index r = 0; r < width; ++r) rows[r] = x_.row(first + std::min(r, count - 1));
            to_lanes_.template operator()<w>(rows, job_.d, across, x_lanes_.get());
        }
    }

    static Doubles pairs(V v) {
        if constexpr (sizeof(T) == 8) {
            return v;
        } else {
            Vec<T, w / 2> half[2];
            std::memcpy(half, &v, sizeof(v));
            return __builtin_convertvector(half[0] + half[1], Doubles);
        }
    }

    // Labels of the rows of a panel, which are then added to the sums. Returns w |x - c_label|^2, summed lane by lane.
    template <bool Weighted>
    V panel(Index first, Index count, const T* weights, AssignSums<T>& sums) {
        alignas(64) Id label[width], old[width];
        alignas(64) T nearest[width];
        alignas(64) unsigned char differs[width];
        distances(nearest);
        choose<!Weighted>(nearest, label);
        unsigned char any = 0;
        for (int r = 0; r < width; ++r) any |= label[r] < one_ || label[r] >= 2 * one_;
        if (any) decide<!Weighted>(first, count, label, nearest, sums);
        for (int r = 0; r < width; ++r) label[r] &= one_ - 1;
        for (Index r = 0; r < count; ++r) old[r] = job_.labels[first + r];
        for (Index r = count; r < width; ++r) old[r] = label[r];
        Index changed = 0;
        for (int r = 0; r < width; ++r) differs[r] = label[r] != old[r];
        for (int r = 0; r < width; ++r) changed += differs[r];
        if (changed) {
            sums.changed += changed;
            for (Index r = 0; r < count; ++r) job_.labels[first + r] = std::int32_t(label[r]);
            if (job_.with_sums) {
                if (changed > width / 8) add_by_masks<Weighted>(label, old, weights);
                else
                    for (Index r = 0; r < count; ++r)
                        if (differs[r]) add(r, label[r], old[r], Weighted ? weights[r] : T(1), sums);
            }
        }
        if (job_.distances) std::copy_n(nearest, count, job_.distances + first);
        V total = {};
        for (int v = 0; v < across; ++v)
            total += Weighted ? load<V>(nearest + v * w) * load<V>(weights + v * w) : load<V>(nearest + v * w);
        if constexpr (Weighted)
            for (Index r = 0; r < count; ++r) sums.counts.get()[label[r]] += double(weights[r]);
        return total;
    }

    // All squared distances of a panel, and the least of each row.
    void distances(T* nearest) {
        V first[across], x[across][D ? D : 1];
        for (int v = 0; v < across; ++v) {
            first[v] = V{} + std::numeric_limits<T>::infinity();
#pragma GCC unroll 4
            for (int q = 0; q < D; ++q) x[v][q] = load<V>(x_lanes_.get() + q * width + v * w);
        }
        const Index d = D ? D : job_.d;
        const T* c = centers_.get();
        T* to = squares_.get();
        for (Index j = 0; j < job_.k; ++j, c += d, to += width) {
            V a[across] = {};
#pragma GCC unroll 4
            for (Index q = 0; q < d; ++q)
#pragma GCC unroll 4
                for (int v = 0; v < across; ++v) {
                    const V t = (D ? x[v][D ? q : 0] : load<V>(x_lanes_.get() + q * width + v * w)) - c[q];
                    a[v] += t * t;
                }
#pragma GCC unroll 4
            for (int v = 0; v < across; ++v) {
                store(to + v * w, a[v]);
                first[v] = a[v] < first[v] ? a[v] : first[v];
            }
        }
#pragma GCC unroll 4
        for (int v = 0; v < across; ++v) store(nearest + v * w, first[v]);
    }

    // one_ times the number of centroids within rounding of the nearest, plus their indices.
    template <bool Count>
    void choose(const T* nearest, Id* label) {
        V bound[across];
        I code[across] = {};
        for (int v = 0; v < across; ++v) bound[v] = load<V>(nearest + v * w) * (1 + error()) + least();
        const T* a = squares_.get();
        for (Index j = 0; j < job_.k; ++j, a += width) {
            I n = {};
#pragma GCC unroll 4
            for (int v = 0; v < across; ++v) {
                const I here = load<V>(a + v * w) <= bound[v];
                code[v] += here & (I{} + Id(one_ + j));
                if constexpr (Count) n -= here;
            }
            if constexpr (Count) store(counts_.get() + j * w, load<I>(counts_.get() + j * w) + n);
        }
#pragma GCC unroll 4
        for (int v = 0; v < across; ++v) store(label + v * w, code[v]);
    }
    T error() const { return T(2 * (job_.d + 4)) * std::numeric_limits<T>::epsilon(); }
    T least() const { return T(job_.d) * std::numeric_limits<T>::min() * error(); }

    // Rows that rounding leaves open.
    template <bool Count>
    void decide(Index first, Index count, Id* label, T* nearest, AssignSums<T>& sums) {
        for (Index r = 0; r < width; ++r) {
            if (label[r] >= one_ && label[r] < 2 * one_) continue;
            if constexpr (Count) {
                const T bound = nearest[r] * (1 + error()) + least();
                for (Index j = 0; j < job_.k; ++j)
                    if (squares_.get()[j * width + r] <= bound) counts_.get()[j * w] -= 1;
            }
            const Index i = first + std::min(r, count - 1);
            const Index j = exact_nearest(x_.row(i), job_.centers, job_.k, job_.d);
            label[r] = Id(one_ + j), nearest[r] = squares_.get()[j * width + r];
            if constexpr (Count) counts_.get()[j * w] += 1;
            sums.rechecked += r < count;
        }
    }

    void add(Index r, Index label, Index old, T weight, AssignSums<T>& sums) {
        const auto to = [&](Index j, T by) {
            for (Index q = 0; q < job_.d; ++q)
                sums.s.get()[j * job_.d + q] += (x_lanes_.get()[q * width + r] - job_.center(j)[q]) * by;
            sums.moved.get()[j] += double(by);
        };
        to(label, weight);
        if (old >= 0) to(old, -weight);
    }

    template <bool Weighted>
    void add_by_masks(const Id* label, const Id* old, const T* weights) {
        for (Index j = 0; j < job_.k; ++j) {
            V by[across], whole = {};
            Doubles moved = load<Doubles>(moved_.get() + j * w);
            for (int v = 0; v < across; ++v) {
                const V weight = Weighted ? load<V>(weights + v * w) : V{} + 1;
                by[v] = load<I>(label + v * w) == Id(j) ? weight : V{};
                by[v] = load<I>(old + v * w) == Id(j) ? by[v] - weight : by[v];
                if constexpr (Weighted) moved += pairs(by[v]);
                else whole += by[v];
            }
            moved += pairs(whole);
            store(moved_.get() + j * w, moved);
            for (Index q = 0; q < job_.d; ++q) {
                T* to = sums_.get() + (j * job_.d + q) * w;
                V s = load<V>(to);
                for (int v = 0; v < across; ++v) {
                    const V t = load<V>(x_lanes_.get() + q * width + v * w) - job_.center(j)[q];
                    s += by[v] * (by[v] != V{} ? t : V{});
                }
                store(to, s);
            }
        }
    }

    // What is in lanes goes to the sums of the chunk.
    void flush(AssignSums<T>& sums) {
        for (Index j = 0; j < job_.k; ++j)
            for (int l = 0; l < w; ++l) {
                sums.counts.get()[j] += double(counts_.get()[j * w + l]);
                sums.moved.get()[j] += moved_.get()[j * w + l];
            }
        for (Index i = 0; job_.with_sums && i < job_.k * job_.d; ++i) sums.s.get()[i] += sum_lanes<T>(load<V>(sums_.get() + i * w));
        sums_.zero(), moved_.zero(), counts_.zero();
    }

    static constexpr Id one_ = 1 << 16;

    Matrix<const T> x_;
    const Assignment<T>& job_;
    ToLanes<T, T> to_lanes_;
    Buffer<T> centers_, x_lanes_, rows_, squares_, sums_;  // sums_, moved_, counts_: a number per lane
    Buffer<double> moved_;
    Buffer<Id> counts_;
};

template <class T>
bool few(const Dense<T>& source, const Assignment<T>& job) {
    return job.search && !job.lower && job.k * job.d <= few_terms<T> && source.matrix().col_stride == 1;
}

// The sums of a pass over few clusters and columns, in `fold_with(make_worker)`.
template <class T, class F>
auto with_few_worker(const Dense<T>& source, const Assignment<T>& job, F fold_with) {
    const Matrix<const T>& x = source.matrix();
    const auto make = [&](auto columns) { return [&, columns] { return FewWorker<T, columns()>(x, job); }; };
    switch (x.row_stride == job.d ? job.d : 0) {
        case 1: return fold_with(make(std::integral_constant<int, 1>{}));
        case 2: return fold_with(make(std::integral_constant<int, 2>{}));
        case 3: return fold_with(make(std::integral_constant<int, 3>{}));
        case 4: return fold_with(make(std::integral_constant<int, 4>{}));
        default: return fold_with(make(std::integral_constant<int, 0>{}));
    }
}

}  // namespace gramfold
