// Rows of a dense X with any strides, as a source of blocks for the fold.
#pragma once

#include <cstdlib>

#include "fold/change.hpp"
#include "fold/dots.hpp"
#include "fold/file.hpp"
#include "fold/fold.hpp"

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
    Buffer& operator+=(const Buffer& o) {
        for (Index i = 0; i < size_; ++i) data_[i] += o.data_[i];
        return *this;
    }

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

// Rows: a matrix of T, or items of another type or in a file that become T where they are opened. These have the
// strides of an array of T that is converted from them and keeps the order of their memory, so that whatever strides
// decide is the same as for that array; they have no `data`. What reads rows of a file keeps some: a worker has its own
// copy.
template <class T>
struct Rows : Matrix<const T> {
    const char* items = nullptr;
    Index row_step = 0, col_step = 0;  // in bytes
    Convert<T> convert = nullptr;      // null for a matrix of T
    Strip strip;                       // of a file
    Change change;                     // of its numbers
    bool same = false;                 // its items are T as they lie

    Rows(Matrix<const T> x) : Matrix<const T>(x) {}
    Rows(const char* begin, Index n_rows, Index n_cols, Index down, Index across, Convert<T> how)
        : Matrix<const T>{nullptr, n_rows, n_cols, n_cols, 1}, items(begin), row_step(down), col_step(across),
          convert(how) {
        if (n_rows > 1 && n_cols > 1 && std::abs(row_step) < std::abs(col_step))
            this->row_stride = 1, this->col_stride = n_rows;
    }
    // Rows of a file, of items of so many bytes.
    Rows(std::shared_ptr<File> file, Index at, Index item, bool as_they_lie, Index n_rows, Index n_cols, Index down,
         Index across, Convert<T> how, Change then)
        : Rows(nullptr, n_rows, n_cols, down, across, how) {
        strip = Strip(std::move(file), at, n_rows, n_cols, down, across, item, by_cols());
        change = std::move(then), same = as_they_lie && change.empty();
    }

    void transpose() {
        std::swap(this->rows, this->cols), std::swap(this->row_stride, this->col_stride);
        std::swap(row_step, col_step);
        if (strip) strip.swap_sides();
    }

    bool given() const { return this->data || convert; }
    bool by_cols() const { return this->col_stride != 1 && this->row_stride == 1; }
    bool has_rows() const { return this->col_stride == 1 && !convert; }  // contiguous ones, which can be read in place

    // to = columns c to c + n of row r.
    void read(Index r, Index c, Index n, T* to) { line(r, c, n, false, to); }
    void read(Index r, T* to) { read(r, 0, this->cols, to); }

    // to = columns c to c + n of rows first to first + count, the lines that are near in memory `stride` apart.
    void read(Index first, Index count, Index c, Index n, T* to, Index stride) {
        if (strip && count > 0 && n > 0) {
            const bool straight = same && n == this->cols && stride == n;
            if (straight && strip.read_straight(first, count, reinterpret_cast<char*>(to))) return;
            strip.have(first, count, c, n);
        }
        if (by_cols())
            for (Index i = 0; i < n; ++i) line(first, c + i, count, true, to + i * stride);
        else
            for (Index i = 0; i < count; ++i) read(first + i, c, n, to + i * stride);
    }

    // How many rows of a file, from r on, are worth reading as they lie, each to a place of its own; 0 if none are.
    Index along(Index r) const { return strip && same ? strip.along(r) : 0; }
    void read_apart(Index first, T* const* to, Index count) {
        std::vector<iovec> places;
        for (Index i = 0; i < count; ++i) {
            const std::size_t bytes = static_cast<std::size_t>(this->cols) * sizeof(T);
            if (i && to[i - 1] + this->cols == to[i]) places.back().iov_len += bytes;
            else places.push_back({to[i], bytes});
        }
        strip.read_apart(first, count, places);
    }

  private:
    void line(Index r, Index c, Index n, bool down, T* to) {
        if (strip) {
            if (n <= 0) return;
            strip.have(r, down ? n : 1, c, down ? 1 : n);
            convert(strip.item(r, c), down ? strip.row_step() : strip.col_step(), n, to);
            return apply(change, n, to);
        }
        if (convert) return convert(items + r * row_step + c * col_step, down ? row_step : col_step, n, to);
        const T* from = &(*this)(r, c);
        const Index step = down ? this->row_stride : this->col_stride;
        if (step == 1) std::copy_n(from, n, to);
        else
            for (Index i = 0; i < n; ++i) to[i] = from[i * step];
    }
};

// What a worker reads of rows: the last ones that it has opened, at their own places; a matrix of T is open as it is.
template <class T>
class RowReader : public Matrix<const T> {
  public:
    explicit RowReader(const Rows<T>& x) : Matrix<const T>(x), x_(x) {}

    bool in_place() const { return !x_.convert; }
    void open(Index first, Index count) { open(first, count, 0, x_.cols); }
    // Columns c to c + n alone.
    void open(Index first, Index count, Index c, Index n) {
        if (!x_.convert) return;
        if (copy_.size() < count * n) copy_ = Buffer<T>(count * n);
        const bool by_cols = x_.by_cols();
        x_.read(first, count, c, n, copy_.get(), by_cols ? count : n);
        this->row_stride = by_cols ? 1 : n, this->col_stride = by_cols ? count : 1;
        this->data = copy_.get() - first * this->row_stride - c * this->col_stride;
    }

