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
// sweeps. Scratch: k (k + 11) / 2 vectors.
#pragma once

#include <limits>

#include "../tile.hpp"

namespace gramfold {

template <class T>
class Face {
  public:
    using V = Vec<T>;

    static Index scratch_size(Index k) { return k * (k + 11) / 2 * lanes<T>; }

    Face(const T* gram, Index k, T l1, T* scratch) : gram_(gram), k_(k), l1_(l1), at_(scratch) {}

    // One step; returns the rows that were cut off. z, p: k x lanes, row stride `stride`; rows with active = 0 are
    // left alone. l1 of nonneg rows is in p.
    V step(T* z, const T* p, Index stride, V active) const {
        start(z, p, stride);
        active = factorise(active);
        solve();
        return advance(z, stride, active);
    }

  private:
    Index lower(Index i, Index j) const { return i * (i + 1) / 2 + j; }  // L_ij d_j for j < i, 1 / d_i for j = i
    Index sigma(Index t) const { return k_ * (k_ + 1) / 2 + t; }
    Index r(Index t) const { return sigma(k_) + t; }
    Index y(Index t) const { return r(k_) + t; }
    Index w(int c, Index t) const { return y(k_) + c * k_ + t; }
    V get(Index i) const { return load<V>(at_ + i * lanes<T>); }
    void put(Index i, V v) const { store(at_ + i * lanes<T>, v); }

    V factorise(V active) const {
        Index j = 0;
        for (; j + 2 <= k_; j += 2) active = columns<2>(j, active);
        if (j < k_) active = columns<1>(j, active);
        return active;
    }

    V masked(Index i, Index j) const {
        return get(sigma(i)) * get(sigma(i)) * get(sigma(j)) * get(sigma(j)) * gram_[j * k_ + i];
    }

    // C columns of LD at a time, so that what is read of L serves all of them.
    template <int C>
    V columns(Index j, V active) const {
        const T rho = T(8 * k_) * std::numeric_limits<T>::epsilon();
        for (int c = 0; c < C; ++c) {
            V cross = c ? masked(j + 1, j) : V{};
            const V on = get(sigma(j + c)) * get(sigma(j + c));
            V d = on * (gram_[(j + c) * k_ + j + c] * (1 + rho)) + (T(1) - on);
            for (Index s = 0; s < j; ++s) {
                const V l = get(lower(j + c, s)), ws = l * get(lower(s, s));
                put(w(c, s), ws);
                d -= l * ws;
                if (c) cross -= l * get(w(0, s));
            }
            if (c) {
                const V ws = cross * get(lower(j, j));
                put(lower(j + 1, j), cross);
                put(w(1, j), ws);
                d -= cross * ws;
            }
            active = d > V{} ? active : V{};
            put(lower(j + c, j + c), d > V{} ? T(1) / d : V{} + T(1));
        }
        Index i = j + C;
        for (; i + 4 <= k_; i += 4) below<4, C>(i, j);
        for (; i < k_; ++i) below<1, C>(i, j);
        return active;
    }

    // N rows of those columns, from i on.
    template <int N, int C>
    void below(Index i, Index j) const {
        V sum[N][C];
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n)
            for (int c = 0; c < C; ++c) sum[n][c] = masked(i + n, j + c);
        for (Index s = 0; s < j; ++s) {
            V ws[C];
            for (int c = 0; c < C; ++c) ws[c] = get(w(c, s));
#pragma GCC unroll 4
            for (int n = 0; n < N; ++n) {
                const V l = get(lower(i + n, s));
                for (int c = 0; c < C; ++c) sum[n][c] -= l * ws[c];
            }
        }
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) {
            put(lower(i + n, j), sum[n][0]);
            if (C == 2) put(lower(i + n, j + 1), sum[n][1] - sum[n][0] * get(w(1, j)));
        }
    }

    void solve() const {
        for (Index i = 0; i < k_; ++i) {
            V sum = get(y(i));
            for (Index s = 0; s < i; ++s) sum -= get(lower(i, s)) * get(y(s));
            put(y(i), sum * get(lower(i, i)));
        }
        for (Index i = k_; i-- > 0;) {
            V sum = {};
            for (Index s = i + 1; s < k_; ++s) sum += get(lower(s, i)) * get(y(s));
            put(y(i), get(y(i)) - sum * get(lower(i, i)));
        }
    }

    void start(const T* z, const T* p, Index stride) const {
        const V zero = {}, one = zero + T(1);
        for (Index t = 0; t < k_; ++t) put(r(t), load<V>(p + t * stride));
        for (Index s = 0; s < k_; ++s) {
            const V zs = load<V>(z + s * stride);
            for (Index t = 0; t < k_; ++t) put(r(t), get(r(t)) - zs * gram_[s * k_ + t]);
        }
        for (Index t = 0; t < k_; ++t) {
            const V zt = load<V>(z + t * stride), sign = zt > zero ? one : zt < zero ? -one : zero;
            put(sigma(t), sign);
            put(r(t), (get(r(t)) - sign * l1_) * sign * sign);
            put(y(t), get(r(t)));
        }
    }

    V advance(T* z, Index stride, V active) const {
        const V zero = {}, one = zero + T(1);
        V reach = one, slope = {};
        for (Index t = 0; t < k_; ++t) {
            const V zt = load<V>(z + t * stride), s = get(y(t)), moved = zt + s;
            slope += s * get(r(t));
            const V until = moved * zt < zero ? -zt / s : one;
            reach = until < reach ? until : reach;
            put(w(0, t), (moved * zt > zero ? moved : zero) - zt);
        }
        V change = {};
        for (Index t = 0; t < k_; ++t) {
            V gd = {};
            for (Index s = 0; s < k_; ++s) gd += get(w(0, s)) * gram_[t * k_ + s];
            change += get(w(0, t)) * (gd * T(0.5) - get(r(t)));
        }
        const V cut = change < slope * reach * (reach * T(0.5) - T(1)) ? one : zero;
        for (Index t = 0; t < k_; ++t) {
            const V zt = load<V>(z + t * stride), s = get(y(t));
            const V until = (zt + s) * zt < zero ? -zt / s : one + one;
            const V to = cut > zero ? zt + get(w(0, t)) : until > reach ? zt + reach * s : zero;
            store(z + t * stride, active > zero ? to : zt);
        }
        return reach < one ? active : zero;
    }

    const T* gram_;
    Index k_;
    T l1_;
    T* at_;
};

}  // namespace gramfold
