// One row of robust PCA's second half step, for l known: x - l is shrunk, the multiplier clipped.
//
//     decode   y = clip(c z),  t = (z - y) / mu                 c: damping; t = s + noise, s = (z - y / c) / mu
//     advance  z <- y + mu (a (x - l) + (1 - a) t)              a: relaxation (Eckstein & Bertsekas 1992)
//     encode   w = x - t + y / mu_next                          what the singular values of are thresholded next
//
// So z alone carries both s and y (Lin, Chen & Ma 2010, alg. 5, with a clip in place of the shrinkage). Where x is
// NaN nothing is observed, s is free and y = 0: z carries l there, and w = l. clip: |y_j| <= lam_j, or |y| <= lam for
// outlying rows. c = 1 without noise; c = kappa / (kappa + mu) for the term kappa/2 |noise|^2.
#pragma once

#include <cmath>

#include "fold/dense.hpp"

namespace gramfold {

// Of a whole pass, over the observed entries: lam |x - l|, <y, x>, |y|^2, the squares of what t (or l, unobserved)
// moved by, of x - l - t and of x - l - s, lam |s|, lam |x - l - s|, and how many s are not 0.
struct ShrinkSums {
    enum { misfit, dot, multipliers, moved, unmet, noise, outlying, unexplained, outliers, size };
    double v[size] = {};
    ShrinkSums& operator+=(const ShrinkSums& o) {
        for (int i = 0; i < size; ++i) v[i] += o.v[i];
        return *this;
    }
};

template <class T>
class Shrink {
  public:
    bool by_row;
    T lam, mu_old, mu, mu_next, damping_old, damping, relax;

    // The input of the threshold from z as it stands; with `dual`, y instead. weights: lam_j, or null.
    void decode(Index n, const T* x, const T* z, const T* weights, bool dual, T* w) const {
        const V bound = by_row ? V{} + row_scale(squares(n, x, z), damping_old) : V{};
        const T over_old = 1 / mu_old, over_mu = 1 / mu;
        each(n, [&](auto part) {
            const V xs = part.x(x), zs = part(z);
            const V y = clip<true>(zs, damping_old, lams(part, weights), bound);
            const V seen = dual ? y : xs - (zs - y) * over_old + y * over_mu;
            part.put(w, xs == xs ? seen : dual ? V{} : zs);
        });
    }

    // z and w of the row are overwritten.
    void advance(Index n, const T* x, T* z, const T* weights, const T* l, T* w, ShrinkSums& sums) const {
        if (damping == 1 && damping_old == 1 && !by_row) advance<false>(n, x, z, weights, l, w, sums);
        else advance<true>(n, x, z, weights, l, w, sums);
    }

  private:
    using V = Vec<T>;
    static constexpr Index W = lanes<T>;
    struct Step {
        V t, z;
    };

    // W entries of a row from i on, or the fewer that are left, completed by unobserved zeros.
    template <bool full>
    struct Part {
        Index i, left;
        V operator()(const T* from, T fill = 0) const {
            if constexpr (full) return load<V>(from + i);
            T some[W];
            std::fill(std::copy_n(from + i, left, some), some + W, fill);
            return load<V>(some);
        }
        V x(const T* from) const { return (*this)(from, std::numeric_limits<T>::quiet_NaN()); }
        void put(T* to, V v) const {
            if constexpr (full) return store(to + i, v);
            T some[W];
            store(some, v);
            std::copy_n(some, left, to + i);
        }
    };
    template <class F>
    static void each(Index n, F f) {
        Index i = 0;
        for (; i + W <= n; i += W) f(Part<true>{i, W});
        if (i < n) f(Part<false>{i, n - i});
    }

