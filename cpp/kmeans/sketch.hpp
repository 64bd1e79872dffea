// A sketch of X: rows in bytes, and balls of rows, from which sift.hpp tells which rows a point is too far from.
//
//     y = Q (x - shift) / scale,   |y - unit code| <= error    each row has its own unit; square = |unit code|^2
//     |y - centre| <= radius     for the 48 rows of a ball, whose centre is unit code itself
//
// Q turns a few large entries into many of a size (rotation.hpp). Rows lie in any order: balls of near ones are small.
// Codes lie as panels, four columns in the unsigned bytes of a word (128 is 0), words x rows, those of the balls'
// centres behind those of rows.
// Cost: some 2 d log d operations a row, and one read of X.
#pragma once

#include "kmeans/argmin.hpp"
#include "kmeans/distance.hpp"
#include "kmeans/lanes.hpp"
#include "kmeans/rotation.hpp"

namespace gramfold {

inline constexpr Index ball_rows = 48;  // a multiple of every level's panels
inline Index sketch_words(Index d) { return (d + 3) / 4; }
inline Index sketch_balls(Index rows) { return (rows + ball_rows - 1) / ball_rows; }
// Of rows and centres, each filled up to whole balls.
inline Index sketch_places(Index rows) { return (sketch_balls(rows) + sketch_balls(sketch_balls(rows))) * ball_rows; }

struct Sketch {
    Index rows, d;
    const std::int32_t* order;        // which row is at each place
    std::int32_t* codes;              // places x words, in panels
    float *units, *errors, *squares;  // places
    float* far;                       // places: the row's distance from its seed, and its error; sift.hpp knows it
    float *radii, *reach;  // balls; reach: no row of it is farther from its seed; infinity: far is out of date
    double scale;          // a power of two

    static constexpr int width = panel_rows<float>;
    Index balls() const { return sketch_balls(rows); }
    Index centres() const { return balls() * ball_rows; }  // the place of the first one
    std::int32_t* panel(Index place) const { return codes + place / width * width * sketch_words(d); }
};

template <class T>
class SketchWorker {
  public:
    SketchWorker(const Rows<T>& x, const Sketch& sketch, const std::vector<double>& shift)
        : x_(x), to_(sketch), to_lanes_(shift, 1 / sketch.scale), rotate_(x.cols), y_(ball_rows * x.cols),
          centre_(x.cols), copy_(x.has_rows() ? 0 : width * x.cols) {}

    void operator()(Index first, Index count, NoSums&) {
        for (Index b = first; b < first + count; ++b) {
            const Index place = b * ball_rows, rows = std::min(ball_rows, to_.rows - place);
            for (Index r = 0; r < ball_rows; r += width) read(place + r, place + rows, r);
            for (Index r = 0; r < ball_rows; r += width) round_rows(place + r, y_.get() + r * x_.cols);
            ball(b);
        }
    }

  private:
    static constexpr int w = lanes<float>, width = Sketch::width;
    using V = Vec<float>;
    using Bits = Vec<std::uint32_t>;
    typedef float Unaligned __attribute__((vector_size(sizeof(V)), aligned(4), may_alias));

    // Rows side by side, the last one before `end` again and again from there on.
    void read(Index place, Index end, Index r) {
        const T* rows[width];
        for (Index i = 0; i < width; ++i) {
            const Index at = to_.order[std::min(place + i, end - 1)];
            rows[i] = copy_.size() ? copy_.get() + i * x_.cols : x_.row(at);
            if (copy_.size()) x_.read(at, copy_.get() + i * x_.cols);
        }
        float* y = y_.get() + r * x_.cols;
        to_lanes_.template operator()<w>(rows, x_.cols, panel_vectors, y);
        for (Index part = 0; part < width; part += w)
            rotate_([&](Index q) -> Unaligned& { return *reinterpret_cast<Unaligned*>(y + q * width + part); });
    }

