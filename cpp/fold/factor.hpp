// A factor that a kernel can do without.
#pragma once

#include "fold/seam.hpp"

namespace gramfold {

// The columns of an optional factor with `rows` rows; without one, none.
template <class T>
Matrix<const T> columns(const std::optional<Strided<T>>& a, Index rows, const char* message) {
    if (!a) return {nullptr, rows, 0, 1, 1};
    const auto m = strided(*a);
    require(m.rows == rows, message);
    return m;
}

}  // namespace gramfold
