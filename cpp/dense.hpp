// Rows of a dense X with any strides, as a source of blocks for the fold.
#pragma once

#include <vector>

#include "fold.hpp"

namespace gramfold {

// Uninitialised, 64-byte aligned memory.
template <class T>
class Buffer {
  public:
    explicit Buffer(Index size = 0) : data_(size ? make(size) : nullptr), size_(size) {}
    Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Buffer() { ::operator delete(data_, std::align_val_t{64}); }

    T* get() const { return data_; }
    Index size() const { return size_; }
    void zero() { std::fill_n(data_, size_, T(0)); }

  private:
    static T* make(Index size) {
        Index bytes;
        if (__builtin_mul_overflow(size, Index(sizeof(T)), &bytes) || bytes < 0) throw std::bad_alloc();
        return static_cast<T*>(::operator new(static_cast<std::size_t>(bytes), std::align_val_t{64}));
    }
    T* data_;
    Index size_;
};

template <class T>
struct Matrix {
    T* data;
    Index rows, cols, row_stride, col_stride;

    T& operator()(Index r, Index c) const { return data[r * row_stride + c * col_stride]; }
    T* row(Index r) const { return data + r * row_stride; }
};

template <class T>
class Dense {
  public:
    using Scalar = T;

    explicit Dense(Matrix<const T> x) : x_(x) {
        // A row that is contiguous is read in place, unless its stride would put all rows of a tile in the same
        // few lines of the first-level cache. The same for a contiguous column. Else a block is copied.
        const bool crowded = x.cols > 64 && x.row_stride * Index(sizeof(T)) % 1024 == 0;
        by_rows_ = x.col_stride == 1 && !crowded;
        by_cols_ = !by_rows_ && x.row_stride == 1 && x.col_stride != 1;
    }

    Index rows() const { return x_.rows; }
    Index cols() const { return x_.cols; }
    Plan plan() const { return gramfold::plan(x_.rows, x_.cols * Index(sizeof(T))); }

    // The sums Z'X are kept as (k x cols) when X is read along its rows, else as (cols x padded k).
    bool sums_by_component() const { return !by_cols_; }

    class Block {
      public:
        explicit Block(const Dense& x) : x_(x.x_), by_rows_(x.by_rows_), by_cols_(x.by_cols_) {}

        void open(Index first, Index count) {
            count_ = count;
            x_first_ = x_.row(first);
            row_stride_ = x_.row_stride;
            if (by_rows_ || by_cols_) return;
            row_stride_ = round_up<Index>(x_.cols, 16) + 16;
            if (copy_.size() < count * row_stride_) copy_ = Buffer<T>(count * row_stride_);
            for (Index r = 0; r < count; ++r)
                for (Index c = 0; c < x_.cols; ++c) copy_.get()[r * row_stride_ + c] = x_(first + r, c);
            x_first_ = copy_.get();
        }

        // p (k x row lanes, stride p_row) if project_by_component, else p (rows x k).
        bool project_by_component() const { return by_cols_; }

        void project(const T* f, Index k, Index kp, T* p, Index p_row) const {
            if (by_cols_)
                product(k, count_, x_.cols, f, 1, kp, x_first_, x_.col_stride, p, p_row, false);
            else
                product(count_, kp, x_.cols, x_first_, row_stride_, 1, f, kp, p, p_row, false);
        }

        void accumulate(const T* z, Index k, Index kp, T* s) const {
            if (by_cols_)
                product(x_.cols, kp, count_, x_first_, x_.col_stride, 1, z, kp, s, kp, true);
            else
                product(k, x_.cols, count_, z, 1, kp, x_first_, row_stride_, s, x_.cols, true);
        }

      private:
        Matrix<const T> x_;
        bool by_rows_, by_cols_;
        Index count_ = 0, row_stride_ = 0;
        const T* x_first_ = nullptr;
        Buffer<T> copy_;
    };

  private:
    Matrix<const T> x_;
    bool by_rows_, by_cols_;
};

}  // namespace gramfold
