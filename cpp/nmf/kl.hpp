// Kullback-Leibler loss of a CSR X: one multiplicative pass that touches stored entries only.
//
//     wh_j = <z, F_j>     num = sum_j x_j / wh_j F_j     z <- z num / (sum F + l1 + l2 z)     S_j += x_j / wh_j z
//     loss = sum_j (x_j log(x_j / wh_j) - x_j) + <z, sum F>
//
// Vectors run over components. Lee & Seung 2001; S with the new z. Cost: 4 nnz k FMA, 7 nnz k if all is measured.
#pragma once

#include "fold/csr.hpp"
#include "fold/elementary.hpp"
#include "nmf/multiplicative.hpp"

namespace gramfold {

template <class T, class I>
class KlWorker {
  public:
    KlWorker(const Csr<T, I>& x, const Aligned<T>& f, const double* slope, const Multiplicative<T>& rule,
             const T* start, T* out)
        : x_(x), f_(f), slope_(slope), rule_(rule), start_(start), out_(out), k_(f.k), kp_(f.kp), den_(kp_), z_(kp_),
          num_(kp_) {
        for (Index t = 0; t < kp_; ++t) den_.get()[t] = T(slope[t]);
        z_.zero();
    }

    void operator()(Index first, Index count, BetaSums<T>& sums) {
        switch (kp_ / w) {
            case 1:
                rows<1>(first, count, sums);
                break;
            case 2:
                rows<2>(first, count, sums);
                break;
            case 3:
                rows<3>(first, count, sums);
                break;
            case 4:
                rows<4>(first, count, sums);
                break;
            default:
                rows<0>(first, count, sums);
        }
        sums.add_total(out_ + first * k_, k_, count);
    }

  private:
    using V = Vec<T>;
    static constexpr Index w = lanes<T>;

    // NV vectors of components, known when compiled so that they stay in registers; 0 for any number.
    template <int NV>
    void rows(Index first, Index count, BetaSums<T>& sums) {
        x_.open(first, count);
        for (Index r = first; r < first + count; ++r) {
            if (r + 1 < first + count) prefetch(x_.entries(r + 1), sums);
            row<NV>(x_.entries(r), r, sums);
        }
    }

    template <int NV>
    void row(const Entries<T, I>& x, Index r, BetaSums<T>& sums) {
        const double unit = rule_.unit(r);
        const RowPenalty<T> penalty = rule_.penalty(unit);
        take(x, T(1 / unit));
        T* z = z_.get();
        std::copy_n(start_ + r * k_, k_, z);
        bool ended = false;
        quotients<NV>(x);
        if (rule_.loss_at_start) sums.stats.loss_start += loss();
        for (int sweep = 0; sweep < rule_.max_sweeps && !ended; ++sweep) {
            numerator<NV>(x);
            ended = rule_.update(num_.get(), den_.get(), z, penalty);
            quotients<NV>(x);
        }
        sums.stats.unconverged += !ended;
        std::copy_n(z, k_, out_ + r * k_);
        if (sums.num.size())
            for (Index e = 0; e < x.size; ++e) axpy(kp_, q_.get()[e], z, sums.num.get() + Index(x.columns[e]) * kp_);
        if (!rule_.measure_at_end) return;
        sums.stats.loss_end += loss();
        numerator<NV>(x);
        rule_.measure(num_.get(), den_.get(), z, penalty, sums.stats);
    }

    // The first rows of F and of the sums that the next row of X needs.
    void prefetch(const Entries<T, I>& x, const BetaSums<T>& sums) const {
        for (Index e = 0; e < std::min<Index>(x.size, 16); ++e)
            for (Index c = 0; c < kp_; c += 64 / Index(sizeof(T))) {
                const Index at = Index(x.columns[e]) * kp_ + c;
                __builtin_prefetch(f_.data.get() + at);
                if (sums.num.size()) __builtin_prefetch(sums.num.get() + at, 1);
            }
    }

