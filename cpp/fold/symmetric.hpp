// The Gram matrix: G += W'W for a block of rows, the upper triangle, in bands of rows of G.
//
// W is read where it lies: as the broadcast side along its rows, as the vector side across them.
// Cost: rows * n * (n + band) / 2 FMA.
#pragma once

#include "fold/dense.hpp"

namespace gramfold {

template <class T>
class Symmetric {
  public:
    static constexpr Index depth = 4 * row_group;  // rows at a time; G passes through the caches once for each

    explicit Symmetric(Index n) : Symmetric(n, n, n) {}

    // Rows of g lie g_row apart, and have room for `width` columns, which w has too: whole vectors of them are faster.
    Symmetric(Index n, Index width, Index g_row)
        : n_(n), width_(width), g_row_(g_row), part_(std::is_same_v<T, double> ? 0 : band * width) {}

    // w: count rows, w_row apart; g: n x n, to whose upper triangle they are added; what is below it means nothing.
    void add(const T* w, Index w_row, Index count, double* g) {
        for (Index i = 0; i < n_; i += band) {
            const Index rows = std::min(band, n_ - i), cols = width_ - i;
            double* to = g + i * g_row_ + i;
            if constexpr (std::is_same_v<T, double>) {
                product(rows, cols, count, w + i, 1, w_row, w + i, w_row, to, g_row_, true);
            } else {
                product(rows, cols, count, w + i, 1, w_row, w + i, w_row, part_.get(), cols, false);
                for (Index r = 0; r < rows; ++r)
                    for (Index c = 0; c < cols; ++c) to[r * g_row_ + c] += double(part_.get()[r * cols + c]);
            }
        }
    }

    // The lower triangle of g becomes that of the upper one.
    static void mirror(double* g, Index n) {
        constexpr Index tile = 32;
        for (Index i = 0; i < n; i += tile)
            for (Index j = 0; j <= i; j += tile)
                for (Index r = i; r < std::min(n, i + tile); ++r)
                    for (Index c = j; c < std::min(r, j + tile); ++c) g[r * n + c] = g[c * n + r];
    }

  private:
    static constexpr Index band = 24;

    Index n_, width_, g_row_;
    Buffer<T> part_;
};

}  // namespace gramfold
