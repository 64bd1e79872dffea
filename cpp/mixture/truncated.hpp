// One EM pass of a Gaussian mixture in which a row has responsibilities among a few components alone: those in the
// list of its group (a truncated variational E step, Luecke & Eggert 2010). The likelihood is that of these alone, a
// lower bound.
//
// Rows of a group are worked on together, wherever they lie in X, so that what gaussian.hpp does for strips of rows
// is done here for as many of the components. Responsibilities below the rounding of the largest count as 0.
// Cost: as of gaussian.hpp with the length of a list for k, and a read of the rows of X in the order of their groups.
#pragma once

#include <vector>

#include "mixture/gaussian.hpp"

namespace gramfold {

// Rows in the order of their groups: those of group g are order[starts[g]] to order[starts[g + 1]].
struct Grouped {
    std::vector<Index> starts, order;

    Grouped(Index n, Index k, const std::int32_t* groups)
        : starts(static_cast<std::size_t>(k) + 1), order(static_cast<std::size_t>(n)) {
        for (Index i = 0; i < n; ++i) ++starts[static_cast<std::size_t>(groups[i]) + 1];
        for (std::size_t g = 1; g < starts.size(); ++g) starts[g] += starts[g - 1];
        std::vector<Index> next(starts.begin(), starts.end() - 1);
        for (Index i = 0; i < n; ++i) order[static_cast<std::size_t>(next[static_cast<std::size_t>(groups[i])]++)] = i;
    }
};

struct TruncatedRows {
    Index listed;                // components in a list
    const std::int32_t* groups;  // rows: which list
    const std::int32_t* lists;   // k x listed
    const double* weights;       // rows, or null
    std::int32_t* labels;        // rows: the best of their lists, the first of several; or null
};

template <class From, class T>
class TruncatedWorker {
  public:
    TruncatedWorker(const Rows<From>& x, const T* shift, const T* scale, const QuadraticForms<T>& forms,
                    const Moments<T>* moments, const TruncatedRows& rows, const Grouped& grouped)
        : x_(x, shift, scale), forms_(forms), moments_(moments), rows_(rows), grouped_(grouped), d_(x.cols),
          dp_(round_up<Index>(d_ + 1, lanes<T>)), r_(rows.listed * most), score_(most), lines_(most * dp_),
          strip_(d_ * strip), scratch_(forms.scratch_size()),
          moments_scratch_(moments ? moments->scratch_size(most) : 0), kept_(most), shares_(most) {
        strip_.zero();
    }

    // Some of the order of the groups.
    void operator()(Index first, Index count, GaussianSums<T>& sums) {
        const Index end = first + count;
        while (first < end) {
            const Index group = rows_.groups[row(first)];
            const Index left = std::min(end, grouped_.starts[static_cast<std::size_t>(group) + 1]) - first;
            const Index parts = (left + most - 1) / most, next = first + (left + parts - 1) / parts;
            sums.likelihood += solve(rows_.lists + group * rows_.listed, first, next - first);
            if (moments_) add(rows_.lists + group * rows_.listed, next - first, sums.moments.get());
            first = next;
        }
    }

  private:
    static constexpr Index strip = strip_rows<T>, most = 3 * strip, ahead = 12;
    static constexpr T negligible = sizeof(T) == 4 ? T(-16.7) : T(-36.8);  // below half of the last digit of 1

    Index row(Index at) const { return grouped_.order[static_cast<std::size_t>(at)]; }

