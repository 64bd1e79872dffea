// What the passes of k-means share: their arguments, how far centroids moved, their sums.
#pragma once

#include "distance.hpp"
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

// How far the centroids went, the farthest first. A row whose bound allows for the moves of all but the first few needs
// to be searched among these few only; how few is one of some stages.
struct Moves {
    std::vector<Index> order, rank;
    std::vector<Index> tiles;     // of each stage: 0, then doubling up to all
    std::vector<double> beyond;   // the farthest move of the centroids behind these tiles
    double second = 0;            // the farthest move but one

    Moves(const double* moved, Index k) : order(std::size_t(k)), rank(std::size_t(k)), tiles{0} {
        std::iota(order.begin(), order.end(), Index(0));
        if (moved)
            std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return moved[a] > moved[b]; });
        for (Index j = 0; j < k; ++j) rank[std::size_t(order[std::size_t(j)])] = j;
        const Index all = (k + tile_centroids - 1) / tile_centroids;
        for (Index t = all >= 16 ? 2 : 1; moved && t < all; t *= 2) tiles.push_back(t);
        tiles.push_back(all);
        for (Index t : tiles) beyond.push_back(moved && t < all ? moved[order[std::size_t(k * t / all)]] : 0);
        if (moved && k > 1) second = moved[order[1]];
    }
    std::size_t stages() const { return tiles.size(); }
    // The largest move of the centroids that are not the row's own.
    double of_others(Index label) const { return label == order[0] ? second : beyond[0]; }
};

template <class T>
struct AssignSums {
    Buffer<T> s;                   // sums of w (x - c) over the rows that came, less those that went
    Buffer<double> counts, moved;  // weights of all rows, and of those that came less those that went
    double inertia = 0;
    Index changed = 0, searched = 0, rechecked = 0;  // searched: rows times tiles

    AssignSums(Index size, Index k) : s(size), counts(k), moved(k) { clear(); }
    void clear() {
        s.zero(), counts.zero(), moved.zero();
        inertia = 0, changed = searched = rechecked = 0;
    }
    AssignSums& operator+=(const AssignSums& o) {
        for (Index i = 0; i < s.size(); ++i) s.get()[i] += o.s.get()[i];
        for (Index i = 0; i < counts.size(); ++i)
            counts.get()[i] += o.counts.get()[i], moved.get()[i] += o.moved.get()[i];
        inertia += o.inertia, changed += o.changed, searched += o.searched, rechecked += o.rechecked;
        return *this;
    }
};

// A chunk is one call of the worker, so that rows left over by one block are searched with those of the next.
inline Plan assign_plan(Index rows, double work) {
    const Index length = std::clamp<Index>(rows / 128, 256, 4096), chunks = rows / length;
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

}  // namespace gramfold
