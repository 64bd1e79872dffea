// A first look for the nearest centroids, by products of whole numbers of 16 or 8 bits.
//
//     x = u (p + e),   c_j = v (q_j + f_j)       score_j = 1/2 |c_j|^2 - u v p'q_j        p, q_j: whole numbers
//     |x'c_j - u v p'q_j| <= u |e| |c_j| + |u p| v |f_j|                                  by Cauchy and Schwarz
//
// A multiply-add of pairs makes 32 products where an FMA of floats makes 16, one of fours (VNNI) 64, and AMX some four
// times as many as these, see amx.hpp. The scales are such that sums fit into 32 bits whatever their partial sums
// do. All centroids share one scale, each row has its own. A row whose least two scores are closer than their errors
// must be searched again in full precision, among the centroids that may be the nearest. Cost: k d / 2 or k d / 4
// multiply-adds per row, and some 10 d operations to round it.
#pragma once

#include "kmeans/coarse_tiles.hpp"

namespace gramfold {

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

// The centroids rounded to numbers N, tile by tile as those they are made of.
template <class S, class N>
class CoarseCentroids {
  public:
    using V = Vec<S>;

    explicit CoarseCentroids(const Centroids<S>& centroids)
        : centroids_(centroids), d_(centroids.columns()), on_(has_coarse<S> && N::pays(centroids.size(), d_)),
          tiles_(centroids.starts(), by_amx() ? amx_points : tile_centroids),
          packed_(by_amx() ? Index(tiles_.all().size()) * tile_words()
                  : on_    ? centroids.size() * words() + across_
                           : 0),
          start_(on_ ? centroids.size() : 0) {
        if (!on_) return;
        const double largest = double(largest_of(centroids.packed(), centroids.size() * d_));
        const double inverse = largest > 0 ? finest(largest) : 1;
        step_ = 1 / inverse;
        packed_.zero();
        auto of_amx = tiles_.all().begin();
        for (const auto& t : centroids.tiles().all()) {
            std::int32_t* first = packed_.get() + t.first * words();
            std::int8_t* bytes[across_] = {};
            for (Index i = 0; by_amx() && i < t.size; ++i) {
                if (t.first + i == of_amx->first + of_amx->size) ++of_amx;
                bytes[i] = reinterpret_cast<std::int8_t*>(
                    packed_.get() + (of_amx - tiles_.all().begin()) * tile_words() - of_amx->first + t.first + i);
            }
            pack(centroids.packed() + t.first * d_, t, inverse, by_amx() ? nullptr : first, bytes);
        }
    }

    bool on() const { return on_; }
    Index words() const { return (d_ + N::in_word - 1) / N::in_word; }
    bool by_amx() const { return on_ && has_amx(); }
    // What a row takes up, filled up.
    Index row_words() const {
        return by_amx() ? amx_steps() * 16 * planes_ : round_up<Index>(words(), lanes<std::int32_t>);
    }

    // 1 / u of rows whose squared norms were added up in S, and whose largest entries are given.
    V inverse_unit(V square, V largest) const {
        if constexpr (N::in_word == 2) return S(N::most * (1 - double(d_) * eps_)) / above(square);
        else return S(N::most) / (largest > tiny_ ? largest : V{} + tiny_);
    }

    // `lost`: |e|^2. Where x / u was rounded before it was made a whole number, e is 2^-10 off.
    void know(V square, V lost, V inverse, Index first, Rounding<S>& known) const {
        const V norm = above(square), off = (above(lost) + S(root_d() * 0x1p-10)) / inverse;
        const S longest = S(centroids_.longest()), slope = S(centroids_.slope());
        store(known.norm.get() + first, square);
        store(known.error.get() + first, ((norm + longest) * slope + off * longest + (norm + off) * S(off_)) * share());
        store(known.unit.get() + first, S(step_) / inverse);
    }

    // As Centroids::search, of so many rounded rows in panels, each behind the other by `panel` words.
    void search(const std::int32_t* x, Index panel, const CoarseRows<S>* rows, Index count, Index begin, Index end,
                Nearest<S>* nearest, const char* fetch, Index bytes) const {
        if constexpr (has_coarse<S>) {
            const Index groups = end - begin, panels = (count + panel_rows<S> - 1) / panel_rows<S>;
            for (Index n = 0; n < panels * groups; ++n) nearest[n].clear();
            // meet(tile, what it meets, v) for each panel, or each v-th of its `parts`
            const auto walk = [&](int parts, const auto& meet) {
                tiles_.walk(begin, end, panels * parts, words() * 4, [&](const Tiles::Tile& now, Index i) {
                    const Index p = i / parts, step = 64 * fetch_lines;
                    const int v = int(i % parts);
                    if (p * panel_rows<S> + v * panel_rows<S> / parts >= count) return;
                    meet(now,
                         coarse_detail::Scores{words(),
                                               tile_of(now),
                                               x + p * panel,
                                               start_.get() + now.first,
                                               centroids_.bias() + now.first,
                                               rows[p].unit,
                                               now.first,
                                               nearest + p * groups + now.group - begin,
                                               {fetch, bytes > 0 ? step : 0}},
                         v);
                    if (bytes > 0) fetch += step * words(), bytes -= step * words();
                });
            };
#if defined(GRAMFOLD_AMX)
            if (by_amx()) {
                const AmxTiles session;
                walk(N::in_word == 2 ? panel_vectors : 1, [&](const Tiles::Tile& now, const auto& p, int v) {
                    const auto* first = reinterpret_cast<const std::uint8_t*>(p.x);
                    const AmxProduct product{amx_steps(), first + v * 16 * row_words() * 4, row_words() * 4, p.c,
                                             p.ahead};
                    alignas(64) AmxSums sums[3];
                    if constexpr (N::in_word == 2) {
                        multiply_halves(product, sums[0]);
                        coarse_detail::keep_least(sums[0], v, now.size, p);
                    } else {
                        multiply_bytes(product, sums);
                        for (int i = 0; i < 3; ++i) coarse_detail::keep_least(sums[i], i, now.size, p);
                    }
                });
                return;
            }
#endif
            const auto* tile = coarse_detail::tiles<N>(std::make_integer_sequence<int, tile_centroids>{});
            walk(1, [&](const Tiles::Tile& now, const auto& p, int) { tile[now.size - 1](p); });
        }
    }

