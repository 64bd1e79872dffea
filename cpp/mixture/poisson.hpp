// One EM pass of a mixture of independent Poisson counts over dense or CSR rows.
//
//     l_nt = bias_t - s_n slope_t + <x_n, F_t>     F = log rates (cols x k), slope = sum of rates, s = exposure
//     S += X'R,  counts += sum w r,  exposure += sum w r s,  likelihood += sum w score
//
// What does not depend on the component, log x! and x log s, is left to count_pass, once per data set.
// In double whatever X is: the terms of a logit grow with the counts, and only their differences count.
// Cost: 2 nnz k FMA and n k exponentials; X is read once.
#pragma once

#include <cmath>

#include "fold/csr.hpp"
#include "fold/packed.hpp"
#include "mixture/posterior.hpp"
#include "mixture/widened.hpp"

namespace gramfold {

// Stands for log 0 in the shared factor: finite, so that 0 of it is 0; logits of its size are -infinity.
inline constexpr double log_of_zero = -1e200;

struct PoissonSums {
    Buffer<double> s, counts, exposure;
    double likelihood = 0;

    PoissonSums(Index size, Index k) : s(size), counts(k), exposure(k) { clear(); }
    void clear() { s.zero(), counts.zero(), exposure.zero(), likelihood = 0; }
    PoissonSums& operator+=(const PoissonSums& o) {
        s += o.s, counts += o.counts, exposure += o.exposure;
        likelihood += o.likelihood;
        return *this;
    }
};

struct PoissonShared {
    const double *bias, *slope;  // k
    const double* exposure;      // rows, or null for 1
};

template <class Source>
class PoissonWorker {
  public:
    PoissonWorker(const Source& x, const Packed<double>& f, const PoissonShared& shared,
                  const MixtureRows<double>& rows, Index block)
        : block_(x), f_(f), shared_(shared), r_(rows, round_up<Index>(block, row_group)), z_(f.kp * block) {
        z_.zero();
    }

    void operator()(Index first, Index count, PoissonSums& sums) {
        block_.open(first, count);
        if (!r_.given()) logits(first, count);
        sums.likelihood += r_.solve(first, count);
        if (!sums.s.size()) return;
        for (Index t = 0; t < f_.k; ++t) {
            double weight = 0, exposed = 0;
            for (Index n = 0; n < count; ++n) {
                const double r = r_.of(t)[n];
                weight += r, exposed += shared_.exposure ? r * shared_.exposure[first + n] : r;
            }
            sums.counts.get()[t] += weight, sums.exposure.get()[t] += exposed;
        }
        transpose(f_.k, count, r_.logits(), r_.stride(), z_.get(), f_.kp);
        block_.accumulate(z_.get(), f_.k, f_.kp, sums.s.get());
    }

  private:
    void logits(Index first, Index count) {
        double* l = r_.logits();
        if (block_.project_by_component()) {
            block_.project(f_.data, f_.k, f_.kp, l, r_.stride());
        } else {
            block_.project(f_.data, f_.k, f_.kp, z_.get(), f_.kp);
            transpose(count, f_.k, z_.get(), f_.kp, l, r_.stride());
        }
        const double* s = shared_.exposure ? shared_.exposure + first : nullptr;
        for (Index t = 0; t < f_.k; ++t, l += r_.stride()) {
            const double bias = shared_.bias[t], slope = shared_.slope[t];
            for (Index n = 0; n < count; ++n) l[n] += bias - (s ? s[n] : 1) * slope;
            std::fill(l + count, l + round_up<Index>(count, lanes<double>), 0.0);
        }
    }

    typename Source::Block block_;
    const Packed<double>& f_;
    const PoissonShared& shared_;
    Responsibilities<double> r_;
    Buffer<double> z_;
};

// `s` (cols x k, or null) is overwritten with X'R.
template <class Source>
std::unique_ptr<PoissonSums> poisson_pass(const Source& x, Matrix<const double> f, const PoissonShared& shared,
                                          const MixtureRows<double>& rows, double* s, const Run& run) {
    const Packed<double> packed_f(f, x.reads_panels());
    const Index k = packed_f.k, kp = packed_f.kp;
    Plan plan = x.plan(k);
    plan.work = double(x.rows()) * double(k) * (double(x.work_per_row()) + 40);
    auto sums = fold(
        plan, run, [&] { return std::make_unique<PoissonSums>(s ? sums_size(x, k, kp) : 0, k); },
        [&] { return PoissonWorker<Source>(x, packed_f, shared, rows, plan.block); });
    if (s) read_sums(x, k, kp, sums->s.get(), s);
    return sums;
}

// log x! for whole x >= 0: a table, then Stirling's series, whose next term is below 1e-17 from 256 on.
class LogFactorial {
  public:
    LogFactorial() {
        long double sum = 0;
        for (int i = 0; i < size; ++i) table_[i] = double(sum += i > 1 ? std::log((long double)i) : 0);
    }
    double operator()(double x) const {
        if (x < size) return table_[static_cast<int>(x)];
        const double q = 1 / (x * x);
        return (x + 0.5) * std::log(x) - x + 0.91893853320467274178 + (1 / 12. - q * (1 / 360. - q / 1260)) / x;
    }

  private:
    static constexpr int size = 256;
    double table_[size];
};

struct CountSums {
    double least = std::numeric_limits<double>::infinity();
    bool whole = true;

    void clear() { *this = {}; }
    CountSums& operator+=(const CountSums& o) {
        least = std::min(least, o.least), whole = whole && o.whole;
        return *this;
    }
};

template <class T, class F>
void each_entry(const RowReader<T>& x, Index r, F f) {
    for (Index c = 0; c < x.cols; ++c) f(double(x(r, c)));
}
template <class T, class I, class F>
void each_entry(const CsrReader<T, I>& x, Index r, F f) {
    const auto row = x.entries(r);
    for (Index e = 0; e < row.size; ++e) f(double(row.values[e]));
}

template <class T>
RowReader<T> reader(const Dense<T>& x) {
    return RowReader<T>(x.matrix());
}
template <class T, class I>
CsrReader<T, I> reader(const Csr<T, I>& x) {
    return CsrReader<T, I>(x);
}

// Totals and sums of log x! of the rows, and whether X is made of counts; an entry that is not adds nothing to the
// latter.
template <class Source>
CountSums count_pass(const Source& source, double* totals, double* factorials, const Run& run) {
    const LogFactorial log_factorial;
    return *fold(
        source.plan(1), run, [] { return std::make_unique<CountSums>(); },
        [&] {
            return [&, rows = reader(source)](Index first, Index count, CountSums& sums) mutable {
                rows.open(first, count);
                for (Index r = first; r < first + count; ++r) {
                    double total = 0, factorial = 0;
                    each_entry(rows, r, [&](double x) {
                        sums.least = std::min(sums.least, x);
                        sums.whole = sums.whole && x == std::floor(x);
                        total += x, factorial += x >= 0 ? log_factorial(x) : 0;
                    });
                    totals[r] = total, factorials[r] = factorial;
                }
            };
        });
}

}  // namespace gramfold
