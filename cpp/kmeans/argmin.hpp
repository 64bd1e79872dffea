// The nearest of k centroids for many rows side by side (vectors run over rows).
//
//     score_j = 1/2 |c_j|^2 - x'c_j        argmin_j score_j = argmin_j |x - c_j|;  |x|^2 is left out
//
// Accumulators start at the bias 1/2 |c_j|^2, and the least two scores of a row and the centroid of the least stay
// in lanes: no score is written to memory. A score is known up to Centroids::error; rows whose two least scores
// are closer than that must be looked at again.
// Cost: k d FMA per row. Centroids and rows are moved by a common shift and scaled by a power of two, so that data
// far from the origin, or of any magnitude, lose nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kmeans/panel.hpp"
#include "kmeans/tiles.hpp"

namespace gramfold {

// The least two scores of each row of a panel, and the centroid of the least.
template <class S>
struct Nearest {
    using Id = std::conditional_t<sizeof(S) == 4, std::int32_t, std::int64_t>;
    alignas(64) S first[panel_rows<S>], second[panel_rows<S>];
    alignas(64) Id index[panel_rows<S>];

    void clear() {
        std::fill_n(first, panel_rows<S>, std::numeric_limits<S>::infinity());
        std::fill_n(second, panel_rows<S>, std::numeric_limits<S>::infinity());
        std::fill_n(index, panel_rows<S>, Id(0));
    }
};

namespace argmin_detail {

// The least two of scores that come one after the other, lane by lane, and which is the least. It goes on by a minimum
// of its own: the comparison that moves the index is not waited for.
template <class S>
struct Least {
    using V = Vec<S>;
    using I = Vec<typename Nearest<S>::Id>;
    V first, second;
    I index;

    Least(const Nearest<S>& from, Index at)
        : first(load<V>(from.first + at)), second(load<V>(from.second + at)), index(load<I>(from.index + at)) {}

    __attribute__((always_inline)) void meet(V a, I id) {
        const V nearer = a < second ? a : second;
        second = nearer > first ? nearer : first;
        index = a < first ? id : index;
        first = first < a ? first : a;
    }

    void keep(Nearest<S>& to, Index at) const {
        store(to.first + at, first);
        store(to.second + at, second);
        store(to.index + at, index);
    }
};

// Of R centroids from `place` on.
template <class S, int R>
__attribute__((always_inline)) inline void keep_least(const Vec<S> (&scores)[R][panel_vectors], Index place,
                                                      Nearest<S>* nearest) {
    constexpr int w = lanes<S>;
#pragma GCC unroll 4
    for (int v = 0; v < panel_vectors; ++v) {
        Least<S> least(*nearest, v * w);
        typename Least<S>::I id = typename Least<S>::I{} + typename Nearest<S>::Id(place);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            least.meet(scores[r][v], id);
            id += 1;
        }
        least.keep(*nearest, v * w);
    }
}

template <class S>
struct Scores {
    Index depth;
    const S *c, *bias, *x;  // c: depth x R, x: depth x panel_rows
    Index first;            // the centroid of c's first column
    Nearest<S>* nearest;
    Ahead ahead;
};

template <class S, int R>
void tile(const Scores<S>& p) {
    Vec<S> acc[R][panel_vectors];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < panel_vectors; ++v) acc[r][v] = p.bias[r] - Vec<S>{};
    over_columns<R>(acc, p.depth, p.x, p.c, p.ahead, [](Vec<S>& score, Vec<S> x, S c) { score -= x * c; });
    keep_least<S, R>(acc, p.first, p.nearest);
}

template <class S, int... R>
constexpr auto tiles_of(std::integer_sequence<int, R...>) {
    return std::array<void (*)(const Scores<S>&), sizeof...(R)>{&tile<S, R + 1>...};
}

}  // namespace argmin_detail

