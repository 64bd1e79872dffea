// LDL' of many small matrices side by side, one to a lane, each in place in a packed lower triangle.
//
// Left-looking, two columns at a time and four rows, so that what is read of L serves eight sums. The first columns
// of a matrix do not depend on how many follow. Cost: n^3 / 6 + n^2 FMA per lane. Scratch: n (n + 1) / 2 + 3 n vectors.
#pragma once

#include "../tile.hpp"

namespace gramfold {

template <class T>
class Ldl {
  public:
    using V = Vec<T>;

    static Index scratch_size(Index n) { return n * (n + 7) / 2 * lanes<T>; }

    Ldl(Index n, T* scratch) : n_(n), at_(scratch) {}

    // A_ij for j <= i, after factorise L_ij d_j for j < i and 1 / d_i for j = i; y: the right side, then the solution.
    static Index lower(Index i, Index j) { return i * (i + 1) / 2 + j; }
    Index y(Index t) const { return lower(n_, t); }
    Index w(int c, Index t) const { return y(n_) + c * n_ + t; }  // free until factorise and after it
    V get(Index i) const { return load<V>(at_ + i * lanes<T>); }
    void put(Index i, V v) const { store(at_ + i * lanes<T>, v); }
    T* lane(Index i) const { return at_ + i * lanes<T>; }

    // Clears the lanes whose pivots are not more than `least` of their diagonal entry, and takes 1 for those.
    V factorise(V active, T least) const {
        Index j = 0;
        for (; j + 2 <= n_; j += 2) active = columns<2>(j, active, least);
        if (j < n_) active = columns<1>(j, active, least);
        return active;
    }

    void solve() const {
        for (Index i = 0; i < n_; ++i) {
            V sum = get(y(i));
            for (Index s = 0; s < i; ++s) sum -= get(lower(i, s)) * get(y(s));
            put(y(i), sum * get(lower(i, i)));
        }
        for (Index i = n_; i-- > 0;) {
            V sum = {};
            for (Index s = i + 1; s < n_; ++s) sum += get(lower(s, i)) * get(y(s));
            put(y(i), get(y(i)) - sum * get(lower(i, i)));
        }
    }

  private:
    template <int C>
    V columns(Index j, V active, T least) const {
        for (int c = 0; c < C; ++c) {
            V cross = c ? get(lower(j + 1, j)) : V{}, d = get(lower(j + c, j + c));
            const V enough = d * least;
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
            active = d > enough ? active : V{};
            put(lower(j + c, j + c), d > enough ? T(1) / d : V{} + T(1));
        }
        Index i = j + C;
        for (; i + 4 <= n_; i += 4) below<4, C>(i, j);
        for (; i < n_; ++i) below<1, C>(i, j);
        return active;
    }

    // N rows of those columns, from i on.
    template <int N, int C>
    void below(Index i, Index j) const {
        V sum[N][C];
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n)
            for (int c = 0; c < C; ++c) sum[n][c] = get(lower(i + n, j + c));
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

    Index n_;
    T* at_;
};

}  // namespace gramfold
