// Squares of N vectors of N lanes, turned or added up within the registers, and transposes made of them.
#pragma once

#include <type_traits>
#include <utility>

#include "fold/vectors.hpp"

namespace gramfold {

namespace transpose_detail {

// Of two vectors of N lanes, taken in runs of S: the even runs of both in turn, and the odd ones.
template <class T, int N, int S, int... I>
struct Runs {
    using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    static constexpr Vec<Bits, N> even = {Bits(I & S ? N + I - S : I)...}, odd = {Bits(I & S ? N + I : I + S)...};
};

template <class T, int N, int S, int... I>
inline void exchange_round(Vec<T, N> (&v)[N], std::integer_sequence<int, I...>) {
    using R = Runs<T, N, S, I...>;
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) {
        if (i & S) continue;
        const auto a = v[i], b = v[i + S];
        v[i] = __builtin_shuffle(a, b, R::even);
        v[i + S] = __builtin_shuffle(a, b, R::odd);
    }
    if constexpr (2 * S < N) exchange_round<T, N, 2 * S>(v, std::integer_sequence<int, I...>{});
}

// v[0] becomes the totals of the N vectors' lanes, by twos.
template <class T, int N, int S, int... I>
inline void add_up(Vec<T, N> (&v)[N], std::integer_sequence<int, I...>) {
    using R = Runs<T, N, S, I...>;
#pragma GCC unroll 16
    for (int i = 0; i < N; i += 2 * S)
        v[i] = __builtin_shuffle(v[i], v[i + S], R::even) + __builtin_shuffle(v[i], v[i + S], R::odd);
    if constexpr (2 * S < N) add_up<T, N, 2 * S>(v, std::integer_sequence<int, I...>{});
}

}  // namespace transpose_detail

// The square's rows become its columns.
template <class T, int N>
inline void transpose_in_place(Vec<T, N> (&v)[N]) {
    transpose_detail::exchange_round<T, N, 1>(v, std::make_integer_sequence<int, N>{});
}

// The totals of the N vectors, lane by lane.
template <class T, int N>
inline Vec<T, N> totals(Vec<T, N> (&v)[N]) {
    transpose_detail::add_up<T, N, 1>(v, std::make_integer_sequence<int, N>{});
    return v[0];
}

template <class T, int N>
inline void transpose_square(const T* in, Index in_row, T* out, Index out_row) {
    Vec<T, N> v[N];
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) v[i] = load<Vec<T, N>>(in + i * in_row);
    transpose_in_place<T, N>(v);
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) store(out + i * out_row, v[i]);
}

// out (cols x rows, row stride out_row) = the transpose of in (rows x cols), in squares of up to N.
template <class T, int N = lanes<T>>
void transpose(Index rows, Index cols, const T* in, Index in_row, T* out, Index out_row) {
    if constexpr (N < 2 || 4 * N < lanes<T>) {
        for (Index c = 0; c < cols; ++c)
            for (Index r = 0; r < rows; ++r) out[c * out_row + r] = in[r * in_row + c];
    } else {
        const Index whole_rows = rows / N * N, whole_cols = cols / N * N;
        for (Index c = 0; c < whole_cols; c += N)
            for (Index r = 0; r < whole_rows; r += N)
                transpose_square<T, N>(in + r * in_row + c, in_row, out + c * out_row + r, out_row);
        if (whole_cols < cols)
            transpose<T, N / 2>(whole_rows, cols - whole_cols, in + whole_cols, in_row, out + whole_cols * out_row,
                                out_row);
        if (whole_rows < rows)
            transpose<T, N / 2>(rows - whole_rows, cols, in + whole_rows * in_row, in_row, out + whole_rows, out_row);
    }
}

}  // namespace gramfold
