// Responsibilities of the components for each row, rows in vector lanes:
//
//     top = max_t l_t     r_t = exp(l_t - top) / sum_s exp(l_s - top)     score = top + log sum_s exp(l_s - top)
//
// A responsibility below exp(negligible) of the largest counts as 0, by default exp(-80) in both types: far below the
// rounding of any sum, and the sums may leave the row out. A row that no component can have made scores -infinity and
// gets zeros. Cost: k exponentials a row. Overwrites l.
#pragma once

#include <limits>

#include "fold/elementary.hpp"

namespace gramfold {

template <class T>
class Softmax {
  public:
    using V = Vec<T>;

    // l: k x rows with row stride `stride`, rows a multiple of the lanes; score: rows. Logits up to `impossible` are
    // those of components that cannot have made the row.
    static void solve(Index k, Index rows, Index stride, T impossible, T* l, T* score, T negligible = T(-80)) {
        for (Index r = 0; r < rows; r += lanes<T>) column(k, stride, impossible, negligible, l + r, score + r);
    }

  private:
    static void column(Index k, Index stride, T impossible, T negligible, T* l, T* score) {
        V top = load<V>(l);
        for (Index t = 1; t < k; ++t) {
            const V v = load<V>(l + t * stride);
            top = v > top ? v : top;
        }
        const auto possible = top > impossible;
        const V base = possible ? top : V{};
        V sum = {};
        for (Index t = 0; t < k; ++t) {
            const V below = load<V>(l + t * stride) - base;
            const V e = below > negligible ? exp<T>(below) : V{};
            sum += e;
            store(l + t * stride, e);
        }
        sum = possible ? sum : V{} + T(1);
        const V share = T(1) / sum;
        for (Index t = 0; t < k; ++t) store(l + t * stride, load<V>(l + t * stride) * share);
        store(score, possible ? top + log<T>(sum) : V{} - std::numeric_limits<T>::infinity());
    }
};

}  // namespace gramfold
