// Some rows at a time that each have a Gram matrix of their own: room for them, and what is done the same
// wherever their entries come from. Gram matrices are summed up from gathered rows of F, the upper triangle.
#pragma once

#include "least_squares/own_gram.hpp"

namespace gramfold {

// F with rows padded by zeros to kp.
template <class T>
struct PaddedRows {
    Index k, kp;
    Buffer<T> f;

    explicit PaddedRows(Matrix<const T> from)
        : k(from.cols), kp(round_up<Index>(k, component_pad<T>)), f(from.rows * kp) {
        f.zero();
        for (Index c = 0; c < from.rows; ++c)
            for (Index t = 0; t < k; ++t) f.get()[c * kp + t] = from(c, t);
    }
    const T* row(Index c) const { return f.get() + c * kp; }
};

template <class T>
class OwnRows {
  protected:
    static constexpr Index gathered = 96, panel = lanes<T>;

    OwnRows(Index k, Index kp, const OwnGram<T>& rows, T l2, const T* start, T* out)
        : rows_(rows), l2_(l2), start_(start), out_(out), k_(k), kp_(kp), size_(k * kp),
          many_(std::clamp<Index>((Index{2} << 20) / (size_ * Index(sizeof(T))) / 4 * 4, 4, 24)), z_(many_ * kp),
          p_(many_ * kp), gram_(many_ * size_), observed_(many_), a_(gathered * kp), scratch_(rows.scratch_size()) {}

    void clear() { p_.zero(), gram_.zero(), observed_.zero(), z_.zero(); }

    void copy(const T* from, T s, T* to) const {
        Index c = 0;
        for (; c + lanes<T> <= kp_; c += lanes<T>) store(to + c, load<Vec<T>>(from + c) * s);
        for (; c < kp_; c += component_pad<T>) store(to + c, load<Vec<T, component_pad<T>>>(from + c) * s);
    }

    // gram += a'b, the upper triangle of it, panel by panel.
    void add_upper(Index depth, const T* a, const T* b, T* gram) const {
        for (Index c = 0; c < kp_; c += panel)
            product(std::min(k_, c + panel), std::min(panel, kp_ - c), depth, a, Index{1}, kp_, b + c, kp_, gram + c,
                    kp_, true);
    }

    // From the start, 0 if nothing is observed, to the solution.
    void solve(Index first, Index n, OwnStats& stats) {
        for (Index r = 0; r < n; ++r) complete(first, r);
        stats += rows_.solve(n, z_.get(), p_.get(), gram_.get(), scratch_.get());
        for (Index r = 0; r < n; ++r) std::copy_n(z_.get() + r * kp_, k_, out_ + (first + r) * k_);
    }

    double penalty(Index n) const {
        double total = 0;
        for (Index e = 0; e < n * kp_; ++e) {
            const double z = double(z_.get()[e]);
            total += double(rows_.l1) * std::abs(z) + 0.5 * double(l2_) * z * z;
        }
        return total;
    }

  private:
    // The lower triangle, l2, and the start.
    void complete(Index first, Index r) {
        T* gram = gram_.get() + r * size_;
        for (Index t = 0; t < k_; ++t) {
            for (Index s = t / panel * panel + panel; s < k_; ++s) gram[s * kp_ + t] = gram[t * kp_ + s];
            gram[t * kp_ + t] += l2_;
        }
        if (start_ && (observed_.get()[r] > 0 || rows_.max_sweeps == 0))
            std::copy_n(start_ + (first + r) * k_, k_, z_.get() + r * kp_);
    }

  protected:
    const OwnGram<T>& rows_;
    T l2_;
    const T* start_;
    T* out_;
    Index k_, kp_, size_, many_;
    Buffer<T> z_, p_, gram_;
    Buffer<Index> observed_;
    Buffer<T> a_, scratch_;
};

}  // namespace gramfold
