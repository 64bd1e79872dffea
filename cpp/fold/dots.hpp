// The product of one or two components: out (rows x k) = a (rows x depth, contiguous rows) f', f (k x depth).
//
// With so few tile.hpp's broadcast of every entry of a costs more than the products. Here vectors
// run along the depth, the K sums of a row stay in registers, and the lanes of R rows are added up at the end, a
// square of sums at a time. A sum is added up in the same order wherever it falls.
// Cost: rows * depth * k FMA for rows * depth * (1 + k) loads; at the speed of memory if a is not in the cache.
#pragma once

#include "fold/tile.hpp"
#include "fold/transpose.hpp"

namespace gramfold {

// Whether f is packed for, and the product made by, dots(): f stays in the first-level cache. From three components
// on a broadcast serves as many products as a load does here.
template <class T>
constexpr bool few_components(Index k, Index depth) {
    return k <= 2 && depth >= lanes<T> && k * depth * Index(sizeof(T)) <= 16384;
}

namespace dots_detail {

// One row after the other: several at a time would be read from memory at half the speed. The last lanes of a row are
// one more vector that ends with the row; f is 0 where the one before has been.
template <class T, int K, int R>
void tile(Index depth, const T* a, Index a_row, const T* f, T* out, Index out_row, Index out_component) {
    using V = Vec<T>;
    constexpr int w = lanes<T>;
    const Index f_row = round_up<Index>(depth, w);
    V acc[round_up(R * K, w)] = {};
    for (int r = 0; r < R; ++r, a += a_row) {
        V sum[K] = {};
        const auto step = [&](Index at, Index f_at) {
            const V x = load<V>(a + at);
#pragma GCC unroll 2
            for (int t = 0; t < K; ++t) sum[t] += x * load<V>(f + t * f_row + f_at);
        };
        Index c = 0;
        for (; c + w <= depth; c += w) step(c, c);
        if (c < depth) step(depth - w, c);
#pragma GCC unroll 2
        for (int t = 0; t < K; ++t) acc[t * R + r] = sum[t];
    }

    T sums[round_up(R * K, w)];
    for (int s = 0; s < R * K; s += w) {
        V square[w];
#pragma GCC unroll 16
        for (int i = 0; i < w; ++i) square[i] = acc[s + i];
        store(sums + s, totals<T, w>(square));
    }
    for (int t = 0; t < K; ++t)
        if (out_row == 1) std::memcpy(out + t * out_component, sums + t * R, R * sizeof(T));
        else
            for (int r = 0; r < R; ++r) out[r * out_row + t * out_component] = sums[t * R + r];
}

template <class T, int K>
void rows(Index rows, Index depth, const T* a, Index a_row, const T* f, T* out, Index out_row, Index out_component) {
    constexpr int R = (tile_rows >= 12 ? 16 : 8) / K;  // so many sums fit in a square or two
    Index r = 0;
    for (; r + R <= rows; r += R)
        tile<T, K, R>(depth, a + r * a_row, a_row, f, out + r * out_row, out_row, out_component);
    for (; r < rows; ++r) tile<T, K, 1>(depth, a + r * a_row, a_row, f, out + r * out_row, out_row, out_component);
}

}  // namespace dots_detail

// f in the order in which dots() reads it, k x round_up(depth, lanes).
template <class T>
void pack_dots(Index depth, Index k, const T* f, Index f_depth, Index f_component, T* out) {
    constexpr Index w = lanes<T>;
    const Index whole = depth / w * w;
    for (Index t = 0; t < k; ++t) {
        const T* from = f + t * f_component;
        for (Index c = 0; c < whole; ++c) *out++ = from[c * f_depth];
        if (whole == depth) continue;
        for (Index c = depth - w; c < depth; ++c) *out++ = c < whole ? T(0) : from[c * f_depth];
    }
}

// out's rows and its components may lie any way; next to each other, the rows are stored as vectors.
template <class T>
void dots(Index rows, Index k, Index depth, const T* a, Index a_row, const T* f, T* out, Index out_row,
          Index out_component) {
    if (k == 1) dots_detail::rows<T, 1>(rows, depth, a, a_row, f, out, out_row, out_component);
    else dots_detail::rows<T, 2>(rows, depth, a, a_row, f, out, out_row, out_component);
}

// out (rows x kp, the padding 0) = a f for a factor f of k components packed by pack_factor().
template <class T>
void times_factor(Index rows, Index k, Index kp, Index depth, const T* a, Index a_row, const T* f, T* out,
                  Index out_row, Fetch fetch = {}) {
    if (!few_components<T>(k, depth))
        return product(rows, kp, depth, a, a_row, 1, f, packed, out, out_row, false, fetch);
    dots(rows, k, depth, a, a_row, f, out, out_row, 1);
    for (Index r = 0; r < rows && k < kp; ++r) std::fill(out + r * out_row + k, out + r * out_row + kp, T(0));
}

// f (depth x k) for times_factor(); room for kp round_up(depth, lanes) entries.
template <class T>
void pack_factor(Index depth, Index k, Index kp, const T* f, Index f_depth, Index f_component, T* out) {
    if (few_components<T>(k, depth)) pack_dots(depth, k, f, f_depth, f_component, out);
    else pack(depth, kp, f, f_depth, f_component, k, out);
}

}  // namespace gramfold
