// Residuals r = y - shift - s (x - shift) B of rows and their gradient, for dense and CSR x, all of it in double:
// sum w s (x - shift) r', sum w r^2 and sum w r. What a solution is judged by, and what refines it.
//
// Cost: 2 columns x targets FMA a row (dense), 2 entries x targets (CSR), one read of x.
#pragma once

#include <cmath>

#include "fold/measure.hpp"
#include "fold/packed.hpp"

namespace gramfold {

// Targets (rows x targets), the shift of x and y (columns + targets, or null), weights per row (or null), coefficients.
struct Misfit {
    Matrix<const double> y;
    const double *shift, *weights;
    double scale;
    const double* coefs;
    Index cols;

    Index sums() const { return (cols + 2) * y.cols; }
    void target(Index row, double* r) const {
        for (Index t = 0; t < y.cols; ++t) r[t] = y(row, t) - (shift ? shift[cols + t] : 0);
    }
    // Adds w r^2 and w r to what lies behind the gradient, and makes r the weighted residual.
    void note(Index row, double* r, double* sums) const {
        const double w = weights ? weights[row] : 1;
        double *squares = sums + cols * y.cols, *plain = squares + y.cols;
        for (Index t = 0; t < y.cols; ++t) {
            squares[t] += w * r[t] * r[t];
            plain[t] += r[t] *= w;
        }
    }
};

template <class T>
class DenseMisfit {
  public:
    DenseMisfit(const Rows<T>& x, const Misfit& in, const Packed<double>& coefs, Index block)
        : x_(x), in_(in), coefs_(coefs), z_(block * in.cols), fitted_(block * coefs.kp), r_(block * in.y.cols) {}

    void operator()(Index first, Index count, VectorSum<double>& total) {
        const Index p = in_.cols, t = in_.y.cols, kp = coefs_.kp;
        fill(first, count);
        times_factor(count, t, kp, p, z_.get(), p, coefs_.data, fitted_.get(), kp);
        for (Index i = 0; i < count; ++i) {
            double* r = r_.get() + i * t;
            in_.target(first + i, r);
            for (Index j = 0; j < t; ++j) r[j] -= fitted_.get()[i * kp + j];
            in_.note(first + i, r, total.values.get());
        }
        product(t, p, count, r_.get(), 1, t, z_.get(), p, total.values.get(), p, true);
    }

  private:
    void fill(Index first, Index count) {
        const Index p = in_.cols;
        x_.open(first, count);
        if (std::abs(x_.row_stride) < std::abs(x_.col_stride)) {
            for (Index c = 0; c < p; ++c)
                for (Index r = 0; r < count; ++r) z_.get()[r * p + c] = centred(x_(first + r, c), c);
        } else if (x_.col_stride == 1) {
            for (Index r = 0; r < count; ++r) {
                const T* x = x_.row(first + r);
                for (Index c = 0; c < p; ++c) z_.get()[r * p + c] = centred(x[c], c);
            }
        } else {
            for (Index r = 0; r < count; ++r)
                for (Index c = 0; c < p; ++c) z_.get()[r * p + c] = centred(x_(first + r, c), c);
        }
    }

    double centred(T x, Index c) const { return in_.scale * (double(x) - (in_.shift ? in_.shift[c] : 0)); }

    RowReader<T> x_;
    const Misfit& in_;
    const Packed<double>& coefs_;
    Buffer<double> z_, fitted_, r_;
};

// The shift moves the targets alone.
template <class T, class I>
class CsrMisfit {
  public:
    CsrMisfit(const Csr<T, I>& x, const Misfit& in) : x_(x), in_(in), r_(in.y.cols) {}

    void operator()(Index first, Index count, VectorSum<double>& total) {
        const Index t = in_.y.cols;
        double* r = r_.get();
        x_.open(first, count);
        for (Index row = first; row < first + count; ++row) {
            const auto e = x_.entries(row);
            in_.target(row, r);
            for (Index i = 0; i < e.size; ++i) {
                const double v = in_.scale * double(e.values[i]), *b = in_.coefs + Index(e.columns[i]) * t;
                for (Index j = 0; j < t; ++j) r[j] -= v * b[j];
            }
            in_.note(row, r, total.values.get());
            for (Index i = 0; i < e.size; ++i) {
                const double v = in_.scale * double(e.values[i]);
                double* out = total.values.get() + Index(e.columns[i]);
                for (Index j = 0; j < t; ++j) out[j * in_.cols] += v * r[j];
            }
        }
    }

  private:
    CsrReader<T, I> x_;
    const Misfit& in_;
    Buffer<double> r_;
};

template <class T>
auto misfit_worker(const Dense<T>& x, const Misfit& in, const Packed<double>& coefs, Index block) {
    return DenseMisfit<T>(x.matrix(), in, coefs, block);
}
template <class T, class I>
auto misfit_worker(const Csr<T, I>& x, const Misfit& in, const Packed<double>&, Index) {
    return CsrMisfit<T, I>(x, in);
}

// pull: columns x targets; squares, sums: targets. All are overwritten.
template <class Source>
void misfit(const Source& x, const Misfit& in, double* pull, double* squares, double* sums, const Run& run) {
    const Packed<double> coefs({in.coefs, in.cols, in.y.cols, in.y.cols, 1}, true);
    Plan plan = x.plan(in.y.cols, true);
    plan.block = std::clamp<Index>(block_bytes / (8 * std::max<Index>(1, in.cols)), 1, 4 * row_group);
    plan.work = 2.0 * double(x.rows()) * double(in.y.cols) * double(x.work_per_row());
    const auto all = fold(
        plan, run, [&] { return std::make_unique<VectorSum<double>>(in.sums()); },
        [&] { return misfit_worker(x, in, coefs, plan.block); });
    const double *from = all->values.get(), *behind = from + in.cols * in.y.cols;
    for (Index c = 0; c < in.cols; ++c)
        for (Index t = 0; t < in.y.cols; ++t) pull[c * in.y.cols + t] = from[t * in.cols + c];
    std::copy_n(behind, in.y.cols, squares);
    std::copy_n(behind + in.y.cols, in.y.cols, sums);
}

}  // namespace gramfold
