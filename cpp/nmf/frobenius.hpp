// One multiplicative pass for beta = 2: Z <- Z XF / (Z F'F + l1 + l2 Z), then S = X'Z. X is read once.
//
// Lee & Seung 2001. The loss is 1/2 |x - Fz|^2 without its 1/2 |x|^2. Cost: 2 nnz k FMA and 2 rows k^2.
#pragma once

#include "fold/measure.hpp"
#include "least_squares/pass.hpp"
#include "nmf/multiplicative.hpp"

namespace gramfold {

template <class T, class Source>
class FrobeniusWorker {
  public:
    FrobeniusWorker(const Source& x, const Packed<T>& f, const T* gram, const Multiplicative<T>& rule, const T* start,
                    T* out, Index block)
        : block_(x), f_(f), gram_(gram), rule_(rule), penalty_(rule.penalty(1.0)), start_(start), out_(out), k_(f.k),
          kp_(f.kp), block_rows_(block), p_(kp_ * block), pt_(kp_ * block), z_(kp_ * block), den_(kp_ * block),
          ended_(static_cast<std::size_t>(block)) {}

    void operator()(Index first, Index count, BetaSums<T>& sums) {
        block_.open(first, count);
        project(count);
        for (Index r = 0; r < count; ++r) {
            std::copy_n(start_ + (first + r) * k_, k_, z_.get() + r * kp_);
            std::fill_n(z_.get() + r * kp_ + k_, kp_ - k_, T(0));
        }
        denominators(count);
        if (rule_.loss_at_start) sums.stats.loss_start += loss(count);
        std::fill_n(ended_.begin(), count, false);
        Index open = count;
        for (int sweep = 0; sweep < rule_.max_sweeps && open; ++sweep) {
            for (Index r = 0; r < count; ++r) {
                auto&& ended = ended_[static_cast<std::size_t>(r)];
                if (ended) continue;
                ended = rule_.update(row(p_, r), row(den_, r), row(z_, r), penalty_);
                open -= ended;
            }
            if (open || rule_.measure_at_end) denominators(count);
        }
        sums.stats.unconverged += double(open);
        sums.add_total(z_.get(), kp_, count);
        for (Index r = 0; r < count; ++r) std::copy_n(row(z_, r), k_, out_ + (first + r) * k_);
        if (sums.num.size()) block_.accumulate(z_.get(), k_, kp_, sums.num.get());
        if (!rule_.measure_at_end) return;
        sums.stats.loss_end += loss(count);
        for (Index r = 0; r < count; ++r) rule_.measure(row(p_, r), row(den_, r), row(z_, r), penalty_, sums.stats);
    }

  private:
    T* row(const Buffer<T>& rows, Index r) const { return rows.get() + r * kp_; }

    void project(Index count) {
        if (!block_.project_by_component()) return block_.project(f_.data, k_, kp_, p_.get(), kp_);
        block_.project(f_.data, k_, kp_, pt_.get(), block_rows_);
        for (Index r = 0; r < count; ++r)
            for (Index t = 0; t < k_; ++t) p_.get()[r * kp_ + t] = pt_.get()[t * block_rows_ + r];
    }

    void denominators(Index count) { product(count, k_, k_, z_.get(), kp_, 1, gram_, k_, den_.get(), kp_, false); }

    double loss(Index count) const {
        double sum = 0;
        for (Index r = 0; r < count; ++r)
            for (Index t = 0; t < k_; ++t)
                sum += double(row(z_, r)[t]) * (0.5 * double(row(den_, r)[t]) - double(row(p_, r)[t]));
        return sum;
    }

    typename Source::Block block_;
    const Packed<T>& f_;
    const T* gram_;
    const Multiplicative<T>& rule_;
    RowPenalty<T> penalty_;
    const T* start_;
    T* out_;
    Index k_, kp_, block_rows_;
    Buffer<T> p_, pt_, z_, den_;
    std::vector<bool> ended_;
};

// num: cols x k or null; overwritten.
template <class T, class Source>
std::unique_ptr<BetaSums<T>> frobenius_pass(const Source& x, Matrix<const T> f, const Multiplicative<T>& rule,
                                            const T* start, T* out, T* num, const Run& run) {
    const Packed<T> factor(f, x.reads_panels());
    const Index k = f.cols, kp = factor.kp;
    const Buffer<double> exact = gram(f, run);
    const std::vector<T> rounded(exact.get(), exact.get() + k * k);
    Plan plan = x.plan(k, num);
    plan.work = double(x.rows()) * double(k) * double(x.work_per_row() + k);
    auto sums = fold(
        plan, run, [&] { return std::make_unique<BetaSums<T>>(num ? sums_size(x, k, kp) : 0, 0, k); },
        [&] { return FrobeniusWorker<T, Source>(x, factor, rounded.data(), rule, start, out, plan.block); });
    if (num) read_sums(x, k, kp, sums->num.get(), num);
    return sums;
}

}  // namespace gramfold
