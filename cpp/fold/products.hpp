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

    const typename Source::Block& block() const { return block_; }

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

template <class T>
struct ScannedSums {
    VectorSum<T> image;
    Scan scan;

    explicit ScannedSums(Index n) : image(n) {}
    void clear() { image.clear(), scan.clear(); }
    ScannedSums& operator+=(const ScannedSums& o) {
        image += o.image, scan += o.scan;
        return *this;
    }
};

// image = X'X F, and the scan of X, in one read of dense rows. The scan has the bits of `scan`, which adds up the same
// pieces in the same order; nothing is done, and false, where its blocks are not those of the products.
template <class T>
bool scanned_products(const Dense<T>& x, Matrix<const T> f, T* image, Scan& found, const Run& run) {
    const Rows<T>& rows = x.matrix();
    const Index k = f.cols, cols = x.cols();
    if (k == 0 || cols == 0 || x.rows() < 2 || rows.by_cols() || !(rows.convert || rows.col_stride == 1)) return false;
    Plan plan = x.plan(k);
    const Plan own = gramfold::plan(x.rows(), cols * Index(sizeof(T)));
    const Index together = rows_together(cols);
    if (plan.chunks != own.chunks || (together > 1 && plan.block != own.block)) return false;
    plan.work = double(x.rows()) * double(k) * double(x.work_per_row());
    const Packed<T> factor(f, x.reads_panels());
    const auto sums = fold(
        plan, run, [&] { return std::make_unique<ScannedSums<T>>(sums_size(x, k, factor.kp)); },
        [&] {
            return [&, worker = ProductsWorker<T, Dense<T>>(x, factor, nullptr, plan.block),
                    copy = Buffer<T>(scan_piece)](Index first, Index count, ScannedSums<T>& total) mutable {
                worker(first, count, total.image);
                for (Index r = 0; r < count; r += together)
                    for (Index c = 0; c < cols; c += scan_piece) {
                        const Index n = std::min(scan_piece, cols - c), some = std::min(together, count - r);
                        for (Index i = 0; i < some && some > 1; ++i)
                            std::copy_n(worker.block().row(r + i), n, copy.get() + i * n);
                        total.scan.add(some > 1 ? copy.get() : worker.block().row(r) + c, 1, some * n);
                    }
            };
        });
    read_sums(x, k, factor.kp, sums->image.values.get(), image);
    found = sums->scan;
    return true;
}

}  // namespace gramfold
