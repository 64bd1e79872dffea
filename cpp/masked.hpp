// Rows of a dense X with unobserved entries (NaN, or weight 0) and a weight per entry, solved for a fixed F:
//
//     minimise over z   1/2 sum_j w_j (x_j - f_j'z)^2 + l1 |z|_1 + l2/2 |z|^2      j over the observed columns
//     G = sum_j w_j f_j f_j' + l2 I,   p = sum_j w_j x_j f_j                       then rows/own_gram.hpp
//
// X is read in pieces of some rows and columns, copied with zeros for what is unobserved. G comes from rows of F
// gathered into a buffer: those observed or, without weights, those missing from the Gram of the piece if they
// are fewer; where too little of a diagonal entry is left, the row's Gram is summed up anew.
// Cost per row: min(observed, missing) k^2 / 2 to k^2, and 2 m k FMA for p and the objective.
#pragma once

#include "dense.hpp"
#include "rows/own_gram.hpp"

namespace gramfold {

template <class T>
struct Masked {
    static constexpr Index piece = 1024, stride = piece + 16;  // off the power of two, for the first-level cache
    Matrix<const T> x, w;                                     // w.data may be null
    Index k, kp;
    Buffer<T> f, across, grams;  // F padded to kp; per piece: F' (k x stride) and, without weights, F'F (k x kp)

    Masked(Matrix<const T> x, Matrix<const T> w, Matrix<const T> from)
        : x(x), w(w), k(from.cols), kp(round_up<Index>(k, component_pad<T>)), f(from.rows * kp),
          across(pieces() * k * stride), grams(w.data ? 0 : pieces() * size()) {
        f.zero(), grams.zero();
        for (Index c = 0; c < from.rows; ++c)
            for (Index t = 0; t < k; ++t) f.get()[c * kp + t] = from(c, t);
        for (Index i = 0; i < pieces(); ++i) {
            T* to = across.get() + i * k * stride;
            for (Index t = 0; t < k; ++t)
                for (Index c = 0; c < length(i); ++c) to[t * stride + c] = from(i * piece + c, t);
            const T* rows = f.get() + i * piece * kp;
            if (!w.data) product(k, kp, length(i), rows, 1, kp, rows, kp, grams.get() + i * size(), kp, true);
        }
    }
    Index pieces() const { return (x.cols + piece - 1) / piece; }
    Index length(Index i) const { return std::min(piece, x.cols - i * piece); }
    Index size() const { return k * kp; }
};

template <class T>
class MaskedWorker {
  public:
    MaskedWorker(const Masked<T>& in, const OwnGram<T>& rows, T l2, const T* start, T* out)
        : in_(in), rows_(rows), l2_(l2), start_(start), out_(out), k_(in.k), kp_(in.kp),
          many_(std::clamp<Index>((Index{2} << 20) / (in.size() * Index(sizeof(T))) / 4 * 4, 4, 24)),
          x_(many_ * stride), w_(many_ * stride), wx_(in.w.data ? many_ * stride : 0), fit_(many_ * stride), seen_(many_ * stride), missing_(std::size_t(many_)),
          z_(many_ * kp_), p_(many_ * kp_), gram_(many_ * in.size()), base_(many_ * k_), observed_(many_),
          less_(in.size()), a_(gathered * kp_), b_(gathered * kp_), scratch_(rows.scratch_size()), list_(piece + 1) {}

    void operator()(Index first, Index count, OwnStats& stats) {
        for (Index r = 0; r < count; r += many_) some(first + r, std::min(many_, count - r), stats);
    }

  private:
    static constexpr Index piece = Masked<T>::piece, stride = Masked<T>::stride;
    static constexpr Index gathered = 96;
    static constexpr T least_left = T(1) / 64;

    void some(Index first, Index n, OwnStats& stats) {
        for (auto* b : {&p_, &gram_, &base_, &observed_, &z_}) b->zero();
        for (Index i = 0; i < in_.pieces(); ++i) {
            open(first, n, i);
            product(n, kp_, in_.length(i), in_.w.data ? wx_.get() : x_.get(), stride, Index{1},
                    in_.f.get() + i * piece * kp_, kp_, p_.get(), kp_, true);
            for (Index r = 0; r < n; ++r) observed_.get()[r] += T(add_gram(r, i, r, true) > 0);
        }
        for (Index r = 0; r < n; ++r)
            if (cancelled(r)) sum_anew(first, r);
        for (Index r = 0; r < n; ++r) complete(first, r);
        stats += rows_.solve(n, z_.get(), p_.get(), gram_.get(), scratch_.get());
        for (Index r = 0; r < n; ++r) std::copy_n(z_.get() + r * kp_, k_, out_ + (first + r) * k_);
        stats.objective += objective(first, n);
    }

