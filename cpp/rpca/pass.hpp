// One pass of robust PCA over X and the state z (rows x cols): threshold, shrink, and what the next threshold needs.
//
//     W_b = input(x, z)    L_b = (W_b V) diag(f) V'    z, W_b <- shrink(x, z, L_b)
//     G += W_b'W_b    or    P_b = W_b Q,  gram += P_b'P_b    and    image += P_b'W_b
//
// V (cols x k) holds the singular vectors above the threshold, f = 1 - threshold / value. G serves any rank. For a low
// one P is given: the left singular vectors of the last W, whose image spans the right ones of the new W; in a second
// pass P = W Q, and its Rayleigh-Ritz step gives L = left V'. Cost per row: cols (2 k + cols / 2) or, for both passes,
// 3 k cols FMA; X is read once a pass, z is read and written once. See rpca/shrink.hpp.
#pragma once

#include <vector>

#include "fold/csr.hpp"
#include "fold/row_sums.hpp"
#include "rpca/shrink.hpp"

namespace gramfold {

template <class T>
struct ShrinkInput {
    Rows<T> x, weights;  // weights: lam of each entry; data may be null
    T* z;
    bool advance, dual;  // not advance: z stays, only sums of W are wanted; with dual, those of the multipliers
    Matrix<const T> v;   // no columns: L = 0
    const double* f;     // or null: left is known
    T* left;             // rows x k, W V diag(f), so that L = left V'; overwritten unless known; or null
    Matrix<const T> q;   // subspace; no columns: none
    T* products;         // P, rows x any: overwritten with W Q if there is a Q, else given; or null
    Index n_products;    // columns of P
};

template <class T>
struct ShrinkTotals {
    RowSums<T> inputs;
    ShrinkSums sums;

    ShrinkTotals(Index gram_size, Index image_size) : inputs(gram_size, image_size) {}
    void clear() {
        inputs.clear();
        sums = {};
    }
    ShrinkTotals& operator+=(const ShrinkTotals& o) {
        inputs += o.inputs, sums += o.sums;
        return *this;
    }
};

// A factor (n x k) packed for products from the left, and its transpose.
template <class T>
struct BothWays {
    Packed<T> forth;
    Buffer<T> back;
    explicit BothWays(Matrix<const T> v) : forth(v, true), back(v.rows * v.cols) {
        pack(v.cols, v.rows, v.data, v.col_stride, v.row_stride, v.rows, back.get());
    }

    // out (rows x cols) = b V' from its column c on; c a multiple of a panel.
    void from_columns(Index c, Index cols, Index rows, const T* b, Index b_row, T* out, Index out_row) const {
        for (Index t = 0; t < forth.k; t += depth_piece) {
            const Index piece = std::min(depth_piece, forth.k - t);
            product(rows, cols, piece, b + t, b_row, 1, back.get() + t * forth.rows + c * piece, packed, out, out_row,
                    t > 0);
        }
    }
};

template <class T>
class ShrinkWorker {
  public:
    // Rows and columns at a time: of V' and image a panel goes through the caches once for each block of rows.
    static constexpr Index block = Symmetric<T>::depth, panel = 128;

    ShrinkWorker(const ShrinkInput<T>& in, const BothWays<T>& v, const Packed<T>& q, const Shrink<T>& rows, bool full)
        : in_(in), v_(v), q_(q), rows_(rows), n_(in.x.cols), panel_(rows.by_row ? n_ : std::min(panel, n_)),
          whole_(full || in.f || q.k), stride_(round_up<Index>(whole_ ? n_ : panel_, 16) + 16),
          l_row_(round_up<Index>(panel_, 16) + 16), x_(in.x, block), weights_(in.weights, block), w_(block * stride_),
          l_(in.advance ? block * l_row_ : 0), b_(in.f ? block * v.forth.kp : 0),
          given_(q.k ? 0 : block * in.n_products), inputs_(q, n_, block, full) {
        if (!v.forth.k) l_.zero();
    }

    void operator()(Index first, Index count, ShrinkTotals<T>& totals) {
        x_.open(first, count), weights_.open(first, count);
        if (!in_.advance || in_.f)
            for (Index r = 0; r < count; ++r)
                rows_.decode(n_, x_[r], in_.z + (first + r) * n_, weights_[r], in_.dual, w_.get() + r * stride_);
        if (in_.advance) advance(first, count, totals);
        inputs_.add(count, w_.get(), stride_, in_.products ? in_.products + first * q_.k : nullptr, totals.inputs);
    }

  private:
    void advance(Index first, Index count, ShrinkTotals<T>& totals) {
        const Index k = v_.forth.k;
        const T* b = in_.left + first * k;
        Index b_row = k;
        if (in_.f && k) b = left_factor(first, count), b_row = v_.forth.kp;
        if (given_.size()) pack_products(first, count);
        for (Index c = 0; c < n_; c += panel_) {
            const Index some = std::min(panel_, n_ - c);
            T* w = w_.get() + (whole_ ? c : 0);
            if (k) v_.from_columns(c, some, count, b, b_row, l_.get(), l_row_);
            for (Index r = 0; r < count; ++r)
                rows_.advance(some, x_[r] + c, in_.z + (first + r) * n_ + c, weights_[r] ? weights_[r] + c : nullptr,
                              l_.get() + r * l_row_, w + r * stride_, totals.sums);
            if (given_.size()) add_image(count, c, some, w, totals);
        }
    }

