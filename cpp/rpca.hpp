// One pass of robust PCA over X and the state z (rows x cols): threshold, shrink, and what the next threshold needs.
//
//     W_b = input(x, z)    L_b = (W_b V) diag(f) V'    z, W_b <- shrink(x, z, L_b)
//     G += W_b'W_b         or     P_b = W_b Q,  image += P_b'W_b,  gram += P_b'P_b
//
// V (cols x k) holds the singular vectors above the threshold, f = 1 - threshold / value. G serves any rank; for a low
// one, two passes of the second kind are one warm subspace iteration with its Rayleigh-Ritz step, where the products
// W V of the one are the left factor of L in the other. Cost per row: cols (2 k + cols / 2) or, for both passes, 4 k cols
// FMA; X is read once a pass, z is read and written once. See rows/shrink.hpp.
#pragma once

#include <vector>

#include "csr.hpp"
#include "pass.hpp"
#include "rows/shrink.hpp"
#include "symmetric.hpp"

namespace gramfold {

template <class T>
struct ShrinkInput {
    Matrix<const T> x, weights;  // weights: lam of each entry; data may be null
    T* z;
    bool advance, dual;  // not advance: z stays, only sums of W are wanted; with dual, those of the multipliers
    Matrix<const T> v;   // no columns: L = 0
    const double* f;     // or null: left is known
    T* left;             // rows x k, W V diag(f), so that L = left V'; overwritten unless known; or null
    Matrix<const T> q;   // subspace; no columns: none
    T* products;         // rows x q's columns, overwritten with W Q, or null
};

template <class T>
struct ShrinkTotals {
    Buffer<double> gram;  // cols x cols, or P'P
    Buffer<T> image;      // Q's columns x cols
    ShrinkSums sums;

    ShrinkTotals(Index gram_size, Index image_size) : gram(gram_size), image(image_size) { clear(); }
    void clear() {
        gram.zero(), image.zero();
        sums = {};
    }
    ShrinkTotals& operator+=(const ShrinkTotals& o) {
        for (Index i = 0; i < gram.size(); ++i) gram.get()[i] += o.gram.get()[i];
        for (Index i = 0; i < image.size(); ++i) image.get()[i] += o.image.get()[i];
        sums += o.sums;
        return *this;
    }
};

// A factor (n x k) packed for products from the left, and its transpose.
template <class T>
struct BothWays {
    Packed<T> forth;
    Buffer<T> back;
    explicit BothWays(Matrix<const T> v) : forth(v, true), back(v.rows * v.cols) {
        pack(v.cols, v.rows, v.data, v.col_stride, v.row_stride, v.rows, back.get());
    }
};

// A few rows with contiguous columns: in place, or copied.
template <class T>
class RowLines {
  public:
    RowLines(Matrix<const T> m, Index most) : m_(m), copy_(m.data && m.col_stride != 1 ? most * m.cols : 0) {}

    void open(Index first, Index count) {
        if (!m_.data) return;
        first_ = m_.row(first), stride_ = m_.row_stride;
        if (m_.col_stride == 1) return;
        if (m_.row_stride == 1) transpose(m_.cols, count, first_, m_.col_stride, copy_.get(), m_.cols);
        else
            for (Index r = 0; r < count; ++r)
                for (Index c = 0; c < m_.cols; ++c) copy_.get()[r * m_.cols + c] = m_(first + r, c);
        first_ = copy_.get(), stride_ = m_.cols;
    }
    const T* operator[](Index r) const { return m_.data ? first_ + r * stride_ : nullptr; }

  private:
    Matrix<const T> m_;
    Buffer<T> copy_;
    const T* first_ = nullptr;
    Index stride_ = 0;
};

template <class T>
class ShrinkWorker {
  public:
    ShrinkWorker(const ShrinkInput<T>& in, const BothWays<T>& v, const Packed<T>& q, const Shrink<T>& rows, bool full)
        : in_(in), v_(v), q_(q), rows_(rows), n_(in.x.cols), stride_(round_up<Index>(n_, 16) + 16),
          x_(in.x, row_group), weights_(in.weights, row_group), w_((full ? Symmetric<T>::depth : row_group) * stride_),
          l_(in.advance ? row_group * stride_ : 0), b_(row_group * v.forth.kp), p_(row_group * q.kp), small_(q.k * q.kp) {
        if (full) symmetric_ = std::make_unique<Symmetric<T>>(n_);
        l_.zero();
    }

    void operator()(Index first, Index count, ShrinkTotals<T>& totals) {
        for (Index r = 0; r < count; r += row_group) {
            const Index some_rows = std::min(row_group, count - r);
            T* w = w_.get() + (symmetric_ ? r * stride_ : 0);
            some(first + r, some_rows, w, totals.sums);
            if (q_.k) project(first + r, some_rows, w, totals);
        }
        if (symmetric_) symmetric_->add(w_.get(), stride_, count, totals.gram.get());
    }

