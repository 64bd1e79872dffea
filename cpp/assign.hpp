// One pass of k-means over the rows of a dense X: labels, sums, counts and inertia in one read.
//
//     label = argmin_j |x - c_j|    sums_j += w (x - c_j),  counts_j += w,  inertia += w |x - c_label|^2
//
// Lloyd 1982. Scores are found in S, which may be narrower than the data: where the two best are closer than their
// rounding, the row's distances are computed in double from the differences, and of equal ones the first wins. So a
// label is that of a float64 computation, and depends on its row alone.
// With `lower` (one number a row: no other centroid is nearer than this), a row whose own centroid is nearer than
// that needs no search (Hamerly 2010); the others are searched side by side as in a pass without it.
// Cost: 2 reads of a cached row and k d FMA per row that is searched.
#pragma once

#include "distance.hpp"
#include "lanes.hpp"
#include "rows/argmin.hpp"

namespace gramfold {

// What a pass reads and overwrites besides X; pointers may be null where that is said.
template <class T>
struct Assignment {
    Index k, d;
    const T *centers, *weights;  // weights: null for ones
    std::int32_t* labels;
    T* lower;              // rows, or null
    const double* moved;   // k: how far each centroid went since `lower` was found; or null: search every row
    T* distances;          // rows, squared, or null
    bool search, with_sums;

    T weight(Index i) const { return weights ? weights[i] : T(1); }
    const T* center(Index j) const { return centers + j * d; }
};

// The two largest moves: a row's bound falls by the largest of the centroids that are not its own.
struct Moves {
    double largest = 0, second = 0;
    Index which = -1;

    Moves(const double* moved, Index k) {
        for (Index j = 0; moved && j < k; ++j) {
            if (moved[j] > largest) second = largest, largest = moved[j], which = j;
            else second = std::max(second, moved[j]);
        }
    }
    double of_others(Index label) const { return label == which ? second : largest; }
};

template <class T>
struct AssignSums {
    Buffer<T> s;
    Buffer<double> counts;
    double inertia = 0;
    Index changed = 0, searched = 0, rechecked = 0;

    AssignSums(Index size, Index k) : s(size), counts(k) { clear(); }
    void clear() {
        s.zero(), counts.zero();
        inertia = 0, changed = searched = rechecked = 0;
    }
    AssignSums& operator+=(const AssignSums& o) {
        for (Index i = 0; i < s.size(); ++i) s.get()[i] += o.s.get()[i];
        for (Index i = 0; i < counts.size(); ++i) counts.get()[i] += o.counts.get()[i];
        inertia += o.inertia, changed += o.changed, searched += o.searched, rechecked += o.rechecked;
        return *this;
    }
};

// A chunk is one call of the worker, so that rows left over by one block are searched with those of the next.
inline Plan assign_plan(Index rows, double work) {
    const Index length = std::clamp<Index>(rows / 256, 256, 1024), chunks = rows / length;
    return {rows, std::max<Index>(1, rows), std::max<Index>(1, chunks >= 16 ? chunks / 16 * 16 : chunks / 2 * 2), work};
}

// The nearest centroid by distances in double, and the root of the second least one.
struct Exact {
    Index label = 0;
    double second = std::numeric_limits<double>::infinity();
};

template <class T>
Exact exact_nearest(const T* x, const T* centers, Index k, Index d) {
    Exact found;
    double first = std::numeric_limits<double>::infinity(), second = first;
    for (Index j = 0; j < k; ++j) {
        const double a = exact_distance(x, centers + j * d, d, second);
        if (a < first) second = first, first = a, found.label = j;
        else second = std::min(second, a);
    }
    found.second = std::sqrt(second);
    return found;
}

template <class T, class S>
class AssignWorker {
  public:
    static constexpr Index width = panel_rows<S>;

