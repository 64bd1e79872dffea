// One pass of k-means over the rows of a dense X: labels, sums, counts and inertia in one read.
//
//     label = argmin_j |x - c_j|    sums_j += w x,  counts_j += w,  inertia += w |x - c_label|^2
//
// Only rows that change their cluster are added to and taken from the sums, as w (x - c_j): nothing large is added up.
// Lloyd 1982. Scores are found in S, which may be narrower than the data: where the two best are closer than their
// rounding, the row's distances are computed in double from the differences, and of equal ones the first wins. So a
// label is that of a float64 computation, and depends on its row alone. Where products of 16-bit integers are faster,
// they have a first look, and only rows that it leaves open are searched in S.
// With `lower` (rows x groups of centroids: no other centroid of the group is nearer than this), a row is searched in
// its own group, those that may be nearer than its centroid, and among the centroids that went far; or not at all.
// Rows wait until there are enough to be searched side by side; who needs most groups is packed once for all of them.
// Cost: 2 reads of a cached row and k d FMA per row that is searched among all.
#pragma once

#include "kmeans/bounds.hpp"
#include "kmeans/few.hpp"
#include "kmeans/kept.hpp"

namespace gramfold {

template <class T, class S>
class AssignWorker {
  public:
    AssignWorker(const Rows<T>& x, const Assignment<T>& job, const Centroids<S>& centroids,
                 const CoarseCentroids<S>& coarse, const Groups<T>& groups)
        : kept_(x), x_(x), converted_(x.convert && x.col_stride == 1), job_(job), centroids_(centroids),
          coarse_(coarse), groups_(groups), bounds_(job, centroids, groups),
          most_pending_(coarse.on() && job.moved ? std::clamp<Index>((Index{1} << 20) / job.d, 64, 4096) : 0),
          search_(centroids, coarse, most_pending_), all_(search_.most()), open_(2 * search_.most()),
          waiting_(std::size_t(groups.size() + 1)), copy_(x.col_stride == 1 ? 0 : search_.most() * job.d) {}

    void operator()(Index first, Index count, AssignSums<T>& sums) {
        const Index most = search_.most(), end = first + count;
        looked_ = left_open_ = 0;
        for (Index begin = first; begin < end; begin += most) {
            const Index block = std::min(most, end - begin);
            open(begin, block);
            for (Index i = begin; i < begin + block; ++i) sort(i, sums);
            if (copy_.size()) finish(sums);
        }
        finish(sums);
    }

  private:
    using Row = SearchedRow<T, S>;

    // Rows that wait for a search of all groups.
    struct Queue {
        std::vector<Index> at;
        std::vector<const T*> rows;
        Index size = 0;

        explicit Queue(Index most) : at(std::size_t(most)), rows(at.size()) {}
        // Whether it is full then.
        bool push(Index i, const T* x) {
            at[std::size_t(size)] = i, rows[std::size_t(size)] = x;
            return ++size == Index(at.size());
        }
    };

    // It stays where it is until it is released.
    const T* row(Index i) {
        if (converted_) return kept_.row(i);
        return copy_.size() ? copy_.get() + (i - opened_) * job_.d : x_.row(i);
    }
    void release(const T* row) {
        if (converted_) kept_.release(row);
    }

    void open(Index begin, Index count) {
        opened_ = begin;
        if (!copy_.size()) return;
        x_.open(begin, count);
        if (x_.row_stride == 1 && x_.col_stride >= 0)
            return transpose(job_.d, count, x_.row(begin), x_.col_stride, copy_.get(), job_.d);
        for (Index r = 0; r < count; ++r)
            for (Index q = 0; q < job_.d; ++q) copy_.get()[r * job_.d + q] = x_(begin + r, q);
    }

    // Where row i must wait for its search, if it does not stay where it is; then it is in the sums already.
    void sort(Index i, AssignSums<T>& sums) {
        const Index label = job_.labels[i];
        const T* x = row(i);
        if (!job_.search) return keep(i, x, label, distance(x, job_.center(label), job_.d), sums);
        if (!job_.moved || label < 0) return wait_for_all(i, x, sums);
        read_ahead(i);
        const Squares<T> squares = distance(x, job_.center(label), job_.d);
        const T own =
            T(std::sqrt(squares.sum() * (1 + own_error())) * (1 + 4 * double(std::numeric_limits<T>::epsilon())));
        const Near<T> near = groups_.near(job_.lower + i * groups_.size(), label, own, T(bounds_.below));
        if (!near.searched) return keep(i, x, label, squares, sums);
        if (2 * near.count >= groups_.size()) return wait_for_all(i, x, sums);
        const std::uint64_t searched = near.searched | std::uint64_t(1) << groups_.place[std::size_t(label)];
        if (pending_.empty()) look_at_groups_ = look_pays();
        wait_for_groups({i, x, searched, near.at_most});
        if (look_at_groups_ && pending_.size() % lanes<S> == 0) round_pending();
        if (Index(pending_.size()) == most_pending_) search_groups(sums);
    }
    // While rows are in the cache, some at a time.
    void round_pending() {
        const Index total = Index(pending_.size()), first = (total - 1) / lanes<S> * lanes<S>;
        search_.round(search_.most() + first, total - first,
                      [&](Index r) { return pending_[std::size_t(first + r)].x; });
    }
    void wait_for_groups(const Row& row) {
        for (std::uint64_t left = row.searched; left; left &= left - 1)
            waiting_[std::size_t(__builtin_ctzll(left))].push_back(Index(pending_.size()));
        pending_.push_back(row);
    }
    void read_ahead(Index i) const {
        if (copy_.size() || converted_) return;
        const char* next = reinterpret_cast<const char*>(x_.row(i)) + 8 * x_.row_stride * Index(sizeof(T));
        for (Index line = 0; line < std::min<Index>(64, job_.d * Index(sizeof(T)) / 64); ++line)
            __builtin_prefetch(next + 64 * line, 0, 2);
    }
    double own_error() const { return double(job_.d + 8) * double(std::numeric_limits<T>::epsilon()); }

