// Rows of one factor by multiplicative updates, and what a pass of them gives back.
//
//     z <- z (num / den)^gamma      num = F'(x wh^(beta-2)),  den = F'(wh^(beta-1)) + l1 + l2 z,  wh = F z
//
// Fevotte & Idier 2011, eq. 55; gamma = 1/(2 - beta) for beta < 1, 1/(beta - 1) for beta > 2, else 1.
// A row of X and its z may be counted in a unit of their own, a power of two, so that no guard depends on the scale.
#pragma once

#include <cmath>

#include "fold/dense.hpp"
#include "fold/elementary.hpp"

namespace gramfold {

struct MultiplicativeSums {
    double loss_start = 0, loss_end = 0;  // beta divergence before the first and after the last update
    double residual = 0;                  // what single updates could still gain at the end, see `measure`
    double size = 0;                      // sum of z num at the end
    double unconverged = 0;               // rows that had not ended after max_sweeps

    MultiplicativeSums& operator+=(const MultiplicativeSums& o) {
        loss_start += o.loss_start, loss_end += o.loss_end, residual += o.residual, size += o.size;
        unconverged += o.unconverged;
        return *this;
    }
};

template <class T>
struct RowPenalty {
    T l1, l2;
};

template <class T>
struct Multiplicative {
    using V = Vec<T>;

    Index k;
    T beta;
    double l1, l2;
    T floor;         // results below are set to 0
    const T* scale;  // k: the size that an entry near 0 is expected to reach
    int max_sweeps;
    T tol;  // a row ends when sum den |dz| is at most tol times sum den z
    bool loss_at_start, measure_at_end;
    const double* units;  // rows, or null

    double unit(Index r) const { return units ? units[r] : 1.0; }

    // The penalties of a row whose x and z are divided by `unit`.
    RowPenalty<T> penalty(double unit) const {
        const auto within = [](double v) { return T(std::min(v, double(std::numeric_limits<T>::max()) / 4)); };
        const double b = double(beta);
        return {l1 > 0 ? within(l1 * std::pow(unit, 1 - b)) : T(0), l2 > 0 ? within(l2 * std::pow(unit, 2 - b)) : T(0)};
    }

    // One row; true if it ended.
    bool update(const T* num, const T* den, T* z, const RowPenalty<T>& penalty) const {
        const T gamma = beta < 1 ? 1 / (2 - beta) : beta > 2 ? 1 / (beta - 1) : T(1);
        T step = 0, size = 0;
        for_each(step, size, [&](auto at, Index t) {
            using U = decltype(at);
            const U old = load<U>(z + t), d = load<U>(den + t) + penalty.l1 + penalty.l2 * old;
            U ratio = load<U>(num + t) / divisor(d);
            if (gamma != 1) ratio = power(ratio, gamma);
            U moved = old * ratio;
            moved = moved >= floor ? moved : U{};
            store(z + t, moved);
            const U change = moved > old ? moved - old : old - moved;
            return std::pair<U, U>{change * d, moved * d};
        });
        return step <= tol * size;
    }

    // z num sums up to `size`; the residual is the sum of |g| times the step that balances num and den, g = den - num.
    // Near 0 an entry that should grow counts as if it were as large as the others of its component.
    void measure(const T* num, const T* den, const T* z, const RowPenalty<T>& penalty, MultiplicativeSums& sums) const {
        T residual = 0, size = 0;
        for_each(residual, size, [&](auto at, Index t) {
            using U = decltype(at);
            const U old = load<U>(z + t), d = load<U>(den + t) + penalty.l1 + penalty.l2 * old;
            const U n = load<U>(num + t), g = d - n;
            const U reach = g >= U{} ? old : old + load<U>(scale + t);
            return std::pair<U, U>{g * reach * (g / (g >= U{} ? divisor(d) : n)), old * n};
        });
        sums.residual += double(residual), sums.size += double(size);
    }

  private:
    // Without a denominator, nothing of z counts: it becomes 0.
    template <class U>
    static U divisor(U d) {
        return d == U{} ? U{} + std::numeric_limits<T>::max() : d;
    }

    static V power(V x, T gamma) { return pow<T>(x, gamma); }
    static T power(T x, T gamma) { return std::pow(x, gamma); }

    // Adds up both results of f over the components, vectors first.
    template <class F>
    void for_each(T& first, T& second, F f) const {
        V a = {}, b = {};
        Index t = 0;
        for (; t + lanes<T> <= k; t += lanes<T>) {
            const auto [x, y] = f(V{}, t);
            a += x, b += y;
        }
        first += total<T>(a), second += total<T>(b);
        for (; t < k; ++t) {
            const auto [x, y] = f(T{}, t);
            first += x, second += y;
        }
    }
};

// The sums num and den (none for beta = 1) that the other factor's update needs, and sum of z.
template <class T>
struct BetaSums {
    Buffer<T> num, den;
    Buffer<double> total;
    MultiplicativeSums stats;

    BetaSums(Index num_size, Index den_size, Index k) : num(num_size), den(den_size), total(k) { clear(); }
    void clear() {
        num.zero(), den.zero(), total.zero();
        stats = {};
    }
    BetaSums& operator+=(const BetaSums& o) {
        num += o.num, den += o.den, total += o.total;
        stats += o.stats;
        return *this;
    }
    // Adds up z (count x k, rows z_row apart).
    void add_total(const T* z, Index z_row, Index count) {
        for (Index t = 0; t < total.size(); ++t) {
            T sum = 0;
            for (Index r = 0; r < count; ++r) sum += z[r * z_row + t];
            total.get()[t] += double(sum);
        }
    }
};

// F copied with rows padded by zeros to whole vectors, so that they are aligned.
template <class T>
struct Aligned {
    Index rows, k, kp;
    Buffer<T> data;

    explicit Aligned(Matrix<const T> f) : rows(f.rows), k(f.cols), kp(round_up<Index>(k, lanes<T>)), data(rows * kp) {
        for (Index r = 0; r < rows; ++r)
            for (Index c = 0; c < kp; ++c) data.get()[r * kp + c] = c < k ? f(r, c) : T(0);
    }
    const T* row(Index r) const { return data.get() + r * kp; }
    std::vector<double> column_sums() const {
        std::vector<double> sums(static_cast<std::size_t>(kp));
        for (Index r = 0; r < rows; ++r)
            for (Index c = 0; c < kp; ++c) sums[static_cast<std::size_t>(c)] += double(row(r)[c]);
        return sums;
    }
};

}  // namespace gramfold
