// Rows of a CSR X as a source of blocks for the fold: the two products in vectors over the components.
#pragma once

#include <cstring>

#include "fold/dense.hpp"

namespace gramfold {

// y[0..kp) += s * x[0..kp), kp a multiple of component_pad.
template <class T>
inline void axpy(Index kp, T s, const T* x, T* y) {
    constexpr int w = lanes<T>;
    Index c = 0;
    for (; c + w <= kp; c += w) store(y + c, load<Vec<T>>(y + c) + load<Vec<T>>(x + c) * s);
    if constexpr (w >= 4) {
        using Quarter = Vec<T, w / 4>;
        for (; c < kp; c += w / 4) store(y + c, load<Quarter>(y + c) + load<Quarter>(x + c) * s);
    } else {
        for (; c < kp; ++c) y[c] += x[c] * s;
    }
}

// The stored entries of one row.
template <class T, class I>
struct Entries {
    const T* values;
    const I* columns;
    Index size;
};

template <class T, class I>
class CsrReader;

// Entries of T, or items of another type or in a file that become T where their rows are opened; then there are no
// values before that, nor are there columns that lie in a file.
template <class T, class I>
class Csr {
  public:
    using Scalar = T;

    Csr(const T* data, const I* indices, const I* indptr, Index rows, Index cols)
        : data_(data), indices_(indices), indptr_(indptr), rows_(rows), cols_(cols) {}
    Csr(const char* items, Index item_size, Convert<T> convert, const I* indices, const I* indptr, Index rows,
        Index cols)
        : Csr(nullptr, indices, indptr, rows, cols) {
        items_ = items, item_size_ = item_size, convert_ = convert;
    }
    // Both in files.
    Csr(FileItems items, Convert<T> convert, Change change, FileItems columns, const I* indptr, Index rows, Index cols)
        : Csr(nullptr, items.item, convert, nullptr, indptr, rows, cols) {
        file_items_ = std::move(items), change_ = std::move(change), file_columns_ = std::move(columns);
    }

    Index rows() const { return rows_; }
    Index cols() const { return cols_; }
    Index begin(Index row) const { return indptr_[row]; }  // the place of its first entry
    Entries<T, I> entries(Index row) const {
        const Index begin = indptr_[row];
        return {data_ + begin, indices_ + begin, Index(indptr_[row + 1]) - begin};
    }

    Index work_per_row() const { return 16 * Index(indptr_[rows_]) / std::max<Index>(1, rows_); }

    // Private sums of cols x k are worth it for chunks with several entries a column, and cheap with many; more than
    // 16 chunks are not worth their price. Without them chunks are short, as rows are of unlike lengths.
    Plan plan(Index, bool sums = true) const {
        if (!sums) return gramfold::plan(rows_, 2048, 256);
        const Index several = 4 * cols_ * rows_ / std::max<Index>(1, Index(indptr_[rows_]));
        return gramfold::plan(rows_, 2048, std::max({Index{256}, several, std::min(4 * several, rows_ / 16)}));
    }

    bool packs_sums() const { return false; }
    bool reads_panels() const { return false; }

    class Block {
      public:
        explicit Block(const Csr& x) : x_(x) {}
        void open(Index first, Index count) {
            first_ = first;
            count_ = count;
            x_.open(first, count);
        }
        bool project_by_component() const { return false; }

        void project(const T* f, Index, Index kp, T* p, Index p_row) const {
            for (Index r = 0; r < count_; ++r)
                row(x_.indptr_[first_ + r], x_.indptr_[first_ + r + 1], f, kp, p + r * p_row);
        }

        void accumulate(const T* z, Index, Index kp, T* s) const {
            for (Index r = 0; r < count_; ++r)
                for (Index e = x_.indptr_[first_ + r]; e < x_.indptr_[first_ + r + 1]; ++e)
                    axpy(kp, x_.data_[e], z + r * kp, s + Index(x_.indices_[e]) * kp);
        }

      private:
        // Up to four vectors of the result at a time stay in registers while the entries of the row go by.
        void row(Index begin, Index end, const T* f, Index kp, T* p) const {
            static constexpr auto tails = tails_of(std::make_integer_sequence<int, 16>{});
            Index c = 0;
            for (; c + 4 * lanes<T> <= kp; c += 4 * lanes<T>) gather<4, 0>(begin, end, f + c, kp, p + c);
            if (c < kp) (this->*tails[static_cast<std::size_t>((kp - c) / quarter)])(begin, end, f + c, kp, p + c);
        }