    void round_rows(Index place, const float* y) {
        std::int32_t* codes = to_.panel(place);
        for (Index part = 0; part < width; part += w) {
            V square = {}, largest = {}, off = {};
            for (Index q = 0; q < x_.cols; ++q) {
                const V a = load<V>(y + q * width + part), size = a < 0 ? -a : a;
                square += a * a, largest = size > largest ? size : largest;
            }
            const V unit = largest > 0x1p-100f ? largest * (1 / 127.0f) : V{};
            const V inverse = largest > 0x1p-100f ? 127 / largest : V{};
            Bits four = {}, code_square = {};  // of a row that is not finite: any
            for (Index q = 0; q < x_.cols; ++q) {
                const V a = load<V>(y + q * width + part), steps = whole(a * inverse), lost = a - steps * unit;
                const auto code = (Bits) __builtin_convertvector(steps, Words);
                off += lost * lost, code_square += code * code;
                four |= (code + 128) << int(q % 4 * 8);
                if (q % 4 == 3 || q + 1 == x_.cols) {
                    store(codes + q / 4 * width + part, four);
                    four = Bits{};
                }
            }
            store(to_.units + place + part, unit);
            store(to_.far + place + part, V{});
            store(to_.squares + place + part, __builtin_convertvector((Words)code_square, V) * unit * unit);
            store(to_.errors + place + part, (root_above(off) + root_above(square) * (64 * eps)) * share());
        }
    }

    // The mean of its rows, rounded, and how far they are from it.
    void ball(Index b) {
        const Index d = x_.cols, place = to_.centres() + b;
        float* centre = centre_.get();
        float largest = 0;
        for (Index q = 0; q < d; ++q) {
            V sum = {};
            each_vector(q, [&](const V& y, int) { sum += y; });
            centre[q] = sum_lanes<float>(sum) / float(ball_rows);
            largest = std::max(largest, std::abs(centre[q]));
        }
        const float unit = largest > 0x1p-100f ? largest / 127 : 0, inverse = unit > 0 ? 1 / unit : 0;
        std::int32_t* codes = to_.panel(place) + place % width;
        V apart[ball_rows / w] = {}, squares[ball_rows / w] = {};
        double square = 0;
        std::uint32_t four = 0;
        for (Index q = 0; q < d; ++q) {
            const float steps = centre[q] * inverse;
            const int code = std::abs(steps) < 128 ? int(std::nearbyint(steps)) : 0;
            const float c = float(code) * unit;
            square += double(c) * double(c);
            each_vector(q, [&](const V& y, int i) { apart[i] += (y - c) * (y - c), squares[i] += y * y; });
            four |= std::uint32_t(code + 128) << (q % 4 * 8);
            if (q % 4 == 3 || q + 1 == d) codes[q / 4 * width] = std::int32_t(std::exchange(four, 0));
        }
        float most = 0, longest = float(square);
        for (int i = 0; i < ball_rows; ++i) {
            most = std::max(most, apart[i / w][i % w]);
            longest = std::max(longest, squares[i / w][i % w]);
        }
        to_.units[place] = unit, to_.squares[place] = float(square), to_.errors[place] = to_.far[place] = 0;
        to_.radii[b] = (std::sqrt(most) + std::sqrt(longest) * (128 * eps)) * share();
        to_.reach[b] = std::numeric_limits<float>::infinity();
    }

    // f(column q of w rows of the ball, which ones)
    template <class F>
    void each_vector(Index q, F f) const {
        for (int i = 0; i < ball_rows / w; ++i)
            f(load<V>(y_.get() + i / panel_vectors * width * x_.cols + q * width + i % panel_vectors * w), i);
    }

    static V whole(V a) { return a + 12582912.0f - 12582912.0f; }
    float share() const { return 1 + float(x_.cols + 8) * eps; }
    static constexpr float eps = std::numeric_limits<float>::epsilon();

    Rows<T> x_;
    const Sketch& to_;
    ToLanes<T, float> to_lanes_;
    Rotation rotate_;
    Buffer<float> y_, centre_;
    Buffer<T> copy_;
};

template <class T>
void sketch(const Rows<T>& x, const Sketch& to, const std::vector<double>& shift, const Run& run) {
    const Index balls = to.balls(), last = to.centres() + balls, all = sketch_places(x.rows);
    for (Index place = last; place < all; ++place) {
        to.units[place] = to.squares[place] = to.errors[place] = to.far[place] = 0;
        for (Index word = 0; word < sketch_words(x.cols); ++word)
            to.panel(place)[word * Sketch::width + place % Sketch::width] = 0;
    }
    fold(
        {balls, std::max<Index>(1, balls), std::max<Index>(1, balls / row_group), double(x.rows) * double(x.cols) * 8},
        run, [] { return std::make_unique<NoSums>(); }, [&] { return SketchWorker<T>(x, to, shift); });
}

}  // namespace gramfold
