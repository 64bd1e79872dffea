// Rows of one factor by coordinate descent, many rows side by side (vectors run over rows).
//
//     minimise over z   1/2 z'Gz - p'z + l1 |z|_1      z >= 0 if nonneg,   G = F'F + l2 I,  p = F'x
//     z_t <- prox(z_t - (Gz - p)_t / G_tt)             Cichocki & Phan 2009, eq. 26; order t = 0 .. k-1
//
// A row ends when its step, sum_t G_tt d_t^2, is at most shrink^2 of its first one (Gillis & Glineur 2012, section
// 4) or tol^2 of its own size sum_t G_tt z_t^2. An ended row is left alone, so its result does not depend on its
// neighbours. Without nonneg and l1 the minimiser is G^+ p: one product, one refinement, no sweep.
// Cost: k^2 FMA per row and sweep, and k^2 more for the residual at the end. Overwrites z.
#pragma once

#include <limits>
#include <vector>

#include "least_squares/pass_sums.hpp"

namespace gramfold {

struct Dual;

enum class Prox { nonneg, soft, none };

// What all rows share: G, its diagonal, 1 / diagonal (0 for 1 / 0).
template <class T>
struct HalsShared {
    Index k;
    std::vector<T> values;

    HalsShared(const double* g, Index size) : k(size), values(static_cast<std::size_t>(k * (k + 2))) {
        T* v = values.data();
        for (Index i = 0; i < k * k; ++i) v[i] = T(g[i]);
        for (Index t = 0; t < k; ++t) {
            const T h = v[t * k + t];
            v[k * k + t] = h;
            v[k * k + k + t] = h >= std::numeric_limits<T>::min() ? 1 / h : T(0);
        }
    }
    const T* gram() const { return values.data(); }
    const T* diagonal() const { return values.data() + k * k; }
    const T* inverse_diagonal() const { return diagonal() + k; }
};

template <class T>
class Hals {
  public:
    // Components that wait for each other, times vectors that do not: as many sums as 16 registers hold beside the
    // rest.
    static constexpr int width = lanes<T>, across = tile_rows >= 12 || sizeof(T) == 4 ? 3 : 4, together = 12 / across;
    using V = Vec<T>;

    struct Lanes {
        V x[across] = {};
    };

    // `solved`, of the pseudoinverse of G, may be null.
    Hals(const HalsShared<T>& shared, const HalsShared<T>* solved, T penalty, bool positive, int most_sweeps, T ratio,
         T enough, int rounds = 0, const Dual* first = nullptr)
        : gram(shared.gram()), diagonal(shared.diagonal()), inverse_diagonal(shared.inverse_diagonal()),
          inverse(solved), k(shared.k), l1(penalty), nonneg(positive), max_sweeps(most_sweeps), shrink(ratio),
          tol(enough), polish(rounds), dual(first) {}

    const T *gram, *diagonal, *inverse_diagonal;
    const HalsShared<T>* inverse;
    Index k;
    T l1;
    bool nonneg;
    int max_sweeps;
    T shrink, tol;
    int polish;        // for exact.hpp
    const Dual* dual;  // for exact.hpp; may be null

    bool direct() const { return inverse && !nonneg && l1 == 0; }
    Index scratch_size() const { return k * width * across; }

    // z, p: k x count, row stride `stride`; count a multiple of row_group.
    RowStats solve(T* z, const T* p, Index stride, Index count, T* scratch) const {
        return with_prox([&](auto prox) {
            RowStats stats;
            for (Index r = 0; r < count; r += width * across) stats += solve_some<prox>(z + r, p + r, stride, scratch);
            return stats;
        });
    }

    template <class F>
    auto with_prox(F f) const {
        if (nonneg) return f(std::integral_constant<Prox, Prox::nonneg>{});
        if (l1 > 0) return f(std::integral_constant<Prox, Prox::soft>{});
        return f(std::integral_constant<Prox, Prox::none>{});
    }

    // One sweep over width * across rows with active = 1; returns those that did not end by it.
    template <Prox prox>
    Lanes sweep(T* z, const T* p, Index stride, const Lanes& active, bool is_first, Lanes& first,
                Lanes& violation) const {
        Lanes step, size, open, unused;
        if (tol == 0 && is_first)
            sweep_once<prox, Measure::violation, false>(z, p, stride, active, step, size, violation);
        else if (tol == 0) sweep_once<prox, Measure::nothing, false>(z, p, stride, active, step, size, unused);
        else if (is_first) sweep_once<prox, Measure::violation, true>(z, p, stride, active, step, size, violation);
        else sweep_once<prox, Measure::nothing, true>(z, p, stride, active, step, size, unused);
        if (is_first) first = step;
        for (int v = 0; v < across; ++v) {
            const V limit = enough(first.x[v], size.x[v]);
            open.x[v] = step.x[v] > limit ? active.x[v] : V{};
        }
        return open;
    }

