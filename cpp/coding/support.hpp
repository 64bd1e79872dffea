// The inverse of G restricted to a support, G_AA^-1, kept while atoms come and go, one at a time.
//
//     u = G_AA^-1 G_Aj,  s = G_jj - G_jA u        [ G_AA^-1 + uu'/s   -u/s ]
//                                                 [      -u'/s         1/s ]      (Schur complement)
//
// An atom goes by the same formula read backwards; the last one takes its place. Atoms with less
// than s = sqrt(eps) G_jj depend on the others and should not join; if they do, s is raised to that.
// Solving is one product of independent FMA, where triangular solves would be chains; errors of the inverse are left
// to the next step, which starts from its own residual. Cost: |A|^2 FMA per change and per product.
#pragma once

#include <cmath>

#include "coding/best.hpp"
#include "fold/dense.hpp"

namespace gramfold {

template <class T>
class Support {
  public:
    using V = Vec<T>;
    static constexpr Index width = lanes<T>;

    // gram: rows of length k and stride gp; at most `most` atoms at once.
    Support(const T* gram, Index gp, Index most)
        : gram_(gram), gp_(gp), room_(round_up<Index>(most, width)), inverse_(room_ * room_), g_(room_), u_(room_),
          rho_(room_), du_(room_), members_(static_cast<std::size_t>(room_)) {
        clear();
    }

    Index size() const { return size_; }
    Index padded() const { return round_up<Index>(size_, width); }
    Index operator[](Index a) const { return members_[static_cast<std::size_t>(a)]; }

    void clear() {
        size_ = 0;
        stride_ = std::min<Index>(room_, width);
    }

    // What of G_jj is left outside the support, s; leaves u = G_AA^-1 G_Aj in combination().
    T outside(Index j) {
        T *g = g_.get(), *u = u_.get();
        const T* row = gram_ + j * gp_;
        for (Index a = 0; a < size_; ++a) g[a] = row[(*this)[a]];
        for (Index a = size_; a < padded(); ++a) g[a] = 0;
        times(g, u);
        V gu = {};
        for (Index a = 0; a < size_; a += width) gu += load<V>(g + a) * load<V>(u + a);
        const T left = row[j] - add_lanes<T>(gu);
        return left > row[j] * T(0.0625) ? left : refined(row[j]);
    }
    const T* combination() const { return u_.get(); }
    bool depends(Index j, T outside) const { return !(outside > gram_[j * gp_ + j] * root_eps_); }

    // Directly after outside(j), with its result; returns what was added to G_jj.
    T add(Index j, T left) {
        if (size_ == stride_) widen();
        const T* u = u_.get();
        const T least = gram_[j * gp_ + j] * root_eps_, s = T(1) / std::max(left, least);
        for (Index b = 0; b < size_; b += width) {
            const V us = load<V>(u + b) * s;
            for (Index a = 0; a < size_; ++a) {
                T* at = inverse_.get() + a * stride_ + b;
                store(at, load<V>(at) + us * u[a]);
            }
            store(inverse_.get() + size_ * stride_ + b, -us);
        }
        for (Index a = 0; a < size_; ++a) inverse_.get()[a * stride_ + size_] = -u[a] * s;
        T* last = inverse_.get() + size_ * stride_;
        last[size_] = s;
        for (Index b = size_ + 1; b < stride_; ++b) last[b] = 0;
        members_[static_cast<std::size_t>(size_++)] = j;
        return left < least ? least - left : T(0);
    }

    // The last atom takes the place of atom i. False if rounding has spoiled the inverse, whose diagonal is at least
    // 1 / G_ii: it must be built anew.
    bool remove(Index i) {
        T* m = u_.get();
        std::copy_n(inverse_.get() + i * stride_, stride_, m);
        const T d = T(1) / m[i], own = m[i] * gram_[(*this)[i] * (gp_ + 1)];
        const bool sound = own > T(0.5) && own < T(1) / std::numeric_limits<T>::epsilon();
        const Index end = --size_;
        for (Index b = 0; b <= end; b += width) {
            const V md = load<V>(m + b) * d;
            for (Index a = 0; a <= end; ++a) {
                T* at = inverse_.get() + a * stride_ + b;
                store(at, load<V>(at) - md * m[a]);
            }
        }
        T* inverse = inverse_.get();
        if (i != end) {
            std::copy_n(inverse + end * stride_, stride_, inverse + i * stride_);
            for (Index a = 0; a < end; ++a) inverse[a * stride_ + i] = inverse[a * stride_ + end];
            inverse[i * stride_ + i] = inverse[end * stride_ + end];
            members_[static_cast<std::size_t>(i)] = members_[static_cast<std::size_t>(end)];
        }
        for (Index a = 0; a < end; ++a) inverse[a * stride_ + end] = 0;
        return sound;
    }

    // out = G_AA^-1 r, zero up to padded().
    void times(const T* r, T* out) const {
        for (Index b = 0; b < size_; b += width) {
            V even = {}, odd = {};
            const T* m = inverse_.get() + b;
            Index a = 0;
            for (; a + 2 <= size_; a += 2, m += 2 * stride_)
                even += load<V>(m) * r[a], odd += load<V>(m + stride_) * r[a + 1];
            if (a < size_) even += load<V>(m) * r[a];
            store(out + b, even + odd);
        }
    }

  private:
    // s as the least of |f_j - F_A u|^2, whose error is of second order in u's: what little is left tells apart an atom
    // of its own and the rounding of the inverse.
    T refined(T gjj) {
        T *g = g_.get(), *u = u_.get(), *rho = rho_.get(), *du = du_.get();
        T left = gjj;
        for (Index a = 0; a < size_; ++a) {
            const T* row = gram_ + (*this)[a] * gp_;
            T rest = g[a];
            for (Index b = 0; b < size_; ++b) rest -= row[(*this)[b]] * u[b];
            rho[a] = rest;
            left -= (g[a] + rest) * u[a];
        }
        for (Index a = size_; a < padded(); ++a) rho[a] = 0;
        times(rho, du);
        for (Index a = 0; a < size_; ++a) left -= rho[a] * du[a], u[a] += du[a];
        return left;
    }

    void widen() {
        const Index wide = std::min(room_, 2 * stride_);
        T* inverse = inverse_.get();
        for (Index a = size_; a-- > 0;) {
            std::copy_backward(inverse + a * stride_, inverse + (a + 1) * stride_, inverse + a * wide + stride_);
            std::fill(inverse + a * wide + stride_, inverse + (a + 1) * wide, T(0));
        }
        stride_ = wide;
    }

    const T root_eps_ = std::sqrt(std::numeric_limits<T>::epsilon());
    const T* gram_;
    Index gp_, room_, stride_ = 0, size_ = 0;
    Buffer<T> inverse_, g_, u_, rho_, du_;
    std::vector<Index> members_;
};

}  // namespace gramfold
