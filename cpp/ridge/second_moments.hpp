// Second moments of rows: sum over rows of a a', a = sqrt(w) (s (x - shift), y - shift, 1), for dense and CSR x; s is a
// power of two that keeps squares in the range of T.
//
// With q = columns + targets + 1 the result is q x q and holds X'X, X'Y, Y'Y, the sums of each and the sum of the
// weights in one read of x. Cost: about q^2 / 2 FMA a row (dense, the upper triangle in bands), entries^2 / 2 (CSR).
// Sums of up to moment_rows rows are formed in T, all others in double.
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

    // Rows of `size` numbers lie `stride` apart: whole vectors, and never all in the same few lines of the cache.
    Index stride() const {
        const Index padded = round_up<Index>(size(), lanes<T>);
        return padded * Index(sizeof(T)) % 1024 ? padded : padded + lanes<T>;
    }

    T root(Index row) const { return weights ? std::sqrt(weights[row]) : T(1); }

    // What follows x in a row: targets and 1.
    void tail(Index row, T scale, T* out) const {
        for (Index t = 0; t < y.cols; ++t) out[t] = scale * (y(row, t) - (shift ? shift[cols + t] : T(0)));
        out[y.cols] = scale;
    }

    Plan plan(double work) const {
        Plan p = gramfold::plan(y.rows, stride() * Index(sizeof(T)), std::max<Index>(256, size()));
        p.block = moment_rows;
        p.work = work;
        return p;
    }
};

template <class T>
class DenseMoments {
  public:
    DenseMoments(const Rows<T>& x, const Augmented<T>& in)
        : x_(x), in_(in), q_(in.size()), stride_(in.stride()), z_(moment_rows * stride_),
          symmetric_(q_, round_up<Index>(q_, lanes<T>), stride_) {
        z_.zero();
    }

    void operator()(Index first, Index count, VectorSum<double>& total) {
        x_.open(first, count);
        if (std::abs(x_.row_stride) < std::abs(x_.col_stride)) fill_by_columns(first, count);
        else
            for (Index r = 0; r < count; ++r) fill(first + r, z_.get() + r * stride_);
        symmetric_.add(z_.get(), stride_, count, total.values.get());
    }

  private:
    void fill(Index row, T* z) const {
        const T root = in_.root(row), scale = root * T(in_.scale), *x = x_.row(row), *shift = in_.shift;
        if (x_.col_stride != 1) {
            for (Index c = 0; c < x_.cols; ++c) z[c] = scale * (x[c * x_.col_stride] - (shift ? shift[c] : T(0)));
        } else if (shift) {
            for (Index c = 0; c < x_.cols; ++c) z[c] = scale * (x[c] - shift[c]);
        } else {
            for (Index c = 0; c < x_.cols; ++c) z[c] = scale * x[c];
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
            const T *x = x_.row(first) + c * x_.col_stride, shift = in_.shift ? in_.shift[c] : T(0);
            for (Index r = 0; r < count; ++r) z_.get()[r * stride_ + c] = scale[r] * (x[r * x_.row_stride] - shift);
        }
    }

    RowReader<T> x_;
    const Augmented<T>& in_;
    Index q_, stride_;
    Buffer<T> z_;
    Symmetric<T> symmetric_;
};

// The shift moves the targets alone. A product of two columns lands in the triangle that their order in the row
// chooses.
template <class T, class I>
class CsrMoments {
  public:
    CsrMoments(const Csr<T, I>& x, const Augmented<T>& in)
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
            for (Index s = 0; s < m; ++s) {
                double* out = total.values.get() + (in_.cols + s) * stride_ + in_.cols;
                for (Index t = s; t < m; ++t) out[t] += weight * double(tail[s]) * double(tail[t]);
            }
        }
    }

  private:
    CsrReader<T, I> x_;
    const Augmented<T>& in_;
    Index stride_;
    Buffer<T> tail_;
};

template <class T>
auto moments_worker(const Dense<T>& x, const Augmented<T>& in) {
    return DenseMoments<T>(x.matrix(), in);
}
template <class T, class I>
auto moments_worker(const Csr<T, I>& x, const Augmented<T>& in) {
    return CsrMoments<T, I>(x, in);
}

template <class T>
constexpr bool lies_in_either(const Dense<T>&) {
    return false;
}
template <class T, class I>
constexpr bool lies_in_either(const Csr<T, I>&) {
    return true;
}

// out: size x size, both triangles.
template <class T, class Source>
void moments(const Source& x, const Augmented<T>& in, double* out, const Run& run) {
    const Index q = in.size(), stride = in.stride();
    const auto sums = fold(
        in.plan(double(x.rows()) * double(q) * double(q) / 2), run,
        [&] { return std::make_unique<VectorSum<double>>(q * stride); }, [&] { return moments_worker(x, in); });
    const double* s = sums->values.get();
    for (Index i = 0; i < q; ++i)
        for (Index j = i; j < q; ++j) {
            const bool either = lies_in_either<T>(x) && i < j && j < in.cols;
            out[i * q + j] = out[j * q + i] = s[i * stride + j] + (either ? s[j * stride + i] : 0);
        }
}

}  // namespace gramfold
