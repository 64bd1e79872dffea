// What is known of rows after some groups of centroids have been searched.
#pragma once

#include "kmeans/argmin.hpp"

namespace gramfold {

// One row: its norm, how far a score may be off, the least two scores, where the least one is, the second one of its
// group, and the least one of the centroids that went far.
template <class S>
struct FoundRow {
    static constexpr S infinity = std::numeric_limits<S>::infinity();
    S norm = 0, error = 0, first = infinity, second = infinity, within = infinity, far = infinity;
    Index place = 0, group = 0;

    // What the score of a centroid is not above that may be the nearest one.
    S highest() const { return first + error * S(2); }

    // Whether another centroid may be the nearest one.
    bool is_undecided() const { return !(second - first > error * S(2)); }
};

// The rows of a panel: their norms, how far a score may be off, the least two scores, where the least one is, and the
// second one of its group.
template <class S>
struct Found {
    static constexpr Index width = panel_rows<S>;
    using Id = typename Nearest<S>::Id;
    using V = Vec<S>;
    using J = Vec<Id>;
    static constexpr int w = lanes<S>;

    alignas(64) S norm[width], error[width], first[width], second[width], within[width];
    alignas(64) Id place[width], group[width];

    // x: depth x width
    void begin(const S* x, Index depth, const Centroids<S>& centroids) {
        V norms[panel_vectors] = {};
        for (Index q = 0; q < depth; ++q)
#pragma GCC unroll 4
            for (int v = 0; v < panel_vectors; ++v) {
                const V a = load<V>(x + q * width + v * w);
                norms[v] += a * a;
            }
        const S slope = S(centroids.slope()), longest = S(centroids.longest());
        for (int v = 0; v < panel_vectors; ++v) {
            store(norm + v * w, norms[v]);
            store(error + v * w, (root_above(norms[v]) + longest) * slope);
        }
        clear();
    }

    void begin(const S* norms, const S* errors) {
        std::copy_n(norms, width, norm);
        std::copy_n(errors, width, error);
        clear();
    }

    void clear() {
        std::fill_n(first, width, std::numeric_limits<S>::infinity());
        std::fill_n(second, width, std::numeric_limits<S>::infinity());
        std::fill_n(within, width, std::numeric_limits<S>::infinity());
        std::fill_n(place, width, Id(0));
        std::fill_n(group, width, Id(0));
    }

    void merge(const Nearest<S>& nearest, Index of_group) {
        const J now = J{} + Id(of_group);
        for (int v = 0; v < width; v += w) {
            const V a = load<V>(nearest.first + v), b = load<V>(nearest.second + v);
            const V best = load<V>(first + v), next = load<V>(second + v);
            const V farther = a > best ? a : best, nearer = farther < b ? farther : b;
            store(second + v, nearer < next ? nearer : next);
            store(within + v, a < best ? b : load<V>(within + v));
            store(place + v, a < best ? load<J>(nearest.index + v) : load<J>(place + v));
            store(group + v, a < best ? now : load<J>(group + v));
            store(first + v, a < best ? a : best);
        }
    }

    FoundRow<S> row(Index r, S far) const {
        return {norm[r], error[r], first[r], second[r], within[r], far, Index(place[r]), Index(group[r])};
    }

    // Of row r alone, whose groups are searched one by one.
    void merge(const Nearest<S>& nearest, Index r, Index of_group, FoundRow<S>& to) const {
        const S a = nearest.first[r], b = nearest.second[r];
        to.norm = norm[r], to.error = error[r];
        to.second = std::min(to.second, std::min(b, std::max(a, to.first)));
        if (!(a < to.first)) return;
        to.first = a, to.within = b, to.place = Index(nearest.index[r]), to.group = of_group;
    }

    // How near, at least, the centroids are whose scores these are, as little as they may be.
    void nearness(const S* scores, Index depth, S* out) const {
        const S norm_error = S(score_error<S>(depth) * 2);
        for (int v = 0; v < width; v += w) {
            const V square = load<V>(norm + v) * (1 - norm_error) + (load<V>(scores + v) - load<V>(error + v)) * S(2);
            store(out + v, root_above(square > V{} ? square : V{}));
        }
    }
};

}  // namespace gramfold