    // n rows of one piece: x, w (or 1), w x, and in bytes what is observed; zeros else. Nothing if it is at hand.
    void open(Index first, Index n, Index i) {
        if (opened_[0] == first && opened_[1] == n && opened_[2] == i) return;
        opened_[0] = first, opened_[1] = n, opened_[2] = i;
        const T* x = rows_of(in_.x, first, n, i, x_.get());
        const T* w = in_.w.data ? rows_of(in_.w, first, n, i, w_.get()) : nullptr;
        for (Index r = 0; r < n; ++r)
            missing_[std::size_t(r)] = in_.length(i) - clean(r, x + r * x_row_, w ? w + r * w_row_ : nullptr, in_.length(i));
    }

    // Where the rows of a piece are contiguous: in place, or copied.
    const T* rows_of(const Matrix<const T>& m, Index first, Index n, Index i, T* copy) {
        Index& row = copy == x_.get() ? x_row_ : w_row_;
        const T* from = &m(first, i * piece);
        row = m.col_stride == 1 ? m.row_stride : stride;
        if (m.col_stride == 1) return from;
        if (m.row_stride == 1) transpose(in_.length(i), n, from, m.col_stride, copy, stride);
        else
            for (Index r = 0; r < n; ++r)
                for (Index c = 0; c < in_.length(i); ++c) copy[r * stride + c] = m(first + r, i * piece + c);
        return copy;
    }

    // Returns how many entries are observed.
    Index clean(Index r, const T* x, const T* w, Index length) {
        constexpr Index width = lanes<T>;
        using V = Vec<T>;
        using Bytes = typename VectorOf<std::int8_t, int(width)>::type;
        V count = {};
        const auto some = [&](const T* xs, const T* ws, Index to) {
            const V v = load<V>(xs), one = V{} + T(1), weight = w ? load<V>(ws) : one;
            const auto ok = (v == v) & (weight > V{});
            store(x_.get() + to, ok ? v : V{});
            store(w_.get() + to, ok ? weight : V{});
            if (w) store(wx_.get() + to, ok ? weight * v : V{});
            store(seen_.get() + to, __builtin_convertvector(ok, Bytes));
            count += ok ? one : V{};
        };
        Index c = 0;
        for (; c + width <= length; c += width) some(x + c, w + c, r * stride + c);
        if (c < length) {
            T xs[width], ws[width] = {};
            std::fill_n(xs, width, std::numeric_limits<T>::quiet_NaN());
            std::copy(x + c, x + length, xs);
            if (w) std::copy(w + c, w + length, ws);
            some(xs, ws, r * stride + c);
        }
        T total = 0;
        for (Index l = 0; l < width; ++l) total += count[l];
        return Index(total);
    }

    // Add what piece i brings to the Gram of row `to`, from opened row r; returns how many entries are observed.
    Index add_gram(Index r, Index i, Index to, bool may_subtract) {
        const Index length = in_.length(i), missing = missing_[std::size_t(r)], half = length / 2;
        T* gram = gram_.get() + to * in_.size();
        if (in_.w.data) {
            if (missing <= half) add_weighted(i, w_.get() + r * stride, nullptr, length, gram);
            else add_weighted(i, w_.get() + r * stride, list_.get(), list(r, length, false), gram);
        } else if (may_subtract && missing <= half) {
            const T *full = in_.grams.get() + i * in_.size(), *less = less_.get();
            if (missing > 0) {
                less_.zero();
                add_plain(i, list(r, length, true), less_.get());
                for (Index e = 0; e < in_.size(); ++e) gram[e] += full[e] - less[e];
            } else {
                for (Index e = 0; e < in_.size(); ++e) gram[e] += full[e];
            }
            for (Index t = 0; t < k_; ++t) base_.get()[to * k_ + t] += full[t * kp_ + t];
        } else {
            add_plain(i, list(r, length, false), gram);
        }
        return length - missing;
    }

    // The columns that are not observed, or those that are.
    Index list(Index r, Index length, bool missing) {
        const std::uint8_t* seen = reinterpret_cast<const std::uint8_t*>(seen_.get()) + r * stride;
        const std::uint64_t none = missing ? ~std::uint64_t{0} : 0;
        std::int32_t* to = list_.get();
        Index n = 0, c = 0;
        const auto one = [&](Index l) {
            to[n] = std::int32_t(l);
            n += (seen[l] & 1) ^ Index(missing);
        };
        for (; c + 8 <= length; c += 8) {
            if (load<std::uint64_t>(seen + c) == none) continue;
#pragma GCC unroll 8
            for (Index l = c; l < c + 8; ++l) one(l);
        }
        for (; c < length; ++c) one(c);
        return n;
    }

    void add_plain(Index i, Index listed, T* gram) {
        const T* f = in_.f.get() + i * piece * kp_;
        for (Index e = 0; e < listed; e += gathered) {
            const Index depth = std::min(gathered, listed - e);
            for (Index d = 0; d < depth; ++d) copy_scaled<false>(f + list_.get()[e + d] * kp_, T(1), a_.get() + d * kp_);
            add_upper(depth, a_.get(), a_.get(), gram);
        }
    }

