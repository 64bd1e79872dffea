// Rows that each have a Gram matrix of their own, solved a few at a time; vectors run over the components.
//
//     minimise over z   1/2 z'Gz - p'z + l1 |z|_1      z >= 0 if nonneg,   G = sum_j w_j f_j f_j' + l2 I
//     z_t <- prox(z_t - (Gz - p)_t / G_tt)             Cichocki & Phan 2009, eq. 26; order t = 0 .. k-1
//
// The gradient is kept up to date, one axpy per coordinate; the rows of a group hide each other's latency. Rows
// end as in hals.hpp. Without nonneg and l1 the row is solved by Cholesky and one refinement; where that breaks
// down, by proximal steps (Rockafellar 1976), which end at the minimiser nearest to the start.
// Cost: k^2 FMA per row and sweep, 2 k^2 more for the gradients at both ends. Overwrites z.
#pragma once

#include <cmath>
#include <limits>

#include "../csr.hpp"
#include "hals.hpp"

namespace gramfold {

struct OwnStats : RowStats {
    double before = 0;  // sum G_tt d_t^2 at the start, as `residual` at the end

    void clear() { *this = {}; }
    OwnStats& operator+=(const OwnStats& o) {
        RowStats::operator+=(o);
        before += o.before;
        return *this;
    }
};

template <class T>
class OwnGram {
  public:
    Index k, kp;
    T l1;
    bool nonneg;
    int max_sweeps;
    T shrink, tol;

    Index scratch_size() const { return 2 * together * kp + (k + 1) * kp; }

    // z, p: count x kp, zero beyond k; gram: count x k x kp. The objective is left to the caller.
    OwnStats solve(Index count, T* z, const T* p, const T* gram, T* scratch) const {
        OwnStats stats;
        for (Index r = 0; r < count;) {
            const auto some = [&](auto n) {
                constexpr int N = decltype(n)::value;
                T *zr = z + r * kp;
                const T *pr = p + r * kp, *gr = gram + r * k * kp;
                if (nonneg) stats += solve_some<Prox::nonneg, N>(zr, pr, gr, scratch);
                else if (l1 > 0) stats += solve_some<Prox::soft, N>(zr, pr, gr, scratch);
                else stats += solve_some<Prox::none, N>(zr, pr, gr, scratch);
                r += N;
            };
            if (count - r >= together) some(std::integral_constant<int, together>{});
            else some(std::integral_constant<int, 1>{});
        }
        return stats;
    }

  private:
    static constexpr int together = 4;

    template <Prox prox, int N>
    OwnStats solve_some(T* z, const T* p, const T* gram, T* scratch) const {
        OwnStats stats;
        T *gradient = scratch, *inverse = scratch + N * kp;
        T active[N], first[N] = {}, violation[N] = {};
        for (int r = 0; r < N; ++r) {
            active[r] = 1;
            for (Index t = 0; t < k; ++t) {
                const T h = gram[(r * k + t) * kp + t];
                inverse[r * kp + t] = h > 0 ? 1 / h : T(0);
            }
            stats.before += residual<prox>(z + r * kp, p + r * kp, gram + r * k * kp, inverse + r * kp, gradient + r * kp);
        }
        if (prox == Prox::none && max_sweeps > 0)
            for (int r = 0; r < N; ++r) {
                minimise(z + r * kp, p + r * kp, gram + r * k * kp, gradient, scratch + 2 * N * kp);
                active[r] = 0;
            }
        const auto open = [&] { return std::count(active, active + N, T(1)); };
        for (int sweep = 0; sweep < max_sweeps && open() > 0; ++sweep) {
            T step[N] = {}, size[N] = {};
            if (sweep == 0) sweep_once<prox, N, true>(z, gram, gradient, inverse, active, step, size, violation);
            else sweep_once<prox, N, false>(z, gram, gradient, inverse, active, step, size, violation);
            for (int r = 0; r < N; ++r) {
                if (sweep == 0) first[r] = step[r];
                if (step[r] <= std::max(first[r] * (shrink * shrink), size[r] * (tol * tol))) active[r] = 0;
            }
        }
        for (int r = 0; r < N; ++r) {
            stats.violation += double(violation[r]);
            stats.step += double(first[r]);
            stats.residual += residual<prox>(z + r * kp, p + r * kp, gram + r * k * kp, inverse + r * kp, gradient + r * kp);
        }
        stats.open = double(open());
        return stats;
    }

