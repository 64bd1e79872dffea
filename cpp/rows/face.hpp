// Rows to the minimiser on their face, many rows side by side: the exact end of a coordinate descent.
//
//     minimise 1/2 z'Gz - p'z + l1 |z|_1 over the components that are not 0, with their signs held
//     (G_PP + rho D) s = p_P - (Gz)_P - l1 sign(z_P)   by LDL' with rows and columns outside P masked out
//     z <- z + a s,   a <= 1 up to the first change of a sign, where that component becomes 0
//
// The active-set step of Lawson & Hanson 1974, chapter 23, for many rows at once; it never raises the objective.
// rho is a few roundings of the diagonal D: enough for a singular G_PP, and nothing is lost, since s solves for
// the rest (Rockafellar 1976).
// Cost: k^3 / 6 + k^2 FMA per row, the work of k / 6 sweeps. Scratch: k (k + 7) / 2 vectors.
#pragma once

#include <limits>

#include "../tile.hpp"

namespace gramfold {

template <class T>
class Face {
  public:
    using V = Vec<T>;

    static Index scratch_size(Index k) { return k * (k + 7) / 2 * lanes<T>; }

    Face(const T* gram, Index k, T l1, T* scratch) : gram_(gram), k_(k), l1_(l1), at_(scratch) {}

    // z, p: k x lanes, row stride `stride`; rows with active = 0 are left alone. l1 of nonneg rows is in p.
    void move(T* z, const T* p, Index stride, V active) const {
        V on;
        for (Index t = 0; t < k_; ++t) {
            const V zt = load<V>(z + t * stride), sign = zt < V{} ? V{} - l1_ : zt > V{} ? V{} + l1_ : V{};
            on = zt != V{} ? V{} + T(1) : V{};
            put(mask(t), on);
            put(y(t), load<V>(p + t * stride) - sign);
        }
        for (Index s = 0; s < k_; ++s) {
            const V zs = load<V>(z + s * stride);
            for (Index t = 0; t < k_; ++t) put(y(t), get(y(t)) - zs * gram_[s * k_ + t]);
        }
        for (Index t = 0; t < k_; ++t) put(y(t), get(y(t)) * get(mask(t)));
        active = factorise(active);
        solve();
        advance(z, stride, active);
    }

  private:
    Index lower(Index i, Index j) const { return i * (i + 1) / 2 + j; }  // L_ij d_j for j < i, 1 / d_i for j = i
    Index mask(Index t) const { return k_ * (k_ + 1) / 2 + t; }
    Index y(Index t) const { return mask(k_) + t; }
    Index w(Index t) const { return y(k_) + t; }
    V get(Index i) const { return load<V>(at_ + i * lanes<T>); }
    void put(Index i, V v) const { store(at_ + i * lanes<T>, v); }

    V factorise(V active) const {
        const T rho = T(8 * k_) * std::numeric_limits<T>::epsilon();
        for (Index j = 0; j < k_; ++j) {
            const V on = get(mask(j));
            V d = on * (gram_[j * k_ + j] * (1 + rho)) + (T(1) - on);
            for (Index s = 0; s < j; ++s) {
                const V l = get(lower(j, s));
                const V ws = l * get(lower(s, s));
                put(w(s), ws);
                d -= l * ws;
            }
            active = d > V{} ? active : V{};
            d = d > V{} ? T(1) / d : V{} + T(1);
            put(lower(j, j), d);
            Index i = j + 1;
            for (; i + 4 <= k_; i += 4) below<4>(i, j, on);
            for (; i < k_; ++i) below<1>(i, j, on);
        }
        return active;
    }

    // L_ij d_j of N rows from i on.
    template <int N>
    void below(Index i, Index j, V on) const {
        V sum[N];
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) sum[n] = get(mask(i + n)) * on * gram_[j * k_ + i + n];
        for (Index s = 0; s < j; ++s) {
            const V ws = get(w(s));
#pragma GCC unroll 4
            for (int n = 0; n < N; ++n) sum[n] -= get(lower(i + n, s)) * ws;
        }
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) put(lower(i + n, j), sum[n]);
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

    void advance(T* z, Index stride, V active) const {
        V a = active;
        for (Index t = 0; t < k_; ++t) {
            const V zt = load<V>(z + t * stride), s = get(y(t));
            const V reach = zt * (zt + s) < V{} ? -zt / s : a;
            a = reach < a ? reach : a;
        }
        for (Index t = 0; t < k_; ++t) {
            const V zt = load<V>(z + t * stride), s = get(y(t));
            const V reach = zt * (zt + s) < V{} ? -zt / s : V{} + T(2);
            const V kept = reach > a ? zt + a * s : V{};
            store(z + t * stride, active > V{} ? kept : zt);
        }
    }

    const T* gram_;
    Index k_;
    T l1_;
    T* at_;
};

}  // namespace gramfold
