// A sketch of X, one byte an entry, that tells which rows are too far from some points to be read.
//
//     x = shift + step (code + e),   |e| <= error_i        |x - c| >= step (|code - c'| - error_i),   c' = (c - shift)
//     / step
//
// by the triangle inequality. Unlike the one between centroids this holds off rows in many dimensions too, where all of
// a cluster's rows are about as far from each other. Codes lie as panels, columns x rows, four
// columns in the bytes of an integer, ready for vectors over rows.
// Cost: 2 cols candidates operations a row, on cols bytes.
#pragma once

#include "kmeans/argmin.hpp"
#include "kmeans/lanes.hpp"

namespace gramfold {

inline constexpr Index seed_block = 96, sketch_rows = seed_block;  // a multiple of every level's panels

struct Sketch {
    const std::int32_t* codes;  // null for none
    const float* errors;
    std::vector<double> shift;
    double step;
};

inline Index sketch_words(Index d) { return (d + 3) / 4; }  // of a row

struct NoSums {
    void clear() {}
    NoSums& operator+=(const NoSums&) { return *this; }
};

template <class T>
void sketch(const Rows<T>& x, const std::vector<double>& shift, double step, std::int32_t* codes, float* errors,
            const Run& run) {
    constexpr int w = lanes<float>, width = panel_rows<float>;
    using V = Vec<float>;
    using Words = Vec<std::int32_t>;
    const Index d = x.cols, blocks = (x.rows + sketch_rows - 1) / sketch_rows;
    const auto make_worker = [&] {
        return [&, to_lanes = ToLanes<T, float>(shift, 1 / step), v = Buffer<float>(width * d),
                copy = Buffer<T>(x.has_rows() ? 0 : width * d)](Index first, Index count, NoSums&) {
            for (Index i = first * sketch_rows; i < (first + count) * sketch_rows; i += width) {
                const T* rows[width];
                for (Index r = 0; r < width; ++r) {
                    const Index at = std::min(i + r, x.rows - 1);
                    rows[r] = copy.size() ? copy.get() + r * d : x.row(at);
                    if (copy.size()) x.read(at, copy.get() + r * d);
                }
                to_lanes.template operator()<w>(rows, d, panel_vectors, v.get());
                for (Index part = 0; part < width; part += w) {
                    V square = {}, off = {};
                    Words four = {};
                    for (Index q = 0; q < d; ++q) {
                        const V a = load<V>(v.get() + q * width + part);
                        V c = a < V{} - 127 ? V{} - 127 : a > V{} + 127 ? V{} + 127 : a;
                        const auto code = __builtin_convertvector(c + 12582912.0f - 12582912.0f, Words);
                        four |= (code & 255) << int(q % 4 * 8);
                        if (q % 4 == 3 || q + 1 == d) {
                            store(codes + i * sketch_words(d) + q / 4 * width + part, four);
                            four = Words{};
                        }
                        c = a - __builtin_convertvector(code, V);
                        square += a * a, off += c * c;
                    }
                    const float eps = std::numeric_limits<float>::epsilon(), share = 1 + float(d + 8) * eps;
                    store(errors + i + part, root_above(off) * share + root_above(square) * (share * 2 * eps));
                }
            }
        };
    };
    fold(
        {blocks, std::max<Index>(1, blocks), std::max<Index>(1, blocks / 48), double(x.rows) * double(d) * 4}, run,
        [] { return std::make_unique<NoSums>(); }, make_worker);
}

// Tells for some candidates which rows may be nearer to one of them than `closest`.
class SketchFilter {
  public:
    template <class T>
    SketchFilter(const Sketch* sketch, const T* candidates, Index n, Index d)
        : sketch_(sketch), n_(n), d_(d), candidates_(sketch ? n * 4 * sketch_words(d) : 0) {
        if (!sketch) return;
        float* to = candidates_.get();
        double longest = 0;
        for (Index l = 0; l < n; l += most)
            for (Index q = 0; q < 4 * sketch_words(d); ++q)
                for (Index i = l; i < std::min(n, l + most); ++i)
                    *to++ = q >= d
                                ? 0.0f
                                : float((double(candidates[i * d + q]) - sketch->shift[std::size_t(q)]) / sketch->step);
        for (Index i = 0; i < n; ++i) {
            double square = 0;
            for (Index q = 0; q < d; ++q) {
                const double a = (double(candidates[i * d + q]) - sketch->shift[std::size_t(q)]) / sketch->step;
                square += a * a;
            }
            longest = std::max(longest, std::sqrt(square));
        }
        share_ = float(d + 8) * std::numeric_limits<float>::epsilon();
        slack_ = float(1e-6 + 2 * double(std::numeric_limits<float>::epsilon()) * longest);
    }

