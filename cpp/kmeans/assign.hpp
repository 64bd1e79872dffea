// One pass of k-means over the rows of a dense X: labels, sums, counts and inertia in one read.
//
//     label = argmin_j |x - c_j|    sums_j += w x,  counts_j += w,  inertia += w |x - c_label|^2
//
// Lloyd 1982, in three steps:
//   1. Who is searched. With `lower` (rows x groups of centroids: no other centroid of the group is nearer than this) a
//      row is searched in its own group, those that may be nearer than its centroid, and among the centroids that went
//      far; or not at all: with `upper`, which its own centroid is no farther than, it need not even be read. Rows wait
//      until there are enough to be searched side by side.
//   2. Search. Scores are found in S, which may be narrower than the data. Where products of whole
//      numbers are faster, they have a first look, and only rows that it leaves undecided are searched in S.
//   3. Settle and sum. Where the two best scores are closer than their rounding, the row's distances are computed in
//      double from the differences, and of equal ones the first wins: a label is that of a float64 computation, and
//      depends on its row alone. Only rows that change their cluster are added to and taken from the sums, as
//      w (x - c_j): nothing large is added up.
// Cost: 2 reads of a cached row and k d FMA per row that is searched among all.
#pragma once

#include "kmeans/direct.hpp"
#include "kmeans/few.hpp"
#include "kmeans/kept.hpp"
#include "kmeans/settle.hpp"
#include "kmeans/waiting.hpp"

namespace gramfold {

template <class T, class S>
class AssignWorker {
  public:
    AssignWorker(const Rows<T>& x, const Assignment<T>& job, const Searched<S>& centroids, const Groups<T>& groups)
        : job_(job), groups_(groups), stay_(job, groups), settle_one_(job, centroids.whole, groups),
          most_waiting_(centroids.halves.on() ? std::clamp<Index>((Index{1} << 20) / job.d, 64, 4096) : 0),
          most_pending_(job.moved ? most_waiting_ : 0), search_(centroids, most_waiting_, !job.lower || job.loose),
          rows_(x, search_.most()), all_(search_.most()), may_go_(std::size_t(search_.most())),
          pending_(groups.size() + 1, search_.most()), by_bytes_(groups.size() + 1, search_.most() + most_pending_),
          undecided_(groups.size() + 1) {}

    void operator()(Index first, Index count, AssignSums<T>& sums) {
        const Index most = search_.most(), end = first + count;
        looked_ = left_ = {};
        for (Index begin = first; begin < end; begin += most) {
            const Index block = std::min(most, end - begin);
            rows_.open(begin, block);
            if (job_.look || !job_.search) {
                for (Index i = begin; i < begin + block; ++i) sort(i, sums);
            } else {
                const Index found = stay_.those_that_may_go(begin, block, sums.counts.get(), may_go_.data());
                for (Index r = 0; r < found; ++r)
                    wait_for_all(may_go_[std::size_t(r)], rows_.row(may_go_[std::size_t(r)]), sums);
            }
            if (!rows_.stay()) finish(sums);
        }
        finish(sums);
    }

  private:
    using Row = SearchedRow<T, S>;

    void finish(AssignSums<T>& sums) {
        search_all(sums);
        search_groups(sums);
        search_undecided(0, sums);
    }

    // 1. Who is searched.

    // Where row i must wait for its search, if it does not keep its label; then it is in the sums already.
    void sort(Index i, AssignSums<T>& sums) {
        const Index label = job_.labels[i];
        if (stays(i, label, sums)) return;
        const T* x = rows_.row(i);
        if (!job_.search) return keep(i, x, label, distance(x, job_.center(label), job_.d), sums);
        if (!job_.moved || label < 0) return wait_for_all(i, x, sums);
        rows_.read_ahead(i);
        const Squares<T> squares = distance(x, job_.center(label), job_.d);
        const T own = settle_one_.bounds().own(squares);
        if (job_.upper) job_.upper[i] = own;
        const Near<T> near = groups_.near(job_.lower + i * groups_.size(), label, own, T(settle_one_.bounds().below));
        if (!near.searched) return keep(i, x, label, squares, sums);
        if (2 * near.count >= groups_.size()) return wait_for_all(i, x, sums);
        const std::uint64_t searched = near.searched | std::uint64_t(1) << groups_.place[std::size_t(label)];
        if (!pending_.size()) look_at_groups_ = look();
        pending_.push({i, x, searched, near.at_most});
        if (look_at_groups_ != Look::none && pending_.size() % lanes<S> == 0) round_pending();
        if (pending_.size() == most_pending_) search_groups(sums);
    }

    // Whether the row keeps its cluster by its bounds alone, and is not read.
    bool stays(Index i, Index label, AssignSums<T>& sums) {
        if (!job_.moved || !job_.upper || label < 0) return false;
        T* lower = job_.lower + i * groups_.size();
        if (!groups_.stay(job_.upper + i, lower, label, T(settle_one_.bounds().below))) return false;
        sums.counts.get()[label] += double(job_.weight(i));
        return true;
    }

