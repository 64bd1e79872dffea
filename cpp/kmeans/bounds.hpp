// How near the centroids of each group may be to a row, from what a search has found.
#pragma once

#include "kmeans/assignment.hpp"
#include "kmeans/search.hpp"

namespace gramfold {

template <class T, class S>
class Bounds {
  public:
    using Row = SearchedRow<T, S>;

    // What rounding may have added to a bound.
    static constexpr double below =
        1 - 16 * std::max(double(std::numeric_limits<S>::epsilon()), double(std::numeric_limits<T>::epsilon()));

    Bounds(const Assignment<T>& job, const Centroids<S>& centroids, const Groups<T>& groups)
        : job_(job), centroids_(centroids), groups_(groups) {}

    // How far a row's own centroid may be, with `squares` between them.
    T own(const Squares<T>& squares) const {
        constexpr double epsilon = double(std::numeric_limits<T>::epsilon());
        return T(std::sqrt(squares.sum() * (1 + double(job_.d + 8) * epsilon)) * (1 + 4 * epsilon));
    }

    // Of rows of a panel, in group g.
    template <class At>
    void set(const Found<S>& found, const Nearest<S>& nearest, Index g, Index count, const At& at) {
        if (!job_.lower || g == groups_.size()) return;
        const auto set_all = [&](auto value) {
            for (Index r = 0; r < count; ++r) job_.lower[at(r) * groups_.size() + g] = value(r);
        };
        if (!groups_.length(g)) return set_all([](Index) { return std::numeric_limits<T>::infinity(); });
        if (centroids_.has_copies(g)) return set_all([](Index) { return T(0); });
        found.nearness(nearest.first, job_.d, low_);
        const double unit = below / centroids_.scale();
        set_all([&](Index r) { return T(double(low_[r]) * unit); });
    }

    // Whether a group that was searched may have the nearest centroid of a row.
    bool may_have_nearest(const Row& row, Index g) const {
        const double most = double(row.found.norm) * (1 + 2 * score_error<S>(job_.d)) +
                            2 * (double(row.found.first) + double(row.found.error));
        const double low = double(job_.lower[row.at * groups_.size() + g]) * below * centroids_.scale();
        return !(low * low > most);
    }

    // Of a row whose centroid was found in its scores.
    void set_own(const Row& row) {
        if (job_.lower) set_own(row, row.found.group, nearness(row.found, row.found.within, row.found.group));
    }

    // Of a row whose centroid was found in group g, where all others are at least at a distance of `others`;
    // centroids that went far count in their groups again.
    void set_own(const Row& row, Index g, double others) {
        if (!job_.lower) return;
        const Index n = groups_.size();
        T* lower = job_.lower + row.at * n;
        if (centroids_.has_copies(g)) others = 0;
        if (g < n) lower[g] = T(others * below);
        if (!(row.searched >> n & 1) || !groups_.length(n)) return;
        const T far = T((g == n ? others : nearness(row.found, row.found.far, n)) * below);
        for (Index h = 0; h < n; ++h)
            if (groups_.has_far[std::size_t(h)]) lower[h] = std::min(lower[h], far);
    }

    // Of the group of the row's old centroid, if some of it went far and was not searched.
    void hold(const Row& row, Index old) {
        if (!(row.at_most < std::numeric_limits<T>::infinity())) return;
        T& lower = job_.lower[row.at * groups_.size() + groups_.of[std::size_t(old)]];
        lower = std::min(lower, row.at_most);
    }

  private:
    // How near a centroid with this score, searched in group g, may be.
    double nearness(const FoundRow<S>& row, S score, Index g) const {
        if (centroids_.has_copies(g)) return 0;
        const double square =
            double(row.norm) * (1 - 2 * score_error<S>(job_.d)) + 2 * (double(score) - double(row.error));
        return std::sqrt(std::max(0.0, square)) / centroids_.scale();
    }

    const Assignment<T>& job_;
    const Centroids<S>& centroids_;
    const Groups<T>& groups_;
    alignas(64) S low_[panel_rows<S>];
};

}  // namespace gramfold
