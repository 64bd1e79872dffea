// A block of rows of X, dense in panels of a few hundred columns: in place where X allows it, else a copy.
#pragma once

#include "fold/csr.hpp"

namespace gramfold {

inline constexpr Index panel_cols = 256;

template <class Source>
class Panels;

template <class T>
class Panels<Dense<T>> {
  public:
    explicit Panels(const Dense<T>& x) : x_(x.matrix()), copy_(x_.col_stride == 1 ? 0 : row_group * panel_cols) {}

    void open(Index first, Index count) { first_ = first, count_ = count; }

    // Columns c to c + n of the block, contiguous rows `stride` apart.
    const T* read(Index c, Index n, Index& stride) {
        x_.open(first_, count_, c, n);
        const T* x = x_.row(first_) + c * x_.col_stride;
        stride = x_.row_stride;
        if (x_.col_stride == 1) return x;
        for (Index l = 0; l < n; ++l)
            for (Index r = 0; r < count_; ++r)
                copy_.get()[r * panel_cols + l] = x[r * x_.row_stride + l * x_.col_stride];
        stride = panel_cols;
        return copy_.get();
    }

  private:
    RowReader<T> x_;
    Index first_ = 0, count_ = 0;
    Buffer<T> copy_;
};

template <class T, class I>
class Panels<Csr<T, I>> {
  public:
    explicit Panels(const Csr<T, I>& x)
        : x_(x), bounds_(static_cast<std::size_t>((x.cols() + panel_cols - 1) / panel_cols + 2)),
          copy_(row_group * panel_cols) {}

    // The entries of the block are sorted by panel.
    void open(Index first, Index count) {
        count_ = count;
        x_.open(first, count);
        std::fill(bounds_.begin(), bounds_.end(), std::size_t(0));
        each_entry(first, [&](std::size_t panel, const Place&) { ++bounds_[panel + 2]; });
        for (std::size_t p = 2; p < bounds_.size(); ++p) bounds_[p] += bounds_[p - 1];
        places_.resize(bounds_.back());
        each_entry(first, [&](std::size_t panel, const Place& place) { places_[bounds_[panel + 1]++] = place; });
    }

    const T* read(Index c, Index, Index& stride) {
        copy_.zero();
        const auto panel = static_cast<std::size_t>(c / panel_cols);
        for (std::size_t i = bounds_[panel]; i < bounds_[panel + 1]; ++i)
            copy_.get()[places_[i].offset] += places_[i].value;
        stride = panel_cols;
        return copy_.get();
    }

  private:
    struct Place {
        Index offset;
        T value;
    };

    template <class Body>
    void each_entry(Index first, Body body) const {
        for (Index r = 0; r < count_; ++r) {
            const auto x = x_.entries(first + r);
            for (Index e = 0; e < x.size; ++e) {
                const Index c = x.columns[e];
                body(static_cast<std::size_t>(c / panel_cols), Place{r * panel_cols + c % panel_cols, x.values[e]});
            }
        }
    }

    CsrReader<T, I> x_;
    std::vector<std::size_t> bounds_;
    std::vector<Place> places_;
    Index count_ = 0;
    Buffer<T> copy_;
};

}  // namespace gramfold
