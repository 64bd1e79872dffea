// The one dense product of the library, register-tiled:
//
//     out[i, l]  (+)=  sum over q of  a[i, q] * b[q, l]
//
// b is read in vectors along l, a is broadcast one scalar at a time and may have any strides. That serves
//     project     P  = X F      a = X,   l runs over the components of the packed factor F (features x k)
//     accumulate  S += Z'X      a = Z',  l runs over the columns of X
// and, with the roles of the strides swapped, both again for X stored the other way round.
// The sum runs over q in order, in pieces of depth_piece with one accumulator each, wherever an element falls in a
// tile: a row gives the same bits alone, in a block, and for any number of threads.
// Cost: rows * cols * depth FMA; a tile of R x 2 vectors does 2R FMA per R + 2 loads, with few rows one of R x 4 as
// many per R / 2 + 2. A piece of a panel of b stays in the second-level cache while the rows go by.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <utility>

#include "fold/vectors.hpp"

namespace gramfold {

inline constexpr int few_rows = tile_rows / 3;  // of a tile: so many go with four vectors

namespace tile_detail {

template <class T>
struct Product {
    Index depth;
    const T* a;
    Index a_row, a_depth;
    const T* b;
    Index b_depth;
    T* out;
    Index out_row;
    bool add;
    const char* fetch;  // prefetched at every step of q, with the line `fetch_more` bytes on
    Index fetch_step, fetch_more;
};

template <class T, int W, int NV, int R>
void tile(const Product<T>& p) {
    using V = Vec<T, W>;
    V acc[R][NV] = {};
    // One pointer for three rows, the others by scaled index: all fit in the integer registers.
    const T *a[(R + 2) / 3], *b = p.b;
    for (int r = 0; r < R; r += 3) a[r / 3] = p.a + r * p.a_row;
    const Index step = p.a_row, next = p.a_depth;
    const char* fetch = p.fetch;
    const Index more = p.fetch_more;
    for (Index q = 0; q < p.depth; ++q, b += p.b_depth, fetch += p.fetch_step) {
        __builtin_prefetch(fetch, 0, 2);
        if (more) __builtin_prefetch(fetch + more, 0, 2);
        V bv[NV];
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) bv[v] = load<V>(b + v * W);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const T s = a[r / 3][r % 3 * step];
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) acc[r][v] += bv[v] * s;
        }
#pragma GCC unroll 4
        for (int i = 0; i < (R + 2) / 3; ++i) a[i] += next;
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) {
            T* o = p.out + r * p.out_row + v * W;
            store(o, p.add ? load<V>(o) + acc[r][v] : acc[r][v]);
        }
}

template <class T, int W, int NV, int... R>
constexpr auto tiles_of(std::integer_sequence<int, R...>) {
    return std::array<void (*)(const Product<T>&), sizeof...(R)>{&tile<T, W, NV, R + 1>...};
}

// One panel of NV * W columns: the rows are shared out evenly over the fewest tiles.
template <class T, int W, int NV>
void panel(Product<T>& p, Index rows, Index fetch_tile) {
    constexpr int most = NV > 2 ? few_rows : tile_rows;
    static constexpr auto tiles = tiles_of<T, W, NV>(std::make_integer_sequence<int, most>{});
    for (Index left = (rows + most - 1) / most; rows > 0; --left) {
        const Index r = (rows + left - 1) / left;
        tiles[static_cast<std::size_t>(r - 1)](p);
        p.a += r * p.a_row;
        p.out += r * p.out_row;
        p.fetch += fetch_tile;
        rows -= r;
    }
}

}  // namespace tile_detail

inline constexpr Index depth_piece = 512;

// Calls f(W, NV, first) for panels of up to `most` vectors of W lanes, W and NV known when compiled, that cover `cols`.
template <class T, int most = 2, class F>
void each_panel(Index cols, F f) {
    Index c = 0;
    const auto some = [&](auto w, auto nv) {
        for (; c + w * nv <= cols; c += w * nv) f(w, nv, c);
    };
    constexpr int w = lanes<T>;
    constexpr auto one = std::integral_constant<int, 1>{};
    if constexpr (most > 2) some(std::integral_constant<int, w>{}, std::integral_constant<int, most>{});
    some(std::integral_constant<int, w>{}, std::integral_constant<int, 2>{});
    some(std::integral_constant<int, w>{}, one);
    if constexpr (w >= 4) some(std::integral_constant<int, w / 2>{}, one);
    if constexpr (w >= 8) some(std::integral_constant<int, w / 4>{}, one);
    some(one, one);
}

