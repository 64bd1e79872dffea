// Panels: rows side by side, so that vectors run over rows, and the one loop in which a panel meets centroids.
#pragma once

#include "fold/dense.hpp"

namespace gramfold {

// A tile of R centroids and panel_vectors vectors of rows does R * panel_vectors FMA per R + panel_vectors loads. Few
// centroids make short chains of comparisons behind it.
#if defined(__AVX512F__)
inline constexpr int panel_vectors = 3, tile_centroids = 8;
#else
inline constexpr int panel_vectors = 2, tile_centroids = tile_rows;
#endif
template <class S>
inline constexpr int panel_rows = panel_vectors * lanes<S>;

// What is prefetched meanwhile: from `lines` on fetch_lines lines per column, as many as a panel has, and `step` bytes
// further for the next one; 0 for nothing new.
inline constexpr int fetch_lines = (panel_vectors * vector_bytes + 63) / 64;
struct Ahead {
    const char* lines;
    Index step;
};

// step(acc[r][v], rows, centroid) for all columns of a panel x (depth x panel_rows) and R centroids c (depth x R).
template <int R, class A, class S, class C, class Step>
__attribute__((always_inline)) inline void over_columns(A (&acc)[R][panel_vectors], Index depth, const S* x, const C* c,
                                                        Ahead ahead, Step step) {
    using V = Vec<S>;
    constexpr int w = lanes<S>, nv = panel_vectors;
    for (Index q = 0; q < depth; ++q, c += R, x += nv * w, ahead.lines += ahead.step) {
        for (int i = 0; i < fetch_lines; ++i) __builtin_prefetch(ahead.lines + 64 * i, 0, 2);
        V xv[nv];
#pragma GCC unroll 4
        for (int v = 0; v < nv; ++v) xv[v] = load<V>(x + v * w);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < nv; ++v) step(acc[r][v], xv[v], c[r]);
    }
}

}  // namespace gramfold