    // Of the listed columns, or without a list of all of them.
    void add_weighted(Index i, const T* w, const std::int32_t* list, Index listed, T* gram) {
        const T* f = in_.f.get() + i * piece * kp_;
        for (Index e = 0; e < listed; e += gathered) {
            const Index depth = std::min(gathered, listed - e);
            for (Index d = 0; d < depth; ++d) {
                const Index c = list ? list[e + d] : e + d;
                copy_scaled<true>(f + c * kp_, w[c], a_.get() + d * kp_);
                if (list) copy_scaled<false>(f + c * kp_, T(1), b_.get() + d * kp_);
            }
            add_upper(depth, a_.get(), list ? b_.get() : f + e * kp_, gram);
        }
    }

    template <bool scale>
    void copy_scaled(const T* from, T s, T* to) const {
        using V = Vec<T>;
        using Quarter = Vec<T, component_pad<T>>;
        Index c = 0;
        for (; c + lanes<T> <= kp_; c += lanes<T>) store(to + c, scale ? load<V>(from + c) * s : load<V>(from + c));
        for (; c < kp_; c += component_pad<T>)
            store(to + c, scale ? load<Quarter>(from + c) * s : load<Quarter>(from + c));
    }

    // gram += a'b, the upper triangle of it, panel by panel.
    void add_upper(Index depth, const T* a, const T* b, T* gram) const {
        for (Index c = 0; c < kp_; c += panel)
            product(std::min(k_, c + panel), std::min(panel, kp_ - c), depth, a, Index{1}, kp_, b + c, kp_, gram + c,
                    kp_, true);
    }

    bool cancelled(Index r) const {
        for (Index t = 0; t < k_; ++t)
            if (gram_.get()[r * in_.size() + t * kp_ + t] < base_.get()[r * k_ + t] * least_left) return true;
        return false;
    }

    void sum_anew(Index first, Index r) {
        std::fill_n(gram_.get() + r * in_.size(), in_.size(), T(0));
        for (Index i = 0; i < in_.pieces(); ++i) {
            open(first + r, 1, i);
            add_gram(0, i, r, false);
        }
    }

    // The lower triangle, l2, and where the row starts.
    void complete(Index first, Index r) {
        T* gram = gram_.get() + r * in_.size();
        for (Index t = 0; t < k_; ++t) {
            for (Index s = t / panel * panel + panel; s < k_; ++s) gram[s * kp_ + t] = gram[t * kp_ + s];
            gram[t * kp_ + t] += l2_;
        }
        const bool none = observed_.get()[r] == 0 && rows_.max_sweeps > 0;
        if (start_ && !none) std::copy_n(start_ + (first + r) * k_, k_, z_.get() + r * kp_);
    }

    double objective(Index first, Index n) {
        double total = 0;
        for (Index i = 0; i < in_.pieces(); ++i) {
            open(first, n, i);
            const Index length = in_.length(i);
            product(n, length, k_, z_.get(), kp_, Index{1}, in_.across.get() + i * k_ * stride, stride, fit_.get(), stride, false);
            for (Index r = 0; r < n; ++r) {
                const T *x = x_.get() + r * stride, *w = w_.get() + r * stride, *fit = fit_.get() + r * stride;
                const auto part = [&](Index l) { return w[l] * (x[l] - fit[l]) * (x[l] - fit[l]); };
                T sum[16] = {};
                Index c = 0;
                for (; c + 16 <= length; c += 16)
                    for (Index l = 0; l < 16; ++l) sum[l] += part(c + l);
                for (; c < length; ++c) sum[c % 16] += part(c);
                for (const T s : sum) total += 0.5 * double(s);
            }
        }
        for (Index e = 0; e < n * kp_; ++e) {
            const double z = double(z_.get()[e]);
            total += double(rows_.l1) * std::abs(z) + 0.5 * double(l2_) * z * z;
        }
        return total;
    }

    static constexpr Index panel = lanes<T>;
    const Masked<T>& in_;
    const OwnGram<T>& rows_;
    T l2_;
    const T* start_;
    T* out_;
    Index k_, kp_, many_;
    Buffer<T> x_, w_, wx_, fit_;
    Buffer<std::int8_t> seen_;
    std::vector<Index> missing_;
    Buffer<T> z_, p_, gram_, base_, observed_, less_, a_, b_, scratch_;
    Buffer<std::int32_t> list_;
    Index x_row_ = 0, w_row_ = 0, opened_[3] = {-1, -1, -1};
};

template <class T>
OwnStats run_masked(const Masked<T>& in, const OwnGram<T>& rows, T l2, const T* start, T* out, const Run& run) {
    // A row is so much work that chunks may be small: as many threads as there are groups of rows.
    return *fold(
        plan(in.x.rows, in.x.cols * Index(sizeof(T)), row_group), run, [] { return std::make_unique<OwnStats>(); },
        [&] { return MaskedWorker<T>(in, rows, l2, start, out); });
}

}  // namespace gramfold
