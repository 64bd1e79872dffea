// Sums over the rows y = weight scale (x - shift) of a dense X, in one read; X is not copied whole.
//
//     gram += y'y    or, for a basis Q,   p = y Q,  gram += p'p,  image += p'y
//
// and, where a total is wanted, total += weight^2 (x - shift), squares += |y|^2.
//
// A weight belongs to a row, scale and shift belong to columns. Of a wide X the transpose is read, so that gram is the
// matrix of the samples: a row is then a feature, and with by_row it is shifted by its own mean over the samples, whose
// weights are the squares of `scale`. Sums within a block run in T, across blocks gram and total are double.
#pragma once

#include "fold/measure.hpp"
#include "fold/row_sums.hpp"

namespace gramfold {

template <class T>
struct CentredInput {
    Rows<T> x;
    const double *shift, *weights, *scale;  // each may be null
    bool by_row;
    Matrix<const T> q;  // no columns: none
    T* products;        // rows x q's columns, overwritten, or null

    // Whether y is x.
    bool as_they_are() const { return !shift && !weights && !scale && !by_row; }
};

template <class T>
struct CentredSums {
    RowSums<T> rows;
    VectorSum<double> total;
    double squares = 0;

    CentredSums(Index gram, Index image, Index cols) : rows(gram, image), total(cols) {}
    void clear() { rows.clear(), total.clear(), squares = 0; }
    CentredSums& operator+=(const CentredSums& o) {
        rows += o.rows, total += o.total, squares += o.squares;
        return *this;
    }
};

template <class T>
class CentredWorker {
  public:
    CentredWorker(const CentredInput<T>& in, const Packed<T>& q, bool full, bool total)
        : in_(in), total_(total), mass_(in.scale ? squared_norm(in.scale, in.x.cols) : double(in.x.cols)), k_(q.k),
          n_(in.x.cols), stride_(round_up<Index>(n_, 16) + 16), in_place_(k_ && !total && in.as_they_are()),
          lines_(in.x, row_group), y_((full ? Symmetric<T>::depth : row_group) * stride_), near_(in.shift ? n_ : 0),
          rest_(near_.size()), rows_(q, n_, row_group, full) {
        for (Index c = 0; c < near_.size(); ++c) {
            near_.get()[c] = T(in.shift[c]);
            rest_.get()[c] = T(in.shift[c] - double(near_.get()[c]));
        }
    }

    void operator()(Index first, Index count, CentredSums<T>& sums) {
        T* products = in_.products ? in_.products + first * k_ : nullptr;
        if (in_place_) {
            lines_.open(first, count);
            return rows_.add(count, lines_[0], lines_.stride(), products, sums.rows);
        }
        for (Index r = 0; r < count; r += row_group) {
            const Index some = std::min(row_group, count - r);
            lines_.open(first + r, some);
            for (Index i = 0; i < some; ++i) {
                T* y = y_.get() + (r + i) * stride_;
                row(lines_[i], first + r + i, y);
                if (total_) sums.squares += measure(lines_[i], first + r + i, y, sums.total.values.get());
            }
        }
        rows_.add(count, y_.get(), stride_, products, sums.rows);
    }

  private:
    void row(const T* x, Index r, T* y) const {
        const double weight = in_.weights ? in_.weights[r] : 1, own = in_.by_row ? own_mean(x) : 0;
        const T* __restrict from = x;
        T* __restrict to = y;
        const double* __restrict shift = in_.shift, * __restrict scale = in_.scale;
        if (scale)
            for (Index c = 0; c < n_; ++c) to[c] = T(weight * scale[c] * (double(from[c]) - (shift ? shift[c] : own)));
        else if (shift && !in_.weights)  // in T: what is near the shift is subtracted without an error
            for (Index c = 0; c < n_; ++c) to[c] = from[c] - near_.get()[c] - rest_.get()[c];
        else if (shift)
            for (Index c = 0; c < n_; ++c) to[c] = T(weight * (double(from[c]) - shift[c]));
        else
            for (Index c = 0; c < n_; ++c) to[c] = T(weight * (double(from[c]) - own));
    }

    // Adds to the total, and gives the squares of y.
    double measure(const T* x, Index r, const T* y, double* total) const {
        const double factor = in_.weights ? in_.weights[r] * in_.weights[r] : 1, own = in_.by_row ? own_mean(x) : 0;
        const T* __restrict from = x, * __restrict at = y;
        double* __restrict sums = total;
        for (Index c = 0; c < n_; ++c) sums[c] += factor * (double(from[c]) - (in_.shift ? in_.shift[c] : own));
        double squares[8] = {};
        Index c = 0;
        for (; c + 8 <= n_; c += 8)
            for (int l = 0; l < 8; ++l) squares[l] += double(at[c + l]) * double(at[c + l]);
        for (; c < n_; ++c) squares[0] += double(at[c]) * double(at[c]);
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

    const CentredInput<T>& in_;
    bool total_;
    double mass_;  // the weights of the columns: their sum
    Index k_, n_, stride_;
    bool in_place_;
    RowLines<T> lines_;
    Buffer<T> y_, near_, rest_;  // shift = near + rest
    RowProducts<T> rows_;
};

// gram: cols x cols, or k x k with a basis; image: k x cols; total: cols. Each may be null. Returns the squares, 0
// without a total.
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
        [&] { return CentredWorker<T>(in, q, full, total); });
    sums->rows.read(gram, image);
    if (full) Symmetric<T>::mirror(gram, n);
    if (total) std::copy_n(sums->total.values.get(), n, total);
    return sums->squares;
}

}  // namespace gramfold
