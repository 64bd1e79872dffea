// Rows of a dense X where a row can be read, whatever X is like.
#pragma once

#include <vector>

#include "fold/transpose.hpp"
#include "fold/dense.hpp"

namespace gramfold {

// Rows that are converted one by one and stay where they are until they are released. Those of a file that need no
// conversion are read several at once, each to where it stays.
template <class T>
class KeptRows {
  public:
    explicit KeptRows(const Rows<T>& x) : x_(x) {}

    const T* row(Index i) {
        const Index at = i - first_;
        if (at >= 0 && at < Index(ahead_.size()) && ahead_[std::size_t(at)]) return taken(at);
        if (const Index count = x_.along(i)) {
            read_ahead(i, count);
            return taken(0);
        }
        T* to = room();
        x_.read(i, to);
        return to;
    }

    void release(const T* row) { free_.push_back(const_cast<T*>(row)); }

  private:
    static constexpr Index together_ = 64;

    // Neighbours are in order, so that they are one copy.
    void read_ahead(Index first, Index count) {
        for (T* row : ahead_)
            if (row) release(row);
        first_ = first;
        ahead_.clear();
        for (Index r = 0; r < count; ++r) ahead_.push_back(room());
        std::sort(ahead_.begin(), ahead_.end());
        x_.read_apart(first, ahead_.data(), count);
    }

    const T* taken(Index at) { return std::exchange(ahead_[std::size_t(at)], nullptr); }

    T* room() {
        if (free_.empty()) grow();
        T* to = free_.back();
        free_.pop_back();
        return to;
    }

    void grow() {
        room_.emplace_back(together_ * x_.cols);
        for (Index r = together_; r-- > 0;) free_.push_back(room_.back().get() + r * x_.cols);
    }

    Rows<T> x_;
    std::vector<Buffer<T>> room_;
    std::vector<T*> free_, ahead_;  // ahead_: rows from first_ on that have been read; null once taken
    Index first_ = 0;
};

// Rows in place where they lie so, else converted one by one, or copied a block of at most `most` at a time.
template <class T>
class RowsAtHand {
  public:
    RowsAtHand(const Rows<T>& x, Index most)
        : x_(x), kept_(x), converted_(x.convert && x.col_stride == 1), copy_(x.col_stride == 1 ? 0 : most * x.cols) {}

    void open(Index begin, Index count) {
        opened_ = begin;
        if (stay()) return;
        x_.open(begin, count);
        if (x_.row_stride == 1 && x_.col_stride >= 0)
            return transpose(x_.cols, count, x_.row(begin), x_.col_stride, copy_.get(), x_.cols);
        for (Index r = 0; r < count; ++r)
            for (Index q = 0; q < x_.cols; ++q) copy_.get()[r * x_.cols + q] = x_(begin + r, q);
    }

    // Whether rows outlast their block: they are where they are until they are released.
    bool stay() const { return !copy_.size(); }

    const T* row(Index i) {
        if (converted_) return kept_.row(i);
        return stay() ? x_.row(i) : copy_.get() + (i - opened_) * x_.cols;
    }
    void release(const T* row) {
        if (converted_) kept_.release(row);
    }

    // Of the row that comes some rows after row i.
    void read_ahead(Index i) const {
        if (converted_ || !stay()) return;
        const char* next = reinterpret_cast<const char*>(x_.row(i)) + 8 * x_.row_stride * Index(sizeof(T));
        for (Index line = 0; line < std::min<Index>(64, x_.cols * Index(sizeof(T)) / 64); ++line)
            __builtin_prefetch(next + 64 * line, 0, 2);
    }

  private:
    RowReader<T> x_;
    KeptRows<T> kept_;
    bool converted_;
    Index opened_ = 0;
    Buffer<T> copy_;
};

}  // namespace gramfold