    void keep(Index i, const T* x, Index label, const Squares<T>& squares, AssignSums<T>& sums) {
        release(x);
        const double square = squares.sum(), weight = double(job_.weight(i));
        if (job_.distances) job_.distances[i] = T(square);
        sums.counts.get()[label] += weight;
        sums.inertia += square * weight;
    }

    void wait_for_all(Index i, const T* x, AssignSums<T>& sums) {
        if (all_.push(i, x)) search_all(sums);
    }

    void search_all(AssignSums<T>& sums) {
        if (!all_.size) return;
        sums.searched += all_.size * job_.k;
        if (!look_pays()) return search(all_, false, sums);
        if (open_.size >= search_.most()) search(open_, false, sums);
        const Index open = open_.size;
        looked_ += all_.size;
        search(all_, true, sums);
        left_open_ += open_.size - open;
    }

    // Where a first look leaves too many rows open it is left out in what remains of a chunk.
    bool look_pays() const { return coarse_.on() && left_open_ * 3 <= looked_; }

    void finish(AssignSums<T>& sums) {
        search_all(sums);
        while (open_.size) search(open_, false, sums);
        search_groups(sums);
    }

    // Rows that a first look leaves open wait for the same groups again.
    void search_groups(AssignSums<T>& sums) {
        for (Index g = 0; g <= groups_.size(); ++g)
            sums.searched += Index(waiting_[std::size_t(g)].size()) * groups_.length(g);
        if (look_at_groups_ && pending_.size() % lanes<S> != 0) round_pending();
        for (bool look = look_at_groups_; !pending_.empty(); look = false) {
            for (Index g = 0; g <= groups_.size(); ++g) search_group(g, look);
            for (auto& list : waiting_) list.clear();
            found_rows_.swap(pending_);
            settle(Index(found_rows_.size()), [&](Index r) { return found_rows_[std::size_t(r)]; }, look, sums);
            if (look) looked_ += Index(found_rows_.size()), left_open_ += Index(pending_.size());
            found_rows_.clear();
        }
    }

    // Searches the last rows of a queue, as many as go side by side, among all centroids; or has a first look at them,
    // by which those that it leaves open come into the other queue.
    void search(Queue& queue, bool look, AssignSums<T>& sums) {
        const Index total = std::min(queue.size, search_.most()), n_groups = groups_.size() + 1;
        queue.size -= total;
        const Index* at = queue.at.data() + queue.size;
        const T* const* rows = queue.rows.data() + queue.size;
        const auto row_of = [&](Index r) { return rows[r]; };
        if (look) search_.round(0, total, row_of), search_.pack_rounded(total, [](Index r) { return r; });
        else search_.pack(total, row_of);
        const T* next = rows[total - 1] + job_.d;
        search_.among(0, n_groups, next, total * job_.d,
                      [&](Index begin, Index count, const Nearest<S>* nearest, Found<S>& found) {
                          for (Index g = 0; g < n_groups; ++g) {
                              found.merge(nearest[g], g);
                              bounds_.set(found, nearest[g], g, count, [&](Index r) { return at[begin + r]; });
                          }
                          settle(
                              count,
                              [&](Index r) {
                                  return Row{at[begin + r], rows[begin + r], all_groups_, none_,
                                             found.row(r, nearest[n_groups - 1].first[r])};
                              },
                              look, sums);
                      });
    }

