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

// What a product brings into the second-level cache for the next one: so many bytes of `lines`, evenly while it runs,
// or those `ahead` of b's.
struct Fetch {
    const void* lines = nullptr;
    Index bytes = 0, ahead = 0;
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
             T* out, Index out_row, bool add, Fetch fetch = {});

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

// Compiled once, in tile.cpp, as product() is.
extern template void pack(Index, Index, const float*, Index, Index, Index, float*);
extern template void pack(Index, Index, const double*, Index, Index, Index, double*);

}  // namespace gramfold