    AssignWorker(Matrix<const T> x, const Assignment<T>& job, const Centroids<S>& centroids, const Moves& moves)
        : x_(x), job_(job), centroids_(centroids), moves_(moves), to_lanes_(centroids.shift(), centroids.scale()),
          panels_(std::clamp<Index>(block_bytes / 2 / (width * job.d * Index(sizeof(S))), 1, 8)),
          rows_(static_cast<std::size_t>(panels_ * width)), pending_(rows_.size()),
          packed_(panels_ * width * job.d), nearest_(static_cast<std::size_t>(panels_)),
          copy_(x.col_stride == 1 ? 0 : panels_ * width * job.d) {}

    void operator()(Index first, Index count, AssignSums<T>& sums) {
        const Index most = panels_ * width, end = first + count;
        for (Index begin = first; begin < end; begin += most) {
            const Index block = std::min(most, end - begin);
            open(begin, block);
            for (Index i = begin; i < begin + block; ++i) {
                if (keeps(i, sums)) continue;
                pending_[std::size_t(waiting_)] = i;
                rows_[std::size_t(waiting_)] = row(i);
                if (++waiting_ == most) search(sums);
            }
            if (copy_.size()) search(sums);
        }
        search(sums);
        flush(sums);
    }

  private:
    const T* row(Index i) const { return copy_.size() ? copy_.get() + (i - opened_) * job_.d : x_.row(i); }

    void open(Index begin, Index count) {
        opened_ = begin;
        if (!copy_.size()) return;
        if (x_.row_stride == 1) return columns(begin, count);
        for (Index r = 0; r < count; ++r)
            for (Index q = 0; q < job_.d; ++q) copy_.get()[r * job_.d + q] = x_(begin + r, q);
    }
    void columns(Index begin, Index count) {
        if (x_.col_stride >= 0) return transpose(job_.d, count, x_.row(begin), x_.col_stride, copy_.get(), job_.d);
        for (Index q = 0; q < job_.d; ++q)
            for (Index r = 0; r < count; ++r) copy_.get()[r * job_.d + q] = x_(begin + r, q);
    }

    // Whether row i stays where it is without a search; it is added to the sums then.
    bool keeps(Index i, AssignSums<T>& sums) {
        const Index label = job_.labels[i];
        if (!job_.search) {
            add(i, row(i), label, sums);
            return true;
        }
        if (!job_.moved || label < 0) return false;
        constexpr double slack = 16 * double(std::numeric_limits<T>::epsilon());
        const double low = double(job_.lower[i]) - moves_.of_others(label);
        job_.lower[i] = T(low * (low > 0 ? 1 - slack : 1 + slack));
        if (!(low > 0)) return false;
        const double own = distance(row(i), job_.center(label), job_.d).sum();
        const double rounding = double(job_.d + 8) * double(std::numeric_limits<T>::epsilon());
        if (!(own * (1 + rounding) < low * low * (1 - 4 * slack))) return false;
        add(i, row(i), label, sums);
        return true;
    }

    void search(AssignSums<T>& sums) {
        if (!waiting_) return;
        const Index panels = (waiting_ + width - 1) / width;
        std::fill(rows_.begin() + waiting_, rows_.begin() + panels * width, rows_[0]);
        for (Index p = 0; p < panels; ++p)
            to_lanes_.template operator()<lanes<S>>(rows_.data() + p * width, job_.d, panel_vectors,
                                                    packed_.get() + p * width * job_.d);
        const T* next = rows_[std::size_t(waiting_ - 1)] + job_.d;
        centroids_.search(packed_.get(), panels, nearest_.data(), reinterpret_cast<const char*>(next));
        for (Index p = 0; p < panels; ++p) settle(p, std::min(width, waiting_ - p * width), sums);
        sums.searched += waiting_;
        waiting_ = 0;
    }

