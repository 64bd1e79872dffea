// Rows of one factor for the Kullback-Leibler loss by coordinate descent with second-order steps.
//
//     minimise over z >= 0   sum_t (slope_t z_t + l2/2 z_t^2) - sum_e x_e log(wh_e),   wh = F z
//     N = sum x F_t / wh,  M = sum x F_t^2 / wh^2,  rho = max F_t / wh,  a = slope + l2 z,  g = a - N
//
// Hsieh & Dhillon 2011, section 3 step by Newton's -g / M, which can overshoot. Here no step passes the minimiser of
// its coordinate, so the objective never rises and no step is tried twice:
//   up (g < 0):    R(z) = N is a sum of poles and 1/R is concave, so that Newton's step on 1/R = 1/a falls short:
//                  d = -g N / (a M), longer than Newton's;
//   down (g > 0):  x F / (wh - F s) <= x F / wh + s x F^2 / wh^2 / (1 - rho s): d = -g / (M + rho g) falls short.
// With l2 both become the root of a quadratic equation. Both are Newton steps in the limit.
// A row ends when its step, sum (M + l2) d^2, is at most shrink^2 of its first one or tol^2 of sum x.
// Cost: per entry, component and sweep 6 FMA and a division. Overwrites z.
#pragma once

#include <cmath>

#include "fold/elementary.hpp"

namespace gramfold {

struct KlStats {
    double loss_start = 0, loss_end = 0;          // without sum x's share of wh: sum x log(x / wh) - x
    double residual_start = 0, residual_end = 0;  // sum |g d|, d Newton's step cut off at 0
    double unconverged = 0;                       // rows that had not ended after max_sweeps

    KlStats& operator+=(const KlStats& o) {
        loss_start += o.loss_start, loss_end += o.loss_end;
        residual_start += o.residual_start, residual_end += o.residual_end, unconverged += o.unconverged;
        return *this;
    }
};

// The entries of one row along the lanes, or of as many rows as there are lanes side by side.
template <class T>
struct KlGathered {
    Index n;              // vectors per component
    Vec<T>*f, *x;         // k x n, n
    Vec<T>*wh, *inverse;  // n: scratch
    Vec<T>* z;            // k
    const Vec<T>* slope;  // k: sum of F over the columns that count, plus l1
    Vec<T> l2;
};

template <class T>
class KlRows {
  public:
    using V = Vec<T>;

    Index k;
    double l2;
    int max_sweeps;
    T shrink, tol;
    bool measure_start, measure_end;
    const double* units;  // rows, or null: what a row of X and its z are divided by, a power of two

    // l2 of a row that is divided by `unit`.
    T penalty(T unit) const { return T(std::min(l2 * double(unit), double(std::numeric_limits<T>::max()) / 4)); }

    // `active`: 1 for lanes that hold a row (side by side), or all 1 for one row along the lanes.
    template <bool side_by_side>
    void solve(const KlGathered<T>& row, V active, KlStats& stats) const {
        start(row);
        if (measure_start) measure<side_by_side>(row, active, stats.loss_start, stats.residual_start);
        V size = {}, first = {};
        for (Index e = 0; e < row.n; ++e) size += row.x[e];
        size = across<side_by_side>(size);
        V open = active;
        for (int sweep = 0; sweep < max_sweeps && total<T>(open) > 0; ++sweep) {
            const V step = sweep_once<side_by_side>(row, open);
            if (sweep == 0) first = step;
            const V limit = larger(first * (shrink * shrink), size * (tol * tol));
            open = step > limit ? open : V{};
        }
        stats.unconverged += double(side_by_side ? total<T>(open) : open[0]);
        if (measure_end) measure<side_by_side>(row, active, stats.loss_end, stats.residual_end);
    }

  private:
    // Far below any wh where X is of the order of 1; one over its square is far from overflow.
    static constexpr T least = sizeof(T) == 8 ? T(1e-60) : T(1e-12);

    struct Sums {
        V n = {}, m = {}, rho = {};
    };

