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
                  : on_    ? centroids.size() * words()
                           : 0),
          start_(on_ ? centroids.size() : 0) {
        if (!on_) return;
        double largest = 0;
        for (Index i = 0; i < centroids.size() * d_; ++i)
            largest = std::max(largest, std::abs(double(centroids.packed()[i])));
        const double inverse = largest > 0 ? finest(largest) : 1;
        step_ = 1 / inverse;
        packed_.zero();
        auto of_amx = tiles_.all().begin();
        for (const auto& t : centroids.tiles().all()) {
            const S* c = centroids.packed() + t.first * d_;
            std::int32_t* to[tile_centroids];
            for (Index i = 0; i < t.size; ++i) {
                if (t.first + i == of_amx->first + of_amx->size) ++of_amx;
                to[i] = packed_.get() +
                        (by_amx() ? (of_amx - tiles_.all().begin()) * tile_words() - of_amx->first
                                  : t.first * (words() - 1)) +
                        t.first + i;
            }
            double squares[tile_centroids] = {};
            std::int64_t sums[tile_centroids] = {};
            for (Index q = 0; q < d_; ++q)
                for (Index i = 0; i < t.size; ++i) {
                    const double a = double(c[q * t.size + i]), whole = rounded(a * inverse), off = a - whole * step_;
                    squares[i] += off * off, sums[i] += std::int64_t(whole);
                    put(to[i], t.size, q, std::int32_t(whole));
                }
            for (Index i = 0; i < t.size; ++i) {
                off_ = std::max(off_, std::sqrt(squares[i]));
                start_.get()[t.first + i] = std::int32_t(-N::zero * sums[i]);
            }
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
    // Column q of a centroid whose first word is there, in a tile of so many.
    void put(std::int32_t* first, Index size, Index q, std::int32_t whole) const {
        if (by_amx()) {
            auto* to =
                reinterpret_cast<std::int8_t*>(first + q / amx_columns * 256 * planes_ + q % amx_columns / 4 * 16) +
                q % 4;
            *to = std::int8_t(whole);
            if constexpr (planes_ == 2) to[1024] = std::int8_t((whole - *to) >> 8);
        } else {
            const auto number = typename N::Whole(whole);
            std::memcpy(reinterpret_cast<char*>(first + q / N::in_word * size) + q % N::in_word * Index(sizeof(number)),
                        &number, sizeof(number));
        }
    }
    static double rounded(double a) { return a + 0x1.8p52 - 0x1.8p52; }  // to a whole number far below 2^51

    const Centroids<S>& centroids_;
    Index d_;
    bool on_;
    Tiles tiles_;
    double step_ = 1, off_ = 0;  // v, and the largest v |f_j|
    Buffer<std::int32_t> packed_, start_;
};

}  // namespace gramfold
