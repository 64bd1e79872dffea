// The Gram matrix: G += W'W for a block of rows, the upper triangle, in bands of rows of G.
//
// W is read where it lies: as the broadcast side along its rows, as the vector side across them. A wide one, of which
// each number that is read lies on another page, is first copied in panels, and the broadcast side band by band.
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
        : n_(n), width_(width), g_row_(g_row), part_(std::is_same_v<T, double> ? 0 : band * width),
          panels_(n >= wide ? depth * width : 0), band_(n >= wide ? depth * band : 0) {}

    // w: up to `depth` rows, w_row apart; g: n x n, to whose upper triangle they are added; what is below it means
    // nothing.
    void add(const T* w, Index w_row, Index count, double* g) {
        if (panels_.size()) pack(count, width_, w, w_row, 1, width_, panels_.get());
        for (Index i = 0; i < n_; i += band) {
            const Index rows = std::min(band, n_ - i);
            if (panels_.size()) {
                const Index first = i / panel * panel;
                for (Index r = 0; r < count; ++r) std::copy_n(w + r * w_row + i, rows, band_.get() + r * band);
                add_band(rows, width_ - first, count, band_.get(), band, panels_.get() + first * count, packed,
                         g + i * g_row_ + first);
            } else {
                add_band(rows, width_ - i, count, w + i, w_row, w + i, w_row, g + i * g_row_ + i);
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
    static constexpr Index band = 24, panel = 2 * lanes<T>, wide = 256;

    void add_band(Index rows, Index cols, Index count, const T* a, Index a_row, const T* b, Index b_row, double* to) {
        if constexpr (std::is_same_v<T, double>) {
            product(rows, cols, count, a, 1, a_row, b, b_row, to, g_row_, true);
        } else {
            product(rows, cols, count, a, 1, a_row, b, b_row, part_.get(), cols, false);
            for (Index r = 0; r < rows; ++r)
                for (Index c = 0; c < cols; ++c) to[r * g_row_ + c] += double(part_.get()[r * cols + c]);
        }
    }

    Index n_, width_, g_row_;
    Buffer<T> part_, panels_, band_;
};

}  // namespace gramfold
