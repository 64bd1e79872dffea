// LDL' of many small matrices side by side, one to a lane, each in place in a packed lower triangle.
//
// Left-looking, two columns at a time and four rows, so that what is read of L serves eight sums. The right side is
// one more row: it is solved forward by the way. The first columns of a matrix do not depend on how many follow.
// Cost: n^3 / 6 + n^2 FMA per lane. Scratch: n (n + 1) / 2 + 3 n vectors.
#pragma once

#include "fold/vectors.hpp"

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

    // What factorise left of y to the solution; two rows at a time, the same ones whatever follows.
    void solve() const {
        for (Index i = 0; i < n_; ++i) put(y(i), get(y(i)) * get(lower(i, i)));
        Index i = n_ - 1;
        if (i % 2 == 0) {
            const V last = get(y(i));
            for (Index s = 0; s < i; ++s) put(y(s), get(y(s)) - get(lower(i, s)) * last * get(lower(s, s)));
            --i;
        }
        for (; i >= 1; i -= 2) {
            const V last = get(y(i)), next = get(y(i - 1)) - get(lower(i, i - 1)) * last * get(lower(i - 1, i - 1));
            put(y(i - 1), next);
            for (Index s = 0; s < i - 1; ++s)
                put(y(s), get(y(s)) - (get(lower(i, s)) * last + get(lower(i - 1, s)) * next) * get(lower(s, s)));
        }
    }

  private:
    template <int C>
    V columns(Index j, V active, T least) const {
        for (int c = 0; c < C; ++c)
            for (Index s = 0; s < j; ++s) put(w(c, s), get(lower(j + c, s)) * get(lower(s, s)));
        Index i = j;
        const auto rows = [&](auto n, auto head) {
            active = some<n, C, head>(i, j, active, least);
            i += n;
        };
        const Index left = n_ + 1 - j;
        constexpr std::integral_constant<int, 4> four;
        if (left >= 4) rows(four, std::true_type{});
        else if (left == 3) rows(std::integral_constant<int, 3>{}, std::true_type{});
        else rows(std::integral_constant<int, 2>{}, std::true_type{});
        while (i + 4 <= n_ + 1) rows(four, std::false_type{});
        if (n_ + 1 - i == 3) rows(std::integral_constant<int, 3>{}, std::false_type{});
        if (n_ + 1 - i == 2) rows(std::integral_constant<int, 2>{}, std::false_type{});
        if (n_ + 1 - i == 1) rows(std::integral_constant<int, 1>{}, std::false_type{});
        return active;
    }

    // N rows of C columns, from i on. The head, i = j, holds the pivots: they come with the rows below, which hide
    // their latency.
    template <int N, int C, bool head>
    V some(Index i, Index j, V active, T least) const {
        V sum[N][C];
        sums<N, C>(i, j, sum);
        const auto pivot = [&](Index c, V d) {
            const V enough = get(lower(c, c)) * least;
            active = d > enough ? active : V{};
            put(lower(c, c), d > enough ? T(1) / d : V{} + T(1));
        };
        if constexpr (head) {
            pivot(j, sum[0][0]);
            if constexpr (C == 2) {
                const V ws = sum[1][0] * get(lower(j, j));
                put(lower(j + 1, j), sum[1][0]);
                put(w(1, j), ws);
                pivot(j + 1, sum[1][1] - sum[1][0] * ws);
            }
        }
#pragma GCC unroll 4
        for (int n = head ? C : 0; n < N; ++n) {
            put(lower(i + n, j), sum[n][0]);
            if constexpr (C == 2) put(lower(i + n, j + 1), sum[n][1] - sum[n][0] * get(w(1, j)));
        }
        return active;
    }

    // What is left of N rows of those columns, from i on.
    template <int N, int C>
    void sums(Index i, Index j, V (&sum)[N][C]) const {
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
    }

    Index n_;
    T* at_;
};

}  // namespace gramfold
