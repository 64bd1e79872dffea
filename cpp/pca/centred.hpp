// Sums over the rows y = weight (x - shift) of a dense X, in one read; X is not copied whole.
//
//     gram += y'y    or, for a basis Q,   p = y Q,  gram += p'p,  image += p'y;    total += weight y,  squares += |y|^2
//
// The fold over the columns of a wide X, whose Gram matrix is the one of the samples, has y = scale (x - own): with by_row
// each row is shifted by its own mean, weighted by the squares of `scale`, which belongs to the columns. Sums within a
// block run in T, across blocks gram and total are double.
#pragma once

#include "fold/measure.hpp"
#include "rpca/pass.hpp"

namespace gramfold {

template <class T>
struct CentredInput {
    Rows<T> x;
    const double *shift, *weights, *scale;  // of the columns, of the rows, of the columns; or null
    bool by_row;
    Matrix<const T> q;  // no columns: none
    T* products;        // rows x q's columns, overwritten, or null
};

template <class T>
struct CentredSums {
    ShrinkTotals<T> products;
    VectorSum<double> total;
    double squares = 0;

    CentredSums(Index gram, Index image, Index cols) : products(gram, image), total(cols) {}
    void clear() { products.clear(), total.clear(), squares = 0; }
    CentredSums& operator+=(const CentredSums& o) {
        products += o.products, total += o.total, squares += o.squares;
        return *this;
    }
};

template <class T>
class CentredWorker {
  public:
    CentredWorker(const CentredInput<T>& in, const Packed<T>& q, bool full)
        : in_(in), mass_(in.scale ? squared_norm(in.scale, in.x.cols) : double(in.x.cols)), q_(q), n_(in.x.cols), stride_(round_up<Index>(n_, 16) + 16), lines_(in.x, row_group),
          y_((full ? Symmetric<T>::depth : row_group) * stride_), p_(row_group * q.kp), small_(q.k * q.kp) {
        if (full) symmetric_ = std::make_unique<Symmetric<T>>(n_);
    }

    void operator()(Index first, Index count, CentredSums<T>& sums) {
        for (Index r = 0; r < count; r += row_group) {
            const Index some = std::min(row_group, count - r);
            T* y = y_.get() + (symmetric_ ? r * stride_ : 0);
            lines_.open(first + r, some);
            for (Index i = 0; i < some; ++i) sums.squares += row(lines_[i], first + r + i, y + i * stride_, sums.total.values.get());
            if (q_.k) project(first + r, some, y, sums.products);
        }
        if (symmetric_) symmetric_->add(y_.get(), stride_, count, sums.products.gram.get());
    }

  private:
    double row(const T* x, Index r, T* y, double* total) const {
        const double weight = in_.weights ? in_.weights[r] : 1;
        const double own = in_.by_row ? own_mean(x) : 0;
        const T* __restrict from = x;
        T* __restrict to = y;
        double* __restrict sums = total;
        const double factor = weight * weight;
        const auto put = [&](Index c, double shift) {
            const double d = double(from[c]) - shift;
            to[c] = T(weight * d);
            sums[c] += factor * d;
        };
        if (const double* __restrict shift = in_.shift)
            for (Index c = 0; c < n_; ++c) put(c, shift[c]);
        else
            for (Index c = 0; c < n_; ++c) put(c, own);
        for (Index c = 0; in_.scale && c < n_; ++c) to[c] = T(weight * in_.scale[c] * (double(from[c]) - (in_.shift ? in_.shift[c] : own)));
        double squares[8] = {};
        Index c = 0;
        for (; c + 8 <= n_; c += 8)
            for (int l = 0; l < 8; ++l) squares[l] += double(to[c + l]) * double(to[c + l]);
        for (; c < n_; ++c) squares[0] += double(to[c]) * double(to[c]);
        double sum = 0;
        for (double s : squares) sum += s;
        return sum;
    }

    double own_mean(const T* x) const {
        double sum = 0;
        if (in_.scale)
            for (Index c = 0; c < n_; ++c) sum += in_.scale[c] * in_.scale[c] * double(x[c]);
        else
            for (Index c = 0; c < n_; ++c) sum += double(x[c]);
        return sum / mass_;
    }

    static double squared_norm(const double* a, Index n) {
        double sum = 0;
        for (Index i = 0; i < n; ++i) sum += a[i] * a[i];
        return sum;
    }

    void project(Index first, Index count, const T* y, ShrinkTotals<T>& sums) {
        const Index k = q_.k, kp = q_.kp;
        T* p = p_.get();
        times_factor(count, q_.k, kp, n_, y, stride_, q_.data, p, kp);
        if (sums.image.size()) product(k, n_, count, p, 1, kp, y, stride_, sums.image.get(), n_, true);
        product(k, kp, count, p, 1, kp, p, kp, small_.get(), kp, false);
        for (Index s = 0; s < k && sums.gram.size(); ++s)
            for (Index t = 0; t < k; ++t) sums.gram.get()[s * k + t] += double(small_.get()[s * kp + t]);
        for (Index r = 0; in_.products && r < count; ++r) std::copy_n(p + r * kp, k, in_.products + (first + r) * k);
    }

    const CentredInput<T>& in_;
    double mass_;  // of the columns
    const Packed<T>& q_;
    Index n_, stride_;
    RowLines<T> lines_;
    Buffer<T> y_, p_, small_;
    std::unique_ptr<Symmetric<T>> symmetric_;
};

// gram: cols x cols, or k x k with a basis; image: k x cols; total: cols. Each may be null. Returns the squares.
template <class T>
double centred_pass(const CentredInput<T>& in, double* gram, T* image, double* total, const Run& run) {
    const Index n = in.x.cols, k = in.q.cols;
    const bool full = gram && !k;
    const Packed<T> q(in.q, true);
    Plan plan = gramfold::plan(in.x.rows, n * Index(sizeof(T)), n > 1024 ? 512 : 256);
    plan.block = full ? Symmetric<T>::depth : row_group;
    plan.work = double(in.x.rows) * double(n) * (4 + 2 * double(k) + (full ? double(n) / 2 : 0.0));
    const auto sums = fold(
        plan, run,
        [&] { return std::make_unique<CentredSums<T>>(gram ? (k ? k * k : n * n) : 0, image ? k * n : 0, n); },
        [&] { return CentredWorker<T>(in, q, full); });
    if (gram) std::copy_n(sums->products.gram.get(), sums->products.gram.size(), gram);
    if (full) Symmetric<T>::mirror(gram, n);
    if (image) std::copy_n(sums->products.image.get(), k * n, image);
    if (total) std::copy_n(sums->total.values.get(), n, total);
    return sums->squares;
}

}  // namespace gramfold
