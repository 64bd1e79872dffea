// A first look for the nearest centroids, by products of 16-bit integers.
//
//     x = u (p + e),   c_j = v (q_j + f_j)       score_j = 1/2 |c_j|^2 - u v p'q_j        p, q_j: integers
//     |x'c_j - u v p'q_j| <= u |e| |c_j| + |u p| v |f_j|                                  by Cauchy and Schwarz
//
// A multiply-add of pairs makes 32 products where an FMA of floats makes 16. The scales are such that |p| |q_j| < 2^31,
// so the sum fits whatever its partial sums do. All centroids share one scale, each row has its own. A row whose least
// two scores are closer than their errors must be searched again in full precision.
// Cost: k d / 2 multiply-adds per row, and some 10 d operations to round it.
#pragma once

#include "kmeans/argmin.hpp"

#if defined(__AVX512BW__)
#include <immintrin.h>
#endif

namespace gramfold {

// Whether scores of type S have a first look at this level.
#if defined(__AVX512BW__)
template <class S>
inline constexpr bool has_coarse = std::is_same_v<S, float>;
#else
template <class S>
inline constexpr bool has_coarse = false;
#endif

// Where it pays to round rows: in fits of ten iterations on Zen 4, rows of float break even near 32 x 50 and 64 x 24
// columns by centroids, and rows of double lose or gain up to a tenth there. Norms must be known to 1e-2.
inline bool coarse_pays(Index k, Index d) { return k >= 24 && d >= 16 && k * d >= 3072 && d <= Index{1} << 16; }

// What is known of rounded rows: their squared norms, how far their scores may be off, and u v.
template <class S>
struct Rounding {
    Buffer<S> norm, error, unit;

    explicit Rounding(Index most) : norm(most), error(most), unit(most) {}
};
// The same of a panel.
template <class S>
struct CoarseRows {
    alignas(64) S norm[panel_rows<S>], error[panel_rows<S>], unit[panel_rows<S>];
};

namespace coarse_detail {

using Words = Vec<std::int32_t>;

struct Scores {
    Index depth;                // in pairs of columns
    const std::int32_t *c, *x;  // c: depth x R, x: depth x panel_rows
    const float *bias, *unit;
    Index first;  // the centroid of c's first column
    Nearest<float>* nearest;
    Ahead ahead;
};

template <int R, class MultiplyAdd>
__attribute__((always_inline)) inline void tile(const Scores& p, MultiplyAdd multiply_add) {
    using V = Vec<float>;
    constexpr int w = lanes<float>, nv = panel_vectors;
    Words acc[R][nv] = {};
    over_columns<R>(acc, p.depth, p.x, p.c, p.ahead, multiply_add);
    V scores[R][nv];
#pragma GCC unroll 4
    for (int v = 0; v < nv; ++v) {
        const V unit = load<V>(p.unit + v * w);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) scores[r][v] = p.bias[r] - __builtin_convertvector(acc[r][v], V) * unit;
    }
    argmin_detail::keep_least<float, R>(scores, p.first, p.nearest);
}

using Tile = void (*)(const Scores&);

#if defined(__AVX512BW__)
struct PairsThenAdd {
    void operator()(Words& a, Words x, std::int32_t c) const {
        a += (Words)_mm512_madd_epi16((__m512i)x, (__m512i)(Words{} + c));
    }
};
#define GRAMFOLD_VNNI __attribute__((target("avx512vnni")))
struct Vnni {
    GRAMFOLD_VNNI void operator()(Words& a, Words x, std::int32_t c) const {
        a = (Words)_mm512_dpwssd_epi32((__m512i)a, (__m512i)x, (__m512i)(Words{} + c));
    }
};
template <int R>
void plain_tile(const Scores& p) {
    tile<R>(p, PairsThenAdd());
}
template <int R>
GRAMFOLD_VNNI void vnni_tile(const Scores& p) {
    tile<R>(p, Vnni());
}
#undef GRAMFOLD_VNNI

template <int... R>
const Tile* tiles(std::integer_sequence<int, R...>) {
    static constexpr Tile plain[] = {&plain_tile<R + 1>...}, vnni[] = {&vnni_tile<R + 1>...};
    static const bool has_vnni = __builtin_cpu_supports("avx512vnni");
    return has_vnni ? vnni : plain;
}
#else
template <int... R>
const Tile* tiles(std::integer_sequence<int, R...>) {
    return nullptr;
}
#endif

}  // namespace coarse_detail

