// Non-negative rows on the support that they have now, many rows side by side: a step of block principal pivoting.
//
//     G_FF z_F = p_F,  F = {t : z_t > 0}; z_F may come out with any sign
//
// A sweep of coordinate descent after it takes the negative components to 0, lets in those that the gradient asks for,
// and finds nothing to do at the minimiser (Portugal, Judice & Vicente 1994; Kim & Park 2011). From supports that are
// nearly right, two such rounds end most rows, but nothing keeps others from going round in circles.
// Lanes have supports of their own, packed to the front: s^3 / 6 FMA per row, s the largest of those side by side.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "ldl.hpp"

namespace gramfold {

template <class T>
class Pivot {
  public:
    static constexpr int width = lanes<T>;
    using V = Vec<T>;

    static Index scratch_size(Index k) { return Ldl<T>::scratch_size(k); }

    Pivot(const T* gram, Index k, T* scratch) : gram_(gram), k_(k), scratch_(scratch), members_(static_cast<std::size_t>(k * width)) {}

    // z, p: k x lanes, row stride `stride`. Rows with active = 0 or a nearly singular G_FF are left
    // alone.
    void step(T* z, const T* p, Index stride, V active) {
        choose(z, stride);
        const Index most = *std::max_element(size_.begin(), size_.end());
        const Ldl<T> ldl(most, scratch_);
        fill(ldl, most, p, stride);
        active = ldl.factorise(active, root_eps_);
        ldl.solve();
        for (int i = 0; i < width; ++i) {
            if (!(active[i] > 0)) continue;
            const Index* at = members_.data() + i * k_;
            const T* y = ldl.lane(ldl.y(0)) + i;
            for (Index a = 0; a < size_[std::size_t(i)]; ++a) z[at[a] * stride + i] = y[a * width];
        }
    }

  private:
    void choose(const T* z, Index stride) {
        for (int i = 0; i < width; ++i) {
            Index size = 0, *to = members_.data() + i * k_;
            for (Index t = 0; t < k_; ++t) {
                to[size] = t;
                size += z[t * stride + i] > 0;
            }
            size_[std::size_t(i)] = size;
        }
    }

    // Shorter supports are followed by rows of the identity.
    void fill(const Ldl<T>& ldl, Index most, const T* p, Index stride) const {
        for (int i = 0; i < width; ++i) {
            const Index size = size_[std::size_t(i)], *at = members_.data() + i * k_;
            T *a = ldl.lane(0) + i, *y = ldl.lane(ldl.y(0)) + i;
            for (Index r = 0; r < size; ++r) {
                const T* row = gram_ + at[r] * k_;
                for (Index c = 0; c <= r; ++c, a += width) *a = row[at[c]];
                y[r * width] = p[at[r] * stride + i];
            }
            for (Index r = size; r < most; ++r) {
                for (Index c = 0; c < r; ++c, a += width) *a = 0;
                *a = 1, a += width;
                y[r * width] = 0;
            }
        }
    }

    const T root_eps_ = std::sqrt(std::numeric_limits<T>::epsilon());
    const T* gram_;
    Index k_;
    T* scratch_;
    std::vector<Index> members_;
    std::array<Index, std::size_t(width)> size_;
};

}  // namespace gramfold
