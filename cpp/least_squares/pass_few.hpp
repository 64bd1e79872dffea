// The pass of one or two components over rows that lie one behind the other: everything by component.
//
// Where an entry of X is worth a few FMA, memory sets the pace of the products, and whatever else a row costs adds to
// it. So the products have their rows by component as the solver wants them, and the k x k sums are sums over lanes.
#pragma once

#include "fold/elementary.hpp"
#include "least_squares/pass_worker.hpp"

namespace gramfold {

template <class T>
class FewPassWorker {
  public:
    static bool serves(const Dense<T>& x, Index k) {
        return x.matrix().col_stride == 1 && few_components<T>(k, x.cols());
    }

    FewPassWorker(const Dense<T>& x, const Packed<T>& f, const Hals<T>& rows, RowFactor<T> z, Index block)
        : x_(x.matrix()), f_(f), l1_(rows.nonneg ? rows.l1 : T(0)), nonneg_(rows.nonneg), solve_(rows), ends_(z),
          k_(f.k), stride_(round_up<Index>(block, row_group)), size_(k_ * stride_), p_(size_), z_(size_), start_(size_),
          before_(size_) {}

    void operator()(Index first, Index count, PassSums<T>& sums) {
        const Index padded = round_up<Index>(count, row_group);
        T *p = p_.get(), *z = z_.get();
        x_.open(first, count);
        dots(count, k_, x_.cols, x_.row(first), x_.row_stride, f_.data, p, 1, stride_);
        for (Index t = 0; t < k_; ++t) {
            for (Index r = 0; r < count; ++r) p[t * stride_ + r] -= l1_;
            std::fill(p + t * stride_ + count, p + t * stride_ + padded, T(0));
        }
        start(first, count);
        sums.stats += solve_(z, p, stride_, padded, ends_.a);
        transpose(k_, count, z, stride_, ends_.out + first * k_, k_);
        if (sums.s.size())
            product(k_, x_.cols, count, z, stride_, 1, x_.row(first), x_.row_stride, sums.s.get(), packed, true);
        if (sums.gram.size()) add_product(z, padded, sums.gram);
        if (sums.cross.size()) add_product(start_.get(), padded, sums.cross);
    }

  private:
    // start_ = a, z = where the rows start; rows from count on are 0.
    void start(Index first, Index count) {
        T *a = start_.get(), *b = before_.get(), *z = z_.get();
        by_component(ends_.a, first, count, a);
        if (!ends_.b) return static_cast<void>(std::copy_n(a, size_, z));
        by_component(ends_.b, first, count, b);
        for (Index i = 0; i < size_; ++i) z[i] = ends_.moved(a[i], b[i], nonneg_);
    }

    void by_component(const T* from, Index first, Index count, T* to) const {
        if (from) transpose(count, k_, from + first * k_, k_, to, stride_);
        for (Index t = 0; t < k_; ++t)
            std::fill(to + t * stride_ + (from ? count : 0), to + t * stride_ + stride_, T(0));
    }

    // sum += z' other, k x k
    void add_product(const T* other, Index padded, Buffer<double>& sum) const {
        for (Index s = 0; s < k_; ++s)
            for (Index t = 0; t < k_; ++t) {
                Vec<T> lane{};
                for (Index r = 0; r < padded; r += lanes<T>)
                    lane += load<Vec<T>>(z_.get() + s * stride_ + r) * load<Vec<T>>(other + t * stride_ + r);
                sum.get()[s * k_ + t] += double(total<T>(lane));
            }
    }

    RowReader<T> x_;
    const Packed<T>& f_;
    T l1_;
    bool nonneg_;
    RowSolver<T> solve_;
    RowFactor<T> ends_;
    Index k_, stride_, size_;
    Buffer<T> p_, z_, start_, before_;
};

}  // namespace gramfold
