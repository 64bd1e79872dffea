// One pass of robust PCA over X and the state z (rows x cols): threshold, shrink, and the Gram of the next input.
//
//     W_b = input(x, z)    L_b = (W_b V) diag(f) V'    z, W_b <- shrink(x, z, L_b)    G += W_b'W_b
//
// V (cols x k) holds the singular vectors above the threshold, f = 1 - threshold / value: neither U nor L is kept.
// Cost per row: cols (2 k + cols / 2) FMA; X is read once, z read and written once. See rows/shrink.hpp.
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
    Matrix<const T> v;  // no columns: L = 0
    const double* f;
    T* left;  // rows x k, overwritten with W V diag(f), so that L = left V'; or null
    bool advance, dual;  // false: z stays, only G is wanted; with dual, that of the multipliers
};

struct ShrinkTotals {
    Buffer<double> gram;
    ShrinkSums sums;

    explicit ShrinkTotals(Index size) : gram(size) { clear(); }
    void clear() {
        gram.zero();
        sums = {};
    }
    ShrinkTotals& operator+=(const ShrinkTotals& o) {
        for (Index i = 0; i < gram.size(); ++i) gram.get()[i] += o.gram.get()[i];
        sums += o.sums;
        return *this;
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
    ShrinkWorker(const ShrinkInput<T>& in, const Packed<T>& v, const Buffer<T>& back, const Shrink<T>& rows, bool gram)
        : in_(in), v_(v), back_(back), rows_(rows), n_(in.x.cols), stride_(round_up<Index>(n_, 16) + 16),
          x_(in.x, row_group), weights_(in.weights, row_group), w_(Symmetric<T>::depth * stride_),
          l_(in.advance ? row_group * stride_ : 0), b_(in.advance ? row_group * v.kp : 0) {
        if (gram) symmetric_ = std::make_unique<Symmetric<T>>(n_);
        if (in.advance) l_.zero();
    }

    void operator()(Index first, Index count, ShrinkTotals& totals) {
        for (Index r = 0; r < count; r += row_group)
            some(first + r, std::min(row_group, count - r), w_.get() + r * stride_, totals.sums);
        if (symmetric_) symmetric_->add(w_.get(), stride_, count, totals.gram.get());
    }

  private:
    void some(Index first, Index count, T* w, ShrinkSums& sums) {
        x_.open(first, count), weights_.open(first, count);
        for (Index r = 0; r < count; ++r)
            rows_.open(n_, x_[r], in_.z + (first + r) * n_, weights_[r], in_.dual, w + r * stride_);
        if (!in_.advance) return;
        const Index k = v_.k, kp = v_.kp;
        if (k) {
            product(count, kp, n_, w, stride_, 1, v_.data, packed, b_.get(), kp, false);
            for (Index r = 0; r < count; ++r)
                for (Index t = 0; t < k; ++t) b_.get()[r * kp + t] *= T(in_.f[t]);
            for (Index r = 0; in_.left && r < count; ++r) std::copy_n(b_.get() + r * kp, k, in_.left + (first + r) * k);
            product(count, n_, k, b_.get(), kp, 1, back_.get(), packed, l_.get(), stride_, false);
        }
        for (Index r = 0; r < count; ++r)
            rows_.advance(n_, x_[r], in_.z + (first + r) * n_, weights_[r], l_.get() + r * stride_, w + r * stride_, sums);
    }

    const ShrinkInput<T>& in_;
    const Packed<T>& v_;
    const Buffer<T>& back_;
    const Shrink<T>& rows_;
    Index n_, stride_;
    RowLines<T> x_, weights_;
    Buffer<T> w_, l_, b_;
    std::unique_ptr<Symmetric<T>> symmetric_;
};

// gram: cols x cols, overwritten, or null.
template <class T>
ShrinkSums shrink_pass(const ShrinkInput<T>& in, const Shrink<T>& rows, double* gram, const Run& run) {
    const Index n = in.x.cols, k = in.v.cols;
    const Packed<T> v(in.v, true);
    Buffer<T> back(n * k);
    pack(k, n, in.v.data, in.v.col_stride, in.v.row_stride, n, back.get());
    Plan plan = gramfold::plan(in.x.rows, n * Index(sizeof(T)), n > 1024 ? 512 : 256);
    plan.block = Symmetric<T>::depth;
    plan.work = double(in.x.rows) * double(n) * (20 + 2 * double(k) + (gram ? double(n) / 2 : 0.0));
    const auto totals = fold(
        plan, run, [&] { return std::make_unique<ShrinkTotals>(gram ? n * n : 0); },
        [&] { return ShrinkWorker<T>(in, v, back, rows, gram != nullptr); });
    if (gram) {
        std::copy_n(totals->gram.get(), n * n, gram);
        Symmetric<T>::mirror(gram, n);
    }
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
        plan, run, [] { return std::make_unique<ShrinkTotals>(0); },
        [&] {
            return [&, l = std::vector<T>()](Index first, Index count, ShrinkTotals& sums) mutable {
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