    void search_group(Index g, bool look) {
        const auto& list = waiting_[std::size_t(g)];
        for (Index from = 0; from < Index(list.size()); from += search_.most()) {
            const Index total = std::min(search_.most(), Index(list.size()) - from), *slots = list.data() + from;
            const auto row_of = [&](Index r) -> Row& { return pending_[std::size_t(slots[r])]; };
            if (look) search_.pack_rounded(total, [&](Index r) { return search_.most() + slots[r]; });
            else search_.pack(total, [&](Index r) { return row_of(r).x; });
            search_.among(g, g + 1, row_of(0).x, 0,
                          [&](Index begin, Index count, const Nearest<S>* nearest, Found<S>& found) {
                              bounds_.set(found, *nearest, g, count, [&](Index r) { return row_of(begin + r).at; });
                              for (Index r = 0; r < count; ++r) {
                                  FoundRow<S>& to = row_of(begin + r).found;
                                  found.merge(*nearest, r, g, to);
                                  if (g == groups_.size()) to.far = nearest->first[r];
                              }
                          });
        }
    }

    // Labels of rows that have been searched, which are then added to the sums; but for those a first look leaves open.
    template <class RowOf>
    void settle(Index count, const RowOf& row_of, bool look, AssignSums<T>& sums) {
        const Index together = std::max<Index>(1, 1024 / job_.d);  // rows whose squares are added up in T
        for (Index begin = 0; begin < count; begin += together) {
            Squares<T> squares;
            for (Index r = begin; r < std::min(count, begin + together); ++r) {
                const Row row = row_of(r);
                Index label = centroids_.at(row.found.place);
                const Index old = job_.labels[row.at];
                const bool open = row.found.is_open();
                if (open && look) {
                    if (row.searched == all_groups_) open_.push(row.at, row.x);
                    else wait_for_groups({row.at, row.x, row.searched, row.at_most});
                    continue;
                }
                if (open) label = exact(row, sums);
                else bounds_.set_own(row);
                bounds_.hold(row, old);
                sums.changed += label != old;
                job_.labels[row.at] = std::int32_t(label);
                add(row.at, row.x, label, old, squares, sums);
                release(row.x);
            }
            sums.inertia += squares.sum();
        }
    }

    // The nearest centroid by distances in double, among the groups that have been searched.
    Index exact(const Row& row, AssignSums<T>& sums) {
        double first = std::numeric_limits<double>::infinity(), second = first;
        Index label = centroids_.at(row.found.place);  // of a row of NaN
        ++sums.rechecked;
        for (Index g = 0; g <= groups_.size(); ++g)
            for (Index i = groups_.starts[std::size_t(g)];
                 (row.searched >> g & 1) && i < groups_.starts[std::size_t(g + 1)]; ++i) {
                const Index j = groups_.order[std::size_t(i)];
                const double a = exact_distance(row.x, job_.center(j), job_.d, second);
                if (a < first || (a == first && j < label)) second = first, first = a, label = j;
                else second = std::min(second, a);
            }
        bounds_.set_own(row, groups_.place[std::size_t(label)], std::sqrt(second));
        return label;
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

    static constexpr std::uint64_t all_groups_ = ~std::uint64_t(0);
    static constexpr T none_ = std::numeric_limits<T>::infinity();

    KeptRows<T> kept_;
    RowReader<T> x_;
    bool converted_;  // row by row
    const Assignment<T>& job_;
    const Centroids<S>& centroids_;
    const CoarseCentroids<S>& coarse_;
    const Groups<T>& groups_;
    Bounds<T, S> bounds_;
    Index most_pending_, opened_ = 0;
    Search<T, S> search_;
    Queue all_, open_;                       // open_: rows that a first look has left open
    std::vector<Row> pending_, found_rows_;  // rows that wait for a search of some groups, and have had it
    std::vector<std::vector<Index>> waiting_;
    bool look_at_groups_ = false;       // whether the rows that are pending have a first look
    Index looked_ = 0, left_open_ = 0;  // in this chunk
    Buffer<T> copy_;
};

// `sums`, if not null, (k x d) is overwritten with what the weighted sums of the clusters gained since `labels`.
template <class S, class T>
std::unique_ptr<AssignSums<T>> assign(const Dense<T>& source, const Assignment<T>& job, double* sums, const Run& run) {
    const Groups<T> groups(job.order, job.n_groups, job.moved, job.n_far, job.k);
    const Centroids<S> centroids(job.centers, job.k, job.d, groups.order, groups.starts);
    const CoarseCentroids<S> coarse(centroids);
    const double work = double(source.rows()) * double(job.d) * double(job.k);
    const auto fold_with = [&](auto make_worker) {
        return fold(
            assign_plan(source.rows(), work), run,
            [&] { return std::make_unique<AssignSums<T>>(job.with_sums ? job.k * job.d : 0, job.k); }, make_worker);
    };
    auto total = sizeof(S) <= sizeof(T) && few(source, job)
                     ? with_few_worker(source, job, fold_with)
                     : fold_with([&] { return AssignWorker<T, S>(source.matrix(), job, centroids, coarse, groups); });
    for (Index j = 0; sums && j < job.k; ++j)
        for (Index q = 0; q < job.d; ++q)
            sums[j * job.d + q] =
                double(total->s.get()[j * job.d + q]) + total->moved.get()[j] * double(job.center(j)[q]);
    return total;
}

}  // namespace gramfold
