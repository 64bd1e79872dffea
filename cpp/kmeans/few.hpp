// The pass of k-means for few clusters and columns, all of it in lanes: rows side by side, all their distances at once.
//
//     a_j = |x - c_j|^2 from the differences    label = argmin_j a_j    counts, sums and inertia as in assign.hpp
//
// Distances are known up to a share of themselves. A row with a second centroid within that share of its least
// distance is looked at again in double, so a label is that of a float64 computation, equal ones to the first.
// Cost: k (2 d + 5) vector operations for each `lanes` rows; X is read once.
#pragma once

#include "kmeans/few_sums.hpp"
#include "kmeans/lanes.hpp"

namespace gramfold {

// Beyond so many k d a tile of scores, which needs one FMA where a distance needs two operations, is as fast; measured
// on Zen 4.
template <class T>
inline constexpr Index few_terms = 16 * lanes<T>;

// D: the columns, of rows without gaps; or 0, for any.
template <class T, int D>
class FewWorker {
  public:
    static constexpr int across = FewSums<T>::across, width = FewSums<T>::width;

    FewWorker(const Rows<T>& x, const Assignment<T>& job)
        : x_(x), job_(job), to_lanes_(std::vector<double>(static_cast<std::size_t>(job.d), 0.0), 1.0),
          centers_(job.k * job.d), x_lanes_(width * job.d), rows_(D * width), own_(job, x_lanes_.get()) {
        std::copy_n(job.centers, job.k * job.d, centers_.get());
        // Of equal centroids the first one takes the rows: the others need no second look at every tie.
        for (Index j = 1; j < job.k; ++j)
            for (Index i = 0; i < j; ++i)
                if (std::equal(job.center(i), job.center(i) + job.d, job.center(j)))
                    std::fill_n(centers_.get() + j * job.d, job.d, std::numeric_limits<T>::infinity());
        error_ = T(2 * (job.d + 4)) * std::numeric_limits<T>::epsilon();
        least_ = T(job.d) * std::numeric_limits<T>::min() * error_;
    }

    void operator()(Index first, Index count, AssignSums<T>& sums) {
        const Index end = first + count;
        V inertia = {};
        typename FewSums<T>::Doubles total = {};
        for (; first + width <= end; first += width) {
            read_ahead(first);
            open(first, width);
            inertia = job_.weights ? panel<true>(first, width, job_.weights + first, sums)
                                   : panel<false>(first, width, nullptr, sums);
            total += FewSums<T>::pairs(inertia);
        }
        if (first < end) {
            T weights[width];
            for (Index r = 0; r < width; ++r) weights[r] = first + r < end ? job_.weight(first + r) : T(0);
            open(first, end - first);
            total += FewSums<T>::pairs(panel<true>(first, end - first, weights, sums));
        }
        for (Index l = 0; l < Index(sizeof(total) / sizeof(double)); ++l) sums.inertia += total[l];
        own_.flush(sums);
        sums.searched += count * job_.k;
    }

  private:
    using V = Vec<T>;
    using Id = typename Nearest<T>::Id;
    using I = Vec<Id>;
    static constexpr Index ahead_ = 16;  // panels that are on their way into the cache
    static constexpr int w = lanes<T>;
    using Byte = unsigned char;

    void read_ahead(Index first) const {
        const char* rows = reinterpret_cast<const char*>(x_.row(first + ahead_ * width));
        for (Index line = 0; line < width * job_.d * Index(sizeof(T)); line += 64)
            __builtin_prefetch(rows + line, 0, 2);
        const char* labels = reinterpret_cast<const char*>(job_.labels + first + ahead_ * width);
        for (Index line = 0; line < width * Index(sizeof(*job_.labels)); line += 64)
            __builtin_prefetch(labels + line, 0, 2);
    }