    // One sweep over non-negative rows that may be at their minimisers. Those that end as in `sweep`, and no higher
    // than `bounds` if they are given, are added to `stats`.
    Lanes check(T* z, const T* p, Index stride, const Lanes& active, const Lanes& first, const Lanes* bounds,
                RowStats& stats) const {
        Lanes step, size, objective, residual, open;
        if (bounds) {
            sweep_once<Prox::nonneg, Measure::nothing>(z, p, stride, active, step, size, objective);
            measure<Prox::nonneg>(z, p, stride, active, objective, residual);
        } else {
            sweep_once<Prox::nonneg, Measure::objective>(z, p, stride, active, step, size, objective);
            residual = step;
        }
        for (int v = 0; v < across; ++v) {
            const V limit = enough(first.x[v], size.x[v]);
            const V bound = bounds ? bounds->x[v] : V{} + std::numeric_limits<T>::infinity();
            const auto at_end = active.x[v] > V{} && !(step.x[v] > limit) && !(objective.x[v] > bound);
            open.x[v] = at_end ? V{} : active.x[v];
            objective.x[v] = at_end ? objective.x[v] : V{};
            residual.x[v] = at_end ? residual.x[v] : V{};
        }
        stats.objective += sum(objective);
        stats.residual += sum(residual);
        return open;
    }

    // The objectives and residuals of rows with active = 1.
    template <Prox prox>
    void measure(const T* z, const T* p, Index stride, const Lanes& active, Lanes& objective, Lanes& residual) const {
        by_some([&](auto n, Index t) {
            constexpr int N = decltype(n)::value;
            V g[N][across];
            gradient<N>(t, z, p, stride, g);
#pragma GCC unroll 4
            for (int i = 0; i < N; ++i)
                for (int v = 0; v < across; ++v) {
                    const V old = load<V>(z + (t + i) * stride + v * width);
                    const V d = shrunk<prox>(old, g[i][v], inverse_diagonal[t + i]) - old;
                    objective.x[v] += objective_at(old, g[i][v], load<V>(p + (t + i) * stride + v * width));
                    if (prox == Prox::soft) objective.x[v] += magnitude(old) * l1;
                    residual.x[v] += d * d * diagonal[t + i];
                }
        });
        for (int v = 0; v < across; ++v) {
            objective.x[v] = active.x[v] > V{} ? objective.x[v] : V{};
            residual.x[v] = active.x[v] > V{} ? residual.x[v] : V{};
        }
    }

    template <Prox prox>
    void finish(const T* z, const T* p, Index stride, const Lanes& active, RowStats& stats) const {
        Lanes objective, residual;
        measure<prox>(z, p, stride, active, objective, residual);
        stats.objective += sum(objective);
        stats.residual += sum(residual);
    }

    static double sum(const Lanes& lanes) {
        double total[width] = {};
        for (int v = 0; v < across; ++v)
            for (int i = 0; i < width; ++i) total[i] += double(lanes.x[v][i]);
        for (int n = width / 2; n > 0; n /= 2)
            for (int i = 0; i < n; ++i) total[i] += total[i + n];
        return total[0];
    }

  private:
    template <Prox prox>
    RowStats solve_some(T* z, const T* p, Index stride, T* scratch) const {
        RowStats stats;
        Lanes all, first, violation;
        for (auto& a : all.x) a += T(1);
        Lanes active = all;
        if (prox == Prox::none && inverse && max_sweeps > 0) {
            minimise(z, p, stride, scratch, first, violation);
            active = {};
        }
        for (int s = 0; s < max_sweeps && sum(active) > 0; ++s)
            active = sweep<prox>(z, p, stride, active, s == 0, first, violation);
        stats.violation = sum(violation);
        stats.step = sum(first);
        stats.unconverged = sum(active);
        finish<prox>(z, p, stride, all, stats);
        return stats;
    }

    // g = (Gz - p) of N components from t on.
    template <int N>
    void gradient(Index t, const T* z, const T* p, Index stride, V (&g)[N][across]) const {
#pragma GCC unroll 4
        for (int i = 0; i < N; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < across; ++v) g[i][v] = -load<V>(p + (t + i) * stride + v * width);
        for (Index s = 0; s < k; ++s) {
            V zs[across];
#pragma GCC unroll 4
            for (int v = 0; v < across; ++v) zs[v] = load<V>(z + s * stride + v * width);
#pragma GCC unroll 4
            for (int i = 0; i < N; ++i)
#pragma GCC unroll 4
                for (int v = 0; v < across; ++v) g[i][v] += zs[v] * gram[s * k + t + i];
        }
    }