  private:
    Rows<T> x_;
    Buffer<T> copy_;
};

template <class T>
class Dense {
  public:
    using Scalar = T;

    // A contiguous side is read in place, unless all rows of a tile would fall in the same few lines of the
    // first-level cache. Anything else is copied block by block.
    explicit Dense(Rows<T> x) : x_(x), by_cols_(x.by_cols()) {
        const Index stride = by_cols_ ? x.col_stride : x.row_stride;
        const bool crowded = x.cols >= 64 && stride * Index(sizeof(T)) % 4096 == 0;
        in_place_ = (by_cols_ || x.col_stride == 1) && !crowded && !x.convert;
        packed_ = !by_cols_ && !crowded;
    }

    Index rows() const { return x_.rows; }
    Index cols() const { return x_.cols; }
    const Rows<T>& matrix() const { return x_; }
    Index work_per_row() const { return 2 * x_.cols; }  // in multiples of k
    // Of long rows a block leaves the second-level cache between project and accumulate. With several tiles of
    // components that costs less than the sums' coming and going, so that blocks are large; with one, blocks are small.
    Plan plan(Index k, bool sums = true) const {
        const Index row_bytes = x_.cols * Index(sizeof(T));
        Plan p = gramfold::plan(x_.rows, row_bytes, sums && x_.cols > 1024 ? 384 : 256);
        if (by_cols_) return p;
        if (k > tile_rows && p.block < 2 * row_group) p.block = 4 * row_group;
        while (k <= tile_rows && p.block > row_group / 4 && p.block * row_bytes > most_block_bytes) p.block /= 2;
        return p;
    }

    // The sums Z'X are kept in panels of columns when X is read along its rows, else as (cols x padded k).
    bool packs_sums() const { return !by_cols_; }
    bool reads_panels() const { return !by_cols_; }

    class Block {
      public:
        explicit Block(const Dense& x) : x_(x.x_), by_cols_(x.by_cols_), in_place_(x.in_place_), packed_(x.packed_) {}

        void open(Index first, Index count) {
            count_ = count;
            near_ = in_place_ && count * x_.cols * Index(sizeof(T)) <= (by_cols_ ? block_bytes : most_block_bytes);
            if (in_place_) {
                data_ = x_.row(first), stride_ = by_cols_ ? x_.col_stride : x_.row_stride;
                return;
            }
            stride_ = packed_ && x_.same ? x_.cols : round_up<Index>(by_cols_ ? count : x_.cols, 16) + 16;
            const Index size = (by_cols_ ? x_.cols : count) * stride_;
            if (copy_.size() < size) copy_ = Buffer<T>(size);
            x_.read(first, count, 0, x_.cols, copy_.get(), stride_);
            data_ = copy_.get();
        }

        // A row of those that are open, whose entries lie next to each other unless they are read by columns.
        const T* row(Index r) const { return data_ + r * stride_; }

        // p (k x row lanes, stride p_row) if project_by_component, else p (rows x k).
        bool project_by_component() const { return by_cols_; }

        void project(const T* f, Index k, Index kp, T* p, Index p_row) const {
            if (by_cols_)
                product(k, count_, x_.cols, f, 1, kp, data_, stride_, p, p_row, false,
                        {nullptr, 0, near_ ? count_ : 0});
            else times_factor(count_, k, kp, x_.cols, data_, stride_, f, p, p_row, next());
        }

        void accumulate(const T* z, Index k, Index kp, T* s) const {
            if (by_cols_) product(x_.cols, kp, count_, data_, stride_, 1, z, kp, s, kp, true);
            else
                product(k, x_.cols, count_, z, 1, kp, data_, stride_, s, packed, true,
                        {nullptr, 0, k > tile_rows ? 8 * lanes<T> : 0});
        }

      private:
        // The rows behind those that are open, if they lie together.
        Fetch next() const {
            const bool together = near_ && stride_ > 0 && stride_ <= 2 * x_.cols;
            return {data_ + count_ * stride_, together ? count_ * stride_ * Index(sizeof(T)) : 0};
        }

        Rows<T> x_;
        bool by_cols_, in_place_, packed_, near_ = false;
        Index count_ = 0, stride_ = 0;
        const T* data_ = nullptr;
        Buffer<T> copy_;
    };

  private:
    Rows<T> x_;
    bool by_cols_, in_place_, packed_;  // packed_: copied rows may lie one behind the other
};

// How many numbers a source keeps the sums Z'X of k components in.
template <class Source>
Index sums_size(const Source& x, Index k, Index kp) {
    return x.cols() * (x.packs_sums() ? k : kp);
}

// to (cols x k) = the sums.
template <class Source, class T>
void read_sums(const Source& x, Index k, Index kp, const T* sums, T* to) {
    if (x.packs_sums()) return unpack(k, x.cols(), sums, to);
    for (Index c = 0; c < x.cols(); ++c) std::copy_n(sums + c * kp, k, to + c * k);
}

}  // namespace gramfold
