// Weighted sums of rows about a point for each component, features in vector lanes.
//
//     counts_t = sum_n r_nt     first_t = sum_n r_nt (x_n - a_t)
//     second_t = sum_n r_nt (x_n - a_t)(x_n - a_t)'     or its diagonal, or one sum over all t
//
// About the old means nothing cancels: a covariance is second / counts less the square of the small step of the mean.
// Rows carry a feature more that is 1, so that counts and first are a line of second. Rows with r = 0 are left out.
// Cost: d^2 / 2 FMA for each row and component with r > 0.
#pragma once

#include <cmath>

#include "fold/dense.hpp"

namespace gramfold {

enum class Second { none, diagonal, full, pooled };

template <class T>
struct Moments {
    Index k, d, dp;  // d + 1 features padded to whole vectors
    Second kind;
    Buffer<T> about;  // k x dp, 0 for the feature that is 1

    Moments(Index components, Index features, Second which, const T* a)
        : k(components), d(features), dp(round_up<Index>(d + 1, lanes<T>)), kind(which), about(k * dp) {
        about.zero();
        for (Index t = 0; t < k; ++t) std::copy_n(a + t * d, d, about.get() + t * dp);
    }

    // Full: for each component d x dp, then a line of first and counts. Pooled: d x dp for all, then such a line for
    // each. Else for each component a line of first and counts, and one of second.
    bool matrices() const { return kind == Second::full || kind == Second::pooled; }
    Index matrix(Index t) const { return kind == Second::full ? t * (d + 1) * dp : 0; }
    Index line(Index t) const {
        return kind == Second::full ? matrix(t) + d * dp : kind == Second::pooled ? (d + t) * dp : 2 * t * dp;
    }
    Index sums_size() const { return kind == Second::pooled ? (d + k) * dp : k * (matrices() ? d + 1 : 2) * dp; }
    Index scratch_size(Index block) const { return matrices() ? block * dp : 0; }

    // x: count x dp; r: count.
    void add(Index t, const T* x, const T* r, Index count, T* scratch, T* sums) const {
        const T* a = about.get() + t * dp;
        if (matrices()) add_full(a, x, r, count, scratch, sums + matrix(t), sums + line(t));
        else
            with_squares([&](auto squares) {
                each_panel<T>(dp, [&](auto w, auto nv, Index c) {
                    add_lines<w, nv, squares>(a + c, x + c, r, count, sums + line(t) + c);
                });
            });
    }

    // As add without matrices, of the `count` rows `kept` alone; r: up to a whole vector of them, the rest 0.
    void add_some(Index t, const T* x, const std::int32_t* kept, const T* r, Index count, T* sums) const {
        const T* a = about.get() + t * dp;
        const bool whole = d % lanes<T> == 0;  // then the feature that is 1 has a vector of its own
        with_squares([&](auto squares) {
            each_panel<T>(whole ? d : dp, [&](auto w, auto nv, Index c) {
                add_kept<w, nv, squares>(a + c, x + c, kept, r, count, sums + line(t) + c);
            });
        });
        if (!whole) return;
        Vec<T> total = {};
        for (Index n = 0; n < count; n += lanes<T>) total += load<Vec<T>>(r + n);
        for (int i = 0; i < lanes<T>; ++i) sums[line(t) + d] += total[i];
    }

    void read(Index t, const T* sums, double* counts, double* first, double* second) const {
        const T* from = sums + line(t);
        counts[t] = double(from[d]);
        for (Index i = 0; i < d; ++i) first[t * d + i] = double(from[i]);
        if (kind == Second::diagonal)
            for (Index i = 0; i < d; ++i) second[t * d + i] = double(from[dp + i]);
        if (kind == Second::full || (kind == Second::pooled && t == 0))
            for (Index i = 0; i < d; ++i)
                for (Index j = 0; j <= i; ++j)
                    second[(t * d + i) * d + j] = second[(t * d + j) * d + i] = double(sums[matrix(t) + i * dp + j]);
    }