    void keep(Index i, const T* x, Index label, const Squares<T>& squares, AssignSums<T>& sums) {
        rows_.release(x);
        settle_one_.keep(i, label, squares, sums);
    }

    void wait_for_all(Index i, const T* x, AssignSums<T>& sums) {
        if (all_.push(i, x)) search_all(sums);
    }

    // Where a first look leaves too much to be searched again it is left out in what remains of a chunk.
    bool pays(Look look) const {
        const auto i = std::size_t(look);
        return search_.has(look) && 3 * left_[i] <= looked_[i];
    }
    Look look() const {
        if ((!job_.lower || job_.loose) && pays(Look::bytes)) return Look::bytes;
        return pays(Look::halves) ? Look::halves : Look::none;
    }

    // 2. Search.

    void search_all(AssignSums<T>& sums) {
        if (!all_.size) return;
        sums.searched += all_.size * job_.k;
        const Look by = look();
        if (by != Look::none) looked_[std::size_t(by)] += all_.size * job_.k;
        search_among_all(by, sums);
        search_undecided(most_waiting_, sums);
    }

    // Searches the rows of all_, or has a first look at them.
    void search_among_all(Look look, AssignSums<T>& sums) {
        const Index total = std::exchange(all_.size, 0), n_groups = groups_.size() + 1;
        const Index* at = all_.at.data();
        const T* const* rows = all_.rows.data();
        const auto row_of = [&](Index r) { return rows[r]; };
        if (look == Look::none) search_.pack(total, row_of);
        else search_.round(look, 0, total, row_of), search_.pack_rounded(look, total, [](Index r) { return r; });
        const T* next = rows[total - 1] + job_.d;
        search_.among(0, n_groups, next, total * job_.d,
                      [&](Index begin, Index count, const Nearest<S>* nearest, Found<S>& found) {
                          for (Index g = 0; g < n_groups; ++g) {
                              found.merge(nearest[g], g);
                              settle_one_.bounds().set(found, nearest[g], g, count,
                                                       [&](Index r) { return at[begin + r]; });
                          }
                          const auto row = [&](Index r) {
                              return Row{at[begin + r], rows[begin + r], all_groups_, none_,
                                         found.row(r, nearest[n_groups - 1].first[r])};
                          };
                          const auto may_have = [&](const Row& of, Index r, Index g) {
                              return !(nearest[g].first[r] > of.found.highest());
                          };
                          settle(count, row, look, may_have, sums);
                      });
    }

    // Rows that a first look leaves undecided wait for those groups again that may have the nearest centroid.
    void search_groups(AssignSums<T>& sums) {
        for (Index g = 0; g <= groups_.size(); ++g)
            sums.searched += Index(pending_.lists[std::size_t(g)].size()) * groups_.length(g);
        if (look_at_groups_ != Look::none && pending_.size() % lanes<S> != 0) round_pending();
        search_each(pending_, look_at_groups_, sums);
        search_undecided(most_waiting_, sums);
    }

    // Of so many rows or more.
    void search_undecided(Index least, AssignSums<T>& sums) {
        if (by_bytes_.size() && by_bytes_.size() >= least) {
            const Look by = pays(Look::halves) ? Look::halves : Look::none;
            if (by != Look::none)
                search_.round(by, by_bytes_.slot, by_bytes_.size(),
                              [&](Index r) { return by_bytes_.rows[std::size_t(r)].x; });
            search_each(by_bytes_, by, sums);
        }
        if (undecided_.size() >= least) search_each(undecided_, Look::none, sums);
    }

    // The rows of a queue, each in its groups.
    void search_each(GroupQueue<T, S>& queue, Look look, AssignSums<T>& sums) {
        if (!queue.size()) return;
        for (const Row& row : queue.rows)
            if (look != Look::none) looked_[std::size_t(look)] += length(row.searched);
        for (Index g = 0; g <= groups_.size(); ++g) search_group(queue, g, look);
        queue.take(found_rows_);
        const auto row = [&](Index r) { return found_rows_[std::size_t(r)]; };
        const auto may_have = [&](const Row& of, Index, Index g) {
            return !job_.lower || settle_one_.bounds().may_have_nearest(of, g);
        };
        settle(Index(found_rows_.size()), row, look, may_have, sums);
        found_rows_.clear();
    }

    void search_group(GroupQueue<T, S>& queue, Index g, Look look) {
        const auto& list = queue.lists[std::size_t(g)];
        for (Index from = 0; from < Index(list.size()); from += search_.most()) {
            const Index total = std::min(search_.most(), Index(list.size()) - from), *slots = list.data() + from;
            const auto row_of = [&](Index r) -> Row& { return queue.rows[std::size_t(slots[r])]; };
            if (look == Look::none) search_.pack(total, [&](Index r) { return row_of(r).x; });
            else search_.pack_rounded(look, total, [&](Index r) { return queue.slot + slots[r]; });
            search_.among(
                g, g + 1, row_of(0).x, 0, [&](Index begin, Index count, const Nearest<S>* nearest, Found<S>& found) {
                    settle_one_.bounds().set(found, *nearest, g, count, [&](Index r) { return row_of(begin + r).at; });
                    for (Index r = 0; r < count; ++r) {
                        FoundRow<S>& to = row_of(begin + r).found;
                        found.merge(*nearest, r, g, to);
                        if (g == groups_.size()) to.far = nearest->first[r];
                    }
                });
        }
    }