    template <Prox prox, int N, bool first>
    void sweep_once(T* z, const T* gram, T* gradient, const T* inverse, const T* active, T* step, T* size,
                    T* violation) const {
        for (Index t = 0; t < k; ++t)
#pragma GCC unroll 4
            for (int r = 0; r < N; ++r) {
                const T* row = gram + (r * k + t) * kp;
                const T h = row[t], old = z[r * kp + t], g = gradient[r * kp + t];
                const T d = (shrunk<prox>(old, g, inverse[r * kp + t]) - old) * active[r];
                z[r * kp + t] = old + d;
                if (first) violation[r] += broken<prox>(old, g, d, h);
                step[r] += d * d * h;
                size[r] += (old + d) * (old + d) * h;
                axpy(kp, d, row, gradient + r * kp);
            }
    }

    // g = Gz - p (+ l1, nonneg), and sum G_tt d_t^2 over the steps d that single coordinates could make.
    template <Prox prox>
    double residual(const T* z, const T* p, const T* gram, const T* inverse, T* g) const {
        gradient_of(z, p, gram, g);
        T total = 0;
        for (Index t = 0; t < k; ++t) {
            const T d = shrunk<prox>(z[t], g[t], inverse[t]) - z[t];
            total += d * d * gram[t * kp + t];
        }
        return double(total);
    }

    void gradient_of(const T* z, const T* p, const T* gram, T* g) const {
        for (Index c = 0; c < kp; ++c) g[c] = (nonneg && c < k ? l1 : T(0)) - p[c];
        for (Index t = 0; t < k; ++t)
            if (z[t] != 0) axpy(kp, z[t], gram + t * kp, g);
    }

    template <Prox prox>
    T shrunk(T z, T g, T inverse) const {
        const T moved = z - g * inverse;
        if (prox == Prox::nonneg) return moved > 0 ? moved : T(0);
        if (prox == Prox::none) return moved;
        const T less = std::max(std::abs(moved) - l1 * inverse, T(0));
        return moved < 0 ? -less : less;
    }

    template <Prox prox>
    static T broken(T z, T g, T d, T h) {
        if (prox != Prox::nonneg) return std::abs(d) * h;
        return z == 0 ? std::max(-g, T(0)) : std::abs(g);
    }

    // z -= (G + shift I)^-1 (Gz - p), twice without shift, else 16 times. upper: k x kp, and kp more.
    void minimise(T* z, const T* p, const T* gram, T* g, T* upper) const {
        T largest = 0;
        for (Index t = 0; t < k; ++t) largest = std::max(largest, gram[t * kp + t]);
        if (!(largest > 0)) return;
        T* inverse = upper + k * kp;
        const T epsilon = std::numeric_limits<T>::epsilon();
        const bool regular = factorise(gram, 0, 4 * T(k) * epsilon, upper, inverse);
        if (!regular) factorise(gram, std::sqrt(epsilon) * largest, 0, upper, inverse);
        for (int round = 0; round < (regular ? 2 : 16); ++round) {
            gradient_of(z, p, gram, g);
            for (Index t = 0; t < k; ++t) {
                g[t] *= inverse[t];
                const T y = g[t];
                for (Index c = t + 1; c < k; ++c) g[c] -= y * upper[t * kp + c];
            }
            for (Index t = k - 1; t >= 0; --t) {
                T sum[4] = {g[t]};
                for (Index c = t + 1; c < k; ++c) sum[c % 4] -= upper[t * kp + c] * g[c];
                g[t] = (sum[0] + sum[1] + (sum[2] + sum[3])) * inverse[t];
            }
            for (Index t = 0; t < k; ++t) z[t] -= g[t];
        }
    }

    // G + shift I = U'U, inverse = 1 / diag(U); false if a pivot is at most `least` of its diagonal entry.
    bool factorise(const T* gram, T shift, T least, T* upper, T* inverse) const {
        std::copy_n(gram, k * kp, upper);
        for (Index t = 0; t < k; ++t) upper[t * kp + t] += shift;
        for (Index t = 0; t < k; ++t) {
            T* row = upper + t * kp;
            if (!(row[t] > least * gram[t * kp + t])) return false;
            inverse[t] = 1 / std::sqrt(row[t]);
            for (Index c = t; c < k; ++c) row[c] *= inverse[t];
            for (Index s = t + 1; s < k; ++s) {
                const Index begin = s / component_pad<T> * component_pad<T>;  // what is left of s is not read again
                axpy(kp - begin, -row[s], row + begin, upper + s * kp + begin);
            }
        }
        return true;
    }
};

}  // namespace gramfold
