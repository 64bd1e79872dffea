// The Gram matrix as the coders read it, and what they give back of a row.
#pragma once

#include "coding/support.hpp"

namespace gramfold {

// G = F'F + l2 I: k rows of stride gp, zero beyond k; and as it came, k x k.
template <class T>
struct GramRows {
    const T* data;
    Index k, gp;
    const double* exact;
};

template <class T>
Buffer<T> padded_rows(const double* gram, Index k, Index gp) {
    Buffer<T> padded(k * gp);
    for (Index i = 0; i < k; ++i)
        for (Index j = 0; j < gp; ++j) padded.get()[i * gp + j] = j < k ? T(gram[i * k + j]) : T(0);
    return padded;
}

// How many rows a coder may have under way.
inline constexpr Index most_together = 4;

// What a coder gives back of a row.
struct RowCode {
    Index size;
    double objective;  // without 1/2 |x|^2
    bool unconverged;
};

}  // namespace gramfold
