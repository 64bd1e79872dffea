// Candidates in bytes, tile by tile, and the tiles in which they meet panels of a sketch.
#pragma once

#include <array>

#include "kmeans/bytes.hpp"
#include "kmeans/sketch.hpp"

namespace gramfold {

inline constexpr Index most_candidates = 16;  // of one pass: a bit each in the marks of a row

// What rounding in float may be of the terms of a squared distance.
inline constexpr double sift_share = 0x1p-18;

// y_c = Q (c - shift) / scale = unit (code + e),   |unit e| <= error
template <class Multiply>
struct Candidates {
    Index n, tile;  // so many, in tiles of so many
    std::vector<typename Multiply::Code> codes;
    std::array<std::int32_t, most_candidates> start;       // of a product: takes off what 128 for 0 adds
    std::array<float, most_candidates> unit, half, error;  // half: 1/2 (|unit code|^2 - error^2) or less

    template <class T>
    Candidates(const T* c, Index size, const std::vector<double>& shift, const Sketch& sketch)
        : n(size), tile(n > 0 ? (n + tiles() - 1) / tiles() : 1), codes(std::size_t(n * sketch_words(sketch.d))) {
        std::vector<double> y(std::size_t(4 * sketch_words(sketch.d)));
        for (Index l = 0; l < n; ++l) {
            for (Index q = 0; q < sketch.d; ++q)
                y[std::size_t(q)] = (double(c[l * sketch.d + q]) - shift[std::size_t(q)]) / sketch.scale;
            Rotation(sketch.d)([&](Index q) -> double& { return y[std::size_t(q)]; });
            round(l, y);
        }
    }

  private:
    Index tiles() const { return (n + tile_centroids - 1) / tile_centroids; }

    void round(Index l, const std::vector<double>& y) {
        double largest = 0, length = 0;
        for (const double a : y) length += a * a, largest = std::max(largest, std::abs(a));
        const bool known = length < 0x1p100;  // of what is beyond the range: every row may be nearer to it
        const auto i = std::size_t(l);
        unit[i] = known && largest > 0x1p-100 ? float(largest / 127) : 0;
        const double u = double(unit[i]), inverse = u > 0 ? 1 / u : 0;
        const Index words = Index(y.size()) / 4, first = l / tile * tile, size = std::min(tile, n - first);
        double square = 0, off = 0;
        start[i] = 0;
        for (Index word = 0; word < words; ++word) {
            int code[4];
            for (Index b = 0; b < 4; ++b) {
                const double a = known ? y[std::size_t(4 * word + b)] : 0;
                code[b] = int(std::lrint(std::clamp(a * inverse, -127.0, 127.0)));
                const double kept = u * code[b];
                square += kept * kept, off += (a - kept) * (a - kept);
            }
            start[i] -= 128 * (code[0] + code[1] + code[2] + code[3]);
            codes[std::size_t(first * words + word * size + l - first)] = Multiply::code(code);
        }
        error[i] = float(std::sqrt(off) * (1 + 0x1p-20));
        half[i] =
            known ? float((square - off) / 2 - (square + off) * sift_share) : -std::numeric_limits<float>::infinity();
    }
};

// What is known of the rows of a panel, and what is found.
struct SiftedRows {
    static constexpr int width = Sketch::width;
    alignas(64) float unit[width], far[width];         // far: how far a candidate must be, but for its own error
    alignas(64) float half[width];                     // 1/2 (|unit code|^2 - far^2) or less
    alignas(64) float nearer[most_candidates][width];  // 1/2 ((far + error)^2 - squared distance of the codes) or more
    alignas(64) std::int32_t marks[width];             // bit l: candidate l may not be so far
};

namespace candidates_detail {

template <class Multiply>
struct Call {
    Index words;
    const std::int32_t* x;
    const Candidates<Multiply>& c;
    Index first;  // candidate of the tile
    SiftedRows& rows;
    Ahead ahead;
};

template <int R, class Multiply>
__attribute__((always_inline)) inline void tile(const Call<Multiply>& p, Multiply multiply) {
    using V = Vec<float>;
    constexpr int w = lanes<float>, nv = panel_vectors;
    const auto first = std::size_t(p.first);
    const std::int32_t* start = p.c.start.data() + first;
    const float *units = p.c.unit.data() + first, *errors = p.c.error.data() + first, *halves = p.c.half.data() + first;
    Words acc[R][nv];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < nv; ++v) acc[r][v] = Words{} + start[r];
    over_columns<R>(acc, p.words, p.x, p.c.codes.data() + p.first * p.words, p.ahead, multiply);
#pragma GCC unroll 4
    for (int v = 0; v < nv; ++v) {
        const V unit = load<V>(p.rows.unit + v * w), far = load<V>(p.rows.far + v * w);
        const V half = load<V>(p.rows.half + v * w);
        Words marks = load<Words>(p.rows.marks + v * w);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const V product = __builtin_convertvector(acc[r][v], V) * unit;
            const V nearer = product * units[r] + (far * errors[r] - (half + halves[r]));
            store(p.rows.nearer[p.first + r] + v * w, nearer);
            marks = nearer > 0 ? marks | (1 << (p.first + r)) : marks;
        }
        store(p.rows.marks + v * w, marks);
    }
}

template <class Multiply>
struct Tiles {
    template <int R>
    static void run(const Call<Multiply>& p) {
        tile<R>(p, Multiply());
    }
};
#if defined(__AVX512BW__)
template <>
struct Tiles<MultiplyVnni> {
    template <int R>
    GRAMFOLD_VNNI static void run(const Call<MultiplyVnni>& p) {
        tile<R>(p, MultiplyVnni());
    }
};
#endif

template <class Multiply, int... R>
void run_tile(Index size, const Call<Multiply>& p, std::integer_sequence<int, R...>) {
    static constexpr void (*tiles[])(const Call<Multiply>&) = {&Tiles<Multiply>::template run<R + 1>...};
    tiles[size - 1](p);
}

}  // namespace candidates_detail

// All candidates with the panel of a sketch at `x`.
template <class Multiply>
void meet(const Candidates<Multiply>& c, Index words, const std::int32_t* x, SiftedRows& rows, Ahead ahead) {
    for (Index first = 0; first < c.n; first += c.tile)
        candidates_detail::run_tile<Multiply>(std::min(c.tile, c.n - first), {words, x, c, first, rows, ahead},
                                              std::make_integer_sequence<int, tile_centroids>{});
}

}  // namespace gramfold
