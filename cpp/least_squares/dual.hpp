// Supports of non-negative rows, guessed: a few sweeps of coordinate descent over the dual,
//
//     minimise 1/2 y'By + y'Bp  over y >= 0,   B = G^-1,   F = {t : y_t = 0}
//
// in single precision for rows of either, since all that is asked of it is which components are 0. B is scaled to a
// unit diagonal and p to a largest entry of 1, neither of which changes a sign, so that no magnitude is out of range.
// Steps are 1.2 times those to the minimum (Cryer 1971). Cost: 5.5 k^2 FMA per row.
#pragma once

#include <cmath>

#include "least_squares/pivot.hpp"

namespace gramfold {

// What all rows share: B and the scale of p, where single precision says enough of B.
struct Dual {
    Index k;
    bool sound;
    std::vector<double> scale;
    std::vector<float> b;

    // `inverse` may be null.
    Dual(const double* gram, const double* inverse, Index size) : k(size), sound(inverse) {
        for (Index t = 0; sound && t < k; ++t) {
            const double inflation = gram[t * (k + 1)] * inverse[t * (k + 1)];  // 1 for an atom orthogonal to the rest
            sound = inflation > 0.999 && inflation < most_inflated;
        }
        if (!sound) return;
        scale.resize(std::size_t(k)), b.resize(std::size_t(k * k));
        for (Index t = 0; t < k; ++t) scale[std::size_t(t)] = std::sqrt(inverse[t * (k + 1)]);
        for (Index s = 0; s < k; ++s)
            for (Index t = 0; t < k; ++t)
                b[std::size_t(s * k + t)] = float(inverse[s * k + t] / scale[std::size_t(s)] / scale[std::size_t(t)]);
    }

    static constexpr double most_inflated = 1e4;  // B p keeps more than two digits
};

template <class T>
class DualStart {
  public:
    static constexpr int width = lanes<float>, across = 3, wide = width * across;
    static constexpr int sweeps = 5;
    static constexpr float relaxation = 1.2f;
    using V = Vec<float>;

    static Index scratch_size(Index k) { return 3 * k * wide; }  // of float

    DualStart(const Dual& dual, float* scratch)
        : k_(dual.k), b_(dual.b.data()), scale_(dual.scale.data()), q_(scratch), y_(scratch + k_ * wide),
          p_(y_ + k_ * wide) {}

    // p: k x wide, row stride `stride`; the supports of these rows, from `first` on, are marked.
    void solve(const T* p, Index stride, Supports& supports, Index first) const {
        bool any[wide];
        scaled(p, stride, any);
        product(k_, Index{wide}, k_, b_, k_, 1, p_, Index{wide}, q_, Index{wide}, false);
        sweep(true);
        for (int s = 1; s < sweeps; ++s) sweep(false);
        supports.mark(y_, Index{wide}, Index{wide}, first, [](V y) { return y <= V{}; });
        for (int i = 0; i < wide; ++i)
            if (!any[i]) supports.clear(first + i);
    }

  private:
    // p_ = p scaled; `any`: the rows with an entry other than 0.
    void scaled(const T* p, Index stride, bool* any) const {
        T most[wide] = {}, by[wide];
        for (Index t = 0; t < k_; ++t)
            for (int i = 0; i < wide; ++i) {
                const T value = std::abs(p[t * stride + i] * T(scale_[t]));
                most[i] = most[i] < value ? value : most[i];
            }
        for (int i = 0; i < wide; ++i) by[i] = most[i] > 0 ? 1 / most[i] : T(0), any[i] = most[i] > 0;
        for (Index t = 0; t < k_; ++t)
            for (int i = 0; i < wide; ++i) p_[t * wide + i] = float(p[t * stride + i] * T(scale_[t]) * by[i]);
    }

    void sweep(bool from_zero) const {
        Index t = 0;
        for (; t + 4 <= k_; t += 4) some<4>(t, from_zero);
        if (k_ - t == 3) some<3>(t, from_zero);
        if (k_ - t == 2) some<2>(t, from_zero);
        if (k_ - t == 1) some<1>(t, from_zero);
    }

    // y_t of N components from t on. On its own, so that no constant of the caller takes a sum's register.
    template <int N>
    GRAMFOLD_ONCE void some(Index t, bool from_zero) const {
        V g[N][across];
#pragma GCC unroll 4
        for (int i = 0; i < N; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < across; ++v) g[i][v] = load<V>(q_ + (t + i) * wide + v * width);
        for (Index s = 0; s < (from_zero ? t : k_); ++s) {
            V ys[across];
#pragma GCC unroll 4
            for (int v = 0; v < across; ++v) ys[v] = load<V>(y_ + s * wide + v * width);
#pragma GCC unroll 4
            for (int i = 0; i < N; ++i)
#pragma GCC unroll 4
                for (int v = 0; v < across; ++v) g[i][v] += ys[v] * b_[s * k_ + t + i];
        }
#pragma GCC unroll 4
        for (int i = 0; i < N; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < across; ++v) {
                float* at = y_ + (t + i) * wide + v * width;
                const V old = from_zero ? V{} : load<V>(at), moved = old - g[i][v] * relaxation;
                const V now = moved > V{} ? moved : V{};
                store(at, now);
#pragma GCC unroll 4
                for (int j = i + 1; j < N; ++j) g[j][v] += (now - old) * b_[(t + i) * k_ + t + j];
            }
    }

    Index k_;
    const float* b_;
    const double* scale_;
    float *q_, *y_, *p_;
};

}  // namespace gramfold
