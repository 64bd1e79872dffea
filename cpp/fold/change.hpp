// What becomes of the numbers of a file where they are read, so that it need not be copied: the bits of an array that
// is made of them in memory.
#pragma once

#include <climits>
#include <cmath>
#include <vector>

#include "fold/convert.hpp"

namespace gramfold {

// Steps, one after the other: n multiplies by 2^n.
using Change = std::vector<int>;
inline constexpr int square_root = INT_MIN;

template <class T>
void apply(const Change& steps, Index n, T* to) {
    for (const int step : steps) {
        const T power = step == square_root ? T(0) : std::ldexp(T(1), step);
        if (step == square_root)
            for (Index i = 0; i < n; ++i) to[i] = std::sqrt(to[i]);
        else if (std::isnormal(power))
            for (Index i = 0; i < n; ++i) to[i] *= power;  // rounded once, as ldexp does
        else
            for (Index i = 0; i < n; ++i) to[i] = std::ldexp(to[i], step);
    }
}

}  // namespace gramfold