    static V larger(V a, V b) { return a > b ? a : b; }

    template <bool side_by_side>
    static V across(V v) {
        return side_by_side ? v : V{} + total<T>(v);
    }

    void start(const KlGathered<T>& row) const {
        for (Index e = 0; e < row.n; ++e) {
            V wh = {};
            for (Index t = 0; t < k; ++t) wh += row.z[t] * row.f[t * row.n + e];
            row.wh[e] = wh;
            row.inverse[e] = T(1) / larger(wh, V{} + least);
        }
    }

    template <bool side_by_side>
    Sums sums(const KlGathered<T>& row, Index t) const {
        const V* f = row.f + t * row.n;
        Sums s;
        for (Index e = 0; e < row.n; ++e) {
            const V share = f[e] * row.inverse[e], part = row.x[e] * share;
            s.n += part, s.m += part * share;
            s.rho = larger(s.rho, share);
        }
        if constexpr (!side_by_side) {
            s.n = across<false>(s.n), s.m = across<false>(s.m);
            T most = s.rho[0];
            for (int i = 1; i < lanes<T>; ++i) most = s.rho[i] > most ? s.rho[i] : most;
            s.rho = V{} + most;
        }
        return s;
    }

    template <bool side_by_side>
    V sweep_once(const KlGathered<T>& row, V open) const {
        V steps = {};
        for (Index t = 0; t < k; ++t) {
            const Sums s = sums<side_by_side>(row, t);
            const V z = row.z[t], d = (moved(s, z, row.slope[t], row.l2) - z) * open;
            if (!side_by_side && d[0] == 0) continue;
            row.z[t] = z + d;
            steps += (s.m + row.l2) * d * d;
            const V* f = row.f + t * row.n;
            for (Index e = 0; e < row.n; ++e) {
                row.wh[e] += f[e] * d;
                row.inverse[e] = T(1) / larger(row.wh[e], V{} + least);
            }
        }
        return steps;
    }

    // The new z_t. Without curvature the objective is linear: 0 if it rises.
    V moved(const Sums& s, V z, V slope, V penalty) const {
        const V a = slope + penalty * z, g = a - s.n;
        const auto up = g < V{};
        const V top = up ? -g * s.n : -g;
        V bottom = up ? a * s.m : s.m + s.rho * g;
        if (l2 > 0) {
            bottom += up ? penalty * s.n : penalty;
            const V cross = 4 * penalty * top * (up ? s.m : s.rho);
            bottom = (bottom + root(bottom * bottom + cross)) / 2;
        }
        const V at = z + top / bottom;
        const V curved = at > V{} ? at : V{};
        const V flat = g > V{} ? V{} : z;
        return s.m > V{} ? curved : flat;
    }

    template <bool side_by_side>
    void measure(const KlGathered<T>& row, V active, double& loss, double& residual) const {
        V sum = {};
        for (Index t = 0; t < k; ++t) {
            const Sums s = sums<side_by_side>(row, t);
            const V z = row.z[t], g = row.slope[t] + row.l2 * z - s.n, h = s.m + row.l2;
            const V at = z - g / (h > V{} ? h : V{} + T(1)), cut = at > V{} ? at : V{};
            const V d = (h > V{} ? cut : g > V{} ? V{} : z) - z;
            sum -= g * d * active;
        }
        residual += double(side_by_side ? total<T>(sum) : sum[0]);
        V terms = {};
        for (Index e = 0; e < row.n; ++e) {
            const V x = row.x[e], ratio = x * row.inverse[e];
            const auto counts = ratio >= std::numeric_limits<T>::min();
            terms += counts ? x * (log<T>(counts ? ratio : V{} + T(1)) - T(1)) : V{};
        }
        loss += double(total<T>(terms));
    }

    static V root(V v) {
        for (int i = 0; i < lanes<T>; ++i) v[i] = std::sqrt(v[i]);
        return v;
    }
};

}  // namespace gramfold