    template <class Body>
    void by_some(Body body) const {
        Index t = 0;
        for (; t + together <= k; t += together) body(std::integral_constant<int, together>{}, t);
        if constexpr (together > 3)
            if (k - t == 3) body(std::integral_constant<int, 3>{}, t);
        if constexpr (together > 2)
            if (k - t == 2) body(std::integral_constant<int, 2>{}, t);
        if (k - t == 1) body(std::integral_constant<int, 1>{}, t);
    }

    enum class Measure { nothing, violation, objective };

    // `measured`: the violation met, or the objective before the sweep, but for what the sweep changes of it.
    template <Prox prox, Measure what, bool sized = true>
    void sweep_once(T* z, const T* p, Index stride, const Lanes& active, Lanes& step, Lanes& size,
                    Lanes& measured) const {
        by_some([&](auto n, Index t) {
            constexpr int N = decltype(n)::value;
            V g[N][across];
            gradient<N>(t, z, p, stride, g);
#pragma GCC unroll 4
            for (int i = 0; i < N; ++i) {
                const T h = diagonal[t + i], inv = inverse_diagonal[t + i];
#pragma GCC unroll 4
                for (int v = 0; v < across; ++v) {
                    T* at = z + (t + i) * stride + v * width;
                    const V old = load<V>(at);
                    const V d = (shrunk<prox>(old, g[i][v], inv) - old) * active.x[v];
                    store(at, old + d);
                    if (what == Measure::violation) measured.x[v] += broken<prox>(old, g[i][v], d, h);
                    if (what == Measure::objective)
                        measured.x[v] += objective_at(old, g[i][v], load<V>(p + (t + i) * stride + v * width));
                    step.x[v] += d * d * h;
                    if (sized) size.x[v] += (old + d) * (old + d) * h;
#pragma GCC unroll 4
                    for (int j = i + 1; j < N; ++j) g[j][v] += d * gram[(t + i) * k + t + j];
                }
            }
        });
    }

    // l1 of nonneg rows is in p already.
    template <Prox prox>
    V shrunk(V z, V g, T inv) const {
        const V moved = z - g * inv;
        if (prox == Prox::none) return moved;
        if (inv == 0) return prox == Prox::nonneg ? (g > V{} ? V{} : z) : V{};  // no curvature: l1 decides alone
        if (prox == Prox::nonneg) return larger(moved, V{});
        const V less = larger(magnitude(moved) - l1 * inv, V{});
        return moved < V{} ? -less : less;
    }

    template <Prox prox>
    static V broken(V z, V g, V d, T h) {
        if (prox != Prox::nonneg) return magnitude(d) * h;
        return z == V{} ? larger(-g, V{}) : magnitude(g);
    }

    // z = G^+ p, and once more on the rest; `step` and `violation` as a first sweep would give them.
    void minimise(T* z, const T* p, Index stride, T* scratch, Lanes& step, Lanes& violation) const {
        constexpr Index n = width * across;
        by_some([&](auto m, Index t) {
            constexpr int N = decltype(m)::value;
            V g[N][across];
            gradient<N>(t, z, p, stride, g);
            for (int i = 0; i < N; ++i)
                for (int v = 0; v < across; ++v) {
                    violation.x[v] += magnitude(g[i][v]);
                    step.x[v] += g[i][v] * g[i][v] * inverse_diagonal[t + i];
                }
        });
        product(k, n, k, inverse->gram(), k, 1, p, stride, z, stride, false);
        by_some([&](auto m, Index t) {
            constexpr int N = decltype(m)::value;
            V g[N][across];
            gradient<N>(t, z, p, stride, g);
            for (int i = 0; i < N; ++i)
                for (int v = 0; v < across; ++v) store(scratch + (t + i) * n + v * width, -g[i][v]);
        });
        product(k, n, k, inverse->gram(), k, 1, scratch, n, z, stride, true);
    }

    // The step at which a row ends. One that is infinite never is.
    V enough(V first, V size) const {
        const V limit = larger(first * (shrink * shrink), size * (tol * tol)),
                most = V{} + std::numeric_limits<T>::max();
        return limit > most ? most : limit;
    }

    // Of one component, with gradient g: its share of 1/2 z'Gz - p'z.
    static V objective_at(V z, V g, V p) { return z * (g - p) * T(0.5); }
    static V larger(V a, V b) { return a > b ? a : b; }
    static V magnitude(V a) { return a < V{} ? -a : a; }
};

}  // namespace gramfold
