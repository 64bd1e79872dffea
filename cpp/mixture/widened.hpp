// Rows of float32 as a source of blocks of double: for sums whose terms are large and whose differences decide.
// Each block is converted as it is opened; X is never copied whole.
#pragma once

#include <optional>

#include "fold/csr.hpp"

namespace gramfold {

inline void widen(Index size, const float* from, double* to) {
    constexpr Index w = lanes<double>;
    Index i = 0;
    for (; i + w <= size; i += w) store(to + i, __builtin_convertvector(load<Vec<float, w>>(from + i), Vec<double>));
    for (; i < size; ++i) to[i] = double(from[i]);
}

template <class Source>
class Widened;

template <>
class Widened<Dense<float>> {
  public:
    using Scalar = double;

    explicit Widened(const Dense<float>& x) : x_(x.matrix()), by_cols_(!x.packs_sums()) {}

    Index rows() const { return x_.rows; }
    Index cols() const { return x_.cols; }
    Index work_per_row() const { return 2 * x_.cols; }
    Plan plan(Index k) const {
        return Dense<double>(Matrix<const double>{nullptr, x_.rows, x_.cols, x_.cols, 1}).plan(k);
    }
    bool packs_sums() const { return !by_cols_; }
    bool reads_panels() const { return !by_cols_; }

    class Block {
      public:
        explicit Block(const Widened& x) : x_(x), from_(x.x_) {}

        void open(Index first, Index count) {
            from_.open(first, count);
            const auto& from = from_;
            const Index lines = x_.by_cols_ ? from.cols : count, length = x_.by_cols_ ? count : from.cols;
            const Index step = x_.by_cols_ ? from.col_stride : from.row_stride;
            const Index within = x_.by_cols_ ? from.row_stride : from.col_stride,
                        stride = length | 8;  // no multiple of 4096 bytes
            if (copy_.size() < lines * stride) copy_ = Buffer<double>(lines * stride);
            for (Index i = 0; i < lines; ++i) {
                const float* in = from.row(first) + i * step;
                double* out = copy_.get() + i * stride;
                if (within == 1) widen(length, in, out);
                else
                    for (Index j = 0; j < length; ++j) out[j] = double(in[j * within]);
            }
            count_ = count, stride_ = stride;
            next_ = {from.row(first + count), within == 1 && step > 0 ? count * step * Index(sizeof(float)) : 0};
        }
        bool project_by_component() const { return x_.by_cols_; }
        void project(const double* f, Index k, Index kp, double* p, Index p_row) const {
            if (x_.by_cols_) product(k, count_, x_.cols(), f, 1, kp, copy_.get(), stride_, p, p_row, false);
            else times_factor(count_, k, kp, x_.cols(), copy_.get(), stride_, f, p, p_row, next_);
        }
        void accumulate(const double* z, Index k, Index kp, double* s) const {
            if (x_.by_cols_) product(x_.cols(), kp, count_, copy_.get(), stride_, 1, z, kp, s, kp, true);
            else product(k, x_.cols(), count_, z, 1, kp, copy_.get(), stride_, s, packed, true);
        }

      private:
        const Widened& x_;
        RowReader<float> from_;
        Index count_ = 0, stride_ = 0;
        Fetch next_;
        Buffer<double> copy_;
    };

  private:
    Rows<float> x_;
    bool by_cols_;
};

template <class I>
class Widened<Csr<float, I>> {
  public:
    using Scalar = double;

    explicit Widened(const Csr<float, I>& x) : x_(x) {}

    Index rows() const { return x_.rows(); }
    Index cols() const { return x_.cols(); }
    Index work_per_row() const { return x_.work_per_row(); }
    Plan plan(Index k) const { return x_.plan(k); }
    bool packs_sums() const { return false; }
    bool reads_panels() const { return false; }

    class Block {
      public:
        explicit Block(const Widened& x) : x_(x), from_(x.x_) {}

        void open(Index first, Index count) {
            from_.open(first, count);
            pointers_.assign(1, 0);
            for (Index r = first; r < first + count; ++r)
                pointers_.push_back(I(pointers_.back() + from_.entries(r).size));
            const Index size = pointers_.back();
            const auto from = from_.entries(first);
            if (values_.size() < size) values_ = Buffer<double>(size);
            widen(size, from.values, values_.get());
            inner_.emplace(values_.get(), from.columns, pointers_.data(), count, x_.cols());
            block_.emplace(*inner_);
            block_->open(0, count);
        }
        bool project_by_component() const { return false; }
        void project(const double* f, Index k, Index kp, double* p, Index p_row) const {
            block_->project(f, k, kp, p, p_row);
        }
        void accumulate(const double* z, Index k, Index kp, double* s) const { block_->accumulate(z, k, kp, s); }

      private:
        const Widened& x_;
        CsrReader<float, I> from_;
        std::vector<I> pointers_;
        Buffer<double> values_;
        std::optional<Csr<double, I>> inner_;
        std::optional<typename Csr<double, I>::Block> block_;
    };

  private:
    const Csr<float, I> x_;
};

}  // namespace gramfold