    double solve(const std::int32_t* list, Index first, Index count) {
        const Index padded = round_up<Index>(count, lanes<T>);
        for (Index n = 0; n < count; ++n) {
            if (n + ahead < count) x_.fetch(row(first + n + ahead));
            x_.open(row(first + n), 1);
            x_.read(row(first + n), lines_.get() + n * dp_, dp_);
        }
        std::fill_n(lines_.get() + count * dp_, (padded - count) * dp_, T(0));
        for (Index s = 0; s < padded; s += strip) {
            const Index some = std::min(strip, padded - s);
            transpose(some, d_, lines_.get() + s * dp_, dp_, strip_.get(), strip);
            forms_.some(list, rows_.listed, static_cast<int>(some / lanes<T>), strip_.get(), scratch_.get(),
                        r_.get() + s, most);
        }
        if (rows_.labels) label(list, first, count);
        Softmax<T>::solve(rows_.listed, padded, most, -std::numeric_limits<T>::infinity(), r_.get(), score_.get(),
                          negligible);
        double likelihood = 0;
        for (Index n = 0; n < count; ++n) {
            const double w = rows_.weights ? rows_.weights[row(first + n)] : 1;
            if (w != 0) likelihood += w * double(score_.get()[n]);
        }
        for (Index n = 0; rows_.weights && n < count; ++n)
            for (Index j = 0; j < rows_.listed; ++j) {
                T& r = r_.get()[j * most + n];
                r = weighted(r, rows_.weights[row(first + n)]);
            }
        return likelihood;
    }

    void label(const std::int32_t* list, Index first, Index count) {
        T* top = score_.get();  // scratch until the scores are known
        std::copy_n(r_.get(), count, top);
        std::fill_n(best_, count, 0);
        for (Index j = 1; j < rows_.listed; ++j) {
            const T* l = r_.get() + j * most;
            const std::int32_t place = static_cast<std::int32_t>(j);
            for (Index n = 0; n < count; ++n) {
                const bool better = l[n] > top[n];
                top[n] = better ? l[n] : top[n];
                best_[n] = better ? place : best_[n];
            }
        }
        for (Index n = 0; n < count; ++n) rows_.labels[row(first + n)] = list[best_[n]];
    }

    void add(const std::int32_t* list, Index count, T* sums) {
        for (Index j = 0; j < rows_.listed; ++j) {
            const T* r = r_.get() + j * most;
            Index kept = 0;
            for (Index n = 0; n < count; ++n) {
                kept_.get()[kept] = static_cast<std::int32_t>(n), shares_.get()[kept] = r[n];
                kept += r[n] > 0;
            }
            if (kept == 0) continue;
            std::fill(shares_.get() + kept, shares_.get() + round_up<Index>(kept, lanes<T>), T(0));
            if (moments_->matrices()) moments_->add(list[j], lines_.get(), r, count, moments_scratch_.get(), sums);
            else moments_->add_some(list[j], lines_.get(), kept_.get(), shares_.get(), kept, sums);
        }
    }

    FramedRows<From, T> x_;
    const QuadraticForms<T>& forms_;
    const Moments<T>* moments_;
    const TruncatedRows& rows_;
    const Grouped& grouped_;
    Index d_, dp_;
    Buffer<T> r_, score_, lines_, strip_, scratch_, moments_scratch_;
    Buffer<std::int32_t> kept_;
    Buffer<T> shares_;
    std::int32_t best_[most];
};

// Chunks are worth the addition of their sums, which are those of all components, though their rows have to do with
// few.
template <class From, class T>
std::unique_ptr<GaussianSums<T>> truncated_pass(const Rows<From>& x, const T* shift, const T* scale,
                                                const QuadraticForms<T>& forms, const Moments<T>* moments,
                                                const TruncatedRows& rows, const Grouped& grouped, const Run& run) {
    const Index size = moments ? moments->sums_size() : 0, d = x.cols;
    Plan p = plan(x.rows, d * Index(sizeof(T)), std::max<Index>(2048, size * Index(sizeof(T)) / 64));
    p.block = 4096;
    p.work =
        double(x.rows) * double(rows.listed) * (40 + double(d) * (moments && moments->matrices() ? double(d) : 4.0));
    return fold(
        p, run, [&] { return std::make_unique<GaussianSums<T>>(size); },
        [&] { return TruncatedWorker<From, T>(x, shift, scale, forms, moments, rows, grouped); });
}

}  // namespace gramfold
