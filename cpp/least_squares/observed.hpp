// Some rows and columns of a dense X at a time, with zeros for what is not observed: NaN, or weight 0.
#pragma once

#include <limits>
#include <vector>

#include "fold/dense.hpp"

namespace gramfold {

template <class T>
struct Observed {
    Rows<T> x, w;  // w.data may be null: weights 1

    // Columns at a time; rows lie off the power of two, for the first-level cache.
    static constexpr Index piece = 1024, stride = piece + 16;
    Index pieces() const { return (x.cols + piece - 1) / piece; }
    Index length(Index i) const { return std::min(piece, x.cols - i * piece); }
};

template <class T>
class ObservedRows {
  public:
    static constexpr Index stride = Observed<T>::stride;

    ObservedRows(const Observed<T>& in, Index most)
        : in_(in), open_x_(in.x), open_w_(in.w), x_(most * stride), w_(most * stride),
          wx_(in.w.data ? most * stride : 0), seen_(most * stride), missing_(static_cast<std::size_t>(most)) {}

    // Make n rows of piece i ready. Nothing to do if they are.
    void open(Index first, Index n, Index i) {
        if (opened_[0] == first && opened_[1] == n && opened_[2] == i) return;
        opened_[0] = first, opened_[1] = n, opened_[2] = i;
        length_ = in_.length(i);
        const Lines x = lines(open_x_, first, n, i, x_.get());
        const Lines w = in_.w.data ? lines(open_w_, first, n, i, w_.get()) : Lines{nullptr, 0};
        for (Index r = 0; r < n; ++r) {
            const T* wr = w.first ? w.first + r * w.row : nullptr;
            missing_[std::size_t(r)] = length_ - clean(r * stride, x.first + r * x.row, wr);
        }
    }

    const T* x(Index r) const { return x_.get() + r * stride; }
    const T* w(Index r) const { return w_.get() + r * stride; }  // 1 without weights
    const T* wx(Index r) const { return in_.w.data ? wx_.get() + r * stride : x(r); }
    Index missing(Index r) const { return missing_[std::size_t(r)]; }

    // The columns of row r that are not observed, or those that are; returns how many. `to` has room for one more.
    Index list(Index r, bool missing, std::int32_t* to) const {
        const std::uint8_t* seen = reinterpret_cast<const std::uint8_t*>(seen_.get()) + r * stride;
        const std::uint64_t none = missing ? ~std::uint64_t{0} : 0;
        Index n = 0, c = 0;
        const auto next = [&] {
            to[n] = std::int32_t(c);
            n += (seen[c] & 1) ^ Index(missing);
            ++c;
        };
        while (c + 8 <= length_) {
            if (load<std::uint64_t>(seen + c) == none) {
                c += 8;
                continue;
            }
#pragma GCC unroll 8
            for (int l = 0; l < 8; ++l) next();
        }
        while (c < length_) next();
        return n;
    }

  private:
    struct Lines {
        const T* first;
        Index row;
    };

    // Rows of a piece with contiguous columns: in place, or copied.
    Lines lines(RowReader<T>& m, Index first, Index n, Index i, T* copy) const {
        m.open(first, n, i * Observed<T>::piece, length_);
        const T* from = &m(first, i * Observed<T>::piece);
        if (m.col_stride == 1) return {from, m.row_stride};
        if (m.row_stride == 1) transpose(length_, n, from, m.col_stride, copy, stride);
        else
            for (Index r = 0; r < n; ++r)
                for (Index c = 0; c < length_; ++c) copy[r * stride + c] = from[r * m.row_stride + c * m.col_stride];
        return {copy, stride};
    }

    // One row into place from `to` on; returns how many entries are observed.
    Index clean(Index to, const T* x, const T* w) {
        constexpr Index width = lanes<T>;
        using V = Vec<T>;
        using Bytes = typename VectorOf<std::int8_t, int(width)>::type;
        V count = {};
        const auto some = [&](const T* xs, const T* ws, Index at) {
            const V v = load<V>(xs), one = V{} + T(1), weight = w ? load<V>(ws) : one;
            const auto ok = (v == v) & (weight > V{});
            store(x_.get() + at, ok ? v : V{});
            store(w_.get() + at, ok ? weight : V{});
            if (w) store(wx_.get() + at, ok ? weight * v : V{});
            store(seen_.get() + at, __builtin_convertvector(ok, Bytes));
            count += ok ? one : V{};
        };
        Index c = 0;
        for (; c + width <= length_; c += width) some(x + c, w ? w + c : nullptr, to + c);
        if (c < length_) {
            T xs[width], ws[width] = {};
            std::fill_n(xs, width, std::numeric_limits<T>::quiet_NaN());
            std::copy(x + c, x + length_, xs);
            if (w) std::copy(w + c, w + length_, ws);
            some(xs, ws, to + c);
        }
        T total = 0;
        for (Index l = 0; l < width; ++l) total += count[l];
        return Index(total);
    }

    Observed<T> in_;
    RowReader<T> open_x_, open_w_;
    Buffer<T> x_, w_, wx_;
    Buffer<std::int8_t> seen_;
    std::vector<Index> missing_;
    Index length_ = 0, opened_[3] = {-1, -1, -1};
};

}  // namespace gramfold
