// Rows of a dense X with unobserved entries and a weight per entry, solved for a fixed F:
//
//     minimise over z   1/2 sum_j w_j (x_j - f_j'z)^2 + l1 |z|_1 + l2/2 |z|^2      j over the observed columns
//     G = sum_j w_j f_j f_j' + l2 I,   p = sum_j w_j x_j f_j                       then rows/own_gram.hpp
//
// G comes from rows of F gathered into a buffer: those observed or, without weights, those missing from the Gram
// of the piece if they are fewer; where too little of a diagonal entry is left, all is summed up anew.
// Cost per row: min(observed, missing) k^2 / 2 to k^2, and 2 m k FMA for p and the objective.
#pragma once

#include "least_squares/observed.hpp"
#include "least_squares/own_rows.hpp"

namespace gramfold {

template <class T>
struct Masked : Observed<T>, PaddedRows<T> {
    using Observed<T>::piece, Observed<T>::stride, Observed<T>::pieces, Observed<T>::length;
    using PaddedRows<T>::k, PaddedRows<T>::kp;
    Buffer<T> across, grams;  // per piece: F' (k x stride) and, without weights, F'F (k x kp)

    Masked(const Rows<T>& given, const Rows<T>& weights, Matrix<const T> from)
        : Observed<T>{given, weights}, PaddedRows<T>(from), across(pieces() * k * stride),
          grams(weights.data ? 0 : pieces() * size()) {
        grams.zero();
        for (Index i = 0; i < pieces(); ++i) {
            transpose(length(i), k, rows(i), kp, across.get() + i * k * stride, stride);
            if (!weights.data)
                product(k, kp, length(i), rows(i), 1, kp, rows(i), kp, grams.get() + i * size(), kp, true);
        }
    }
    Index size() const { return k * kp; }
    const T* rows(Index i) const { return this->row(i * piece); }
};

template <class T>
class MaskedWorker : OwnRows<T> {
  public:
    MaskedWorker(const Masked<T>& in, const OwnGram<T>& rows, T l2, const T* start, T* out)
        : OwnRows<T>(in.k, in.kp, rows, l2, start, out), in_(in), x_(in, many_), fit_(many_ * stride),
          base_(many_ * k_), less_(size_), b_(gathered * kp_), list_(in.piece + 1) {}

    void operator()(Index first, Index count, OwnStats& stats) {
        for (Index r = 0; r < count; r += many_) some(first + r, std::min(many_, count - r), stats);
    }

  private:
    using OwnRows<T>::gathered, OwnRows<T>::k_, OwnRows<T>::kp_, OwnRows<T>::size_, OwnRows<T>::many_;
    using OwnRows<T>::z_, OwnRows<T>::p_, OwnRows<T>::gram_, OwnRows<T>::observed_, OwnRows<T>::a_;
    static constexpr Index stride = Observed<T>::stride;
    static constexpr T least_left = T(1) / 64;

    void some(Index first, Index n, OwnStats& stats) {
        this->clear(), base_.zero();
        for (Index i = 0; i < in_.pieces(); ++i) {
            x_.open(first, n, i);
            product(n, kp_, in_.length(i), x_.wx(0), stride, Index{1}, in_.rows(i), kp_, p_.get(), kp_, true);
            for (Index r = 0; r < n; ++r) {
                add_gram(r, i, r, true);
                observed_.get()[r] += in_.length(i) - x_.missing(r);
            }
        }
        for (Index r = 0; r < n; ++r)
            if (cancelled(r)) sum_anew(first, r);
        this->solve(first, n, stats);
        stats.objective += objective(first, n);
    }

