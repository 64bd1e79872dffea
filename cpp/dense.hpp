// Rows of a dense X with any strides, as a source of blocks for the fold.
#pragma once

#include "dots.hpp"
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

    // A contiguous side is read in place, unless all rows of a tile would fall in the same few lines of the
    // first-level cache. Anything else is copied block by block.
    explicit Dense(Matrix<const T> x) : x_(x), by_cols_(x.col_stride != 1 && x.row_stride == 1) {
        const Index stride = by_cols_ ? x.col_stride : x.row_stride;
        const bool crowded = x.cols >= 64 && stride * Index(sizeof(T)) % 4096 == 0;
        in_place_ = (by_cols_ || x.col_stride == 1) && !crowded;
    }

    Index rows() const { return x_.rows; }
    Index cols() const { return x_.cols; }
    const Matrix<const T>& matrix() const { return x_; }
    Index work_per_row() const { return 2 * x_.cols; }  // in multiples of k
    // Where 48 long rows would leave the second-level cache between project and accumulate, half or a quarter of them.
    Plan plan(bool = true) const {
        const Index row_bytes = x_.cols * Index(sizeof(T));
        Plan p = gramfold::plan(x_.rows, row_bytes);
        while (!by_cols_ && p.block > row_group / 4 && p.block * row_bytes > most_block_bytes) p.block /= 2;
        return p;
    }

    // The sums Z'X are kept as (k x cols) when X is read along its rows, else as (cols x padded k).
    bool sums_by_component() const { return !by_cols_; }
    bool reads_panels() const { return !by_cols_; }

    class Block {
      public:
        explicit Block(const Dense& x) : x_(x.x_), by_cols_(x.by_cols_), in_place_(x.in_place_) {}

        void open(Index first, Index count) {
            count_ = count;
            near_ = in_place_ && count * x_.cols * Index(sizeof(T)) <= most_block_bytes;
            if (in_place_) {
                data_ = x_.row(first), stride_ = by_cols_ ? x_.col_stride : x_.row_stride;
                return;
            }
            const Index lines = by_cols_ ? x_.cols : count, length = by_cols_ ? count : x_.cols;
            const Index step = by_cols_ ? x_.col_stride : x_.row_stride, within = by_cols_ ? 1 : x_.col_stride;
            stride_ = round_up<Index>(length, 16) + 16;
            if (copy_.size() < lines * stride_) copy_ = Buffer<T>(lines * stride_);
            for (Index i = 0; i < lines; ++i) {
                const T* from = x_.row(first) + i * step;
                T* to = copy_.get() + i * stride_;
                if (within == 1) std::copy_n(from, length, to);
                else
                    for (Index j = 0; j < length; ++j) to[j] = from[j * within];
            }
            data_ = copy_.get();
        }

        // p (k x row lanes, stride p_row) if project_by_component, else p (rows x k).
        bool project_by_component() const { return by_cols_; }

        void project(const T* f, Index k, Index kp, T* p, Index p_row) const {
            if (by_cols_) product(k, count_, x_.cols, f, 1, kp, data_, stride_, p, p_row, false, {nullptr, near_ ? count_ : 0});
            else times_factor(count_, k, kp, x_.cols, data_, stride_, f, p, p_row, {near_ ? data_ + count_ * stride_ : nullptr});
        }

        void accumulate(const T* z, Index k, Index kp, T* s) const {
            if (by_cols_) product(x_.cols, kp, count_, data_, stride_, 1, z, kp, s, kp, true);
            else product(k, x_.cols, count_, z, 1, kp, data_, stride_, s, x_.cols, true);
        }

      private:
        Matrix<const T> x_;
        bool by_cols_, in_place_, near_ = false;
        Index count_ = 0, stride_ = 0;
        const T* data_ = nullptr;
        Buffer<T> copy_;
    };

  private:
    Matrix<const T> x_;
    bool by_cols_, in_place_;
};

}  // namespace gramfold