  private:
    static constexpr Index step = tile_rows == 6 ? 6 : 8;  // lines of a tile, of which the diagonal wastes half

    template <class F>
    void with_squares(F f) const {
        if (kind == Second::diagonal) f(std::true_type());
        else f(std::false_type());
    }

    void add_full(const T* a, const T* x, const T* r, Index count, T* scratch, T* sums, T* last) const {
        using V = Vec<T>;
        T* to = scratch;
        for (Index n = 0; n < count; ++n, x += dp) {
            if (r[n] == 0) continue;
            const T root = std::sqrt(r[n]);
            for (Index c = 0; c < dp; c += lanes<T>) store(to + c, (load<V>(x + c) - load<V>(a + c)) * root);
            to += dp;
        }
        const Index kept = (to - scratch) / dp;
        if (kept == 0) return;
        const Index end = last == sums + d * dp ? d + 1 : d;
        for (Index i = 0; i < end; i += step) {
            const Index lines = std::min(step, end - i), reach = std::min(dp, round_up<Index>(i + lines, lanes<T>));
            product(lines, reach, kept, scratch + i, 1, dp, scratch, dp, sums + i * dp, dp, true);
        }
        if (end == d) product(1, dp, kept, scratch + d, 1, dp, scratch, dp, last, dp, true);
    }

    // Every second row has sums of its own: an addition need not wait for the last one.
    template <int W, int NV, bool squares>
    void add_lines(const T* a, const T* x, const T* r, Index count, T* sums) const {
        Lines<W, NV> lines(a, sums, dp), others(a);
        Index n = 0;
        for (; n + 2 <= count; n += 2, x += 2 * dp) {
            if (r[n] > 0) lines.template add<squares>(x, r[n]);
            if (r[n + 1] > 0) others.template add<squares>(x + dp, r[n + 1]);
        }
        if (n < count && r[n] > 0) lines.template add<squares>(x, r[n]);
        lines += others;
        lines.put(sums, dp);
    }

    template <int W, int NV, bool squares>
    void add_kept(const T* a, const T* x, const std::int32_t* kept, const T* r, Index count, T* sums) const {
        Lines<W, NV> lines(a, sums, dp), others(a);
        Index n = 0;
        for (; n + 2 <= count; n += 2) {
            lines.template add<squares>(x + kept[n] * dp, r[n]);
            others.template add<squares>(x + kept[n + 1] * dp, r[n + 1]);
        }
        if (n < count) lines.template add<squares>(x + kept[n] * dp, r[n]);
        lines += others;
        lines.put(sums, dp);
    }

    // Sums of NV vectors of features.
    template <int W, int NV>
    struct Lines {
        using V = Vec<T, W>;
        V at[NV], first[NV], second[NV];

        Lines(const T* a, const T* sums, Index dp) {
            for (int v = 0; v < NV; ++v) {
                at[v] = load<V>(a + v * W), first[v] = load<V>(sums + v * W);
                second[v] = load<V>(sums + dp + v * W);
            }
        }
        explicit Lines(const T* a) : first{}, second{} {
            for (int v = 0; v < NV; ++v) at[v] = load<V>(a + v * W);
        }
        Lines& operator+=(const Lines& o) {
            for (int v = 0; v < NV; ++v) first[v] += o.first[v], second[v] += o.second[v];
            return *this;
        }
        template <bool squares>
        void add(const T* x, T s) {
#pragma GCC unroll 2
            for (int v = 0; v < NV; ++v) {
                const V y = load<V>(x + v * W) - at[v], share = y * s;
                first[v] += share;
                if (squares) second[v] += share * y;
            }
        }
        void put(T* sums, Index dp) const {
            for (int v = 0; v < NV; ++v) store(sums + v * W, first[v]), store(sums + dp + v * W, second[v]);
        }
    };
};

}  // namespace gramfold
