// Which rows some candidates may be nearer to than the seeds so far, by a sketch of X; X itself is not read.
//
//     |y - c| >= |y' - c'| - error - error_c         y', c': what the codes say
//
// by the triangle inequality, y = (x - shift) / scale and c likewise; |y' - c'|^2 = |y'|^2 + |c'|^2 - 2 y''c' by
// products of bytes. A row whose distance, as seed.hpp computes it, is beyond doubt at least `closest` is not marked.
// Rows of a ball are not looked at where |centre - c| >= reach + radius. What a marked row may gain is bounded from
// both sides: of most candidates it then shows that others gain more.
//
// Cost: cols candidates / 4 multiply-adds of words a row that is looked at, and 1/48 of it for all.
#pragma once

#include "kmeans/candidates.hpp"
#include "kmeans/marks.hpp"

namespace gramfold {

template <class T>
struct Sifting {
    const Sketch& sketch;
    const T *closest, *weights;  // weights: null for ones
    std::uint16_t* marks;        // rows: bit l for candidate l; those of rows without any stay
};

// What each candidate gains at least and at most, in units of scale^2; and the balls looked into.
struct Gains {
    std::array<double, most_candidates> least{}, most{};
    Index looked = 0;

    void clear() { *this = {}; }
    Gains& operator+=(const Gains& o) {
        for (std::size_t l = 0; l < least.size(); ++l) least[l] += o.least[l], most[l] += o.most[l];
        looked += o.looked;
        return *this;
    }
};

template <class T, class Multiply>
class SiftWorker {
  public:
    SiftWorker(const Sifting<T>& job, const Candidates<Multiply>& candidates)
        : job_(job), s_(job.sketch), c_(candidates), squares_(T(1 / (s_.scale * s_.scale))),
          above_(T(1 + double(s_.d + 8) * double(std::numeric_limits<T>::epsilon()) + 0x1p-20)) {}

    // Some balls, as many as have their centres side by side.
    void operator()(Index first, Index count, Gains& gains) {
        Index balls[ball_rows], n = 0;
        for (Index p = 0; p < count; p += width) {
            const Index some = std::min<Index>(width, count - p);
            alignas(64) float far[width] = {};
            for (Index i = 0; i < some; ++i)
                far[i] = (s_.radii[first + p + i] + s_.reach[first + p + i]) * (1 + 0x1p-20f);
            compare(s_.centres() + first + p, far, some, {});
            each_row([&](Index i) { balls[n++] = first + p + i; });
        }
        gains.looked += n;
        for (Index i = 0; i < n; ++i) look_into(balls[i], balls[std::min(i + 1, n - 1)], gains);
    }

  private:
    static constexpr int w = lanes<float>, width = Sketch::width;
    using V = Vec<float>;

    void look_into(Index ball, Index next, Gains& gains) {
        if (!(s_.reach[ball] < std::numeric_limits<float>::infinity())) bring_up_to_date(ball);
        for (Index r = 0; r < ball_rows; r += width) {
            const Index place = ball * ball_rows + r, count = std::clamp<Index>(s_.rows - place, 0, width);
            compare(place, s_.far + place, count,
                    {reinterpret_cast<const char*>(s_.panel(next * ball_rows + r)), 64 * fetch_lines});
            each_row([&](Index i) { mark(s_.order[place + i], place + i, i, gains); });
        }
    }

    void bring_up_to_date(Index ball) {
        const Index first = ball * ball_rows, count = std::min(ball_rows, s_.rows - first);
        alignas(64) T closest[ball_rows] = {};
        for (Index i = 0; i < count; ++i) closest[i] = job_.closest[s_.order[first + i]];
        V reach = {};
        for (Index v = 0; v < ball_rows; v += w) {
            const V root = root_above(as_float(closest + v));
            store(s_.far + first + v, root + load<V>(s_.errors + first + v));
            reach = root > reach ? root : reach;
        }
        float most = 0;
        for (int i = 0; i < w; ++i) most = std::max(most, reach[i]);
        s_.reach[ball] = most;
    }

