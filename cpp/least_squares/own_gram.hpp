// Rows that each have a Gram matrix of their own, solved a few at a time; vectors run over the components.
//
//     minimise over z   1/2 z'Gz - p'z + l1 |z|_1      z >= 0 if nonneg,   G = sum_j w_j f_j f_j' + l2 I
//     z_t <- prox(z_t - (Gz - p)_t / G_tt)             Cichocki & Phan 2009, eq. 26; order t = 0 .. k-1
//
// The gradient is kept up to date, one axpy per coordinate; the rows of a group hide each other's latency. Rows
// end as in hals.hpp; every `polish` sweeps, if polish > 0, those still open take a step on their face. Without nonneg
// and l1 the row is solved by Cholesky and one refinement, where that breaks down by proximal steps.
// Cost: k^2 FMA per row and sweep, 2 k^2 more for the gradients at both ends. Overwrites z.
#pragma once

#include "least_squares/hals.hpp"
#include "least_squares/own_face.hpp"

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
    int max_sweeps, polish;
    T shrink, tol;

    Index scratch_size() const { return 2 * together * kp + OwnFace<T>::scratch_size(k, kp); }

    // z, p: count x kp, zero beyond k; gram: count x k x kp. The objective is left to the caller.
    OwnStats solve(Index count, T* z, const T* p, const T* gram, T* scratch) const {
        OwnStats stats;
        for (Index r = 0; r < count;) {
            const auto some = [&](auto n) {
                constexpr int N = decltype(n)::value;
                T* zr = z + r * kp;
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
            stats.before += left<prox>(r, z, p, gram, gradient, inverse);
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
                if (step[r] <= std::min(std::max(first[r] * (shrink * shrink), size[r] * (tol * tol)),
                                        std::numeric_limits<T>::max()))
                    active[r] = 0;
                if (polish > 0 && (sweep + 1) % polish == 0 && active[r] > 0)
                    to_face<prox>(z + r * kp, p + r * kp, gram + r * k * kp, gradient + r * kp, scratch + 2 * N * kp);
            }
        }
        for (int r = 0; r < N; ++r) {
            stats.violation += double(violation[r]);
            stats.step += double(first[r]);
            stats.residual += left<prox>(r, z, p, gram, gradient, inverse);
        }
        stats.unconverged = double(open());
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

    // The gradient of row r, and sum G_tt d_t^2 over the steps d that its coordinates could make one by one.
    template <Prox prox>
    double left(int r, const T* z, const T* p, const T* gram, T* gradient, const T* inverse) const {
        z += r * kp, gram += r * k * kp, gradient += r * kp, inverse += r * kp;
        gradient_of(z, p + r * kp, gram, gradient);
        T total = 0;
        for (Index t = 0; t < k; ++t) {
            const T d = shrunk<prox>(z[t], gradient[t], inverse[t]) - z[t];
            total += d * d * gram[t * kp + t];
        }
        return double(total);
    }

    // g = Gz - p (+ l1, nonneg)
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

    // Without l1 and signs: solve and refine, or 16 proximal steps.
    void minimise(T* z, const T* p, const T* gram, T* g, T* scratch) const {
        OwnFace<T> face(gram, k, kp, scratch);
        for (int round = face.choose(z, true) ? 2 : 16; round > 0; --round) {
            gradient_of(z, p, gram, g);
            face.step(z, g, false);
        }
    }

    // A step on the row's face, from the gradient at hand, which is summed anew.
    template <Prox prox>
    void to_face(T* z, const T* p, const T* gram, T* g, T* scratch) const {
        OwnFace<T> face(gram, k, kp, scratch);
        face.choose(z, false);
        if (prox == Prox::soft)
            for (Index t = 0; t < k; ++t) g[t] += z[t] < 0 ? -l1 : l1;
        face.step(z, g, true);
        gradient_of(z, p, gram, g);
    }
};

}  // namespace gramfold