// Relative error of a product of d terms and a bias, added up one by one. Roundings are as good as independent in long
// sums (Higham & Mary 2019), hence the root.
template <class S>
double score_error(Index d) {
    const double n = double(d), steps = std::min(n, 8 * std::sqrt(n)) + 6;
    return steps * double(std::numeric_limits<S>::epsilon()) / 2;
}

// Square roots that are at most a few units in the last place too large, and never too small. Newton's step from
// above stays above; the first guess halves the exponent.
template <class V>
inline V root_above(V x) {
    using S = std::decay_t<decltype(x[0])>;
    using Bits = std::conditional_t<sizeof(S) == 4, std::int32_t, std::int64_t>;
    typedef Bits I __attribute__((vector_size(sizeof(V))));
    constexpr Bits guess = sizeof(S) == 4 ? Bits(0x1fbd1df5) : Bits(0x1ff7a3bea91d9b1b);
    const V least = V{} + std::numeric_limits<S>::min();
    x = x < least ? least : x;
    V y = (V)(((I)x >> 1) + guess);
    for (int i = 0; i < (sizeof(S) == 4 ? 3 : 4); ++i) y = (y + x / y) * S(0.5);
    return y * (1 + 2 * std::numeric_limits<S>::epsilon());
}

// k centroids, shifted, scaled, and packed tile by tile in the order in which they are read: order[0] first.
template <class S>
class Centroids {
  public:
    template <class T>
    Centroids(const T* c, Index k, Index d, const std::vector<Index>& order, const std::vector<Index>& starts)
        : k_(k), d_(d), order_(order), starts_(starts), tiles_(starts, tile_centroids),
          shift_(static_cast<std::size_t>(d)), packed_(k * d + behind), bias_(k) {
        for (Index j = 0; j < k; ++j)
            for (Index q = 0; q < d; ++q) shift_[std::size_t(q)] += double(c[j * d + q]);
        for (auto& m : shift_) m = double(T(m / double(k)));
        std::vector<double> reaches(static_cast<std::size_t>(d));
        for (Index j = 0; j < k; ++j)
            for (Index q = 0; q < d; ++q) {
                double& most = reaches[std::size_t(q)];
                const double off = std::abs(double(c[j * d + q]) - shift_[std::size_t(q)]);
                most = off > most ? off : most;
            }
        const double reach = d > 0 ? *std::max_element(reaches.begin(), reaches.end()) : 0;
        const int most = sizeof(T) == 4 ? 100 : 1000;
        scale_ = std::ldexp(1.0, std::clamp(reach > 0 ? -std::ilogb(reach) : 0, -most, most));
        std::vector<double> squares(static_cast<std::size_t>(k));
        Buffer<S> rows(tile_centroids * d);
        for (const auto& t : tiles_.all()) {
            for (Index i = 0; i < t.size; ++i)
                squares[std::size_t(t.first + i)] = place(c + order[std::size_t(t.first + i)] * d, rows.get() + i * d);
            transpose(t.size, d, rows.get(), d, packed_.get() + t.first * d, t.size);
        }
        std::fill_n(packed_.get() + k * d, behind, S(0));
        for (Index j = 0; j < k; ++j) {
            bias_.get()[j] = S(squares[std::size_t(j)] / 2);
            longest_ = std::max(longest_, std::sqrt(squares[std::size_t(j)]));
        }
        drop_copies(c);
    }

    // Whether a centroid of the group is left out, being a copy of another one: then nothing is known of how near the
    // group may be once they part.
    bool has_copies(Index group) const { return copies_[std::size_t(group)]; }
    Index at(Index place) const { return order_[std::size_t(place)]; }
    const std::vector<double>& shift() const { return shift_; }
    double scale() const { return scale_; }

    // A score of a row of norm |x| (shifted and scaled) may be off by slope (|x| + longest).
    double slope() const { return score_error<S>(d_) * longest_; }
    double longest() const { return longest_; }

