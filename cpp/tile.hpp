// The one dense product of the library, register-tiled:
//
//     out[i, l]  (+)=  sum over q of  a[i, q] * b[q, l]
//
// b is read in vectors along l, a is broadcast one scalar at a time and may have any strides. That serves
//     project     P  = X F      a = X,   l runs over the components of the packed factor F (features x k)
//     accumulate  S += Z'X      a = Z',  l runs over the columns of X
// and, with the roles of the strides swapped, both again for X stored the other way round.
// An element's sum runs over q in order in one accumulator, so it does not depend on where the element
// falls in a tile: a row gives the same bits alone, in a block, and for any number of threads.
// Cost: rows * cols * depth FMA; a tile of R x 2 vectors does 2R FMA per R + 2 loads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace gramfold {

using Index = std::int64_t;

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64, tile_rows = 12;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32, tile_rows = 6;
#elif defined(__aarch64__)
inline constexpr int vector_bytes = 16, tile_rows = 12;
#else
inline constexpr int vector_bytes = 16, tile_rows = 6;
#endif

template <class T>
inline constexpr int lanes = vector_bytes / int(sizeof(T));

// Factors that are read as vectors are padded with zeros to a multiple of this many components.
template <class T>
inline constexpr int component_pad = lanes<T> >= 4 ? lanes<T> / 4 : 1;

template <class T, int W>
struct VectorOf {
    typedef T type __attribute__((vector_size(W * sizeof(T))));
};
template <class T>
struct VectorOf<T, 1> {
    typedef T type;
};
template <class T, int W = lanes<T>>
using Vec = typename VectorOf<T, W>::type;

template <class V, class T>
inline V load(const T* p) {
    V v;
    std::memcpy(&v, p, sizeof(V));
    return v;
}
template <class V, class T>
inline void store(T* p, const V& v) {
    std::memcpy(p, &v, sizeof(V));
}

template <class T>
inline T round_up(T n, T multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

namespace tile_detail {

template <class T>
struct Product {
    Index depth;
    const T *a;
    Index a_row, a_depth;
    const T *b;
    Index b_depth;
    T *out;
    Index out_row;
    bool add;
};

template <class T, int W, int NV, int R>
void tile(const Product<T>& p) {
    using V = Vec<T, W>;
    V acc[R][NV] = {};
    const T *a = p.a, *b = p.b;
    for (Index q = 0; q < p.depth; ++q, a += p.a_depth, b += p.b_depth) {
        V bv[NV];
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) bv[v] = load<V>(b + v * W);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const T s = a[r * p.a_row];
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) acc[r][v] += bv[v] * s;
        }
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
void panel(Product<T> p, Index rows) {
    static constexpr auto tiles = tiles_of<T, W, NV>(std::make_integer_sequence<int, tile_rows>{});
    Index left = (rows + tile_rows - 1) / tile_rows;
    for (; rows > 0; --left) {
        const Index r = (rows + left - 1) / left;
        tiles[static_cast<std::size_t>(r - 1)](p);
        p.a += r * p.a_row;
        p.out += r * p.out_row;
        rows -= r;
    }
}

template <class T, int W, int NV>
Index panels(Product<T>& p, Index rows, Index cols) {
    for (; cols >= NV * W; cols -= NV * W) {
        panel<T, W, NV>(p, rows);
        p.b += NV * W;
        p.out += NV * W;
    }
    return cols;
}

}  // namespace tile_detail

// out (rows x cols, row stride out_row) = or += a (rows x depth, strides a_row, a_depth) * b (depth x cols).
template <class T>
void product(Index rows, Index cols, Index depth, const T* a, Index a_row, Index a_depth, const T* b,
             Index b_depth, T* out, Index out_row, bool add) {
    constexpr int w = lanes<T>;
    tile_detail::Product<T> p{depth, a, a_row, a_depth, b, b_depth, out, out_row, add};
    cols = tile_detail::panels<T, w, 2>(p, rows, cols);
    cols = tile_detail::panels<T, w, 1>(p, rows, cols);
    if constexpr (w >= 4) cols = tile_detail::panels<T, w / 2, 1>(p, rows, cols);
    if constexpr (w >= 8) cols = tile_detail::panels<T, w / 4, 1>(p, rows, cols);
    tile_detail::panels<T, 1, 1>(p, rows, cols);
}

}  // namespace gramfold
