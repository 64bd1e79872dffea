// The Gram matrix: G += W'W for a block of rows, the upper triangle, in bands of rows of G.
//
// W is read where it lies: as the broadcast side along its rows, as the vector side across them. A wide one, of which
// each number that is read lies on another page, is first copied in panels, and the broadcast side band by band in
// tiles. Cost: rows * n * (n + band) / 2 FMA.
#pragma once

#include <numeric>

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
        if (panels_.size()) return add_panels(w, w_row, count, g);
        for (Index i = 0; i < n_; i += band)
            add_band(std::min(band, n_ - i), width_ - i, count, w + i, w_row, w + i, w_row, g + i * g_row_ + i);
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
    // Of the broadcast side so many numbers of a row lie together. A band of float stays in the first-level cache
    // beside a panel; one of double does not, and each of its tiles is read on end.
    static constexpr Index lines = sizeof(T) == 4 ? band : tile_rows;
    static constexpr Index piece = std::gcd(lines, panel);  // of columns: what lies together in both

    // A band goes over a panel while that is in the first-level cache. What lies left of the diagonal is left out.
    void add_panels(const T* w, Index w_row, Index count, double* g) {
        fill_panels(w, w_row, count);
        for (Index i = 0; i < n_; i += band) {
            const Index end = std::min(n_, i + band);
            for (Index t = i; t < end; t += lines) fill_lines(t, w, w_row, count, band_.get() + (t - i) * depth);
            for (Index c = i / panel * panel; c < width_; c += panel) {
                const Index cols = std::min(panel, width_ - c), last = std::min(end, c + cols);
                for (Index t = i; t < last; t += lines)
                    add_band(std::min(lines, last - t), cols, count, band_.get() + (t - i) * depth, lines,
                             panels_.get() + c * count, packed, g + t * g_row_ + c);
            }
        }
    }

    Index in_panels() const { return width_ / panel * panel; }

    // As pack(), some rows at a time: each goes by from its first to its last column.
    void fill_panels(const T* w, Index w_row, Index count) {
        constexpr Index some = 8;
        for (Index r = 0; r < count; r += some)
            for (Index c = 0; c < in_panels(); c += panel)
                for (Index i = r; i < std::min(count, r + some); ++i)
                    std::memcpy(panels_.get() + c * count + i * panel, w + i * w_row + c, panel * sizeof(T));
        const Index c = in_panels(), rest = width_ - c;
        if (rest) pack(count, rest, w + c, w_row, 1, rest, panels_.get() + c * count);
    }

    // Columns from t on as they are broadcast, one row behind the other: from panels, which lie closer together
    // than rows.
    void fill_lines(Index t, const T* w, Index w_row, Index count, T* to) const {
        if (t + lines > in_panels()) {
            for (Index r = 0; r < count; ++r) std::copy_n(w + r * w_row + t, std::min(lines, n_ - t), to + r * lines);
            return;
        }
        for (Index c = t; c < t + lines; c += piece, to += piece) {
            const T* from = panels_.get() + c / panel * panel * count + c % panel;
            for (Index r = 0; r < count; ++r) std::memcpy(to + r * lines, from + r * panel, piece * sizeof(T));
        }
    }

    void add_band(Index rows, Index cols, Index count, const T* a, Index a_row, const T* b, Index b_row, double* to) {
        if constexpr (std::is_same_v<T, double>) {
            product(rows, cols, count, a, 1, a_row, b, b_row, to, g_row_, true);
        } else {
            product(rows, cols, count, a, 1, a_row, b, b_row, part_.get(), cols, false);
            for (Index r = 0; r < rows; ++r) {
                const T* from = part_.get() + r * cols;
                if (cols == panel)
                    for (Index c = 0; c < panel; ++c) to[r * g_row_ + c] += double(from[c]);
                else
                    for (Index c = 0; c < cols; ++c) to[r * g_row_ + c] += double(from[c]);
            }
        }
    }

    Index n_, width_, g_row_;
    Buffer<T> part_, panels_, band_;
};

}  // namespace gramfold
