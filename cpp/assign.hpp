// One pass of k-means over the rows of a dense X: labels, sums, counts and inertia in one read.
//
//     label = argmin_j |x - c_j|    sums_j += w x,  counts_j += w,  inertia += w |x - c_label|^2
//
// Only rows that change their cluster are added to and taken from the sums, as w (x - c_j): nothing large is added up.
// Lloyd 1982. Scores are found in S, which may be narrower than the data: where the two best are closer than their
// rounding, the row's distances are computed in double from the differences, and of equal ones the first wins. So a
// label is that of a float64 computation, and depends on its row alone.
// With `lower` (one number a row: no other centroid is nearer than this), a row whose own centroid is nearer than
// that needs no search (Hamerly 2010). If that holds but for a few centroids that went far, it is searched among
// these; rows of a kind are searched side by side.
// Cost: 2 reads of a cached row and k d FMA per row that is searched.
#pragma once

#include "assignment.hpp"
#include "few.hpp"
#include "lanes.hpp"

namespace gramfold {

template <class T, class S>
class AssignWorker {
  public:
    static constexpr Index width = panel_rows<S>;

    AssignWorker(Matrix<const T> x, const Assignment<T>& job, const Centroids<S>& centroids, const Moves& moves)
        : x_(x), job_(job), centroids_(centroids), moves_(moves), to_lanes_(centroids.shift(), centroids.scale()),
          panels_(std::clamp<Index>(block_bytes / 2 / (width * job.d * Index(sizeof(S))), 1, 8)),
          waiting_(moves.stages(), Waiting(static_cast<std::size_t>(panels_ * width))),
          packed_(panels_ * width * job.d), nearest_(static_cast<std::size_t>(panels_)),
          copy_(x.col_stride == 1 ? 0 : panels_ * width * job.d) {}

    void operator()(Index first, Index count, AssignSums<T>& sums) {
        const Index most = panels_ * width, end = first + count;
        for (Index begin = first; begin < end; begin += most) {
            const Index block = std::min(most, end - begin);
            open(begin, block);
            if (job_.search && !job_.moved) {
                Waiting& list = waiting_.back();
                for (Index r = 0; r < block; ++r)
                    list.at[std::size_t(r)] = begin + r, list.rows[std::size_t(r)] = row(begin + r);
                list.count = block;
                search(waiting_.size() - 1, sums);
                continue;
            }
            for (Index i = begin; i < begin + block; ++i) {
                const std::size_t stage = sort(i, sums);
                if (stage && ++waiting_[stage].count == most) search(stage, sums);
            }
            if (copy_.size()) search_all(sums);
        }
        search_all(sums);
    }

  private:
    // Rows that wait for a search among the tiles of one stage, and what is known of them.
    struct Waiting {
        explicit Waiting(std::size_t n) : at(n), rows(n), own(n), low(n) {}
        std::vector<Index> at;
        std::vector<const T*> rows;
        std::vector<double> own, low;  // squared distance to its centroid; to all behind the tiles, at least
        Index count = 0;
    };

    const T* row(Index i) const { return copy_.size() ? copy_.get() + (i - opened_) * job_.d : x_.row(i); }

    void open(Index begin, Index count) {
        opened_ = begin;
        if (!copy_.size()) return;
        if (x_.row_stride == 1 && x_.col_stride >= 0)
            return transpose(job_.d, count, x_.row(begin), x_.col_stride, copy_.get(), job_.d);
        for (Index r = 0; r < count; ++r)
            for (Index q = 0; q < job_.d; ++q) copy_.get()[r * job_.d + q] = x_(begin + r, q);
    }

