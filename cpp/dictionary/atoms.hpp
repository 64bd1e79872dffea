// The dictionary between passes: block coordinate descent, atom by atom.
//
//     minimise over D   1/2 tr(D'AD) - tr(D'B) + l1 |D|_1 + l2/2 |D|^2,   A = Z'Z,  B = Z'X
//     d_j <- project(soft(b_j - sum over i != j of A_ji d_i, l1) / (A_jj + l2))
//
// Mairal, Bach, Ponce & Sapiro 2010, algorithm 2; soft(., l1) shrinks towards 0, or is max(. - l1, 0) where atoms are
// non-negative; project goes to the unit ball. Both together are exact: the ball only scales what soft gives.
// An atom with A_jj <= unused is left alone. A block of atoms takes A D by one product, which its atoms correct for
// each other as they move: the same steps, k^2 m FMA a sweep at the speed of a product. Overwrites D.
#pragma once

#include <chrono>
#include <cmath>

#include "fold/dense.hpp"
#include "fold/fold.hpp"

namespace gramfold {

// Polls between the many short steps of a kernel.
class Poller {
  public:
    explicit Poller(const Run& run) : run_(run), last_(Clock::now()) {}
    void operator()() {
        if (!run_.poll || Clock::now() - last_ < std::chrono::milliseconds(50)) return;
        if (run_.poll()) throw Cancelled();
        last_ = Clock::now();
    }

  private:
    using Clock = std::chrono::steady_clock;
    const Run& run_;
    Clock::time_point last_;
};

struct AtomRule {
    double l1, l2;
    bool nonneg, ball;
    double unused;
};

// r shrunk by l1 towards 0.
template <class T>
inline T shrunk(T r, T l1, bool nonneg) {
    const T above = r > l1 ? r - l1 : T(0);
    return nonneg || r >= -l1 ? above : r + l1;
}

template <class T>
inline double squared_norm(const T* d, Index m) {
    double sum[8] = {};
    Index c = 0;
    for (; c + 8 <= m; c += 8)
        for (Index l = 0; l < 8; ++l) sum[l] += double(d[c + l]) * double(d[c + l]);
    for (; c < m; ++c) sum[c % 8] += double(d[c]) * double(d[c]);
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

template <class T>
inline void into_ball(T* d, Index m) {
    const double norm = squared_norm(d, m);
    if (norm <= 1) return;
    const T scale = T(1 / std::sqrt(norm));
    for (Index c = 0; c < m; ++c) d[c] *= scale;
}

// d, b: k x m, contiguous; a: k x k.
template <class T>
class AtomUpdate {
  public:
    AtomUpdate(Index k, Index m, const double* a, const T* b, T* d, const AtomRule& rule, const Run& run)
        : k_(k), m_(m), a_(a), b_(b), d_(d), rule_(rule), poll_(run), rows_(std::is_same_v<T, double> ? 0 : block * k),
          fit_(block * m), step_(m) {}

    void sweep() {
        for (Index first = 0; first < k_; first += block) {
            poll_();
            const Index count = std::min(block, k_ - first);
            const double* from = a_ + first * k_;
            const T* rows = rows_.get();
            if constexpr (std::is_same_v<T, double>) rows = from;
            else
                for (Index e = 0; e < count * k_; ++e) rows_.get()[e] = T(from[e]);
            product(count, m_, k_, rows, k_, Index{1}, d_, m_, fit_.get(), m_, false);
            for (Index i = 0; i < count; ++i) move(rows, first, i, count);
        }
    }

  private:
    static constexpr Index block = 12;

    // Atom first + i, whose row of A is rows + i k and of A D is fit + i m.
    void move(const T* rows, Index first, Index i, Index count) {
        const Index j = first + i;
        const double own = a_[j * k_ + j];
        if (!(own > rule_.unused)) return;
        const T curvature = T(own), inverse = T(1 / (own + rule_.l2)), l1 = T(rule_.l1);
        const bool nonneg = rule_.nonneg;
        T *d = d_ + j * m_, *step = step_.get();
        const T *b = b_ + j * m_, *fit = fit_.get() + i * m_;
        for (Index c = 0; c < m_; ++c) {
            step[c] = d[c];
            d[c] = shrunk(d[c] * curvature + (b[c] - fit[c]), l1, nonneg) * inverse;
        }
        if (rule_.ball) into_ball(d, m_);
        for (Index c = 0; c < m_; ++c) step[c] = d[c] - step[c];
        for (Index other = i + 1; other < count; ++other) {
            const T s = rows[i * k_ + first + other];
            T* to = fit_.get() + other * m_;
            for (Index c = 0; c < m_; ++c) to[c] += s * step[c];
        }
    }

    Index k_, m_;
    const double* a_;
    const T* b_;
    T* d_;
    const AtomRule& rule_;
    Poller poll_;
    Buffer<T> rows_, fit_, step_;
};

// Whether an atom equals one before it but for its sign and length: |cosine| > same. g: k x k, the Gram matrix.
inline void repeated_atoms(Index k, const double* g, double same, bool* out) {
    Buffer<double> norms(k);
    for (Index j = 0; j < k; ++j) norms.get()[j] = std::sqrt(g[j * k + j]) * same;
    for (Index j = 0; j < k; ++j) {
        const double norm = norms.get()[j] / same;
        int count = 0;
        for (Index i = 0; i < j; ++i) count += std::abs(g[j * k + i]) > norm * norms.get()[i];
        out[j] = count > 0;
    }
}

}  // namespace gramfold
