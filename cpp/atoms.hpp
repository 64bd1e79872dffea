// The dictionary between passes: block coordinate descent, atom by atom, on the unit ball.
//
//     minimise over D   1/2 tr(D'AD) - tr(D'B),  |d_j| <= 1 (d_j >= 0 if nonneg),   A = Z'Z,  B = Z'X
//     d_j <- project(d_j + (b_j - sum_i A_ji d_i) / A_jj)            Mairal, Bach, Ponce & Sapiro 2010, algorithm 2
//
// An atom with A_jj <= unused is left alone. Cost: k^2 m FMA a sweep. Overwrites D.
#pragma once

#include <cmath>

#include "tile.hpp"

namespace gramfold {

// d, b: k x m, contiguous; a: k x k.
template <class T>
void update_atoms(Index k, Index m, const double* a, const T* b, T* d, bool nonneg, double unused, int sweeps) {
    constexpr Index w = lanes<T>;
    const auto panel = [&](auto width, auto count, Index j, Index at) {
        constexpr int W = decltype(width)::value, N = decltype(count)::value;
        using P = Vec<T, W>;
        P sum[N];
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) sum[n] = load<P>(b + j * m + at + n * W);
        for (Index i = 0; i < k; ++i) {
            const T s = T(a[j * k + i]);
#pragma GCC unroll 4
            for (int n = 0; n < N; ++n) sum[n] -= load<P>(d + i * m + at + n * W) * s;
        }
        const T inverse = T(1 / a[j * k + j]);
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) {
            const P moved = load<P>(d + j * m + at + n * W) + sum[n] * inverse;
            store(d + j * m + at + n * W, nonneg ? (moved < P{} ? P{} : moved) : moved);
        }
    };
    for (int sweep = 0; sweep < sweeps; ++sweep)
        for (Index j = 0; j < k; ++j) {
            if (!(a[j * k + j] > unused)) continue;
            Index c = 0;
            for (; c + 4 * w <= m; c += 4 * w) panel(std::integral_constant<int, int(w)>{}, std::integral_constant<int, 4>{}, j, c);
            for (; c + w <= m; c += w) panel(std::integral_constant<int, int(w)>{}, std::integral_constant<int, 1>{}, j, c);
            for (; c < m; ++c) panel(std::integral_constant<int, 1>{}, std::integral_constant<int, 1>{}, j, c);
            double norm = 0;
            for (Index i = 0; i < m; ++i) norm += double(d[j * m + i]) * double(d[j * m + i]);
            if (norm <= 1) continue;
            const T scale = T(1 / std::sqrt(norm));
            for (Index i = 0; i < m; ++i) d[j * m + i] *= scale;
        }
}

}  // namespace gramfold