    // The stage that row i must wait for; 0 if it stays where it is without a search, and is in the sums already.
    std::size_t sort(Index i, AssignSums<T>& sums) {
        const std::size_t last = moves_.stages() - 1;
        const Index label = job_.labels[i];
        if (!job_.search) return keep(i, label, distance(row(i), job_.center(label), job_.d), sums);
        std::size_t stage = last;
        double own = 0, low = 0;
        if (job_.moved && label >= 0) {
            const double bound = double(job_.lower[i]);
            read_ahead(i);
            const Squares<T> squares = distance(row(i), job_.center(label), job_.d);
            own = squares.sum();
            const double room = bound * below_ - std::sqrt(own * (1 + own_error()));
            if (room > moves_.of_others(label)) {
                job_.lower[i] = T((bound - moves_.of_others(label)) * below_);
                return keep(i, label, squares, sums);
            }
            for (stage = 1; stage < last && !(room > moves_.beyond[stage]);) ++stage;
            low = (bound - moves_.beyond[stage]) * below_;
        }
        Waiting& list = waiting_[stage];
        const auto n = static_cast<std::size_t>(list.count);
        list.at[n] = i, list.rows[n] = row(i), list.own[n] = own, list.low[n] = low;
        return stage;
    }
    void read_ahead(Index i) const {
        if (copy_.size()) return;
        const char* next = reinterpret_cast<const char*>(x_.row(i)) + 8 * x_.row_stride * Index(sizeof(T));
        for (Index line = 0; line < std::min<Index>(64, job_.d * Index(sizeof(T)) / 64); ++line)
            __builtin_prefetch(next + 64 * line, 0, 2);
    }
    double own_error() const { return double(job_.d + 8) * double(std::numeric_limits<T>::epsilon()); }

    std::size_t keep(Index i, Index label, const Squares<T>& squares, AssignSums<T>& sums) {
        const double square = squares.sum(), weight = double(job_.weight(i));
        if (job_.distances) job_.distances[i] = T(square);
        sums.counts.get()[label] += weight;
        sums.inertia += square * weight;
        return 0;
    }

    void search_all(AssignSums<T>& sums) {
        for (std::size_t stage = 1; stage < waiting_.size(); ++stage) search(stage, sums);
    }

    void search(std::size_t stage, AssignSums<T>& sums) {
        Waiting& list = waiting_[stage];
        if (!list.count) return;
        const Index panels = (list.count + width - 1) / width, tiles = moves_.tiles[stage];
        std::fill(list.rows.begin() + list.count, list.rows.begin() + panels * width, list.rows[0]);
        for (Index p = 0; p < panels; ++p)
            to_lanes_.template operator()<lanes<S>>(list.rows.data() + p * width, job_.d, panel_vectors,
                                                    packed_.get() + p * width * job_.d);
        const T* next = list.rows[std::size_t(list.count - 1)] + job_.d;
        centroids_.search(packed_.get(), panels, tiles, nearest_.data(), reinterpret_cast<const char*>(next),
                          list.count * job_.d * Index(sizeof(T)));
        for (Index p = 0; p < panels; ++p) settle(list, stage, p, sums);
        sums.searched += list.count * tiles;
        list.count = 0;
    }

    // Labels of the rows of a panel, which are then added to the sums.
    void settle(const Waiting& list, std::size_t stage, Index panel, AssignSums<T>& sums) {
        const Index count = std::min(width, list.count - panel * width);
        const auto begin = static_cast<std::size_t>(panel * width);
        Verdict verdict;
        judge(panel, verdict);
        Index labels[width], old[width];
        for (Index r = 0; r < count; ++r) {
            const std::size_t n = begin + std::size_t(r);
            const Index i = list.at[n];
            labels[r] = centroids_.at(Index(nearest_[std::size_t(panel)].index[r]));
            if (stage + 1 < moves_.stages()) compare_own(list, stage, n, r, panel, labels[r], verdict);
            if (!verdict.sure[r]) {
                const Exact exact = exact_nearest(list.rows[n], job_.centers, job_.k, job_.d);
                labels[r] = exact.label, verdict.low[r] = S(exact.second * centroids_.scale());
                ++sums.rechecked;
            }
            if (job_.lower) job_.lower[i] = T(double(verdict.low[r]) * below_ / centroids_.scale());
            old[r] = job_.labels[i];
            sums.changed += labels[r] != old[r];
            job_.labels[i] = std::int32_t(labels[r]);
        }
        const Index together = std::clamp<Index>(1024 / job_.d, 1, width);  // rows whose squares are added up in T
        for (Index first = 0; first < count; first += together) {
            Squares<T> squares;
            for (Index r = first; r < std::min(count, first + together); ++r)
                add(list.at[begin + std::size_t(r)], list.rows[begin + std::size_t(r)], labels[r], old[r], squares, sums);
            sums.inertia += squares.sum();
        }
    }