    // Marks those of the rows first to first + count, of one block, that must be read.
    template <class T>
    void undecided(const T* closest, Index first, Index count, unsigned char* read) const {
        const double scale = 1 / (sketch_->step * sketch_->step);
        alignas(64) float far[sketch_rows] = {}, low[sketch_rows];
        for (Index r = 0; r < count; ++r) far[r] = float(double(closest[first + r]) * scale);
        for (Index r = 0; r < sketch_rows; r += width) least(sketch_->codes + (first + r) * sketch_words(d_), low + r);
        for (Index r = 0; r < sketch_rows; r += w) {
            const V t = root_above(load<V>(far + r)) * (1 + share_) + load<V>(sketch_->errors + first + r) + slack_;
            store(far + r, t * t);
        }
        for (Index r = 0; r < sketch_rows; ++r) read[r] = !(low[r] * (1 - share_) >= far[r]);
    }

  private:
    static constexpr int most = tile_rows >= 12 ? 8 : 4, w = lanes<float>, width = panel_rows<float>;
    using V = Vec<float>;

    template <int R>
    static void tile(Index words, const std::int32_t* x, const float* c, float* low) {
        constexpr int nv = panel_vectors;
        V acc[R][nv] = {};
        for (Index q = 0; q < words; ++q, x += width) {
            for (int i = 0; i < fetch_lines; ++i) __builtin_prefetch(x + 32 * width + 16 * i, 0, 2);
#pragma GCC unroll 4
            for (int byte = 0; byte < 4; ++byte, c += R) {
                V xv[nv];
#pragma GCC unroll 4
                for (int v = 0; v < nv; ++v)
                    xv[v] = __builtin_convertvector(load<Vec<std::int32_t>>(x + v * w) << (24 - 8 * byte) >> 24, V);
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
                    for (int v = 0; v < nv; ++v) {
                        const V a = xv[v] - c[r];
                        acc[r][v] += a * a;
                    }
            }
        }
#pragma GCC unroll 4
        for (int v = 0; v < nv; ++v) {
            V least = load<V>(low + v * w);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) least = acc[r][v] < least ? acc[r][v] : least;
            store(low + v * w, least);
        }
    }

    template <int... R>
    static constexpr auto tiles_of(std::integer_sequence<int, R...>) {
        return std::array<void (*)(Index, const std::int32_t*, const float*, float*), sizeof...(R)>{&tile<R + 1>...};
    }

    // The squared distance, in steps, from each code of a panel to the nearest candidate.
    void least(const std::int32_t* codes, float* low) const {
        static constexpr auto tiles = tiles_of(std::make_integer_sequence<int, most>{});
        std::fill_n(low, width, std::numeric_limits<float>::infinity());
        for (Index l = 0; l < n_; l += most)
            tiles[std::size_t(std::min<Index>(most, n_ - l) - 1)](sketch_words(d_), codes,
                                                                  candidates_.get() + l * 4 * sketch_words(d_), low);
    }

    const Sketch* sketch_;
    Index n_, d_;
    Buffer<float> candidates_;
    float share_ = 0, slack_ = 0;
};

}  // namespace gramfold