    // Rounds the last rows for a first look, while they are in the cache.
    void round_pending() {
        const Index total = pending_.size(), first = (total - 1) / lanes<S> * lanes<S>;
        search_.round(look_at_groups_, pending_.slot + first, total - first,
                      [&](Index r) { return pending_.rows[std::size_t(first + r)].x; });
    }

    // 3. Settle and sum.

    // But for rows that a first look leaves undecided: these wait for the groups g for which may_have(row, r, g), and
    // for what went far, of which other groups must know how near it is.
    template <class RowOf, class MayHave>
    void settle(Index count, const RowOf& row_of, Look look, const MayHave& may_have, AssignSums<T>& sums) {
        const Index together = std::max<Index>(1, 1024 / job_.d);  // rows whose squares are added up in T
        for (Index begin = 0; begin < count; begin += together) {
            Squares<T> squares;
            for (Index r = begin; r < std::min(count, begin + together); ++r) {
                const Row row = row_of(r);
                if (look != Look::none && row.found.is_undecided()) {
                    Row again{row.at, row.x, 0, row.at_most};
                    for (Index g = 0; g <= groups_.size(); ++g)
                        if ((row.searched >> g & 1) && groups_.length(g) &&
                            (g == groups_.size() || may_have(row, r, g)))
                            again.searched |= std::uint64_t(1) << g;
                    left_[std::size_t(look)] += length(again.searched);
                    (look == Look::bytes ? by_bytes_ : undecided_).push(again);
                } else {
                    settle_one_(row, squares, sums);
                    rows_.release(row.x);
                }
            }
            sums.inertia += squares.sum();
        }
    }

    // How many centroids some groups have.
    Index length(std::uint64_t groups) const {
        Index total = 0;
        for (; groups; groups &= groups - 1) total += groups_.length(__builtin_ctzll(groups));
        return total;
    }

    static constexpr std::uint64_t all_groups_ = ~std::uint64_t(0);
    static constexpr T none_ = std::numeric_limits<T>::infinity();

    const Assignment<T>& job_;
    const Groups<T>& groups_;
    const Stay<T> stay_;
    Settler<T, S> settle_one_;
    Index most_waiting_, most_pending_;
    Search<T, S> search_;
    RowsAtHand<T> rows_;
    Queue<T> all_;
    std::vector<Index> may_go_;
    GroupQueue<T, S> pending_, by_bytes_, undecided_;  // whom bytes, or halves, leave undecided
    std::vector<Row> found_rows_;                      // of a queue, when its groups have been searched
    Look look_at_groups_ = Look::none;                 // that the rows of pending_ have first
    std::array<Index, 2> looked_{}, left_{};  // in this chunk: centroids that a first look was had at, and that it left
};

// `sums`, if not null, (k x d) is overwritten with what the weighted sums of the clusters gained since `labels`.
template <class S, class T>
std::unique_ptr<AssignSums<T>> assign(const Dense<T>& source, const Assignment<T>& job, double* sums, const Run& run) {
    // Where nothing is known of groups, small ones serve rows that a first look leaves undecided.
    const bool cut = !job.lower && has_coarse<S> && coarse_pays(job.k, job.d);
    const Groups<T> groups(job.order, cut ? std::clamp<Index>((job.k + 15) / 16, 1, 63) : job.n_groups, job.moved,
                           job.n_far, job.k);
    const double work = double(source.rows()) * double(job.d) * double(job.k);
    const auto fold_with = [&](auto make_worker) {
        return fold(
            assign_plan(source.rows(), work), run,
            [&] { return std::make_unique<AssignSums<T>>(job.with_sums ? job.k * job.d : 0, job.k); }, make_worker);
    };
    const auto search = [&] {
        const Searched<S> centroids(job.centers, job.k, job.d, groups.order, groups.starts);
        return fold_with([&] { return AssignWorker<T, S>(source.matrix(), job, centroids, groups); });
    };
    const bool narrow = sizeof(S) <= sizeof(T);
    auto total = narrow && few(source, job) ? with_few_worker(source, job, fold_with)
                 : narrow && direct(job)    ? fold_with([&] { return DirectWorker<T>(source.matrix(), job, groups); })
                                            : search();
    for (Index j = 0; sums && j < job.k; ++j)
        for (Index q = 0; q < job.d; ++q)
            sums[j * job.d + q] =
                double(total->s.get()[j * job.d + q]) + total->moved.get()[j] * double(job.center(j)[q]);
    return total;
}

}  // namespace gramfold
