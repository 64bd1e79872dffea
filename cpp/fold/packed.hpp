// A factor as the products read it.
#pragma once

#include "fold/dense.hpp"

namespace gramfold {

// The shared factor with its components padded with zeros to a whole number of vector quarters; in panels for a
// source that reads it as product()'s b, where one vector costs less than three quarters, which are two panels. So do
// two vectors less than one and some quarters, where tiles have so few rows that one vector waits for its own sums.
template <class T>
struct Packed {
    Index rows, k, kp;
    Buffer<T> own;
    const T* data;

    Packed(Matrix<const T> f, bool panels) : rows(f.rows), k(f.cols), kp(round_up<Index>(f.cols, component_pad<T>)) {
        if (panels && kp % lanes<T> == 3 * component_pad<T>) kp += component_pad<T>;
        if (panels && tile_rows < 12 && kp % (2 * lanes<T>) > lanes<T>) kp = round_up<Index>(kp, 2 * lanes<T>);
        if (!panels && kp == k && f.col_stride == 1 && f.row_stride == k) {
            data = f.data;
            return;
        }
        own = Buffer<T>(round_up<Index>(rows, lanes<T>) * kp);
        data = own.get();
        if (panels) {
            pack_factor(rows, k, kp, f.data, f.row_stride, f.col_stride, own.get());
            return;
        }
        for (Index r = 0; r < rows; ++r)
            for (Index c = 0; c < kp; ++c) own.get()[r * kp + c] = c < k ? f(r, c) : T(0);
    }
};

}  // namespace gramfold