  private:
    void some(Index first, Index count, T* w, ShrinkSums& sums) {
        x_.open(first, count), weights_.open(first, count);
        if (!in_.advance || in_.f)
            for (Index r = 0; r < count; ++r)
                rows_.open(n_, x_[r], in_.z + (first + r) * n_, weights_[r], in_.dual, w + r * stride_);
        if (!in_.advance) return;
        if (v_.forth.k) low_rank(first, count, w);
        for (Index r = 0; r < count; ++r)
            rows_.advance(n_, x_[r], in_.z + (first + r) * n_, weights_[r], l_.get() + r * stride_, w + r * stride_, sums);
    }

    void low_rank(Index first, Index count, const T* w) {
        const Index k = v_.forth.k, kp = v_.forth.kp;
        const T* b = in_.left + first * k;
        Index b_row = k;
        if (in_.f) {
            times_factor(count, v_.forth.k, kp, n_, w, stride_, v_.forth.data, b_.get(), kp);
            for (Index r = 0; r < count; ++r)
                for (Index t = 0; t < k; ++t) b_.get()[r * kp + t] *= T(in_.f[t]);
            for (Index r = 0; in_.left && r < count; ++r) std::copy_n(b_.get() + r * kp, k, in_.left + (first + r) * k);
            b = b_.get(), b_row = kp;
        }
        product(count, n_, k, b, b_row, 1, v_.back.get(), packed, l_.get(), stride_, false);
    }

    void project(Index first, Index count, const T* w, ShrinkTotals<T>& totals) {
        const Index k = q_.k, kp = q_.kp;
        T* p = p_.get();
        times_factor(count, q_.k, kp, n_, w, stride_, q_.data, p, kp);
        if (totals.image.size()) product(k, n_, count, p, 1, kp, w, stride_, totals.image.get(), n_, true);
        product(k, kp, count, p, 1, kp, p, kp, small_.get(), kp, false);
        for (Index s = 0; s < k; ++s)
            for (Index t = 0; t < k; ++t) totals.gram.get()[s * k + t] += double(small_.get()[s * kp + t]);
        for (Index r = 0; in_.products && r < count; ++r) std::copy_n(p + r * kp, k, in_.products + (first + r) * k);
    }

    const ShrinkInput<T>& in_;
    const BothWays<T>& v_;
    const Packed<T>& q_;
    const Shrink<T>& rows_;
    Index n_, stride_;
    RowLines<T> x_, weights_;
    Buffer<T> w_, l_, b_, p_, small_;
    std::unique_ptr<Symmetric<T>> symmetric_;
};

// gram: cols x cols, or the products' k x k; image: k x cols. Overwritten; each may be null.
template <class T>
ShrinkSums shrink_pass(const ShrinkInput<T>& in, const Shrink<T>& rows, double* gram, T* image, const Run& run) {
    const Index n = in.x.cols, k = in.q.cols;
    const bool full = gram && !k;
    const BothWays<T> v(in.v);
    const Packed<T> q(in.q, true);
    Plan plan = gramfold::plan(in.x.rows, n * Index(sizeof(T)), n > 1024 ? 512 : 256);
    plan.block = full ? Symmetric<T>::depth : row_group;
    plan.work = double(in.x.rows) * double(n) * (20 + 2 * double(in.v.cols + k) + (full ? double(n) / 2 : 0.0));
    const auto totals = fold(
        plan, run, [&] { return std::make_unique<ShrinkTotals<T>>(k ? k * k : full ? n * n : 0, image ? k * n : 0); },
        [&] { return ShrinkWorker<T>(in, v, q, rows, full); });
    if (gram) std::copy_n(totals->gram.get(), totals->gram.size(), gram);
    if (full) Symmetric<T>::mirror(gram, n);
    if (image) std::copy_n(totals->image.get(), k * n, image);
    return totals->sums;
}

// The same for a CSR X whose stored entries are the observed ones, and L = left right' (rows x k, cols x k) given:
// out is overwritten with the entries of W - L, so that the next input is L plus a sparse matrix.
template <class T, class I>
ShrinkSums shrink_entries(const Csr<T, I>& x, const T* weights, T* z, Matrix<const T> left, Matrix<const T> right,
                          const Shrink<T>& rows, T* out, const Run& run) {
    const Index k = left.cols;
    Plan plan = x.plan();
    plan.work = double(x.rows()) * double(k + 20) * double(x.work_per_row()) / 16;
    const auto totals = fold(
        plan, run, [] { return std::make_unique<ShrinkTotals<T>>(0, 0); },
        [&] {
            return [&, l = std::vector<T>()](Index first, Index count, ShrinkTotals<T>& sums) mutable {
                for (Index r = first; r < first + count; ++r) {
                    const auto row = x.entries(r);
                    const Index at = row.values - x.entries(0).values;
                    if (Index(l.size()) < row.size) l.resize(std::size_t(row.size));
                    const T* b = left.row(r);
                    for (Index e = 0; e < row.size; ++e) {
                        const T* v = right.row(Index(row.columns[e]));
                        T dot = 0;
                        for (Index t = 0; t < k; ++t) dot += b[t] * v[t];
                        l[std::size_t(e)] = dot;
                    }
                    T* w = out + at;
                    rows.advance(row.size, row.values, z + at, weights ? weights + at : nullptr, l.data(), w, sums.sums);
                    for (Index e = 0; e < row.size; ++e) w[e] -= l[std::size_t(e)];
                }
            };
        });
    return totals->sums;
}

}  // namespace gramfold