    // The values and their quotients, padded to whole vectors with what adds nothing to the loss.
    void take(const Entries<T, I>& x, T inverse) {
        padded_ = round_up<Index>(x.size, w);
        if (q_.size() < padded_) q_ = Buffer<T>(2 * padded_), x_values_ = Buffer<T>(2 * padded_);
        for (Index e = padded_ - w; padded_ && e < padded_; ++e) q_.get()[e] = 1, x_values_.get()[e] = 0;
        for (Index e = 0; e < x.size; ++e) x_values_.get()[e] = x.values[e] * inverse;
    }

    // q = x / wh
    template <int NV>
    void quotients(const Entries<T, I>& x) {
        const Index n = NV ? NV : kp_ / w;
        V z[NV ? NV : 1];
        for (int v = 0; v < NV; ++v) z[v] = load<V>(z_.get() + v * w);
        for (Index e = 0; e < x.size; ++e) {
            const T* f = f_.row(x.columns[e]);
            V wh = {};
            for (Index v = 0; v < n; ++v) wh += (NV ? z[v] : load<V>(z_.get() + v * w)) * load<V>(f + v * w);
            q_.get()[e] = std::max(total<T>(wh), least<T>);
        }
        for (Index e = 0; e < padded_; e += w)
            store(q_.get() + e, load<V>(x_values_.get() + e) / load<V>(q_.get() + e));
    }

    // sum of q F
    template <int NV>
    void numerator(const Entries<T, I>& x) {
        if (NV == 0) {
            num_.zero();
            for (Index e = 0; e < x.size; ++e) axpy(kp_, q_.get()[e], f_.row(x.columns[e]), num_.get());
            return;
        }
        V sum[NV ? NV : 1] = {};
        for (Index e = 0; e < x.size; ++e) {
            const T *f = f_.row(x.columns[e]), q = q_.get()[e];
            for (int v = 0; v < NV; ++v) sum[v] += load<V>(f + v * w) * q;
        }
        for (int v = 0; v < NV; ++v) store(num_.get() + v * w, sum[v]);
    }

    double loss() const {
        double wh = 0;
        for (Index t = 0; t < k_; ++t) wh += double(z_.get()[t]) * slope_[t];
        V sum = {};
        for (Index e = 0; e < padded_; e += w) {
            const V x = load<V>(x_values_.get() + e), q = load<V>(q_.get() + e);
            const auto counts = q >= std::numeric_limits<T>::min();
            sum += counts ? x * (log<T>(counts ? q : V{} + T(1)) - T(1)) : V{};
        }
        return wh + double(total<T>(sum));
    }

    CsrReader<T, I> x_;
    const Aligned<T>& f_;
    const double* slope_;
    const Multiplicative<T>& rule_;
    const T* start_;
    T* out_;
    Index k_, kp_;
    Index padded_ = 0;
    Buffer<T> den_, z_, num_, q_, x_values_;
};

// num: cols x k or null; overwritten.
template <class T, class I>
std::unique_ptr<BetaSums<T>> kl_pass(const Csr<T, I>& x, Matrix<const T> f, const Multiplicative<T>& rule,
                                     const T* start, T* out, T* num, const Run& run) {
    const Aligned<T> aligned(f);
    const Index k = f.cols, kp = aligned.kp;
    const auto slope = aligned.column_sums();
    Plan plan = x.plan(k, num);
    plan.work = double(x.rows()) * double(x.work_per_row()) * double(k);
    auto sums = fold(
        plan, run, [&] { return std::make_unique<BetaSums<T>>(num ? x.cols() * kp : 0, 0, k); },
        [&] { return KlWorker<T, I>(x, aligned, slope.data(), rule, start, out); });
    if (num)
        for (Index c = 0; c < x.cols(); ++c) std::copy_n(sums->num.get() + c * kp, k, num + c * k);
    return sums;
}

}  // namespace gramfold
