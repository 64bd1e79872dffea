// What the passes of k-means share: their arguments, groups of centroids and how far they moved, their sums.
#pragma once

#include "fold/fold.hpp"
#include "kmeans/distance.hpp"

#include <cstdint>
#include <numeric>

namespace gramfold {

// What a pass reads and overwrites besides X; pointers may be null where that is said.
template <class T>
struct Assignment {
    Index k, d;
    const T *centers, *weights;  // weights: null for ones
    std::int32_t* labels;
    T* lower;  // rows x n_groups: no other centroid of the group is nearer than this; or null
    T* upper;  // rows: the row's own centroid is no farther than this; goes with lower; or null
    Index n_groups;
    const std::int64_t* order;  // k: the centroids, group by group, all groups as good as equally large; or null
    const double* moved;        // k: how far each centroid went since `lower` was found; or null: search every row
    Index n_far;                // how many of those that went farthest are searched apart
    bool look;     // whether the distance of a row to its own centroid is looked at before others are searched
    bool loose;    // whether bounds may be as loose as products of bytes leave them
    T* distances;  // rows, squared, or null
    bool search, with_sums;

    T weight(Index i) const { return weights ? weights[i] : T(1); }
    const T* center(Index j) const { return centers + j * d; }
};

// How far the centroids of each group went: the farthest one, and the farthest but that one.
template <class T>
struct Moves {
    std::vector<T> farthest, second;
    std::vector<Index> mover;

    explicit Moves(Index n_groups) : farthest(std::size_t(n_groups)), second(farthest), mover(farthest.size(), -1) {}

    void count(std::size_t g, Index j, T move) {
        if (move > farthest[g] || mover[g] < 0) second[g] = farthest[g], farthest[g] = move, mover[g] = j;
        else second[g] = std::max(second[g], move);
    }
    T of_others(std::size_t g, Index label) const { return mover[g] == label ? second[g] : farthest[g]; }
};

// The groups that may have a centroid nearer than a row's own, and how many.
template <class T>
struct Near {
    std::uint64_t searched;
    Index count;
    T at_most;  // a bound of the row's own group, for what went far and is not searched
};

// Centroids in groups, each a stretch of `order`. A row needs no search in a group if its bound there, less the
// farthest move in the group, is beyond its own centroid (Yinyang k-means, Ding et al. 2015). The few centroids that
// went farthest leave their groups for one pass and make up the last one, so that a row whose bounds allow for all
// other moves is searched among these few only.
template <class T>
struct Groups {
    std::vector<Index> order, starts;  // n + 2: the groups, and the far ones behind them
    std::vector<Index> of, place;      // of each centroid: its group, and where it is searched
    std::vector<char> has_far;
    std::vector<T> moves;  // of each centroid
    Moves<T> all, rest;    // of all centroids of a group, and of those that stay there

    Groups(const std::int64_t* given, Index n_groups, const double* moved, Index n_far, Index k)
        : starts{0}, of(std::size_t(k)), place(std::size_t(k)), has_far(std::size_t(n_groups)), moves(std::size_t(k)),
          all(n_groups), rest(n_groups) {
        std::vector<Index> by_move = place, last;
        std::iota(by_move.begin(), by_move.end(), Index(0));
        if (n_far)
            std::stable_sort(by_move.begin(), by_move.end(), [&](Index a, Index b) { return moved[a] > moved[b]; });
        for (Index i = 0; i < n_far; ++i) place[std::size_t(by_move[std::size_t(i)])] = n_groups;
        for (Index g = 0; g < n_groups; ++g) {
            for (Index i = k * g / n_groups; i < k * (g + 1) / n_groups; ++i) {
                const Index j = given ? Index(given[i]) : i;
                const T move = moved ? T(moved[j] * (1 + 2 * double(std::numeric_limits<T>::epsilon()))) : T(0);
                const bool stays = place[std::size_t(j)] == 0;
                of[std::size_t(j)] = g, moves[std::size_t(j)] = move;
                all.count(std::size_t(g), j, move);
                if (stays) rest.count(std::size_t(g), j, move), order.push_back(j), place[std::size_t(j)] = g;
                else last.push_back(j), has_far[std::size_t(g)] = 1;
            }
            starts.push_back(Index(order.size()));
        }
        order.insert(order.end(), last.begin(), last.end());
        starts.push_back(k);
    }

