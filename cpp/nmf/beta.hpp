// One multiplicative pass for any beta divergence (Kullback-Leibler on dense X included), panel by panel.
//
//     wh = Z F'   q = x wh^(beta-2)   d = wh^(beta-1)      num = q F, den = d F      Z <- Z (num / den)^gamma
//     and with the new Z:  S_num += q'Z, S_den += d'Z
//
// wh, q and d exist for 48 rows x 256 columns at a time, for CSR too; wh is at least `guard` where it divides.
// Cost: 6 rows cols k FMA (4 for beta = 1, where den is the same for all rows) and two powers per entry.
#pragma once

#include "fold/elementary.hpp"
#include "nmf/multiplicative.hpp"
#include "nmf/panels.hpp"

namespace gramfold {

enum class Loss { itakura_saito, kullback_leibler, other };

template <class T>
struct BetaTerms {
    using V = Vec<T>;
    T beta;
    // Powers beta - 2 and beta - 1 stay far from overflow. For 0 < beta < 1, where zeros of X drive wh to 0 and d grows
    // slowly, scikit-learn's guard of an X of 1/2 to 1.
    T guard =
        beta > 0 && beta < 1 ? T(0x1p-22) : std::max(least<T>, std::pow(least<T>, 2 / (2 - std::min(beta, T(1)))));

    // wh becomes q, d is set; returns the loss of the entries if it is asked for, without wh if beta is 1.
    template <Loss kind>
    V operator()(V x, V& wh, V& d, bool loss) const {
        const V raw = wh, safe = raw < guard ? V{} + guard : raw;
        const T smallest = std::numeric_limits<T>::min();
        if (kind == Loss::kullback_leibler) {
            wh = x / safe;
            const auto counts = wh >= smallest;
            return loss ? (counts ? x * (log<T>(counts ? wh : V{} + T(1)) - T(1)) : V{}) : V{};
        }
        if (kind == Loss::itakura_saito) {
            d = T(1) / safe;
            const V ratio = x * d;
            wh = ratio * d;
            const auto counts = ratio >= smallest;
            return loss ? (counts ? ratio - log<T>(counts ? ratio : V{} + T(1)) - T(1) : V{}) : V{};
        }
        const V power = pow<T>(beta < 2 ? safe : raw, beta - 2);
        d = beta < 1 ? power * safe : beta < 2 ? pow<T>(raw, beta - 1) : power * raw;
        wh = x * power;
        if (!loss) return V{};
        const V scaled = pow<T>(x, beta) / (beta * (beta - 1)) - wh * safe / (beta - 1);
        return (x >= smallest ? scaled : V{}) + d * raw / beta;
    }
};

template <class T, class Source>
class BetaWorker {
  public:
    BetaWorker(const Source& x, const Aligned<T>& f, const T* ft, const double* slope, const Multiplicative<T>& rule,
               const T* start, T* out)
        : cols_(x.cols()), panels_(x), f_(f), ft_(ft), slope_(slope), rule_(rule), terms_{rule.beta}, start_(start),
          out_(out), k_(f.k), kp_(f.kp), z_(row_group * kp_), num_(row_group * kp_), den_(row_group * kp_),
          q_(row_group * panel_cols), d_(row_group * panel_cols) {
        num_.zero(), den_.zero();  // as they stay where X has no columns
        for (Index r = 0; slope && r < row_group; ++r)
            for (Index t = 0; t < kp_; ++t) den_.get()[r * kp_ + t] = T(slope[t]);
    }

    void operator()(Index first, Index count, BetaSums<T>& sums) {
        panels_.open(first, count);
        for (Index r = 0; r < count; ++r) {
            std::copy_n(start_ + (first + r) * k_, k_, z_.get() + r * kp_);
            std::fill_n(z_.get() + r * kp_ + k_, kp_ - k_, T(0));
            const double unit = rule_.unit(first + r);
            inverse_[r] = T(1 / unit), penalty_[r] = rule_.penalty(unit);
        }
        bool ended[row_group] = {};
        Index open = count;
        for (int sweep = 0; sweep < rule_.max_sweeps && open; ++sweep) {
            double* loss = sweep == 0 && rule_.loss_at_start ? &sums.stats.loss_start : nullptr;
            each_panel(count, loss, [&](Index c, Index n) { project(c, n, count); });
            for (Index r = 0; r < count; ++r) {
                if (ended[r]) continue;
                ended[r] = rule_.update(num_.get() + r * kp_, den_.get() + r * kp_, z_.get() + r * kp_, penalty_[r]);
                open -= ended[r];
            }
        }
        sums.stats.unconverged += double(open);
        sums.add_total(z_.get(), kp_, count);
        for (Index r = 0; r < count; ++r) std::copy_n(z_.get() + r * kp_, k_, out_ + (first + r) * k_);
        finish(count, sums);
    }

  private:
    using V = Vec<T>;

