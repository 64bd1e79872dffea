// Second moments of rows: sums over rows of (z, 1)' (z, y, 1) and of y^2, for dense and CSR x, rows times sqrt(w),
// z = s (x - shift), y less its shift; s is a power of two that keeps squares in the range of T.
//
// They hold X'X, X'Y, the diagonal of Y'Y, the sums of each and the sum of the weights in one read of x. Cost: about
// columns (columns / 2 + targets) FMA a row (dense, the upper triangle in bands), entries (entries / 2 + targets)
// (CSR). Sums of up to moment_rows rows are formed in T, all others in double. T may be double where x is float.
#pragma once

#include <cmath>

#include "fold/csr.hpp"
#include "fold/measure.hpp"
#include "fold/symmetric.hpp"

namespace gramfold {

inline constexpr Index moment_rows = 192;

// Rows (x, y, 1), in the order of the sums: targets y (rows x targets), the shift of x and y (columns + targets, or
// null) and weights per row (or null).
template <class T>
struct Augmented {
    Matrix<const T> y;
    const T *shift, *weights;
    Index cols;
    double scale = 1;

    Index size() const { return cols + y.cols + 1; }
    Index sums() const { return (cols + 2) * stride(); }  // in rows: those of z, of 1, and squares where sums of y are

    // Rows of `size` numbers lie `stride` apart: whole vectors, and never all in the same few lines of the cache.
    Index stride() const {
        const Index padded = round_up<Index>(size(), lanes<T>);
        return padded * Index(sizeof(T)) % 1024 ? padded : padded + lanes<T>;
    }

    T root(Index row) const { return weights ? std::sqrt(weights[row]) : T(1); }

    // What follows x in a row: targets and 1.
    void tail(Index row, T times, T* out) const {
        for (Index t = 0; t < y.cols; ++t) out[t] = times * (y(row, t) - (shift ? shift[cols + t] : T(0)));
        out[y.cols] = times;
    }

    // Adds the tail of a row, times `weight` in all, to the last two rows of the sums.
    void add_tail(const T* tail, double weight, double* sums) const {
        const double w = weight * double(tail[y.cols]);
        double *plain = sums + cols * stride() + cols, *squares = plain + stride();
        for (Index t = 0; t < y.cols; ++t) {
            const double v = double(tail[t]);
            plain[t] += w * v;
            squares[t] += weight * v * v;
        }
        plain[y.cols] += w * double(tail[y.cols]);
    }

    Plan plan(double work) const {
        Plan p = gramfold::plan(y.rows, stride() * Index(sizeof(T)), std::max<Index>(256, size()));
        p.block = moment_rows;
        p.work = work;
        return p;
    }
};

template <class T, class X>
class DenseMoments {
  public:
    DenseMoments(const Rows<X>& x, const Augmented<T>& in)
        : x_(x), in_(in), stride_(in.stride()), z_(moment_rows * stride_),
          symmetric_(in.cols, round_up<Index>(in.size(), lanes<T>), stride_) {
        z_.zero();
    }

    void operator()(Index first, Index count, VectorSum<double>& total) {
        x_.open(first, count);
        if (std::abs(x_.row_stride) < std::abs(x_.col_stride)) fill_by_columns(first, count);
        else
            for (Index r = 0; r < count; ++r) fill(first + r, z_.get() + r * stride_);
        double* sums = total.values.get();
        symmetric_.add(z_.get(), stride_, count, sums);
        for (Index r = 0; r < count; ++r) in_.add_tail(z_.get() + r * stride_ + in_.cols, 1, sums);
    }

  private:
    void fill(Index row, T* z) const {
        const T root = in_.root(row), scale = root * T(in_.scale), *shift = in_.shift;
        const X* x = x_.row(row);
        if (x_.col_stride != 1) {
            for (Index c = 0; c < x_.cols; ++c) z[c] = scale * (T(x[c * x_.col_stride]) - (shift ? shift[c] : T(0)));
        } else if (shift) {
            for (Index c = 0; c < x_.cols; ++c) z[c] = scale * (T(x[c]) - shift[c]);
        } else {
            for (Index c = 0; c < x_.cols; ++c) z[c] = scale * T(x[c]);
        }
        in_.tail(row, root, z + x_.cols);
    }