    // Squared distances that seed.hpp found, in units of scale^2, and a little more than they are.
    V as_float(const T* squares) const {
        alignas(64) float found[w];
        for (int i = 0; i < w; ++i) found[i] = float(squares[i] * squares_ * above_);
        return load<V>(found);
    }

    // Rows from `place` on with all candidates.
    void compare(Index place, const float* far, Index count, Ahead ahead) {
        constexpr float low = 0.5f - float(sift_share), high = 0.5f + float(sift_share);
        for (Index v = 0; v < width; v += w) {
            const V square = load<V>(s_.squares + place + v), given = load<V>(far + v);
            const V most = given < 0x1p60f ? given : V{} + 0x1p60f;  // what is known is within that
            const auto known = square < 0x1p100f;
            store(rows_.unit + v, known ? load<V>(s_.units + place + v) : V{});
            store(rows_.far + v, known ? most : V{});
            store(rows_.half + v,
                  known ? square * low - most * most * high : V{} - std::numeric_limits<float>::infinity());
            store(rows_.marks + v, Words{});
        }
        meet(c_, sketch_words(s_.d), s_.panel(place), rows_, ahead);
        std::fill(rows_.marks + count, rows_.marks + width, 0);
    }

    // f(i) for the rows of the panel that are marked.
    template <class F>
    void each_row(F f) const {
        alignas(64) std::uint16_t marks[width];
        for (Index v = 0; v < width; v += w)
            store(marks + v, __builtin_convertvector(load<Words>(rows_.marks + v), Vec<std::uint16_t, w>));
        each_marked(marks, width, 0xffff, f);
    }

    // Row, which is at `place`, the i-th of its panel.
    void mark(Index row, Index place, Index i, Gains& gains) {
        const std::int32_t marks = rows_.marks[i];
        job_.marks[row] = std::uint16_t(marks);
        const double weight = job_.weights ? double(job_.weights[row]) : 1.0;
        const double closest = double(job_.closest[row]) * double(squares_), above = double(above_);
        for (std::int32_t left = marks; left; left &= left - 1) {
            const auto l = std::size_t(__builtin_ctz(unsigned(left)));
            const double far = double(rows_.far[i]) + double(c_.error[l]);
            const double doubt = 8 * sift_share * (double(s_.squares[place]) + 2 * double(c_.half[l]) + 2 * far * far);
            const double square = far * far - 2 * double(rows_.nearer[l][i]);  // of the codes' distance, or less
            const double error = double(s_.errors[place]) + double(c_.error[l]);
            const double low = std::max(0.0, std::sqrt(std::max(0.0, square - doubt)) - error);
            const double high = std::sqrt(std::max(0.0, square + doubt)) + error;
            gains.most[l] += weight * (closest - low * low / above);
            gains.least[l] += weight * std::max(0.0, closest - high * high * above);
        }
    }

    const Sifting<T>& job_;
    const Sketch& s_;
    const Candidates<Multiply>& c_;
    T squares_;  // of 1 / scale
    T above_;    // a squared distance times this is more than it is, and than seed.hpp finds
    SiftedRows rows_;
};

template <class Multiply, class T>
Gains sift_by(const Sifting<T>& job, const T* c, Index n, const std::vector<double>& shift, const Run& run) {
    const Candidates<Multiply> candidates(c, n, shift, job.sketch);
    const Index balls = job.sketch.balls();
    const double work = double(job.sketch.rows) * double(job.sketch.d) * double(n) / Multiply::as_one;
    return *fold(
        {balls, ball_rows, std::max<Index>(1, balls / ball_rows), work}, run, [] { return std::make_unique<Gains>(); },
        [&] { return SiftWorker<T, Multiply>(job, candidates); });
}

// n candidates c, n x d.
template <class T>
Gains sift(const Sifting<T>& job, const T* c, Index n, const std::vector<double>& shift, const Run& run) {
#if defined(__AVX512BW__)
    if (has_vnni()) return sift_by<MultiplyVnni>(job, c, n, shift, run);
#endif
    return sift_by<MultiplyAnywhere>(job, c, n, shift, run);
}

}  // namespace gramfold