    void settle(Index panel, Index count, AssignSums<T>& sums) {
        using V = Vec<S>;
        const S* x = packed_.get() + panel * width * job_.d;
        V norms[panel_vectors] = {};
        for (Index q = 0; q < job_.d; ++q)
#pragma GCC unroll 4
            for (int v = 0; v < panel_vectors; ++v) {
                const V a = load<V>(x + q * width + v * lanes<S>);
                norms[v] += a * a;
            }
        S norm2[width];
        for (int v = 0; v < panel_vectors; ++v) store(norm2 + v * lanes<S>, norms[v]);
        const Nearest<S>& nearest = nearest_[std::size_t(panel)];
        for (Index r = 0; r < count; ++r) {
            const auto at = std::size_t(panel * width + r);
            const Index i = pending_[at];
            const double error = centroids_.error(std::sqrt(double(norm2[r])));
            Index label = Index(nearest.index[r]);
            const double gap = double(nearest.second[r]) - double(nearest.first[r]);
            double second = 0;
            if (gap > 2 * error) {
                if (job_.lower) {
                    const double square = double(norm2[r]) * (1 - error_of_norm()) + 2 * (double(nearest.second[r]) - error);
                    second = std::sqrt(std::max(0.0, square)) / centroids_.scale();
                }
            } else {
                const Exact exact = exact_nearest(rows_[at], job_.centers, job_.k, job_.d);
                label = exact.label, second = exact.second;
                ++sums.rechecked;
            }
            if (job_.lower) job_.lower[i] = T(second * (1 - 8 * double(std::numeric_limits<T>::epsilon())));
            sums.changed += label != job_.labels[i];
            job_.labels[i] = std::int32_t(label);
            add(i, rows_[at], label, sums);
        }
    }
    double error_of_norm() const { return double(job_.d + 4) * double(std::numeric_limits<S>::epsilon()); }

    void add(Index i, const T* x, Index label, AssignSums<T>& sums) {
        const T weight = job_.weight(i), *c = job_.center(label);
        const auto squares = job_.with_sums ? add_difference(x, c, job_.d, weight, sums.s.get() + label * job_.d)
                                            : distance(x, c, job_.d);
        sums.counts.get()[label] += double(weight);
        if (job_.distances) job_.distances[i] = T(squares.sum());
        squares_.lanes_ += squares.lanes_ * weight;
        squares_.tail += squares.tail * weight;
        if (++gathered_ == 8) flush(sums);
    }

    void flush(AssignSums<T>& sums) {
        sums.inertia += squares_.sum();
        squares_ = {};
        gathered_ = 0;
    }

    Matrix<const T> x_;
    const Assignment<T>& job_;
    const Centroids<S>& centroids_;
    const Moves& moves_;
    ToLanes<T, S> to_lanes_;
    Index panels_, waiting_ = 0, opened_ = 0;
    int gathered_ = 0;
    std::vector<const T*> rows_;
    std::vector<Index> pending_;
    Buffer<S> packed_;
    std::vector<Nearest<S>> nearest_;
    Buffer<T> copy_;
    Squares<T> squares_;
};

// `sums`, if not null, (k x d) is overwritten with the weighted sums of the rows of each cluster.
template <class S, class T>
std::unique_ptr<AssignSums<T>> assign(const Dense<T>& source, const Assignment<T>& job, double* sums, const Run& run) {
    const Centroids<S> centroids(job.centers, job.k, job.d);
    const Moves moves(job.moved, job.k);
    const double work = double(source.rows()) * double(job.d) * double(job.k);
    auto total = fold(
        assign_plan(source.rows(), work), run,
        [&] { return std::make_unique<AssignSums<T>>(job.with_sums ? job.k * job.d : 0, job.k); },
        [&] { return AssignWorker<T, S>(source.matrix(), job, centroids, moves); });
    for (Index j = 0; sums && j < job.k; ++j)
        for (Index q = 0; q < job.d; ++q)
            sums[j * job.d + q] = double(total->s.get()[j * job.d + q]) + total->counts.get()[j] * double(job.center(j)[q]);
    return total;
}

}  // namespace gramfold