    void fill_by_columns(Index first, Index count) const {
        T scale[moment_rows];
        for (Index r = 0; r < count; ++r) {
            const T root = in_.root(first + r);
            scale[r] = root * T(in_.scale);
            in_.tail(first + r, root, z_.get() + r * stride_ + x_.cols);
        }
        for (Index c = 0; c < x_.cols; ++c) {
            const X* x = x_.row(first) + c * x_.col_stride;
            const T shift = in_.shift ? in_.shift[c] : T(0);
            for (Index r = 0; r < count; ++r) z_.get()[r * stride_ + c] = scale[r] * (T(x[r * x_.row_stride]) - shift);
        }
    }

    RowReader<X> x_;
    const Augmented<T>& in_;
    Index stride_;
    Buffer<T> z_;
    Symmetric<T> symmetric_;
};

// The shift moves the targets alone. A product of two columns lands in the triangle that their order in the row
// chooses.
template <class T, class X, class I>
class CsrMoments {
  public:
    CsrMoments(const Csr<X, I>& x, const Augmented<T>& in)
        : x_(x), in_(in), stride_(in.stride()), tail_(in.y.cols + 1) {}

    void operator()(Index first, Index count, VectorSum<double>& total) {
        const Index m = tail_.size();
        T* tail = tail_.get();
        x_.open(first, count);
        for (Index row = first; row < first + count; ++row) {
            const auto e = x_.entries(row);
            const double weight = in_.weights ? double(in_.weights[row]) : 1;
            in_.tail(row, T(1), tail);
            for (Index i = 0; i < e.size; ++i) {
                const double v = weight * in_.scale * double(e.values[i]), square = v * in_.scale;
                double* out = total.values.get() + Index(e.columns[i]) * stride_;
                for (Index j = i; j < e.size; ++j) out[e.columns[j]] += square * double(e.values[j]);
                for (Index t = 0; t < m; ++t) out[in_.cols + t] += v * double(tail[t]);
            }
            in_.add_tail(tail, weight, total.values.get());
        }
    }

  private:
    CsrReader<X, I> x_;
    const Augmented<T>& in_;
    Index stride_;
    Buffer<T> tail_;
};

template <class T, class X>
auto moments_worker(const Dense<X>& x, const Augmented<T>& in) {
    return DenseMoments<T, X>(x.matrix(), in);
}
template <class T, class X, class I>
auto moments_worker(const Csr<X, I>& x, const Augmented<T>& in) {
    return CsrMoments<T, X, I>(x, in);
}

template <class X>
constexpr bool lies_in_either(const Dense<X>&) {
    return false;
}
template <class X, class I>
constexpr bool lies_in_either(const Csr<X, I>&) {
    return true;
}

// products: (columns + 1) x size, of (x, 1) with (x, y, 1); squares: those of the targets.
template <class T, class Source>
void moments(const Source& x, const Augmented<T>& in, double* products, double* squares, const Run& run) {
    const Index q = in.size(), p = in.cols, stride = in.stride();
    const auto sums = fold(
        in.plan(double(x.rows()) * double(p) * (double(p) / 2 + double(in.y.cols))), run,
        [&] { return std::make_unique<VectorSum<double>>(in.sums()); }, [&] { return moments_worker(x, in); });
    const double* s = sums->values.get();
    for (Index i = 0; i < p; ++i) {
        for (Index j = i; j < p; ++j) {
            const bool either = lies_in_either(x) && i < j;
            products[i * q + j] = products[j * q + i] = s[i * stride + j] + (either ? s[j * stride + i] : 0);
        }
        std::copy_n(s + i * stride + p, q - p, products + i * q + p);
        products[p * q + i] = s[i * stride + q - 1];
    }
    std::copy_n(s + p * stride + p, q - p, products + p * q + p);
    std::copy_n(s + (p + 1) * stride + p, in.y.cols, squares);
}

}  // namespace gramfold
