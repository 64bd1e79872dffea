// Rows to the minimiser on their face, many rows side by side: the exact end of a coordinate descent.
//
//     minimise 1/2 z'Gz - p'z + l1 |z|_1 over the components that are not 0 (F), with their signs held
//     (G_FF + rho D) s = r_F,   r = p - Gz - l1 sign(z),   by LDL' with the rest masked out
//     z <- z + s with all that changed its sign cut off at 0, or z + a s up to the first change of a sign,
//     whichever is lower
//
// The inner loop of Lawson & Hanson 1974, chapter 23, for many rows at once, with the cut of Bertsekas 1982; it never
// raises the objective. rho is a few roundings of the diagonal D: enough for a singular G_FF, and nothing is lost,
// since s solves for the rest (Rockafellar 1976). Cost: k^3 / 6 + 3 k^2 FMA per row and step, the work of k / 6 + 3
// sweeps.
#pragma once

#include <limits>

#include "least_squares/ldl.hpp"

namespace gramfold {

template <class T>
class Face {
  public:
    using V = Vec<T>;

    static Index scratch_size(Index k) { return Ldl<T>::scratch_size(k) + 2 * k * lanes<T>; }

    Face(const T* gram, Index k, T l1, T* scratch)
        : gram_(gram), k_(k), l1_(l1), ldl_(k, scratch), at_(scratch + Ldl<T>::scratch_size(k)) {}

    // One step; returns the rows that were cut off. z, p: k x lanes, row stride `stride`; rows with active = 0 are
    // left alone. l1 of nonneg rows is in p.
    V step(T* z, const T* p, Index stride, V active) const {
        start(z, p, stride);
        fill();
        active = ldl_.factorise(active, T(0));
        ldl_.solve();
        return advance(z, stride, active);
    }

  private:
    Index y(Index t) const { return ldl_.y(t); }
    Index w(Index t) const { return ldl_.w(0, t); }
    V get(Index i) const { return ldl_.get(i); }
    void put(Index i, V v) const { ldl_.put(i, v); }
    V sigma(Index t) const { return load<V>(at_ + t * lanes<T>); }
    V r(Index t) const { return load<V>(at_ + (k_ + t) * lanes<T>); }
    void put_r(Index t, V v) const { store(at_ + (k_ + t) * lanes<T>, v); }

    void fill() const {
        const T rho = T(8 * k_) * std::numeric_limits<T>::epsilon();
        for (Index i = 0; i < k_; ++i) {
            const V on = sigma(i) * sigma(i);
            for (Index j = 0; j < i; ++j) put(Ldl<T>::lower(i, j), on * sigma(j) * sigma(j) * gram_[j * k_ + i]);
            put(Ldl<T>::lower(i, i), on * (gram_[i * k_ + i] * (1 + rho)) + (T(1) - on));
        }
    }

    void start(const T* z, const T* p, Index stride) const {
        const V zero = {}, one = zero + T(1);
        for (Index t = 0; t < k_; ++t) put_r(t, load<V>(p + t * stride));
        for (Index s = 0; s < k_; ++s) {
            const V zs = load<V>(z + s * stride);
            for (Index t = 0; t < k_; ++t) put_r(t, r(t) - zs * gram_[s * k_ + t]);
        }
        for (Index t = 0; t < k_; ++t) {
            const V zt = load<V>(z + t * stride), sign = zt > zero ? one : zt < zero ? -one : zero;
            store(at_ + t * lanes<T>, sign);
            put_r(t, (r(t) - sign * l1_) * sign * sign);
            put(y(t), r(t));
        }
    }

    V advance(T* z, Index stride, V active) const {
        const V zero = {}, one = zero + T(1);
        V reach = one, slope = {};
        for (Index t = 0; t < k_; ++t) {
            const V zt = load<V>(z + t * stride), s = get(y(t)), moved = zt + s;
            slope += s * r(t);
            const V until = moved * zt < zero ? -zt / s : one;
            reach = until < reach ? until : reach;
            put(w(t), (moved * zt > zero ? moved : zero) - zt);
        }
        V change = {};
        for (Index t = 0; t < k_; ++t) {
            V gd = {};
            for (Index s = 0; s < k_; ++s) gd += get(w(s)) * gram_[t * k_ + s];
            change += get(w(t)) * (gd * T(0.5) - r(t));
        }
        const V cut = change < slope * reach * (reach * T(0.5) - T(1)) ? one : zero;
        for (Index t = 0; t < k_; ++t) {
            const V zt = load<V>(z + t * stride), s = get(y(t));
            const V until = (zt + s) * zt < zero ? -zt / s : one + one;
            const V to = cut > zero ? zt + get(w(t)) : until > reach ? zt + reach * s : zero;
            store(z + t * stride, active > zero ? to : zt);
        }
        return reach < one ? active : zero;
    }

    const T* gram_;
    Index k_;
    T l1_;
    Ldl<T> ldl_;
    T* at_;
};

}  // namespace gramfold