        // N vectors and Q quarters.
        template <int N, int Q>
        void gather(Index begin, Index end, const T* f, Index kp, T* p) const {
            constexpr Index w = lanes<T>;
            Vec<T> acc[N ? N : 1] = {};
            Vec<T, quarter> rest[Q ? Q : 1] = {};
            for (Index e = begin; e < end; ++e) {
                const T* column = f + Index(x_.indices_[e]) * kp;
                const T s = x_.data_[e];
#pragma GCC unroll 4
                for (int v = 0; v < N; ++v) acc[v] += load<Vec<T>>(column + v * w) * s;
#pragma GCC unroll 4
                for (int v = 0; v < Q; ++v) rest[v] += load<Vec<T, quarter>>(column + N * w + v * quarter) * s;
            }
#pragma GCC unroll 4
            for (int v = 0; v < N; ++v) store(p + v * w, acc[v]);
#pragma GCC unroll 4
            for (int v = 0; v < Q; ++v) store(p + N * w + v * quarter, rest[v]);
        }

        static constexpr int quarter = component_pad<T>, quarters = lanes<T> / quarter;
        using Gather = void (Block::*)(Index, Index, const T*, Index, T*) const;
        template <int... A>
        static constexpr auto tails_of(std::integer_sequence<int, A...>) {
            return std::array<Gather, sizeof...(A)>{&Block::template gather<A / quarters, A % quarters>...};
        }

        CsrReader<T, I> x_;
        Index first_ = 0, count_ = 0;
    };

  protected:
    const T* data_;
    const I *indices_, *indptr_;
    Index rows_, cols_;
    const char* items_ = nullptr;
    Index item_size_ = 0;
    Convert<T> convert_ = nullptr;
    FileItems file_items_, file_columns_;
    Change change_;
};

// What a worker reads of a CSR matrix: the last rows that it has opened; entries of T are open as they are.
template <class T, class I>
class CsrReader : public Csr<T, I> {
  public:
    explicit CsrReader(const Csr<T, I>& x) : Csr<T, I>(x) {}

    void open(Index first, Index count) {
        if (!this->convert_) return;
        if (this->file_items_) return read(first, count);
        const Index begin = this->begin(first), size = this->begin(first + count) - begin;
        if (copy_.size() < size) copy_ = Buffer<T>(size + size / 2);
        this->convert_(this->items_ + begin * this->item_size_, this->item_size_, size, copy_.get());
        this->data_ = copy_.get() - begin;
    }

  private:
    // With the rows that come behind them in the chunk, as every read is a call of the system.
    void read(Index first, Index count) {
        if (first >= first_ && first + count <= end_) return;
        Index end = std::min(this->rows_, first + std::max(count, fold_detail::rows_to_come(first)));
        const Index begin = this->begin(first);
        while (end > first + count && this->begin(end) - begin > together_)
            end = first + count + (end - first - count) / 2;
        const Index size = this->begin(end) - begin;
        if (copy_.size() < size) {
            copy_ = Buffer<T>(size + size / 2), columns_ = Buffer<I>(size + size / 2);
            bytes_ = Buffer<char>(copy_.size() * this->item_size_);
        }
        if (size) {
            this->file_items_.read(begin, size, bytes_.get());
            this->convert_(bytes_.get(), this->item_size_, size, copy_.get());
            apply(this->change_, size, copy_.get());
            read_columns(begin, size);
        }
        this->data_ = copy_.get() - begin, this->indices_ = columns_.get() - begin;
        first_ = first, end_ = end;
    }

    // In a file they may be narrower than row pointers.
    void read_columns(Index begin, Index size) {
        auto* to = reinterpret_cast<char*>(columns_.get());
        const bool narrow = this->file_columns_.item < Index(sizeof(I));
        char* from = narrow ? to + size * Index(sizeof(std::int32_t)) : to;
        this->file_columns_.read(begin, size, from);
        for (Index e = 0; narrow && e < size; ++e) {
            std::int32_t column;
            std::memcpy(&column, from + e * Index(sizeof(column)), sizeof(column));
            columns_.get()[e] = column;
        }
    }

    static constexpr Index together_ = Index{1} << 15;  // entries
    Buffer<T> copy_;
    Buffer<I> columns_;
    Buffer<char> bytes_;
    Index first_ = 0, end_ = 0;
};

// Products that are known already, P (rows x k): what is left of a pass when a factor's sums are at hand.
template <class T>
class Known {
  public:
    using Scalar = T;
    Known(const T* p, Index rows, Index k) : p_(p), rows_(rows), k_(k) {}
    Index rows() const { return rows_; }
    Index cols() const { return 0; }
    Index work_per_row() const { return 1; }
    Plan plan(Index, bool) const { return gramfold::plan(rows_, k_ * Index(sizeof(T))); }
    bool packs_sums() const { return false; }
    bool reads_panels() const { return false; }

    class Block {
      public:
        explicit Block(const Known& x) : x_(x) {}
        void open(Index first, Index count) {
            first_ = first;
            count_ = count;
        }
        bool project_by_component() const { return false; }
        void project(const T*, Index k, Index, T* p, Index p_row) const {
            for (Index r = 0; r < count_; ++r) std::copy_n(x_.p_ + (first_ + r) * k, k, p + r * p_row);
        }
        void accumulate(const T*, Index, Index, T*) const {}

      private:
        const Known& x_;
        Index first_ = 0, count_ = 0;
    };

  private:
    const T* p_;
    Index rows_, k_;
};

}  // namespace gramfold
