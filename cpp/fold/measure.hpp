// Numbers about X and its factors: sums, Gram matrix, exact squared residual.
#pragma once

#include <limits>
#include <stdexcept>
#include <string>

#include "fold/row_sums.hpp"

namespace gramfold {

struct Scan {
    double sum = 0, squares = 0, least = std::numeric_limits<double>::infinity(), most = -least;

    void clear() { *this = {}; }
    Scan& operator+=(const Scan& o) {
        sum += o.sum, squares += o.squares, least = std::min(least, o.least), most = std::max(most, o.most);
        return *this;
    }

    // Up to 512 numbers: short sums in T, vector by vector.
    template <class T>
    void add(const T* x, Index stride, Index n) {
        using V = Vec<T>;
        constexpr Index w = lanes<T>;
        V s = {}, q = {}, low = V{} + std::numeric_limits<T>::infinity(), high = -low;
        Index i = 0;
        if (stride == 1)
            for (; i + w <= n; i += w) {
                const V v = load<V>(x + i);
                s += v, q += v * v, low = v < low ? v : low, high = v > high ? v : high;
            }
        for (Index l = 0; i && l < w; ++l) {
            sum += double(s[l]), squares += double(q[l]);
            least = std::min(least, double(low[l])), most = std::max(most, double(high[l]));
        }
        for (; i < n; ++i) {
            const double v = double(x[i * stride]);
            sum += v, squares += v * v, least = std::min(least, v), most = std::max(most, v);
        }
    }
};

// So many entries are added up in T; short rows, so many together.
inline constexpr Index scan_piece = 512;
inline Index rows_together(Index cols) { return cols == 0 ? 1 : std::max<Index>(1, scan_piece / cols); }

// Sum, sum of squares, least and greatest entry, in one read. Short rows are taken together, a long one in pieces.
template <class T>
Scan scan(Rows<T> x, const Run& run) {
    if (x.by_cols()) x.transpose();
    const bool flat = x.rows == 1;  // one long row, as the entries of a CSR matrix: cut it up
    const Index piece = scan_piece, rows = flat ? (x.cols + piece - 1) / piece : x.rows;
    const Index together = flat ? 1 : rows_together(x.cols);
    const bool in_place = !x.convert && (together == 1 || (x.col_stride == 1 && x.row_stride == x.cols));
    const auto sums = fold(
        plan(rows, flat ? piece * Index(sizeof(T)) : x.cols * Index(sizeof(T))), run,
        [] { return std::make_unique<Scan>(); },
        [&] {
            return [&, x, copy = Buffer<T>(in_place ? 0 : piece)](Index first, Index count, Scan& total) mutable {
                for (Index r = first; r < first + count; r += together) {
                    const Index some = std::min(together, first + count - r), at = flat ? 0 : r;
                    const Index begin = flat ? r * piece : 0, end = flat ? std::min(x.cols, begin + piece) : x.cols;
                    for (Index c = begin; c < end; c += piece) {
                        const Index n = std::min(piece, end - c);
                        for (Index i = 0; i < some && copy.size(); ++i) x.read(at + i, c, n, copy.get() + i * n);
                        total.add(copy.size() ? copy.get() : x.row(at) + c * x.col_stride,
                                  copy.size() ? 1 : x.col_stride, some * n);
                    }
                }
            };
        });
    return *sums;
}

template <class U>
struct VectorSum {
    Buffer<U> values;
    explicit VectorSum(Index n) : values(n) { values.zero(); }
    void clear() { values.zero(); }
    VectorSum& operator+=(const VectorSum& o) {
        values += o.values;
        return *this;
    }
};

// Whether a row of a CSR matrix has a column more than once; columns in any order, but not out of range.
template <class I>
bool repeats(const I* columns, const I* starts, Index rows, Index cols, const Run& run) {
    using Unsigned = std::make_unsigned_t<I>;  // a negative index is a large one
    const auto end = Unsigned(std::min<Index>(cols, std::numeric_limits<I>::max()));
    const auto entries = Index(starts[rows]);
    const auto found = fold(
        {rows, std::max<Index>(1, rows), std::clamp<Index>(entries >> 16, 1, 64), 4.0 * double(entries)}, run,
        [] { return std::make_unique<VectorSum<Index>>(1); },
        [&] {
            return [&, last = std::vector<Index>()](Index first, Index count, VectorSum<Index>& total) mutable {
                const auto begin = Index(starts[first]), behind = Index(starts[first + count]);
                if (begin == behind) return;
                auto most = Unsigned(columns[begin]);
                I falls = 0;
                for (Index e = begin + 1; e < behind; ++e) {
                    most = std::max(most, Unsigned(columns[e]));
                    falls += I(columns[e - 1] >= columns[e]);
                }
                if (most >= end)
                    throw std::invalid_argument("X.indices must be at least 0 and less than " + std::to_string(cols));
                for (Index r = first; r < first + count; ++r) {
                    const auto e = Index(starts[r]);
                    if (e > begin && e < Index(starts[r + 1])) falls -= columns[e - 1] >= columns[e];
                }
                if (falls == 0) return;
                for (Index r = first; r < first + count; ++r) {
                    if (last.empty()) last.assign(std::size_t(cols), -1);
                    for (Index e = Index(starts[r]); e < Index(starts[r + 1]); ++e) {
                        Index& seen = last[std::size_t(columns[e])];
                        total.values.get()[0] += seen == r;
                        seen = r;
                    }
                }
            };
        });
    return found->values.get()[0] > 0;
}

// F'F (k x k, double): short sums in T, across blocks in double.
template <class T>
Buffer<double> gram(Matrix<const T> f, const Run& run) {
    const Index k = f.cols;
    auto sums = fold(
        plan(f.rows, k * Index(sizeof(T))), run, [&] { return std::make_unique<VectorSum<double>>(k * k); },
        [&] {
            return [lines = RowLines<T>(f, 4 * row_group), symmetric = Symmetric<T>(k)](
                       Index first, Index count, VectorSum<double>& total) mutable {
                lines.open(first, count);
                symmetric.add(lines[0], lines.stride(), count, total.values.get());
            };
        });
    Symmetric<T>::mirror(sums->values.get(), k);
    return std::move(sums->values);
}

// sum (X - W H)^2 over all entries; W: rows x k, H: k x cols, both contiguous. No temporary of the size of X.
template <class T>
double squared_residual(const Rows<T>& source, const T* w, const T* h, Index k, const Run& run) {
    constexpr Index panel = 256;
    const auto sums = fold(
        plan(source.rows, source.cols * Index(sizeof(T))), run, [] { return std::make_unique<VectorSum<double>>(1); },
        [&] {
            return [&, x = RowReader<T>(source), wh = Buffer<T>(4 * row_group * panel)](
                       Index first, Index count, VectorSum<double>& total) mutable {
                for (Index c = 0; c < x.cols; c += panel) {
                    const Index n = std::min(panel, x.cols - c);
                    x.open(first, count, c, n);
                    product(count, n, k, w + first * k, k, 1, h + c, x.cols, wh.get(), panel, false);
                    for (Index r = 0; r < count; ++r) {
                        T square[8] = {};
                        for (Index l = 0; l < n; ++l) {
                            const T d = x(first + r, c + l) - wh.get()[r * panel + l];
                            square[l % 8] += d * d;
                        }
                        for (T s : square) total.values.get()[0] += double(s);
                    }
                }
            };
        });
    return sums->values.get()[0];
}

}  // namespace gramfold
