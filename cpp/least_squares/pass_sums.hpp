// What a pass that solves rows adds up.
#pragma once

#include "fold/dense.hpp"

namespace gramfold {

struct RowStats {
    double violation = 0;    // sum |projected gradient| met in the first sweep (scikit-learn's measure)
    double step = 0;         // sum G_tt d_t^2 over the first sweep
    double objective = 0;    // sum of the row objectives at the end, without 1/2 |x|^2
    double residual = 0;     // sum G_tt d_t^2 at the end: the steps that single coordinates could still make
    double unconverged = 0;  // rows that had not ended after max_sweeps

    RowStats& operator+=(const RowStats& o) {
        violation += o.violation, step += o.step, objective += o.objective, residual += o.residual;
        unconverged += o.unconverged;
        return *this;
    }
};

template <class T>
struct PassSums {
    Buffer<T> s;
    Buffer<double> gram, cross;
    RowStats stats;

    void clear() {
        s.zero(), gram.zero(), cross.zero();
        stats = {};
    }
    PassSums& operator+=(const PassSums& o) {
        s += o.s, gram += o.gram, cross += o.cross;
        stats += o.stats;
        return *this;
    }
};

}  // namespace gramfold