    // Without the last one.
    Index size() const { return Index(has_far.size()); }

    // Whether the row's own centroid is nearer than all others, of however many groups, by bounds alone: these then
    // allow for the moves.
    bool stay(T* upper, T* lower, Index label, T below) const {
        const auto mine = std::size_t(of[std::size_t(label)]);
        const T own = (*upper + moves[std::size_t(label)]) * (1 + 4 * std::numeric_limits<T>::epsilon());
        T low[64];
        bool beyond = true;
        for (Index g = 0; g < size(); ++g) low[g] = (lower[g] - all.farthest[std::size_t(g)]) * below;
        low[mine] = (lower[mine] - all.of_others(mine, label)) * below;
        for (Index g = 0; g < size(); ++g) beyond &= low[g] > own;
        if (!beyond) return false;
        *upper = own;
        std::copy_n(low, size(), lower);
        return true;
    }

    // Allows for the moves; for those that went far only if they are not to be searched.
    Near<T> near(T* lower, Index label, T own, T below) const {
        const Index n = size();
        const auto mine = std::size_t(of[std::size_t(label)]);
        const T *moves_of_all = all.farthest.data(), *moves_of_rest = rest.farthest.data();
        const T own_all = (lower[mine] - all.of_others(mine, label)) * below;
        const T own_rest = (lower[mine] - rest.of_others(mine, label)) * below;
        T without_far[64];
        int nearer = 0;
        for (Index g = 0; g < n; ++g) {
            without_far[g] = (lower[g] - moves_of_rest[g]) * below;
            lower[g] = (lower[g] - moves_of_all[g]) * below;
        }
        without_far[mine] = own_rest, lower[mine] = own_all;
        for (Index g = 0; g < n; ++g) nearer += !(lower[g] > own);
        Near<T> near{0, 0, std::numeric_limits<T>::infinity()};
        if (!nearer) return near;
        bool far = false;
        for (Index g = 0; g < n; ++g) {
            if (!(without_far[g] > own)) near.searched |= std::uint64_t(1) << g, ++near.count;
            far |= has_far[std::size_t(g)] && !(lower[g] > own);
        }
        if (!far) {
            if (has_far[mine]) near.at_most = lower[mine];
            return near;
        }
        std::copy_n(without_far, n, lower);
        near.searched |= std::uint64_t(1) << n;
        return near;
    }

    Index length(Index g) const { return starts[std::size_t(g + 1)] - starts[std::size_t(g)]; }
};

template <class T>
struct AssignSums {
    Buffer<T> s;                   // sums of w (x - c) over the rows that came, less those that went
    Buffer<double> counts, moved;  // weights of all rows, and of those that came less those that went
    double inertia = 0;            // of rows that were read
    double gained = 0;  // with `upper`, by rows that changed their cluster: w (|x - c_new|^2 - |x - c_old|^2)
    Index changed = 0, searched = 0, rechecked = 0;  // searched: rows times centroids

    AssignSums(Index size, Index k) : s(size), counts(k), moved(k) { clear(); }
    void clear() {
        s.zero(), counts.zero(), moved.zero();
        inertia = gained = 0, changed = searched = rechecked = 0;
    }
    AssignSums& operator+=(const AssignSums& o) {
        s += o.s, counts += o.counts, moved += o.moved;
        inertia += o.inertia, gained += o.gained, changed += o.changed, searched += o.searched,
            rechecked += o.rechecked;
        return *this;
    }
};

// A chunk is one call of the worker, so that rows left over by one block are searched with those of the next.
inline Plan assign_plan(Index rows, double work) {
    const Index length = std::clamp<Index>(rows / 32, 256, 4096), chunks = rows / length;
    return {rows, std::max<Index>(1, rows), std::max<Index>(1, chunks >= 16 ? chunks / 16 * 16 : chunks / 2 * 2), work};
}

}  // namespace gramfold