    // Rows first to first + count side by side, the last one again and again behind them.
    void open(Index first, Index count) {
        x_.open(first, count);
        if constexpr (D > 0) {
            const T* rows = x_.row(first);
            if (count < width) {
                for (Index r = 0; r < width; ++r)
                    std::copy_n(x_.row(first + std::min(r, count - 1)), D, rows_.get() + r * D);
                rows = rows_.get();
            }
            for (int v = 0; v < across; ++v)
                columns_to_lanes<T, D>(rows + v * w * D, x_lanes_.get() + v * w, width,
                                       std::make_integer_sequence<int, D>{});
        } else {
            const T* rows[width];
            for (Index r = 0; r < width; ++r) rows[r] = x_.row(first + std::min(r, count - 1));
            to_lanes_.template operator()<w>(rows, job_.d, across, x_lanes_.get());
        }
    }

    // What is known of the rows of a panel, side by side: the nearest centroid, its squared distance, and that of the
    // second one.
    struct Found {
        I at[across];
        V first[across], second[across];
    };

    // Labels of the rows of a panel, which are then added to the sums. Returns w |x - c_label|^2, summed lane by lane.
    template <bool Weighted>
    V panel(Index first, Index count, const T* weights, AssignSums<T>& sums) {
        Found found = find();
        I undecided = {};
        for (int v = 0; v < across; ++v) {
            undecided |= is_undecided(found, v);
            if (!Weighted) undecided |= found.at[v] != old_labels(first + v * w);
        }
        if (Weighted || job_.distances || any(undecided)) {
            Found settled = found;  // `found` itself stays in registers
            settle<Weighted>(first, count, settled, weights, sums);
            found = settled;
        }
        V total = {};
        for (int v = 0; v < across; ++v) total += Weighted ? found.first[v] * load<V>(weights + v * w) : found.first[v];
        if constexpr (!Weighted) own_.count(found.at, sums);
        return total;
    }

    [[gnu::always_inline]] Found find() const {
        Found found = {};
        V x[across][D ? D : 1];
#pragma GCC unroll 4
        for (int v = 0; v < across; ++v) {
            found.first[v] = found.second[v] = V{} + std::numeric_limits<T>::infinity();
#pragma GCC unroll 4
            for (int q = 0; q < D; ++q) x[v][q] = load<V>(x_lanes_.get() + q * width + v * w);
        }
        const Index k = job_.k, d = D ? D : job_.d;
        const T* c = centers_.get();
        for (Index j = 0; j < k; ++j, c += d) {
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
                V &first = found.first[v], &second = found.second[v];
                const V later = a[v] > first ? a[v] : first;
                second = later < second ? later : second;
                found.at[v] = a[v] < first ? I{} + Id(j) : found.at[v];
                first = a[v] < first ? a[v] : first;
            }
        }
        return found;
    }

    // Where the second centroid is within rounding of the first.
    I is_undecided(const Found& found, int v) const {
        return found.second[v] <= found.first[v] * (1 + error_) + least_;
    }

    I old_labels(Index first) const {
        return __builtin_convertvector(load<Vec<std::int32_t, w>>(job_.labels + first), I);
    }

    template <class M>
    static bool any(const M& mask) {
        if constexpr (sizeof(M) > 16) {
            Vec<Id, int(sizeof(M) / sizeof(Id)) / 2> half[2];
            std::memcpy(half, &mask, sizeof(mask));
            return any(half[0] | half[1]);
        } else {
            std::uint64_t words[2];
            std::memcpy(words, &mask, sizeof(mask));
            return words[0] | words[1];
        }
    }