    struct Verdict {
        S low[width], norm[width], error[width];
        typename Nearest<S>::Id sure[width];
    };

    // Among a few centroids only: the row's own one competes with them by its distance, and the others are behind `low`.
    void compare_own(const Waiting& list, std::size_t stage, std::size_t n, Index r, Index panel, Index& label,
                     Verdict& verdict) const {
        const Nearest<S>& nearest = nearest_[std::size_t(panel)];
        const double scale = centroids_.scale(), norm = double(verdict.norm[r]);
        double first = double(nearest.first[r]), second = double(nearest.second[r]), error = double(verdict.error[r]);
        const Index own = job_.labels[list.at[n]];
        if (moves_.rank[std::size_t(own)] >= centroids_.first(moves_.tiles[stage])) {
            const double square = list.own[n] * scale * scale, score = (square - norm) / 2;
            error += own_error() * square + norm * 2 * score_error<S>(job_.d);
            if (score < first) second = first, first = score, label = own;
            else second = std::min(second, score);
        }
        verdict.sure[r] = second - first > 2 * error;
        const double square = norm * (1 - 2 * score_error<S>(job_.d)) + 2 * (second - error);
        verdict.low[r] = S(std::min(std::sqrt(std::max(0.0, square)), list.low[n] * scale));
    }

    // Whether the best centroid of a row is beyond doubt, and how near another one may at least be.
    void judge(Index panel, Verdict& verdict) const {
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
            store(verdict.sure + v * w, second - first > error * S(2));
            store(verdict.norm + v * w, norms[v]);
            store(verdict.error + v * w, error);
            if (!job_.lower) continue;
            const V square = norms[v] * (1 - squares_error) + (second - error) * S(2);
            store(verdict.low + v * w, root_above(square > V{} ? square : V{}));
        }
    }

    void add(Index i, const T* x, Index label, Index old, Squares<T>& total, AssignSums<T>& sums) {
        const T weight = job_.weight(i), *c = job_.center(label);
        Squares<T> squares;
        if (job_.with_sums && label != old) {
            squares = add_difference(x, c, job_.d, weight, sums.s.get() + label * job_.d);
            sums.moved.get()[label] += double(weight);
            if (old >= 0) {
                add_difference(x, job_.center(old), job_.d, -weight, sums.s.get() + old * job_.d);
                sums.moved.get()[old] -= double(weight);
            }
        } else {
            squares = distance(x, c, job_.d);
        }
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
    Index panels_, opened_ = 0;
    std::vector<Waiting> waiting_;
    Buffer<S> packed_;
    std::vector<Nearest<S>> nearest_;
    Buffer<T> copy_;
};

// `sums`, if not null, (k x d) is overwritten with what the weighted sums of the clusters gained since `labels`.
template <class S, class T>
std::unique_ptr<AssignSums<T>> assign(const Dense<T>& source, const Assignment<T>& job, double* sums, const Run& run) {
    const Moves moves(job.moved, job.k);
    const Centroids<S> centroids(job.centers, job.k, job.d, moves.order);
    const double work = double(source.rows()) * double(job.d) * double(job.k);
    const auto fold_with = [&](auto make_worker) {
        return fold(
            assign_plan(source.rows(), work), run,
            [&] { return std::make_unique<AssignSums<T>>(job.with_sums ? job.k * job.d : 0, job.k); }, make_worker);
    };
    auto total = sizeof(S) <= sizeof(T) && few(source, job)
                     ? with_few_worker(source, job, fold_with)
                     : fold_with([&] { return AssignWorker<T, S>(source.matrix(), job, centroids, moves); });
    for (Index j = 0; sums && j < job.k; ++j)
        for (Index q = 0; q < job.d; ++q)
            sums[j * job.d + q] = double(total->s.get()[j * job.d + q]) + total->moved.get()[j] * double(job.center(j)[q]);
    return total;
}

}  // namespace gramfold
