// A few rows w at a time: laid out with contiguous columns, and sums over them.
//
//     gram += w'w    or, with a basis Q,    p = w Q,  gram += p'p,  image += p'w
//
// Sums within a block run in T, across blocks gram is double.
#pragma once

#include "fold/packed.hpp"
#include "fold/symmetric.hpp"

namespace gramfold {

// Rows in place, or copied. Where none were given they are null.
template <class T>
class RowLines {
  public:
    RowLines(const Rows<T>& m, Index most)
        : given_(m.given()), m_(m), copy_(given_ && m.col_stride != 1 ? most * m.cols : 0) {}

    void open(Index first, Index count) {
        if (!given_) return;
        m_.open(first, count);
        first_ = m_.row(first), stride_ = m_.row_stride;
        if (m_.col_stride == 1) return;
        if (m_.row_stride == 1) transpose(m_.cols, count, first_, m_.col_stride, copy_.get(), m_.cols);
        else
            for (Index r = 0; r < count; ++r)
                for (Index c = 0; c < m_.cols; ++c) copy_.get()[r * m_.cols + c] = m_(first + r, c);
        first_ = copy_.get(), stride_ = m_.cols;
    }
    const T* operator[](Index r) const { return given_ ? first_ + r * stride_ : nullptr; }
    Index stride() const { return stride_; }

  private:
    bool given_;
    RowReader<T> m_;
    Buffer<T> copy_;
    const T* first_ = nullptr;
    Index stride_ = 0;
};

// Where one is not wanted its size is 0.
template <class T>
struct RowSums {
    Buffer<double> gram;
    Buffer<T> image;

    RowSums(Index gram_size, Index image_size) : gram(gram_size), image(image_size) { clear(); }
    void clear() { gram.zero(), image.zero(); }
    RowSums& operator+=(const RowSums& o) {
        gram += o.gram, image += o.image;
        return *this;
    }
    // Each may be null.
    void read(double* to_gram, T* to_image) const {
        if (to_gram) std::copy_n(gram.get(), gram.size(), to_gram);
        if (to_image) std::copy_n(image.get(), image.size(), to_image);
    }
};

template <class T>
class RowProducts {
  public:
    // Of up to `most` rows of n entries; without a basis, `whole` says whether w'w is wanted.
    RowProducts(const Packed<T>& q, Index n, Index most, bool whole)
        : q_(q), n_(n), p_(most * q.kp), small_(q.k * q.kp) {
        if (whole) symmetric_ = std::make_unique<Symmetric<T>>(n);
    }

    // products (count x k) is overwritten with p; or null.
    void add(Index count, const T* w, Index w_row, T* products, RowSums<T>& sums) {
        if (symmetric_) symmetric_->add(w, w_row, count, sums.gram.get());
        const Index k = q_.k, kp = q_.kp;
        if (!k) return;
        T* p = p_.get();
        times_factor(count, k, kp, n_, w, w_row, q_.data, p, kp);
        if (sums.image.size()) product(k, n_, count, p, 1, kp, w, w_row, sums.image.get(), n_, true);
        if (sums.gram.size()) {
            product(k, kp, count, p, 1, kp, p, kp, small_.get(), kp, false);
            for (Index s = 0; s < k; ++s)
                for (Index t = 0; t < k; ++t) sums.gram.get()[s * k + t] += double(small_.get()[s * kp + t]);
        }
        for (Index r = 0; products && r < count; ++r) std::copy_n(p + r * kp, k, products + r * k);
    }

  private:
    const Packed<T>& q_;
    Index n_;
    Buffer<T> p_, small_;
    std::unique_ptr<Symmetric<T>> symmetric_;
};

}  // namespace gramfold