    // Without noise r - t and r - s are one, and some sums with them.
    template <bool noisy>
    void advance(Index n, const T* x, T* z, const T* weights, const T* l, T* w, ShrinkSums& sums) const {
        const T over_old = 1 / mu_old, over_mu = 1 / mu, over_next = 1 / mu_next;
        const T over_damping = 1 / damping, keep = 1 - relax;
        const V old_bound = by_row ? V{} + row_scale(squares(n, x, z), damping_old) : V{};
        const auto step = [&](V xs, V zs, V ls, V limit) {
            const V y = clip<noisy>(zs, damping_old, limit, old_bound), t = (zs - y) * over_old;
            return Step{t, y + mu * (relax * (xs - ls) + keep * t)};
        };
        V bound = {};
        if (by_row) {
            V total = {};
            each(n, [&](auto part) {
                const V xs = part.x(x), z_next = step(xs, part(z), part(l), V{}).z;
                total += xs == xs ? z_next * z_next : V{};
            });
            bound = V{} + row_scale(sum(total), damping);
        }
        const double unmet = sums.v[ShrinkSums::unmet];
        V acc[ShrinkSums::size] = {};
        Index vectors = 0;
        each(n, [&](auto part) {
            const V given = part.x(x), before = part(z), ls = part(l), limit = lams(part, weights);
            const auto seen = given == given;
            const V xs = seen ? given : ls, zs = seen ? before : V{};  // unobserved: r, y and t are 0
            const Step next = step(xs, zs, ls, limit);
            const V y = clip<noisy>(next.z, damping, limit, bound), t = (next.z - y) * over_mu;
            const V free = relax * ls + keep * before;
            part.put(z, seen ? next.z : free);
            part.put(w, seen ? xs - t + y * over_next : free);
            const V r = xs - ls, rest = r - t, moved = seen ? t - next.t : free - before;
            acc[ShrinkSums::misfit] += size(r, limit);
            acc[ShrinkSums::dot] += y * xs;
            acc[ShrinkSums::multipliers] += y * y;
            acc[ShrinkSums::moved] += moved * moved;
            acc[ShrinkSums::unmet] += rest * rest;
            if constexpr (noisy) {
                const auto out = by_row ? bound < damping : magnitude(next.z) * damping > limit;
                const V s = out ? (next.z - y * over_damping) * over_mu : V{};  // 0 exactly where nothing was clipped
                const V noise = r - s;
                acc[ShrinkSums::noise] += seen ? noise * noise : V{};
                acc[ShrinkSums::outlying] += seen ? size(s, limit) : V{};
                acc[ShrinkSums::unexplained] += seen ? size(noise, limit) : V{};
                acc[ShrinkSums::outliers] += seen & out ? V{} + T(1) : V{};
            } else {
                acc[ShrinkSums::outlying] += size(t, limit);
                acc[ShrinkSums::unexplained] += size(rest, limit);
                acc[ShrinkSums::outliers] += next.z == y ? V{} : V{} + T(1);
            }
            if (!by_row && ++vectors % 32 == 0) flush(acc, sums);
        });
        flush(acc, sums);
        if constexpr (!noisy) sums.v[ShrinkSums::noise] += sums.v[ShrinkSums::unmet] - unmet;
    }

    template <class P>
    V lams(const P& part, const T* weights) const {
        return by_row || !weights ? V{} + lam : part(weights);
    }
    template <bool noisy>
    V clip(V z, T scale, V limit, V bound) const {
        if (by_row) return z * bound;
        const V y = noisy ? z * scale : z, low = -limit;
        return y > limit ? limit : y < low ? low : y;
    }
    // Of rows, the squares add up first: see flush.
    V size(V v, V limit) const { return by_row ? v * v : limit * magnitude(v); }
    static V magnitude(V v) { return v < 0 ? -v : v; }
    T row_scale(T squares, T scale) const { return squares > 0 ? std::min(scale, lam / std::sqrt(squares)) : scale; }

    T squares(Index n, const T* x, const T* z) const {
        V total = {};
        each(n, [&](auto part) {
            const V xs = part.x(x), zs = part(z);
            total += xs == xs ? zs * zs : V{};
        });
        return sum(total);
    }
    static T sum(const V& v) {
        T total = 0;
        for (Index i = 0; i < W; ++i) total += v[i];
        return total;
    }
    void flush(V (&acc)[ShrinkSums::size], ShrinkSums& sums) const {
        for (int i = 0; i < ShrinkSums::size; ++i) {
            const bool norm =
                by_row && (i == ShrinkSums::misfit || i == ShrinkSums::outlying || i == ShrinkSums::unexplained);
            sums.v[i] += norm ? double(lam) * std::sqrt(double(sum(acc[i]))) : double(sum(acc[i]));
            acc[i] = V{};
        }
    }
};

}  // namespace gramfold