    void finish(Index count, BetaSums<T>& sums) {
        const bool start = rule_.loss_at_start && rule_.max_sweeps == 0;
        if (!sums.num.size() && !rule_.measure_at_end && !start) return;
        double* loss = rule_.measure_at_end ? &sums.stats.loss_end : start ? &sums.stats.loss_start : nullptr;
        each_panel(count, loss, [&](Index c, Index n) {
            if (rule_.measure_at_end) project(c, n, count);
            if (sums.num.size()) accumulate(q_.get(), c, n, count, sums.num);
            if (sums.den.size()) accumulate(d_.get(), c, n, count, sums.den);
        });
        if (!rule_.measure_at_end) return;
        if (start) sums.stats.loss_start = sums.stats.loss_end;
        for (Index r = 0; r < count; ++r)
            rule_.measure(num_.get() + r * kp_, den_.get() + r * kp_, z_.get() + r * kp_, penalty_[r], sums.stats);
    }

    template <class Body>
    void each_panel(Index count, double* loss, Body body) {
        for (Index c = 0; c < cols_; c += panel_cols) {
            const Index n = std::min(panel_cols, cols_ - c);
            product(count, n, k_, z_.get(), kp_, 1, ft_ + c, cols_, q_.get(), panel_cols, false);
            if (rule_.beta == 0) ratios<Loss::itakura_saito>(c, n, count, loss);
            else if (rule_.beta == 1) ratios<Loss::kullback_leibler>(c, n, count, loss);
            else ratios<Loss::other>(c, n, count, loss);
            body(c, n);
        }
        if (loss && slope_)
            for (Index r = 0; r < count; ++r)
                for (Index t = 0; t < k_; ++t) *loss += double(z_.get()[r * kp_ + t]) * slope_[t];
    }

    template <Loss kind>
    void ratios(Index c, Index n, Index count, double* loss) {
        Index stride;
        const T* x = panels_.read(c, n, stride);
        for (Index r = 0; r < count; ++r) {
            T *q = q_.get() + r * panel_cols, *d = d_.get() + r * panel_cols;
            const T inverse = inverse_[r];
            V sum = {};
            Index l = 0;
            for (; l + lanes<T> <= n; l += lanes<T>) {
                V qv = load<V>(q + l), dv = {};
                sum += terms_.template operator()<kind>(load<V>(x + r * stride + l) * inverse, qv, dv, loss);
                store(q + l, qv), store(d + l, dv);
            }
            if (loss) *loss += double(total<T>(sum));
            if (l == n) continue;
            V xv = {}, qv = {}, dv = {};
            const auto bytes = static_cast<std::size_t>(n - l) * sizeof(T);
            std::memcpy(&xv, x + r * stride + l, bytes), std::memcpy(&qv, q + l, bytes);
            const V last = terms_.template operator()<kind>(xv * inverse, qv, dv, loss);
            std::memcpy(q + l, &qv, bytes), std::memcpy(d + l, &dv, bytes);
            for (Index i = 0; loss && i < n - l; ++i) *loss += double(last[i]);
        }
    }

    void project(Index c, Index n, Index count) {
        product(count, kp_, n, q_.get(), panel_cols, 1, f_.row(c), kp_, num_.get(), kp_, c > 0);
        if (!slope_) product(count, kp_, n, d_.get(), panel_cols, 1, f_.row(c), kp_, den_.get(), kp_, c > 0);
    }

    // sum (k x cols) += Z' panel
    void accumulate(const T* panel, Index c, Index n, Index count, Buffer<T>& sum) const {
        product(k_, n, count, z_.get(), 1, kp_, panel, panel_cols, sum.get() + c, cols_, true);
    }

    Index cols_;
    Panels<Source> panels_;
    const Aligned<T>& f_;
    const T* ft_;
    const double* slope_;
    const Multiplicative<T>& rule_;
    BetaTerms<T> terms_;
    RowPenalty<T> penalty_[row_group];
    T inverse_[row_group];
    const T* start_;
    T* out_;
    Index k_, kp_;
    Buffer<T> z_, num_, den_, q_, d_;
};

// num, den: cols x k or null; overwritten. den is left alone for beta = 1, where it is sum of z.
template <class T, class Source>
std::unique_ptr<BetaSums<T>> beta_pass(const Source& x, Matrix<const T> f, const Multiplicative<T>& rule,
                                       const T* start, T* out, T* num, T* den, const Run& run) {
    const Aligned<T> aligned(f);
    const Index k = f.cols, cols = x.cols();
    Buffer<T> ft(k * cols);
    for (Index c = 0; c < cols; ++c)
        for (Index t = 0; t < k; ++t) ft.get()[t * cols + c] = f(c, t);
    const bool kl = rule.beta == 1;
    const auto slope = aligned.column_sums();
    Plan plan = gramfold::plan(x.rows(), 8 * panel_cols * Index(sizeof(T)));
    plan.block = row_group;
    plan.work = 6.0 * double(x.rows()) * double(cols) * double(k + 8);
    auto sums = fold(
        plan, run, [&] { return std::make_unique<BetaSums<T>>(num ? k * cols : 0, den && !kl ? k * cols : 0, k); },
        [&] { return BetaWorker<T, Source>(x, aligned, ft.get(), kl ? slope.data() : nullptr, rule, start, out); });
    for (const auto& [to, from] : {std::pair<T*, Buffer<T>*>{num, &sums->num}, {den, &sums->den}})
        for (Index c = 0; from->size() && c < cols; ++c)
            for (Index t = 0; t < k; ++t) to[c * k + t] = from->get()[t * cols + c];
    return sums;
}

}  // namespace gramfold
