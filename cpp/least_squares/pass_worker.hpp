// What a pass over X does with a block of rows: project, solve, accumulate.
#pragma once

#include "fold/packed.hpp"
#include "least_squares/exact.hpp"
#include "least_squares/pass_sums.hpp"

namespace gramfold {

// Where the rows start, moved on from a by beta (a - b), and where they go.
// a may be null (start at 0), as may b (beta = 0) and cross' other side, which is a.
template <class T>
struct RowFactor {
    const T *a, *b;
    T beta;
    T* out;

    T moved(T from, T last, bool nonneg) const {
        const T z = from + beta * (from - last);
        return nonneg && z < 0 ? T(0) : z;
    }
};

// Sweeps, or to the minimisers, as the settings of the rows say.
template <class T>
class RowSolver {
  public:
    explicit RowSolver(const Hals<T>& rows)
        : rows_(rows), exact_(rows.polish > 0 && !rows.direct()),
          scratch_(exact_ ? Exact<T>::scratch_size(rows.k) : rows.scratch_size()) {}

    RowStats operator()(T* z, T* p, Index stride, Index padded, bool started) const {
        if (!exact_) return rows_.solve(z, p, stride, padded, scratch_.get());
        return Exact<T>(rows_, z, p, stride, padded, scratch_.get()).solve(started);
    }

  private:
    const Hals<T>& rows_;
    bool exact_;
    Buffer<T> scratch_;
};

template <class T, class Source>
class PassWorker {
  public:
    PassWorker(const Source& x, const Packed<T>& f, const Hals<T>& rows, RowFactor<T> z, Index block)
        : block_(x), f_(f), rows_(rows), solve_(rows), z_(z), k_(f.k), kp_(f.kp),
          stride_(round_up<Index>(block, row_group)), p_(kp_ * stride_), pt_(kp_ * stride_), zt_(kp_ * stride_),
          zb_(kp_ * stride_), small_(k_ * kp_) {}

    void operator()(Index first, Index count, PassSums<T>& sums) {
        const Index padded = round_up<Index>(count, row_group);
        block_.open(first, count);
        project(count, padded);
        start(first, count, padded);
        sums.stats += solve_(zt_.get(), pt_.get(), stride_, padded, z_.a);
        const T* z = finish(first, count);
        if (sums.s.size()) block_.accumulate(z, k_, kp_, sums.s.get());
        if (sums.gram.size()) add_product(z, z, kp_, kp_, count, sums.gram);
        if (sums.cross.size()) add_product(z, z_.a + first * k_, k_, k_, count, sums.cross);
    }

  private:
    void project(Index count, Index padded) {
        T* pt = pt_.get();
        if (block_.project_by_component()) {
            block_.project(f_.data, k_, kp_, pt, stride_);
            for (Index t = 0; t < k_; ++t) std::fill(pt + t * stride_ + count, pt + t * stride_ + padded, T(0));
        } else {
            block_.project(f_.data, k_, kp_, p_.get(), kp_);
            by_component(p_.get(), kp_, count, padded, pt);
        }
        if (rows_.nonneg && rows_.l1 > 0)
            for (Index t = 0; t < k_; ++t)
                for (Index r = 0; r < count; ++r) pt[t * stride_ + r] -= rows_.l1;
    }

    void start(Index first, Index count, Index padded) {
        T *zt = zt_.get(), *zb = zb_.get();
        if (!z_.a) {
            for (Index t = 0; t < k_; ++t) std::fill_n(zt + t * stride_, padded, T(0));
            return;
        }
        const T* a = z_.a + first * k_;
        if (!z_.b) return by_component(a, k_, count, padded, zt);
        const T* b = z_.b + first * k_;
        for (Index i = 0; i < count * k_; ++i) zb[i] = z_.moved(a[i], b[i], rows_.nonneg);
        by_component(zb, k_, count, padded, zt);
    }

    // Returns the rows as accumulate() reads them, padded.
    const T* finish(Index first, Index count) {
        T* out = z_.out + first * k_;
        transpose(k_, count, zt_.get(), stride_, out, k_);
        if (k_ == kp_) return out;
        T* zb = zb_.get();
        for (Index r = 0; r < count; ++r)
            for (Index t = 0; t < kp_; ++t) zb[r * kp_ + t] = t < k_ ? out[r * k_ + t] : T(0);
        return zb;
    }

    void by_component(const T* from, Index from_row, Index count, Index padded, T* to) const {
        transpose(count, k_, from, from_row, to, stride_);
        for (Index t = 0; t < k_; ++t)
            for (Index r = count; r < padded; ++r) to[t * stride_ + r] = 0;
    }

    // sum += z' other, k x k; padded columns of `other` are computed and left out
    void add_product(const T* z, const T* other, Index other_row, Index cols, Index count, Buffer<double>& sum) {
        product(k_, cols, count, z, 1, kp_, other, other_row, small_.get(), kp_, false);
        for (Index s = 0; s < k_; ++s)
            for (Index t = 0; t < k_; ++t) sum.get()[s * k_ + t] += double(small_.get()[s * kp_ + t]);
    }

    typename Source::Block block_;
    const Packed<T>& f_;
    const Hals<T>& rows_;
    RowSolver<T> solve_;
    RowFactor<T> z_;
    Index k_, kp_, stride_;
    Buffer<T> p_, pt_, zt_, zb_, small_;
};

}  // namespace gramfold
