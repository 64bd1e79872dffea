// G += W'W for a block of rows, the upper triangle, in bands of rows of G.
//
// The block is laid out twice: transposed (columns contiguous along the depth) as the broadcast side, and packed
// in panels as the vector side. A band of the first stays in the second-level cache, a panel of the other in the first.
// Cost: rows * n * (n + band) / 2 FMA.
#pragma once

#include "dense.hpp"

namespace gramfold {

template <class T>
class Symmetric {
  public:
    static constexpr Index depth = 4 * row_group;  // rows at a time; G passes through the caches once for each

    explicit Symmetric(Index n)
        : n_(n), band_(n >= 1024 ? 288 : 96), columns_(n * stride), panels_(n * depth),
          part_(std::is_same_v<T, double> ? 0 : band_ * n) {}

    // w: count x n with row stride w_row; g: n x n, its upper triangle is added to.
    void add(const T* w, Index w_row, Index count, double* g) {
        transpose(count, n_, w, w_row, columns_.get(), stride);
        pack(count, n_, w, w_row, 1, n_, panels_.get());
        for (Index i = 0; i < n_; i += band_) {
            const Index rows = std::min(band_, n_ - i), cols = n_ - i;
            const T *a = columns_.get() + i * stride, *b = panels_.get() + i * count;
            double* to = g + i * n_ + i;
            if constexpr (std::is_same_v<T, double>) {
                product(rows, cols, count, a, stride, 1, b, packed, to, n_, true);
            } else {
                product(rows, cols, count, a, stride, 1, b, packed, part_.get(), cols, false);
                for (Index r = 0; r < rows; ++r)
                    for (Index c = r; c < cols; ++c) to[r * n_ + c] += double(part_.get()[r * cols + c]);
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
    static constexpr Index stride = depth + 16;
    static_assert(depth <= depth_piece);

    Index n_, band_;
    Buffer<T> columns_, panels_, part_;
};

}  // namespace gramfold