    // Decides rows that are undecided by distances in double, and adds those that change their cluster to the sums.
    template <bool Weighted>
    [[gnu::noinline]] void settle(Index first, Index count, Found& found, const T* weights, AssignSums<T>& sums) {
        alignas(64) Id label[width], old[width], undecided[width];
        alignas(64) T nearest[width];
        alignas(64) Byte look[width];
        for (int v = 0; v < across; ++v) store(label + v * w, found.at[v]), store(nearest + v * w, found.first[v]);
        for (Index r = 0; r < width; ++r) old[r] = r < count ? Id(job_.labels[first + r]) : label[r];
        for (int v = 0; v < across; ++v) {
            const I unsure = is_undecided(found, v), differs = found.at[v] != load<I>(old + v * w);
            store(undecided + v * w, unsure);
            store(look + v * w, __builtin_convertvector(unsure | differs, Vec<Byte, w>));
        }
        Index rows[width], changed = 0;
        const Index rechecked = sums.rechecked;
        each_marked(look, [&](Index r) {
            if (r >= count) return;
            if (undecided[r]) decide(r, first + r, label[r], nearest[r], sums);
            if (label[r] != old[r]) rows[changed++] = r, job_.labels[first + r] = std::int32_t(label[r]);
        });
        if (job_.distances) std::copy_n(nearest, count, job_.distances + first);
        if (Weighted)
            for (Index r = 0; r < count; ++r) sums.counts.get()[label[r]] += double(weights[r]);
        if (sums.rechecked > rechecked)
            for (int v = 0; v < across; ++v)
                found.at[v] = load<I>(label + v * w), found.first[v] = load<V>(nearest + v * w);
        sums.changed += changed;
        if (!job_.with_sums) return;
        if (changed > width / 8) return own_.template add_by_masks<Weighted>(label, old, weights);
        for (Index i = 0; i < changed; ++i)
            own_.add(rows[i], label[rows[i]], old[rows[i]], Weighted ? weights[rows[i]] : T(1), sums);
    }

    // f(r) for each byte that is not 0 but 255.
    template <class F>
    static void each_marked(const Byte* bytes, F f) {
        for (Index at = 0; at < width; at += 8) {
            std::uint64_t eight = 0;
            std::memcpy(&eight, bytes + at, std::min<std::size_t>(8, width));
            for (eight &= 0x0101010101010101; eight; eight &= eight - 1) f(at + __builtin_ctzll(eight) / 8);
        }
    }

    void decide(Index r, Index i, Id& label, T& nearest, AssignSums<T>& sums) const {
        const Index j = exact_nearest(x_.row(i), job_.centers, job_.k, job_.d);
        label = Id(j), nearest = 0;
        for (Index q = 0; q < job_.d; ++q) {
            const T t = x_lanes_.get()[q * width + r] - job_.center(j)[q];
            nearest += t * t;
        }
        ++sums.rechecked;
    }

    RowReader<T> x_;
    const Assignment<T>& job_;
    ToLanes<T, T> to_lanes_;
    Buffer<T> centers_, x_lanes_, rows_;
    FewSums<T> own_;
    T error_, least_;
};

// Labels are counted in bytes, of which 255 is none.
template <class T>
bool few(const Dense<T>& source, const Assignment<T>& job) {
    return job.search && !job.lower && job.k < 255 && job.k * job.d <= few_terms<T> && source.matrix().col_stride == 1;
}

// The sums of a pass over few clusters and columns, in `fold_with(make_worker)`.
template <class T, class F>
auto with_few_worker(const Dense<T>& source, const Assignment<T>& job, F fold_with) {
    const Rows<T>& x = source.matrix();
    const auto make = [&](auto columns) { return [&, columns] { return FewWorker<T, columns()>(x, job); }; };
    switch (x.row_stride == job.d ? job.d : 0) {
        case 1:
            return fold_with(make(std::integral_constant<int, 1>{}));
        case 2:
            return fold_with(make(std::integral_constant<int, 2>{}));
        case 3:
            return fold_with(make(std::integral_constant<int, 3>{}));
        case 4:
            return fold_with(make(std::integral_constant<int, 4>{}));
        default:
            return fold_with(make(std::integral_constant<int, 0>{}));
    }
}

}  // namespace gramfold
