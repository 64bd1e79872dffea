// Rows rounded to whole numbers for coarse.hpp, and panels of them.
//
//     (x - shift) scale = u (p + e),   |e_q| <= 1/2        u: such that |p|, of bytes |p_q|, is as large as it may be
//
// Where many groups of centroids are searched a row is rounded once, and laid beside others once for each group.
#pragma once

#include "kmeans/coarse.hpp"
#include "kmeans/lanes.hpp"

namespace gramfold {

// So many rows at most, which are overwritten at will.
template <class T, class S, class N>
class RoundedRows {
  public:
    RoundedRows(const Centroids<S>& centroids, const CoarseCentroids<S, N>& coarse, Index most)
        : coarse_(coarse), d_(centroids.columns()), stride_(coarse.row_words()), scale_(Wide(centroids.scale())),
          shift_(centroids.shift().begin(), centroids.shift().end()), words_(coarse.on() ? most * stride_ : 0),
          rounding_(coarse.on() ? round_up<Index>(most, w) + w : 0) {
        shift_.resize(std::size_t(round_up<Index>(d_, w)));
    }

    // Rows into the slots from `first` on. Lanes of them at a time, so that roots and quotients go side by side.
    template <class RowOf>
    void round([[maybe_unused]] Index first, [[maybe_unused]] Index count, [[maybe_unused]] const RowOf& row_of) {
        if constexpr (has_coarse<S>) {
            for (Index r = 0; r < count; r += w) {
                const T* x[w];
                for (Index i = 0; i < w; ++i) x[i] = row_of(std::min(r + i, count - 1));
                round_together(first + r, std::min<Index>(w, count - r), x);
            }
        }
    }

    // The rows of the slots slot_of(0) ... slot_of(panel_rows - 1) side by side, words x panel_rows; for AMX one behind
    // the other.
    template <class SlotOf>
    void pack(const SlotOf& slot_of, std::int32_t* out, CoarseRows<S>& rows) const {
        for (Index part = 0; part < panel_rows<S>; part += w) {
            const std::int32_t* from[w];
            for (Index r = 0; r < w; ++r) {
                const Index slot = slot_of(part + r);
                from[r] = words_.get() + slot * stride_;
                rows.norm[part + r] = rounding_.norm.get()[slot], rows.error[part + r] = rounding_.error.get()[slot];
                rows.unit[part + r] = rounding_.unit.get()[slot];
            }
            if (coarse_.by_amx()) {
                for (Index r = 0; r < w; ++r) std::copy_n(from[r], stride_, out + (part + r) * stride_);
                continue;
            }
            for (Index q = 0; q < stride_; q += w) {
                Words v[w];
#pragma GCC unroll 16
                for (int r = 0; r < w; ++r) v[r] = load<Words>(from[r] + q);
                transpose_in_place<std::int32_t, w>(v);
#pragma GCC unroll 16
                for (int r = 0; r < w; ++r) store(out + (q + r) * panel_rows<S> + part, v[r]);
            }
        }
    }

    // What a panel takes up.
    Index panel_words() const { return stride_ * panel_rows<S>; }

  private:
    static constexpr int w = lanes<S>;
    using V = Vec<S>;
    using Wide = typename ToLanes<T, S>::Wide;
    using Words = Vec<std::int32_t, w>;
    using Whole = typename N::Whole;

    void round_together(Index first, Index count, const T* const* x) {
        V sums[w], largest[w], rest[w];
        for (int i = 0; i < w; ++i) {
            V even = {}, odd = {}, most = {};
            Index q = 0;
            for (; q + 2 * w <= d_; q += 2 * w) {
                const V a = moved(x[i] + q, q), b = moved(x[i] + q + w, q + w);
                even += a * a, odd += b * b, most = larger(larger(most, a), b);
            }
            for (; q + w <= d_; q += w) {
                const V a = moved(x[i] + q, q);
                even += a * a, most = larger(most, a);
            }
            if (q < d_) rest[i] = moved_rest(x[i] + q, q), odd += rest[i] * rest[i], most = larger(most, rest[i]);
            sums[i] = even + odd, largest[i] = most;
        }
        const V square = added(sums), inverse = coarse_.inverse_unit(square, largest_of(largest));
        for (int i = 0; i < count; ++i)
            sums[i] = round_one(words_.get() + (first + i) * stride_, x[i], rest[i], inverse[i]);
        coarse_.know(square, added(sums), inverse, first, rounding_);
    }