  private:
    static constexpr int across_ = tile_centroids <= 8 ? 8 : 16;  // of a tile
    static_assert(across_ >= tile_centroids && across_ <= Centroids<S>::behind);
    static constexpr double eps_ = std::numeric_limits<S>::epsilon();
    static constexpr S tiny_ = S(0x1p-100);
    static constexpr Index planes_ = 4 / N::in_word;
    Index amx_steps() const { return (d_ + amx_columns - 1) / amx_columns; }
    Index tile_words() const { return amx_steps() * 256 * planes_; }
    const std::int32_t* tile_of(const Tiles::Tile& t) const {
        return packed_.get() + (by_amx() ? (&t - tiles_.all().data()) * tile_words() : t.first * words());
    }
    S share() const { return S(1 + double(d_ + 16) * eps_); }

    // Norms that are not too small, above 0.
    V above(V square) const { return root_above(square) * share(); }
    double root_d() const { return std::sqrt(double(d_)); }

    // 1 / v: of halves such that |p| |q_j| < 2^31.
    double finest(double largest) const {
        if constexpr (N::in_word == 2)
            return std::min((0x1p31 / (N::most + root_d() / 2) - 1 - root_d() / 2) / centroids_.longest(),
                            N::most_of_centroids / largest);
        else return N::most_of_centroids / largest;
    }
    // Rounds a tile of centroids c (columns x size), as words from `to` on, or for AMX each from its `bytes` on. What
    // is read and written behind the tile belongs to the next one, which comes later.
    void pack(const S* c, const Tiles::Tile& t, double inverse, std::int32_t* to, std::int8_t* const* bytes) {
        using Doubles = Vec<double, across_>;
        using Whole = Vec<std::int32_t, across_>;
        constexpr int bits = 32 / N::in_word;
        constexpr std::int32_t mask = std::int32_t((std::int64_t{1} << bits) - 1);
        const double step = step_;
        Doubles squares = {}, sums = {};
        Whole word = {};
        for (Index q = 0; q < d_; ++q) {
            const auto a = __builtin_convertvector(load<Vec<S, across_>>(c + q * t.size), Doubles);
            const Doubles whole = a * inverse + 0x1.8p52 - 0x1.8p52;  // to whole numbers far below 2^51
            const Doubles off = a - whole * step;
            squares += off * off, sums += whole;
            const auto numbers = __builtin_convertvector(whole, Whole);
            if (!to) {
                for (Index i = 0; i < t.size; ++i) put(bytes[i], q, numbers[i]);
                continue;
            }
            const int p = int(q % N::in_word);
            word |= (numbers & mask) << (bits * p);
            if (p + 1 < N::in_word && q + 1 < d_) continue;
            store(to + q / N::in_word * t.size, word);
            word = Whole{};
        }
        for (Index i = 0; i < t.size; ++i) {
            off_ = std::max(off_, std::sqrt(squares[i]));
            start_.get()[t.first + i] = std::int32_t(-N::zero * sums[i]);
        }
    }
    // Column q of a centroid of AMX.
    static void put(std::int8_t* first, Index q, std::int32_t whole) {
        std::int8_t* to = first + 4 * (q / amx_columns * 256 * planes_ + q % amx_columns / 4 * 16) + q % 4;
        *to = std::int8_t(whole);
        if constexpr (planes_ == 2) to[1024] = std::int8_t((whole - *to) >> 8);
    }
    static S largest_of(const S* a, Index n) {
        V most = {};
        Index i = 0;
        for (; i + lanes<S> <= n; i += lanes<S>) {
            V size = load<V>(a + i);
            size = size < V{} ? -size : size;
            most = size > most ? size : most;
        }
        S largest = 0;
        for (int l = 0; l < lanes<S>; ++l) largest = std::max(largest, S(most[l]));
        for (; i < n; ++i) largest = std::max(largest, std::abs(a[i]));
        return largest;
    }

    const Centroids<S>& centroids_;
    Index d_;
    bool on_;
    Tiles tiles_;
    double step_ = 1, off_ = 0;  // v, and the largest v |f_j|
    Buffer<std::int32_t> packed_, start_;
};

}  // namespace gramfold