    const T* left_factor(Index first, Index count) {
        const Index k = v_.forth.k, kp = v_.forth.kp;
        times_factor(count, k, kp, n_, w_.get(), stride_, v_.forth.data, b_.get(), kp);
        for (Index r = 0; r < count; ++r)
            for (Index t = 0; t < k; ++t) b_.get()[r * kp + t] *= T(in_.f[t]);
        for (Index r = 0; in_.left && r < count; ++r) std::copy_n(b_.get() + r * kp, k, in_.left + (first + r) * k);
        return b_.get();
    }

    // P as given, in bands of components whose rows lie together.
    void pack_products(Index first, Index count) {
        const Index k = in_.n_products;
        T* to = given_.get();
        each_band(k, [&](Index t, Index some) {
            for (Index r = 0; r < count; ++r, to += some) std::copy_n(in_.products + (first + r) * k + t, some, to);
        });
    }

    void add_image(Index count, Index c, Index cols, const T* w, ShrinkTotals<T>& totals) {
        each_band(in_.n_products, [&](Index t, Index some) {
            product(some, cols, count, given_.get() + t * count, 1, some, w, stride_,
                    totals.inputs.image.get() + t * n_ + c, n_, true);
        });
    }

    template <class F>
    static void each_band(Index k, F f) {
        for (Index t = 0, bands = (k + tile_rows - 1) / tile_rows; t < k; --bands) {
            const Index some = (k - t + bands - 1) / bands;
            f(t, some);
            t += some;
        }
    }

    const ShrinkInput<T>& in_;
    const BothWays<T>& v_;
    const Packed<T>& q_;
    const Shrink<T>& rows_;
    Index n_, panel_;
    bool whole_;
    Index stride_, l_row_;
    RowLines<T> x_, weights_;
    Buffer<T> w_, l_, b_, given_;
    RowProducts<T> inputs_;
};

// gram: cols x cols, or the products' k x k; image: products' columns x cols. Overwritten; each may be null.
template <class T>
ShrinkSums shrink_pass(const ShrinkInput<T>& in, const Shrink<T>& rows, double* gram, T* image, const Run& run) {
    const Index n = in.x.cols, k = in.q.cols;
    const bool full = gram && !k;
    const BothWays<T> v(in.v);
    const Packed<T> q(in.q, true);
    Plan plan = gramfold::plan(in.x.rows, n * Index(sizeof(T)), n > 1024 ? 512 : 256);
    plan.block = ShrinkWorker<T>::block;
    plan.work = double(in.x.rows) * double(n) *
                (20 + 2 * double(in.v.cols + std::max(k, in.n_products)) + (full ? double(n) / 2 : 0.0));
    const auto totals = fold(
        plan, run,
        [&] {
            return std::make_unique<ShrinkTotals<T>>(k      ? k * k
                                                     : full ? n * n
                                                            : 0,
                                                     image ? (k ? k : in.n_products) * n : 0);
        },
        [&] { return ShrinkWorker<T>(in, v, q, rows, full); });
    totals->inputs.read(gram, image);
    if (full) Symmetric<T>::mirror(gram, n);
    return totals->sums;
}

// The same for a CSR X whose stored entries are the observed ones, and L = left right' (rows x k, cols x k) given:
// out is overwritten with the entries of W - L, so that the next input is L plus a sparse matrix.
template <class T, class I>
ShrinkSums shrink_entries(const Csr<T, I>& x, const T* weights, T* z, Matrix<const T> left, Matrix<const T> right,
                          const Shrink<T>& rows, T* out, const Run& run) {
    const Index k = left.cols;
    Plan plan = x.plan(k);
    plan.work = double(x.rows()) * double(k + 20) * double(x.work_per_row()) / 16;
    const auto totals = fold(
        plan, run, [] { return std::make_unique<ShrinkTotals<T>>(0, 0); },
        [&] {
            return [&, entries = CsrReader<T, I>(x), l = std::vector<T>()](Index first, Index count,
                                                                           ShrinkTotals<T>& sums) mutable {
                entries.open(first, count);
                for (Index r = first; r < first + count; ++r) {
                    const auto row = entries.entries(r);
                    const Index at = x.begin(r);
                    if (Index(l.size()) < row.size) l.resize(std::size_t(row.size));
                    const T* b = left.row(r);
                    for (Index e = 0; e < row.size; ++e) {
                        const T* v = right.row(Index(row.columns[e]));
                        T dot = 0;
                        for (Index t = 0; t < k; ++t) dot += b[t] * v[t];
                        l[std::size_t(e)] = dot;
                    }
                    T* w = out + at;
                    rows.advance(row.size, row.values, z + at, weights ? weights + at : nullptr, l.data(), w,
                                 sums.sums);
                    for (Index e = 0; e < row.size; ++e) w[e] -= l[std::size_t(e)];
                }
            };
        });
    return totals->sums;
}

}  // namespace gramfold