// A stride that says: in panels, one behind the other, as product() goes through them.
inline constexpr Index packed = std::numeric_limits<Index>::min();

// What a product brings into the second-level cache for the next one, a line per step of q: the lines that follow
// `lines`, or those `ahead` of b's.
struct Fetch {
    const void* lines = nullptr;
    Index ahead = 0;
};

// As each_panel, of up to four vectors where all rows go in one tile.
template <class T, class F>
void each_panel_of(Index rows, Index cols, F f) {
    if (rows <= few_rows) each_panel<T, 4>(cols, f);
    else each_panel<T>(cols, f);
}

// out (rows x cols, row stride out_row) = or += a (rows x depth, strides a_row, a_depth) * b (depth x cols).
// b has contiguous rows with stride b_depth, or comes from pack() and b_depth is `packed`. So may out be, for unpack().
template <class T>
void product(Index rows, Index cols, Index depth, const T* a, Index a_row, Index a_depth, const T* b, Index b_depth,
             T* out, Index out_row, bool add, Fetch fetch = {}) {
    const char* lines = static_cast<const char*>(fetch.lines);
    const Index fetched =
        lines && tile_rows * sizeof(T) > 64 && cols <= 2 * lanes<T> ? 128 : 64;  // one panel has to bring all lines
    for (Index q = 0; q < depth || q == 0; q += depth_piece) {
        const Index piece = std::min(depth_piece, depth - q);
        const auto one = [&](auto w, auto nv, Index c) {
            const T* panel_b = b_depth == packed ? b + q * cols + c * piece : b + q * b_depth + c;
            const Index stride = b_depth == packed ? w * nv : b_depth;
            const char* first = lines ? lines : reinterpret_cast<const char*>(panel_b + fetch.ahead);
            const Index step = lines ? fetched : stride * Index(sizeof(T));
            const bool in_panels = out_row == packed;
            tile_detail::Product<T> p{piece,
                                      a + q * a_depth,
                                      a_row,
                                      a_depth,
                                      panel_b,
                                      stride,
                                      out + c * (in_panels ? rows : 1),
                                      in_panels ? w * nv : out_row,
                                      add || q > 0,
                                      first,
                                      step,
                                      fetched - 64};
            tile_detail::panel<T, w, nv>(p, rows, lines ? piece * fetched : fetch.ahead ? 64 : 0);
            if (lines) lines = p.fetch;
        };
        if (b_depth == packed) each_panel<T>(cols, one);
        else each_panel_of<T>(rows, cols, one);
    }
}

// out (cols x rows) = the transpose of what product() left packed in `in` (rows x cols).
template <class T>
void unpack(Index rows, Index cols, const T* in, T* out) {
    each_panel_of<T>(rows, cols, [&](auto w, auto nv, Index c) {
        for (Index r = 0; r < rows; ++r)
            for (Index l = 0; l < w * nv; ++l) out[(c + l) * rows + r] = *in++;
    });
}

// b (depth x cols, any strides) into the order in which product reads it: pieces of depth, in them panels.
template <class T>
void pack(Index depth, Index cols, const T* b, Index b_depth, Index b_col, Index b_cols, T* out) {
    for (Index q = 0; q < depth; q += depth_piece) {
        const Index piece = std::min(depth_piece, depth - q);
        each_panel<T>(cols, [&](auto w, auto nv, Index c) {
            const bool whole = b_col == 1 && c + w * nv <= b_cols;
            for (Index r = 0; r < piece; ++r, out += w * nv) {
                const T* row = b + (q + r) * b_depth;
                if (whole) std::copy_n(row + c, w * nv, out);
                else
                    for (Index l = 0; l < w * nv; ++l) out[l] = c + l < b_cols ? row[(c + l) * b_col] : T(0);
            }
        });
    }
}

// Compiled once, in tile.cpp, and not again for every family.
extern template void product(Index, Index, Index, const float*, Index, Index, const float*, Index, float*, Index, bool,
                             Fetch);
extern template void product(Index, Index, Index, const double*, Index, Index, const double*, Index, double*, Index,
                             bool, Fetch);
extern template void pack(Index, Index, const float*, Index, Index, Index, float*);
extern template void pack(Index, Index, const double*, Index, Index, Index, double*);

}  // namespace gramfold
