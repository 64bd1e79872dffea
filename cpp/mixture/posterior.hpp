// What the passes of all mixtures share: rows of logits become responsibilities, then sums or results of each row.
//
//     score_n = log sum_t exp l_nt     r_nt = exp(l_nt - score_n)     likelihood = sum_n w_n score_n
//
// Within a block responsibilities are k x rows; they are never stored for all rows unless asked for.
#pragma once

#include "fold/dense.hpp"
#include "mixture/softmax.hpp"

namespace gramfold {

// What a pass reads and writes for each row beside X; null for what is not there.
template <class T>
struct MixtureRows {
    Index k;
    const double* weights;  // rows
    const T* given;         // rows x k: responsibilities in place of those of the logits
    T* resp;                // rows x k
    double* score;          // rows
    std::int64_t* labels;   // rows: the largest logit, the first of several
    T impossible;           // a component of a logit up to here cannot have made the row
};

// A product without all its digits is none.
template <class T>
T weighted(T r, double w) {
    const double product = double(r) * w;
    return product < double(std::numeric_limits<T>::min()) ? T(0) : T(product);
}

template <class T>
class Responsibilities {
  public:
    // Blocks of up to `block` rows, a multiple of the lanes.
    Responsibilities(const MixtureRows<T>& rows, Index block)
        : rows_(rows), stride_(block), r_(rows.k * block), score_(block) {}

    T* logits() const { return r_.get(); }
    const T* of(Index t) const { return r_.get() + t * stride_; }
    Index stride() const { return stride_; }
    bool given() const { return rows_.given != nullptr; }

    // From logits, or those given, to responsibilities times weights; returns the weighted log-likelihood.
    // The rest of a block, up to a multiple of the lanes, becomes 0.
    double solve(Index first, Index count) {
        const Index k = rows_.k, padded = round_up<Index>(count, lanes<T>);
        double likelihood = 0;
        if (rows_.given) {
            transpose(count, k, rows_.given + first * k, k, r_.get(), stride_);
        } else {
            if (rows_.labels) label(first, count);
            Softmax<T>::solve(k, padded, stride_, rows_.impossible, r_.get(), score_.get());
            likelihood = scores(first, count);
        }
        if (rows_.resp) transpose(k, count, r_.get(), stride_, rows_.resp + first * k, k);
        for (Index t = 0; t < k; ++t) {
            T* r = r_.get() + t * stride_;
            std::fill(r + count, r + padded, T(0));
            for (Index n = 0; rows_.weights && n < count; ++n) r[n] = weighted(r[n], rows_.weights[first + n]);
        }
        return likelihood;
    }

  private:
    double scores(Index first, Index count) const {
        double sum = 0;
        for (Index n = 0; n < count; ++n) {
            const double score = double(score_.get()[n]), w = rows_.weights ? rows_.weights[first + n] : 1;
            if (rows_.score) rows_.score[first + n] = score;
            if (w != 0) sum += w * score;
        }
        return sum;
    }

    // The component of each row with the largest logit, the first of several.
    void label(Index first, Index count) const {
        using V = Vec<T>;
        using Id = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
        constexpr Index w = lanes<T>;
        for (Index n = 0; n < count; n += w) {
            V top = load<V>(of(0) + n);
            Vec<Id> best = {};
            for (Index t = 1; t < rows_.k; ++t) {
                const V logit = load<V>(of(t) + n);
                best = logit > top ? Vec<Id>{} + Id(t) : best;
                top = logit > top ? logit : top;
            }
            for (Index i = 0; i < std::min(w, count - n); ++i) rows_.labels[first + n + i] = best[i];
        }
    }

    const MixtureRows<T>& rows_;
    Index stride_;
    Buffer<T> r_, score_;
};

}  // namespace gramfold
