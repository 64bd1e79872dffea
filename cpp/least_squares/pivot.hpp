// Non-negative rows on their supports, many rows side by side: a step of block principal pivoting.
//
//     G_FF z_F = p_F; z_F may come out with any sign
//
// A sweep of coordinate descent after it takes the negative components to 0, lets in those that the gradient asks for,
// and finds nothing to do at the minimiser (Portugal, Judice & Vicente 1994; Kim & Park 2011). From supports that are
// nearly right, two such rounds end most rows, but nothing keeps others from going round in circles.
// Lanes have supports of their own, packed to the front, and rows with supports of one size are taken side by side:
// s^3 / 6 FMA per row, and s^2 / 2 entries of G that are picked one by one.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "least_squares/ldl.hpp"

namespace gramfold {

// F of each row, in words of 32 components.
class Supports {
  public:
    Supports(Index k, Index rows) : k_(k), rows_(rows), words_(std::size_t((k + 31) / 32 * rows)) {}

    // z: k x count, row stride `stride`; the rows first .. have the components that pass the test. Whole vectors.
    template <class S, class Test>
    void mark(const S* z, Index stride, Index count, Index first, Test test) {
        using Bits = std::conditional_t<sizeof(S) == 4, std::int32_t, std::int64_t>;
        for (Index r = 0; r < count; r += lanes<S>)
            for (Index begin = 0; begin < k_; begin += 32) {
                Vec<Bits> bits = {};
                for (Index t = begin; t < std::min(k_, begin + 32); ++t)
                    bits |= test(load<Vec<S>>(z + t * stride + r)) & Bits(std::uint32_t{1} << (t - begin));
                for (int i = 0; i < lanes<S>; ++i) word(begin / 32, first + r + i) = std::uint32_t(bits[i]);
            }
    }

    void clear(Index row) {
        for (Index w = 0; w < words(); ++w) word(w, row) = 0;
    }

    Index size(Index row) const {
        Index size = 0;
        for (Index w = 0; w < words(); ++w) size += __builtin_popcount(word(w, row));
        return size;
    }

    // f(a, t) for the components t of a row in order, a = 0, 1, ...
    template <class F>
    void each(Index row, F f) const {
        Index a = 0;
        for (Index w = 0; w < words(); ++w)
            for (std::uint32_t left = word(w, row); left; left &= left - 1) f(a++, 32 * w + __builtin_ctz(left));
    }

  private:
    Index words() const { return (k_ + 31) / 32; }
    std::uint32_t& word(Index w, Index row) { return words_[std::size_t(w * rows_ + row)]; }
    std::uint32_t word(Index w, Index row) const { return words_[std::size_t(w * rows_ + row)]; }

    Index k_, rows_;
    std::vector<std::uint32_t> words_;
};

template <class T>
class Pivot {
  public:
    static constexpr int width = lanes<T>;
    using V = Vec<T>;

    static Index scratch_size(Index k) { return Ldl<T>::scratch_size(k); }

    Pivot(const T* gram, Index k, T* scratch)
        : gram_(gram), k_(k), scratch_(scratch), members_(std::size_t(k * width)) {}

    // z, p: k x count, row stride `stride`. Rows with a nearly singular G_FF are left alone.
    void step(const Supports& supports, T* z, const T* p, Index stride, Index count) {
        sort(supports, count);
        for (Index first = 0; first < count; first += width)
            solve(supports, z, p, stride, rows_.data() + first, int(std::min<Index>(width, count - first)));
    }

  private:
    // The rows by the sizes of their supports.
    void sort(const Supports& supports, Index count) {
        begin_.assign(std::size_t(k_ + 2), 0), rows_.resize(std::size_t(count));
        for (Index r = 0; r < count; ++r) ++begin_[std::size_t(supports.size(r) + 1)];
        for (std::size_t s = 0; s <= std::size_t(k_); ++s) begin_[s + 1] += begin_[s];
        for (Index r = 0; r < count; ++r) rows_[std::size_t(begin_[std::size_t(supports.size(r))]++)] = r;
    }

    void solve(const Supports& supports, T* z, const T* p, Index stride, const Index* rows, int count) {
        const Index most = supports.size(rows[count - 1]);
        const Ldl<T> ldl(most, scratch_);
        std::fill_n(ldl.lane(ldl.y(0)), most * width, T(0));
        Index sizes[width] = {};
        for (int i = 0; i < count; ++i) {
            Index* at = members_.data() + i;
            T* y = ldl.lane(ldl.y(0)) + i;
            const T* right = p + rows[i];
            sizes[i] = supports.size(rows[i]);
            supports.each(rows[i], [&](Index a, Index t) { at[a * width] = t, y[a * width] = right[t * stride]; });
        }
        for (int i = 0; i < width; ++i)
            for (Index a = sizes[i]; a < most; ++a) members_[std::size_t(a * width + i)] = 0;
        fill(ldl, most, sizes);
        const V active = ldl.factorise(V{} + T(1), root_eps_);
        ldl.solve();
        for (int i = 0; i < count; ++i) {
            if (!(active[i] > 0)) continue;
            const Index* at = members_.data() + i;
            const T* y = ldl.lane(ldl.y(0)) + i;
            T* to = z + rows[i];
            for (Index a = 0; a < sizes[i]; ++a) to[at[a * width] * stride] = y[a * width];
        }
    }

    static constexpr int some = std::min(width, 8);  // whose rows of G fit in the integer registers

    // Shorter supports are followed by rows of the identity.
    void fill(const Ldl<T>& ldl, Index most, const Index* sizes) const {
        const Index* at = members_.data();
        for (Index r = 0; r < most; ++r) {
            T* a = ldl.lane(Ldl<T>::lower(r, 0));
            for (int first = 0; first < width; first += some) {
                const T* row[some];
                for (int i = 0; i < some; ++i) row[i] = gram_ + at[r * width + first + i] * k_;
                for (Index c = 0; c <= r; ++c)
#pragma GCC unroll 8
                    for (int i = 0; i < some; ++i) a[c * width + first + i] = row[i][at[c * width + first + i]];
            }
            if (r < sizes[0]) continue;  // the shortest
            for (int i = 0; i < width; ++i)
                if (r >= sizes[i])
                    for (Index c = 0; c <= r; ++c) a[c * width + i] = T(c == r);
        }
    }

    const T root_eps_ = std::sqrt(std::numeric_limits<T>::epsilon());
    const T* gram_;
    Index k_;
    T* scratch_;
    std::vector<Index> members_, rows_, begin_;
};

}  // namespace gramfold