// The rounded centroids, tile by tile as those they are made of.
template <class S>
class CoarseCentroids {
  public:
    using V = Vec<S>;

    explicit CoarseCentroids(const Centroids<S>& centroids)
        : centroids_(centroids), d_(centroids.columns()), on_(has_coarse<S> && coarse_pays(centroids.size(), d_)),
          packed_(on_ ? centroids.size() * pairs() : 0) {
        if (!on_) return;
        const double reach = 32767 + root_d() / 2, longest = centroids.longest();
        double largest = 0;
        for (Index i = 0; i < centroids.size() * d_; ++i)
            largest = std::max(largest, std::abs(double(centroids.packed()[i])));
        const double finest = std::min((0x1p31 / reach - 1 - root_d() / 2) / longest, 32767 / largest);
        const double inverse = longest > 0 ? finest : 1;
        step_ = 1 / inverse;
        std::int32_t* to = packed_.get();
        for (const auto& t : centroids.tiles()) {
            const S* c = centroids.packed() + t.first * d_;
            for (Index q = 0; q < d_; q += 2)
                for (Index i = 0; i < t.size; ++i) {
                    const std::int32_t low = rounded(c[q * t.size + i], inverse);
                    const std::int32_t high = q + 1 < d_ ? rounded(c[(q + 1) * t.size + i], inverse) : 0;
                    *to++ = std::int32_t(std::uint32_t(high) << 16 | (std::uint32_t(low) & 0xffff));
                }
            for (Index i = 0; i < t.size; ++i) {
                double square = 0;
                for (Index q = 0; q < d_; ++q) {
                    const double off = c[q * t.size + i] - rounded(c[q * t.size + i], inverse) * step_;
                    square += off * off;
                }
                off_ = std::max(off_, std::sqrt(square));
            }
        }
    }

    bool on() const { return on_; }
    Index pairs() const { return (d_ + 1) / 2; }

    // 1 / u of rows whose squared norms were added up in S.
    V inverse_unit(V square) const { return S(32767 * (1 - double(d_) * eps_)) / above(square); }

    // `lost`: |e|^2. Where x / u was rounded before it was made a whole number, e is 2^-10 off.
    void know(V square, V lost, V inverse, Index first, Rounding<S>& known) const {
        const V norm = above(square), off = (above(lost) + S(root_d() * 0x1p-10)) / inverse;
        const S longest = S(centroids_.longest()), slope = S(centroids_.slope());
        store(known.norm.get() + first, square);
        store(known.error.get() + first, ((norm + longest) * slope + off * longest + (norm + off) * S(off_)) * share());
        store(known.unit.get() + first, S(step_) / inverse);
    }

    // As Centroids::search, of panels of rounded rows, each behind the other by `panel` words.
    void search(const std::int32_t* x, Index panel, const CoarseRows<S>* rows, Index panels, Index begin, Index end,
                Nearest<S>* nearest, const char* fetch, Index bytes) const {
        if constexpr (has_coarse<S>) {
            const auto* tile = coarse_detail::tiles(std::make_integer_sequence<int, tile_centroids>{});
            const Index groups = end - begin, step = 64 * fetch_lines;
            for (Index n = 0; n < panels * groups; ++n) nearest[n].clear();
            centroids_.walk(begin, end, panels, pairs() * 4, [&](const auto& now, Index p) {
                tile[now.size - 1]({pairs(),
                                    packed_.get() + now.first * pairs(),
                                    x + p * panel,
                                    centroids_.bias() + now.first,
                                    rows[p].unit,
                                    now.first,
                                    nearest + p * groups + now.group - begin,
                                    {fetch, bytes > 0 ? step : 0}});
                if (bytes > 0) fetch += step * pairs(), bytes -= step * pairs();
            });
        }
    }

  private:
    static constexpr double eps_ = std::numeric_limits<S>::epsilon();
    S share() const { return S(1 + double(d_ + 16) * eps_); }

    // Norms that are not too small, above 0.
    V above(V square) const { return root_above(square) * share(); }
    double root_d() const { return std::sqrt(double(d_)); }
    static std::int32_t rounded(S a, double inverse) { return std::int32_t(std::nearbyint(double(a) * inverse)); }

    const Centroids<S>& centroids_;
    Index d_;
    bool on_;
    double step_ = 1, off_ = 0;  // v, and the largest v |f_j|
    Buffer<std::int32_t> packed_;
};

}  // namespace gramfold