    // `rest`: the columns of x that fill no vector, moved. Returns the squares of what is lost.
    V round_one(std::int32_t* to, const T* x, const V& rest, S inverse) const {
        V lost = {};
        if (N::in_word == 2 && coarse_.by_amx()) {
            auto *low = reinterpret_cast<std::uint8_t*>(to), *high = low + stride_ * 2;
            each_lanes(x, rest, [&](Index q, V a) {
                const Words whole = round_lanes(a, inverse, lost);
                store(low + q, low_bytes(whole));
                store(high + q, low_bytes(whole >> 8));
            });
            return lost;
        }
        auto* out = reinterpret_cast<Whole*>(to);
        const Index end = each_lanes(x, rest, [&](Index q, V a) {
            store(out + q, __builtin_convertvector(round_lanes(a, inverse, lost) + N::zero, Vec<Whole, w>));
        });
        std::fill(to + end / N::in_word, to + stride_, 0);
        return lost;
    }
    // f(first column, moved entries); returns the end.
    template <class F>
    Index each_lanes(const T* x, const V& rest, const F& f) const {
        Index q = 0;
        for (; q + w <= d_; q += w) f(q, moved(x + q, q));
        if (q < d_) f(q, rest), q += w;
        return q;
    }
    // Whole numbers in their last 16 bits.
    static Words round_lanes(V a, S inverse, V& lost) {
        constexpr S whole = 12582912;  // floats that are whole numbers, whose last bits are those of an integer
        const V t = a * inverse + whole, left = a * inverse - (t - whole);
        lost += left * left;
        return (Words)t;
    }

    // Of halves it is not needed.
    static V larger(V most, V a) {
        if constexpr (N::in_word == 2) return most;
        const V size = a < 0 ? -a : a;
        return size > most ? size : most;
    }
    static V largest_of(V (&v)[w]) {
        if constexpr (N::in_word == 2) return V{};
        transpose_in_place<S, w>(v);
        V most = v[0];
        for (int i = 1; i < w; ++i) most = v[i] > most ? v[i] : most;
        return most;
    }

    // The sums of the lanes of w vectors.
    static V added(V (&v)[w]) {
        transpose_in_place<S, w>(v);
        V total = v[0];
        for (int i = 1; i < w; ++i) total += v[i];
        return total;
    }

    // Shifted and scaled, of columns from q on.
    V moved(const T* x, Index q) const {
        using From = Vec<T, w>;
        using Middle = Vec<Wide, w>;
        const auto shift = load<Middle>(shift_.data() + q);
        if constexpr (std::is_same_v<T, Wide>) {
            const Middle a = (load<From>(x) - shift) * scale_;
            if constexpr (std::is_same_v<S, Wide>) return a;
            else return __builtin_convertvector(a, V);
        } else {
            return __builtin_convertvector((__builtin_convertvector(load<From>(x), Middle) - shift) * scale_, V);
        }
    }
    // The same of the last columns, and zeros.
    V moved_rest(const T* x, Index q) const {
        T rest[w] = {};
        std::copy_n(x, d_ - q, rest);
        return moved(rest, q);
    }

    const CoarseCentroids<S, N>& coarse_;
    Index d_, stride_;
    Wide scale_;
    std::vector<Wide> shift_;
    Buffer<std::int32_t> words_;
    Rounding<S> rounding_;
};

}  // namespace gramfold
