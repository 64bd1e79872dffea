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
            if (job_.search && !job_.moved) {
                for (Index r = 0; r < block; ++r) pending_[std::size_t(r)] = begin + r, rows_[std::size_t(r)] = row(begin + r);
                waiting_ = block;
            } else {
                for (Index i = begin; i < begin + block; ++i) {
                    if (keeps(i, sums)) continue;
                    pending_[std::size_t(waiting_)] = i;
                    rows_[std::size_t(waiting_)] = row(i);
                    if (++waiting_ == most) search(sums);
                }
            }
            if (copy_.size() || !job_.moved) search(sums);
        }
        search(sums);
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
            keep(i, label, sums);
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
        keep(i, label, sums);
        return true;
    }

    void keep(Index i, Index label, AssignSums<T>& sums) {
        Squares<T> squares;
        add(i, row(i), label, squares, sums);
        sums.inertia += squares.sum();
    }

    void search(AssignSums<T>& sums) {
        if (!waiting_) return;
        const Index panels = (waiting_ + width - 1) / width;
        std::fill(rows_.begin() + waiting_, rows_.begin() + panels * width, rows_[0]);
        for (Index p = 0; p < panels; ++p)
            to_lanes_.template operator()<lanes<S>>(rows_.data() + p * width, job_.d, panel_vectors,
                                                    packed_.get() + p * width * job_.d);
        const T* next = rows_[std::size_t(waiting_ - 1)] + job_.d;
        centroids_.search(packed_.get(), panels, nearest_.data(), reinterpret_cast<const char*>(next),
                          waiting_ * job_.d * Index(sizeof(T)));
        for (Index p = 0; p < panels; ++p) settle(p, std::min(width, waiting_ - p * width), sums);
        sums.searched += waiting_;
        waiting_ = 0;
    }

    // Labels of the rows of a panel, which are then added to the sums.
    void settle(Index panel, Index count, AssignSums<T>& sums) {
        S low[width];
        typename Nearest<S>::Id sure[width];
        judge(panel, low, sure);
        const Index* at = pending_.data() + panel * width;
        const T* const* rows = rows_.data() + panel * width;
        Index labels[width];
        for (Index r = 0; r < count; ++r) {
            const Index i = at[r];
            labels[r] = Index(nearest_[std::size_t(panel)].index[r]);
            if (!sure[r]) {
                const Exact exact = exact_nearest(rows[r], job_.centers, job_.k, job_.d);
                labels[r] = exact.label, low[r] = S(exact.second * centroids_.scale());
                ++sums.rechecked;
            }
            if (job_.lower) job_.lower[i] = T(double(low[r]) * below_ / centroids_.scale());
            sums.changed += labels[r] != job_.labels[i];
            job_.labels[i] = std::int32_t(labels[r]);
        }
        const Index together = std::clamp<Index>(1024 / job_.d, 1, width);  // rows whose squares are added up in T
        for (Index begin = 0; begin < count; begin += together) {
            Squares<T> squares;
            for (Index r = begin; r < std::min(count, begin + together); ++r)
                add(at[r], rows[r], labels[r], squares, sums);
            sums.inertia += squares.sum();
        }
    }

    // Whether the best centroid of a row is beyond doubt, and how near another one may at least be.
    void judge(Index panel, S* low, typename Nearest<S>::Id* sure) const {
        using V = Vec<S>;
        constexpr int w = lanes<S>;
        const S* x = packed_.get() + panel * width * job_.d;
        const Nearest<S>& nearest = nearest_[std::size_t(panel)];
        V norms[panel_vectors] = {};
        for (Index q = 0; q < job_.d; ++q)
#pragma GCC unroll 4
            for (int v = 0; v < panel_vectors; ++v) {
                const V a = load<V>(x + q * width + v * w);
                norms[v] += a * a;
            }
        const S slope = S(centroids_.slope()), longest = S(centroids_.longest());
        const S squares_error = S(score_error<S>(job_.d) * 2);
        for (int v = 0; v < panel_vectors; ++v) {
            const V first = load<V>(nearest.first + v * w), second = load<V>(nearest.second + v * w);
            const V error = (root_above(norms[v]) + longest) * slope;
            store(sure + v * w, second - first > error * S(2));
            if (!job_.lower) continue;
            const V square = norms[v] * (1 - squares_error) + (second - error) * S(2);
            store(low + v * w, root_above(square > V{} ? square : V{}));
        }
    }

    void add(Index i, const T* x, Index label, Squares<T>& total, AssignSums<T>& sums) {
        const T weight = job_.weight(i), *c = job_.center(label);
        const auto squares = job_.with_sums ? add_difference(x, c, job_.d, weight, sums.s.get() + label * job_.d)
                                            : distance(x, c, job_.d);
        sums.counts.get()[label] += double(weight);
        if (job_.distances) job_.distances[i] = T(squares.sum());
        total.lanes_ += squares.lanes_ * weight;
        total.tail += squares.tail * weight;
    }

    // What rounding may have added to a bound.
    static constexpr double below_ = 1 - 16 * std::max(double(std::numeric_limits<S>::epsilon()), double(std::numeric_limits<T>::epsilon()));

    Matrix<const T> x_;
    const Assignment<T>& job_;
    const Centroids<S>& centroids_;
    const Moves& moves_;
    ToLanes<T, S> to_lanes_;
    Index panels_, waiting_ = 0, opened_ = 0;
    std::vector<const T*> rows_;
    std::vector<Index> pending_;
    Buffer<S> packed_;
    std::vector<Nearest<S>> nearest_;
    Buffer<T> copy_;
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
