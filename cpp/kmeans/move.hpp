// Centroids go where the sums of their rows put them.
//
//     c_j' = (s_j + ridge m) / (n_j + ridge)      s_j = sum w x, n_j = sum w of the rows of j
//     unit: c_j' = (s_j + ridge m) / |s_j + ridge m|
//
// The first `frozen` stay. One without weight goes where the one with most rows goes, or if `unit` stays.
// Cost: some 10 k d operations, in one thread; they are few beside those of a pass. Overwrites out and steps.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "fold/vectors.hpp"

namespace gramfold {

template <class T>
struct Moving {
    Index k, d;
    const T* centers;
    const double *sums, *counts, *mean;  // mean: may be null, for 0
    double ridge;
    Index frozen;
    bool unit;
    T* out;
    double* steps;  // |c_j' - c_j|^2

    // What the inertia gains where the labels stay: sum_j n_j (|c_j'|^2 - |c_j|^2) - 2 s_j (c_j' - c_j).
    double operator()() const {
        std::vector<double> pulled(static_cast<std::size_t>(d));
        const Index most = std::max_element(counts, counts + k) - counts;
        bool whole = true;
        const auto go = [&](Index j, Index to) {
            double weight = counts[j] + ridge, square = 0;
            for (Index q = 0; q < d; ++q) {
                pulled[std::size_t(q)] = sums[j * d + q] + (mean ? ridge * mean[q] : 0.0);
                square += pulled[std::size_t(q)] * pulled[std::size_t(q)];
            }
            if (unit) weight = std::sqrt(square);
            if (!(weight > 0)) return false;
            for (Index q = 0; q < d; ++q) out[to * d + q] = T(pulled[std::size_t(q)] / weight);
            return true;
        };
        for (Index j = 0; j < k; ++j) {
            if (j < frozen) stay(j);
            else if (go(j, j)) continue;
            else if (unit) stay(j);
            else whole = false;
        }
        for (Index j = frozen; j < k && !whole; ++j)
            if (!(counts[j] + ridge > 0) && !go(most, j)) stay(j);
        double gained = 0;
        for (Index j = 0; j < k; ++j) gained += step(j);
        return gained;
    }

  private:
    void stay(Index j) const { std::copy_n(centers + j * d, d, out + j * d); }

    double step(Index j) const {
        double square = 0, gained = 0;
        for (Index q = 0; q < d; ++q) {
            const double old = double(centers[j * d + q]), by = double(out[j * d + q]) - old;
            square += by * by;
            gained += by * (counts[j] * (by + 2 * old) - 2 * sums[j * d + q]);
        }
        steps[j] = square;
        return gained;
    }
};

}  // namespace gramfold