    // The nearest centroids of each of the groups from `begin` to `end`, by their places in the order, for `panels`
    // panels of rows, each depth x panel_rows: nearest[p (end - begin) + g - begin]. `bytes` behind `fetch` are read
    // ahead.
    void search(const S* x, Index panels, Index begin, Index end, Nearest<S>* nearest, const char* fetch,
                Index bytes) const {
        static constexpr auto tile = argmin_detail::tiles_of<S>(std::make_integer_sequence<int, tile_centroids>{});
        const Index groups = end - begin, step = 64 * fetch_lines;
        for (Index n = 0; n < panels * groups; ++n) nearest[n].clear();
        tiles_.walk(begin, end, panels, d_ * Index(sizeof(S)), [&](const Tiles::Tile& now, Index p) {
            tile[std::size_t(now.size - 1)]({d_,
                                             packed_.get() + now.first * d_,
                                             bias_.get() + now.first,
                                             x + p * d_ * panel_rows<S>,
                                             now.first,
                                             nearest + p * groups + now.group - begin,
                                             {fetch, bytes > 0 ? step : 0}});
            if (bytes > 0) fetch += step * d_, bytes -= step * d_;
        });
    }

    Index size() const { return k_; }
    Index columns() const { return d_; }
    Index groups() const { return tiles_.groups(); }
    const Tiles& tiles() const { return tiles_; }
    const std::vector<Index>& starts() const { return starts_; }
    const S* packed() const { return packed_.get(); }
    const S* bias() const { return bias_.get(); }

    // Zeros behind the packed ones, so that tiles can be read as whole vectors.
    static constexpr Index behind = 16;

  private:
    // Shifts and scales a centroid; gives the square of its norm.
    template <class T>
    double place(const T* c, S* to) const {
        const double *shift = shift_.data(), scale = scale_;
        for (Index q = 0; q < d_; ++q) to[q] = S((double(c[q]) - shift[q]) * scale);
        double squares[8] = {}, sum = 0;
        Index q = 0;
        for (; q + 8 <= d_; q += 8)
            for (int l = 0; l < 8; ++l) squares[l] += double(to[q + l]) * double(to[q + l]);
        for (; q < d_; ++q) sum += double(to[q]) * double(to[q]);
        for (const double square : squares) sum += square;
        return sum;
    }

    // Of equal centroids the first one takes the rows: the others need no second look at every tie.
    template <class T>
    void drop_copies(const T* c) {
        std::vector<Index> places(static_cast<std::size_t>(k_));
        std::iota(places.begin(), places.end(), Index(0));
        const S* bias = bias_.get();
        std::sort(places.begin(), places.end(),
                  [&](Index a, Index b) { return bias[a] < bias[b] || (bias[a] == bias[b] && at(a) < at(b)); });
        std::vector<Index> copies;
        for (std::size_t begin = 0, end; begin < places.size(); begin = end) {
            for (end = begin + 1; end < places.size() && bias[places[end]] == bias[places[begin]];) ++end;
            for (std::size_t i = begin + 1; i < end; ++i)
                for (std::size_t j = begin; j < i; ++j) {
                    const T *one = c + at(places[i]) * d_, *other = c + at(places[j]) * d_;
                    if (!std::equal(one, one + d_, other)) continue;
                    copies.push_back(places[i]);
                    break;
                }
        }
        copies_.assign(std::size_t(groups()), false);
        for (const auto& t : tiles_.all())
            for (Index i : copies)
                if (i >= t.first && i < t.first + t.size) copies_[std::size_t(t.group)] = true;
        for (Index i : copies) bias_.get()[i] = std::numeric_limits<S>::infinity();
    }

    Index k_, d_;
    std::vector<Index> order_, starts_;
    Tiles tiles_;
    std::vector<bool> copies_;
    std::vector<double> shift_;
    double scale_ = 1, longest_ = 0;
    Buffer<S> packed_, bias_;
};

}  // namespace gramfold
