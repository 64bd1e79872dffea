// Tiles of centroids and rows in whole numbers, by the instructions that the machine has; what they leave is the same
// by any of them.
#pragma once

#include "kmeans/amx.hpp"
#include "kmeans/argmin.hpp"

namespace gramfold {

// Whether scores of type S have a first look at this level.
#if defined(__AVX512BW__)
template <class S>
inline constexpr bool has_coarse = std::is_same_v<S, float>;
#else
template <class S>
inline constexpr bool has_coarse = false;
#endif

// Where it pays to round rows: in fits of ten iterations on Zen 4, rows of float break even near 32 x 50 and 64 x 24
// columns by centroids, and rows of double lose or gain up to a tenth there. Norms must be known to 1e-2.
inline bool coarse_pays(Index k, Index d) { return k >= 24 && d >= 16 && k * d >= 3072 && d <= Index{1} << 16; }

// How whole numbers lie in words of 32 bits, and how large they may be, those of centroids such that they are two
// signed bytes; `zero` stands for 0 in those of rows.
struct Halves {
    using Whole = std::int16_t;
    static constexpr int in_word = 2, most = 32767, most_of_centroids = 127 * 256 + 127, zero = 0;
    static bool pays(Index k, Index d) { return coarse_pays(k, d); }
};
struct Bytes {
    using Whole = std::uint8_t;
    static constexpr int in_word = 4, most = 127, most_of_centroids = 127, zero = 128;
    // To look again at what they leave, and to round rows twice, costs more than they save below that.
    static bool pays(Index k, Index d) { return d >= 256 && k * d >= Index{1} << 18 && coarse_pays(k, d); }
};

namespace coarse_detail {

struct Scores {
    Index depth;                // in words
    const std::int32_t *c, *x;  // c: depth x R, x: depth x panel_rows
    const std::int32_t* start;  // of the products; of halves 0
    const float *bias, *unit;
    Index first;  // the centroid of c's first column
    Nearest<float>* nearest;
    Ahead ahead;
};

template <class N, int R, class MultiplyAdd>
__attribute__((always_inline)) inline void tile(const Scores& p, MultiplyAdd multiply_add) {
    using V = Vec<float>;
    constexpr int w = lanes<float>, nv = panel_vectors;
    Words acc[R][nv] = {};
    if constexpr (N::zero != 0)
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < nv; ++v) acc[r][v] += p.start[r];
    over_columns<R>(acc, p.depth, p.x, p.c, p.ahead, multiply_add);
    V scores[R][nv];
#pragma GCC unroll 4
    for (int v = 0; v < nv; ++v) {
        const V unit = load<V>(p.unit + v * w);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) scores[r][v] = p.bias[r] - __builtin_convertvector(acc[r][v], V) * unit;
    }
    argmin_detail::keep_least<float, R>(scores, p.first, p.nearest);
}

#if defined(GRAMFOLD_AMX)
// Of the v-th 16 rows, from sums as AMX makes them, with so many centroids.
inline void keep_least(const AmxSums& sums, int v, Index centroids, const Scores& p) {
    using V = Vec<float>;
    using Id = argmin_detail::Least<float>::I;
    Words acc[16];
#pragma GCC unroll 16
    for (int r = 0; r < 16; ++r) acc[r] = load<Words>(sums[r]);
    transpose_in_place<std::int32_t, 16>(acc);
    const V unit = load<V>(p.unit + v * 16);
    argmin_detail::Least<float> least(*p.nearest, v * 16);
    for (Index r = 0; r < centroids; ++r) {
        const V scores = p.bias[r] - __builtin_convertvector(acc[r] + p.start[r], V) * unit;
        least.meet(scores, Id{} + std::int32_t(p.first + r));
    }
    least.keep(*p.nearest, v * 16);
}
#endif

using Tile = void (*)(const Scores&);

#if defined(__AVX512BW__)
struct PairsThenAdd {
    void operator()(Words& a, Words x, std::int32_t c) const {
        a += (Words)_mm512_madd_epi16((__m512i)x, (__m512i)(Words{} + c));
    }
};
struct VnniPairs {
    GRAMFOLD_VNNI void operator()(Words& a, Words x, std::int32_t c) const {
        a = (Words)_mm512_dpwssd_epi32((__m512i)a, (__m512i)x, (__m512i)(Words{} + c));
    }
};
// The same sums as VNNI's, so that who has it and who has not come to the same bits.
struct FoursThenAdd {
    void operator()(Words& a, Words x, std::int32_t c) const {
        const Words low = Words{} + 0x00ff00ff;
        const auto bytes = (__m512i)(Words{} + c), even = _mm512_srai_epi16(_mm512_slli_epi16(bytes, 8), 8);
        a += (Words)_mm512_madd_epi16((__m512i)(x & low), even) +
             (Words)_mm512_madd_epi16((__m512i)((x >> 8) & low), _mm512_srai_epi16(bytes, 8));
    }
};
template <class N, int R>
void plain_tile(const Scores& p) {
    tile<N, R>(p, std::conditional_t<std::is_same_v<N, Bytes>, FoursThenAdd, PairsThenAdd>());
}
template <class N, int R>
GRAMFOLD_VNNI void vnni_tile(const Scores& p) {
    tile<N, R>(p, std::conditional_t<std::is_same_v<N, Bytes>, MultiplyVnni, VnniPairs>());
}

template <class N, int... R>
const Tile* tiles(std::integer_sequence<int, R...>) {
    static constexpr Tile plain[] = {&plain_tile<N, R + 1>...}, vnni[] = {&vnni_tile<N, R + 1>...};
    return has_vnni() ? vnni : plain;
}
#else
template <class N, int... R>
const Tile* tiles(std::integer_sequence<int, R...>) {
    return nullptr;
}
#endif

}  // namespace coarse_detail

}  // namespace gramfold