    // Add what piece i brings to the Gram of row `to`, from opened row r.
    void add_gram(Index r, Index i, Index to, bool may_subtract) {
        const Index length = in_.length(i), missing = x_.missing(r);
        const bool few = 2 * missing <= length;
        T* gram = gram_.get() + to * size_;
        if (in_.w.data) {
            const Index listed = few ? length : x_.list(r, false, list_.get());
            add_weighted(in_.rows(i), x_.w(r), few ? nullptr : list_.get(), listed, gram);
        } else if (few && may_subtract) {
            const T *full = in_.grams.get() + i * size_, *less = less_.get();
            less_.zero();
            if (missing > 0) add_plain(in_.rows(i), x_.list(r, true, list_.get()), less_.get());
            for (Index e = 0; e < size_; ++e) gram[e] += full[e] - less[e];
            for (Index t = 0; t < k_; ++t) base_.get()[to * k_ + t] += full[t * kp_ + t];
        } else {
            add_plain(in_.rows(i), x_.list(r, false, list_.get()), gram);
        }
    }

    void add_plain(const T* f, Index listed, T* gram) {
        for (Index e = 0; e < listed; e += gathered) {
            const Index depth = std::min(gathered, listed - e);
            for (Index d = 0; d < depth; ++d) this->copy(f + list_.get()[e + d] * kp_, T(1), a_.get() + d * kp_);
            this->add_upper(depth, a_.get(), a_.get(), gram);
        }
    }

    // Of the listed columns, or without a list of all of them.
    void add_weighted(const T* f, const T* w, const std::int32_t* list, Index listed, T* gram) {
        for (Index e = 0; e < listed; e += gathered) {
            const Index depth = std::min(gathered, listed - e);
            for (Index d = 0; d < depth; ++d) {
                const Index c = list ? list[e + d] : e + d;
                this->copy(f + c * kp_, w[c], a_.get() + d * kp_);
                if (list) this->copy(f + c * kp_, T(1), b_.get() + d * kp_);
            }
            this->add_upper(depth, a_.get(), list ? b_.get() : f + e * kp_, gram);
        }
    }

    bool cancelled(Index r) const {
        for (Index t = 0; t < k_; ++t)
            if (gram_.get()[r * size_ + t * kp_ + t] < base_.get()[r * k_ + t] * least_left) return true;
        return false;
    }

    void sum_anew(Index first, Index r) {
        std::fill_n(gram_.get() + r * size_, size_, T(0));
        for (Index i = 0; i < in_.pieces(); ++i) {
            x_.open(first + r, 1, i);
            add_gram(0, i, r, false);
        }
    }

    double objective(Index first, Index n) {
        double total = 0;
        for (Index i = 0; i < in_.pieces(); ++i) {
            x_.open(first, n, i);
            product(n, in_.length(i), k_, z_.get(), kp_, Index{1}, in_.across.get() + i * k_ * stride, stride,
                    fit_.get(), stride, false);
            for (Index r = 0; r < n; ++r) total += 0.5 * squares(r, in_.length(i));
        }
        return total + this->penalty(n);
    }

    double squares(Index r, Index length) const {
        const T *x = x_.x(r), *w = x_.w(r), *fit = fit_.get() + r * stride;
        const auto square = [&](Index c) { return w[c] * (x[c] - fit[c]) * (x[c] - fit[c]); };
        T sum[16] = {};
        Index c = 0;
        for (; c + 16 <= length; c += 16)
            for (Index l = 0; l < 16; ++l) sum[l] += square(c + l);
        for (; c < length; ++c) sum[c % 16] += square(c);
        double total = 0;
        for (const T s : sum) total += double(s);
        return total;
    }

    const Masked<T>& in_;
    ObservedRows<T> x_;
    Buffer<T> fit_, base_, less_, b_;
    Buffer<std::int32_t> list_;
};

template <class T>
OwnStats run_masked(const Masked<T>& in, const OwnGram<T>& rows, T l2, const T* start, T* out, const Run& run) {
    // A row is so much work that chunks may be small: as many as there are groups of rows.
    return *fold(
        plan(in.x.rows, in.x.cols * Index(sizeof(T)), row_group), run, [] { return std::make_unique<OwnStats>(); },
        [&] { return MaskedWorker<T>(in, rows, l2, start, out); });
}

}  // namespace gramfold
