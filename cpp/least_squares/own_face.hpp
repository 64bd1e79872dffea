// One row, with a Gram matrix of its own, to the minimiser over some of its components.
//
//     G_PP d = g_P     by Cholesky, g the gradient;     z_P <- z_P - a d,     a <= 1 up to the first change of a sign
//
// P: the components that are not 0 (face.hpp: Lawson & Hanson 1974, chapter 23), or all of them, with any sign.
// Where G_PP is numerically singular the step is a proximal one, (G_PP + s I) d = g_P (Rockafellar 1976): neither
// raises the objective, and proximal steps end at the minimiser nearest to the start.
// Cost: p^3 / 6 + p^2 FMA. Scratch: k (kp + 2).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "fold/csr.hpp"

namespace gramfold {

template <class T>
class OwnFace {
  public:
    static Index scratch_size(Index k, Index kp) { return k * (kp + 2); }

    // gram: k x kp.
    OwnFace(const T* gram, Index k, Index kp, T* scratch)
        : gram_(gram), k_(k), kp_(kp), upper_(scratch), inverse_(scratch + k * kp), d_(inverse_ + k) {}

    // P: where z is not 0, or everywhere with curvature. Returns whether G_PP is regular.
    bool choose(const T* z, bool everywhere) {
        set_.clear();
        T largest = 0;
        for (Index t = 0; t < k_; ++t) {
            const T h = gram_[t * kp_ + t];
            if (h > 0 && (everywhere || z[t] != 0)) set_.push_back(t), largest = std::max(largest, h);
        }
        const T epsilon = std::numeric_limits<T>::epsilon();
        if (factorise(0, 4 * T(k_) * epsilon)) return true;
        if (!factorise(std::sqrt(epsilon) * largest, 0)) set_.clear();
        return false;
    }

    // g: the gradient, for the signs that z has.
    void step(T* z, const T* g, bool keep_signs) {
        solve(g);
        T reach = 1;
        const Index n = size();
        for (Index i = 0; i < n && keep_signs; ++i) reach = std::min(reach, crossing(z[at(i)], d_[i]));
        for (Index i = 0; i < n; ++i) {
            T& zt = z[at(i)];
            zt = keep_signs && crossing(zt, d_[i]) <= reach ? T(0) : zt - reach * d_[i];
        }
    }

  private:
    Index size() const { return Index(set_.size()); }
    Index at(Index i) const { return set_[std::size_t(i)]; }

    // Which share of the step takes z to 0; 2 if the step ends before.
    static T crossing(T z, T d) { return z * (z - d) < 0 ? z / d : T(2); }

    // G_PP + shift I = U'U, inverse = 1 / diag(U); false if a pivot is at most `least` of its diagonal entry.
    bool factorise(T shift, T least) {
        const Index n = size();
        for (Index i = 0; i < n; ++i) {
            for (Index j = 0; j < n; ++j) upper_[i * kp_ + j] = gram_[at(i) * kp_ + at(j)];
            for (Index j = n; j < kp_; ++j) upper_[i * kp_ + j] = 0;
            upper_[i * kp_ + i] += shift;
        }
        for (Index i = 0; i < n; ++i) {
            T* row = upper_ + i * kp_;
            if (!(row[i] > least * gram_[at(i) * kp_ + at(i)])) return false;
            inverse_[i] = 1 / std::sqrt(row[i]);
            for (Index j = i; j < n; ++j) row[j] *= inverse_[i];
            for (Index s = i + 1; s < n; ++s) {
                const Index begin = s / component_pad<T> * component_pad<T>;  // left of s nothing is read again
                axpy(kp_ - begin, -row[s], row + begin, upper_ + s * kp_ + begin);
            }
        }
        return true;
    }

    void solve(const T* g) {
        const Index n = size();
        for (Index i = 0; i < n; ++i) d_[i] = g[at(i)];
        for (Index i = 0; i < n; ++i) {
            d_[i] *= inverse_[i];
            for (Index j = i + 1; j < n; ++j) d_[j] -= d_[i] * upper_[i * kp_ + j];
        }
        for (Index i = n; i-- > 0;) {
            T sum[4] = {d_[i]};
            for (Index j = i + 1; j < n; ++j) sum[j % 4] -= upper_[i * kp_ + j] * d_[j];
            d_[i] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) * inverse_[i];
        }
    }

    const T* gram_;
    Index k_, kp_;
    T *upper_, *inverse_, *d_;
    std::vector<Index> set_;
};

}  // namespace gramfold
