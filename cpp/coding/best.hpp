// The largest of many scores, lane by lane: what a pass over all atoms leaves for the next choice.
#pragma once

#include <array>
#include <limits>

#include "fold/vectors.hpp"

namespace gramfold {

template <class T, int W = lanes<T>>
inline T add_lanes(Vec<T, W> v) {
    if constexpr (W == 1) {
        return v;
    } else {
        Vec<T, W / 2> half[2];
        std::memcpy(half, &v, sizeof(v));
        return add_lanes<T, W / 2>(half[0] + half[1]);
    }
}

template <class T, int W>
inline T least_lane(Vec<T, W> v) {
    if constexpr (W == 1) {
        return v;
    } else {
        Vec<T, W / 2> half[2];
        std::memcpy(half, &v, sizeof(v));
        return least_lane<T, W / 2>(half[0] < half[1] ? half[0] : half[1]);
    }
}

// In each lane the largest score met and the index where, counted in vectors; the first of equal ones.
template <class T>
struct Best {
    using V = Vec<T>;
    using Place = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    using Bits = Vec<Place>;

    V score = V{} - std::numeric_limits<T>::infinity();
    Bits at = {};

    static Best one(V s, Index vector) {
        Best best;
        best.score = s;
        best.at = Bits{} + static_cast<Place>(vector);
        return best;
    }
    void offer(V s, Index vector) {
        const auto larger = s > score;
        score = larger ? s : score;
        at = larger ? Bits{} + static_cast<Place>(vector) : at;
    }
    void merge(const Best& o) {  // o of later vectors
        const auto larger = o.score > score;
        score = larger ? o.score : score;
        at = larger ? o.at : at;
    }
    T most() const { return -least_lane<T, lanes<T>>(-score); }
    Index index(int lane) const { return Index(at[lane]) * lanes<T> + lane; }

    // The least index of score `most`; without a branch, as any lane may have it.
    Index first(T most) const {
        Bits index = at * Place(lanes<T>) + load<Bits>(numbers.data());
        index = score == most ? index : Bits{} + std::numeric_limits<Place>::max();
        return Index(least_lane<Place, lanes<T>>(index));
    }

  private:
    static constexpr std::array<Place, lanes<T>> numbers = [] {
        std::array<Place, lanes<T>> all{};
        for (int i = 0; i < lanes<T>; ++i) all[static_cast<std::size_t>(i)] = Place(i);
        return all;
    }();
};

// f(vectors at once, first vector) over `vectors` vectors, four at a time.
template <class F>
inline void by_four_vectors(Index vectors, F f) {
    Index v = 0;
    for (; v + 4 <= vectors; v += 4) f(std::integral_constant<int, 4>{}, v);
    for (; v < vectors; ++v) f(std::integral_constant<int, 1>{}, v);
}

}  // namespace gramfold
