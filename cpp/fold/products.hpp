// P = X F and image = X'P in one read of X, dense or CSR; each where it is wanted.
//
// Cost: nnz k FMA for P and as much for the image.
#pragma once

#include "fold/measure.hpp"
#include "fold/packed.hpp"

namespace gramfold {

template <class T, class Source>
class ProductsWorker {
  public:
    ProductsWorker(const Source& x, const Packed<T>& f, T* out, Index block)
        : block_(x), f_(f), out_(out), stride_(round_up<Index>(block, row_group)), p_(f.kp * stride_),
          pt_(f.kp * stride_) {}

    void operator()(Index first, Index count, VectorSum<T>& image) {
        const Index k = f_.k, kp = f_.kp;
        block_.open(first, count);
        if (block_.project_by_component()) {
            block_.project(f_.data, k, kp, pt_.get(), stride_);
            transpose(k, count, pt_.get(), stride_, p_.get(), kp);
            for (Index r = 0; r < count && k < kp; ++r) std::fill(p_.get() + r * kp + k, p_.get() + (r + 1) * kp, T(0));
        } else {
            block_.project(f_.data, k, kp, p_.get(), kp);
        }
        for (Index r = 0; out_ && r < count; ++r) std::copy_n(p_.get() + r * kp, k, out_ + (first + r) * k);
        if (image.values.size()) block_.accumulate(p_.get(), k, kp, image.values.get());
    }

  private:
    typename Source::Block block_;
    const Packed<T>& f_;
    T* out_;
    Index stride_;
    Buffer<T> p_, pt_;
};

// f: cols x k; out: rows x k, image: cols x k, both overwritten; each may be null.
template <class T, class Source>
void products(const Source& x, Matrix<const T> f, T* out, T* image, const Run& run) {
    const Packed<T> factor(f, x.reads_panels());
    const Index k = f.cols, kp = factor.kp;
    Plan plan = x.plan(k, image);
    plan.work = double(x.rows()) * double(k) * double(x.work_per_row());
    const auto sums = fold(
        plan, run, [&] { return std::make_unique<VectorSum<T>>(image ? sums_size(x, k, kp) : 0); },
        [&] { return ProductsWorker<T, Source>(x, factor, out, plan.block); });
    if (image) read_sums(x, k, kp, sums->values.get(), image);
}

}  // namespace gramfold
