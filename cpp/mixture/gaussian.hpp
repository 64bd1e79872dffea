// One EM pass of a Gaussian mixture over a dense X: densities, responsibilities and moments of a block while it is in
// cache. X is read once; see rows/quadratic.hpp and moments.hpp for the work and rows/softmax.hpp for what is between.
//
// Everything is about `shift`, a point amid the data, and in units of 1 / `scale`: both are applied as X is read, so
// that data far from the origin lose no digits and squares stay in range. X of float32 may be read as double.
#pragma once

#include "mixture/moments.hpp"
#include "mixture/posterior.hpp"
#include "mixture/quadratic.hpp"

namespace gramfold {

template <class T>
struct GaussianSums {
    Buffer<T> moments;
    double likelihood = 0;

    explicit GaussianSums(Index size) : moments(size) { clear(); }
    void clear() { moments.zero(), likelihood = 0; }
    GaussianSums& operator+=(const GaussianSums& o) {
        moments += o.moments;
        likelihood += o.likelihood;
        return *this;
    }
};

// Rows of X about the shift and scaled, one feature more that is 1, and zeros up to whole vectors.
template <class From, class T>
class FramedRows {
  public:
    FramedRows(const Rows<From>& x, const T* shift, const T* scale) : x_(x), shift_(shift), scale_(scale) {}

    void open(Index first, Index count) { x_.open(first, count); }
    // Brings a row nearer that is to be opened.
    void fetch(Index r) const {
        if (!x_.in_place() || x_.col_stride != 1) return;
        const char* from = reinterpret_cast<const char*>(x_.row(r));
        for (Index i = 0; i < std::min<Index>(x_.cols * Index(sizeof(From)), 1024); i += 64)
            __builtin_prefetch(from + i);
    }
    void read(Index r, T* to, Index padded) const {
        const Index d = x_.cols;
        const From* from = x_.row(r);
        if (x_.col_stride == 1)
            for (Index c = 0; c < d; ++c) to[c] = (T(from[c]) - shift_[c]) * scale_[c];
        else
            for (Index c = 0; c < d; ++c) to[c] = (T(from[c * x_.col_stride]) - shift_[c]) * scale_[c];
        to[d] = 1;
        std::fill(to + d + 1, to + padded, T(0));
    }

  private:
    RowReader<From> x_;
    const T *shift_, *scale_;
};

template <class From, class T>
class GaussianWorker {
  public:
    GaussianWorker(const Rows<From>& x, const T* shift, const T* scale, const QuadraticForms<T>& forms,
                   const Moments<T>* moments, const MixtureRows<T>& rows, Index block)
        : x_(x, shift, scale), forms_(forms), moments_(moments), k_(rows.k), d_(x.cols),
          dp_(round_up<Index>(d_ + 1, lanes<T>)), r_(rows, round_up<Index>(block, strip)), lines_(r_.stride() * dp_),
          strip_(d_ * strip), scratch_(forms.scratch_size()),
          moments_scratch_(moments ? moments->scratch_size(block) : 0) {}

    void operator()(Index first, Index count, GaussianSums<T>& sums) {
        read(first, count);
        if (!r_.given())
            for (Index s = 0; s < count; s += strip) {
                transpose(strip, d_, lines_.get() + s * dp_, dp_, strip_.get(), strip);
                forms_(strip_.get(), scratch_.get(), r_.logits() + s, r_.stride());
            }
        sums.likelihood += r_.solve(first, count);
        if (moments_)
            for (Index t = 0; t < k_; ++t)
                moments_->add(t, lines_.get(), r_.of(t), count, moments_scratch_.get(), sums.moments.get());
    }

  private:
    static constexpr Index strip = strip_rows<T>;

    // Zeros up to whole strips.
    void read(Index first, Index count) {
        x_.open(first, count);
        for (Index r = 0; r < count; ++r) x_.read(first + r, lines_.get() + r * dp_, dp_);
        std::fill_n(lines_.get() + count * dp_, (round_up(count, strip) - count) * dp_, T(0));
    }

    FramedRows<From, T> x_;
    const QuadraticForms<T>& forms_;
    const Moments<T>* moments_;
    Index k_, d_, dp_;
    Responsibilities<T> r_;
    Buffer<T> lines_, strip_, scratch_, moments_scratch_;
};

// Of the first-level cache, for a block's rows: lines of sums go over them once for each component.
inline constexpr Index nearest_bytes = Index{24} << 10;

// Chunks are worth the addition of their sums; the sums of full covariances may be large.
template <class From, class T>
std::unique_ptr<GaussianSums<T>> gaussian_pass(const Rows<From>& x, const T* shift, const T* scale,
                                               const QuadraticForms<T>& forms, const Moments<T>* moments,
                                               const MixtureRows<T>& rows, const Run& run) {
    const Index size = moments ? moments->sums_size() : 0, d = x.cols;
    Plan p = plan(x.rows, d * Index(sizeof(T)), std::max<Index>(512, size * Index(sizeof(T)) / 1024));
    if (moments && !moments->matrices()) {
        const Index group = std::max(row_group, strip_rows<T>), fit = nearest_bytes / (moments->dp * Index(sizeof(T)));
        p.block = std::clamp(fit / group * group, group, 4 * row_group);
    } else {
        p.block = d <= 256 ? 192 : 96;
    }
    p.work = double(x.rows) * double(rows.k) * (40 + double(d) * (moments && moments->matrices() ? double(d) : 4.0));
    return fold(
        p, run, [&] { return std::make_unique<GaussianSums<T>>(size); },
        [&] { return GaussianWorker<From, T>(x, shift, scale, forms, moments, rows, p.block); });
}

}  // namespace gramfold
