// One pass over X: project, solve, accumulate, block by block.
//
//     P = X_b F      Z = rows(P)      S += Z'X_b,  gram += Z'Z,  cross += Z'start      F: cols x k
//
// Sums run in T within a chunk of some hundred rows and up the tree; the k x k sums across blocks are double.
#pragma once

#include "least_squares/pass_few.hpp"

namespace gramfold {

// `s` (cols x k, or null) is overwritten with X'Z.
template <class T, class Source>
std::unique_ptr<PassSums<T>> run_pass(const Source& x, const Packed<T>& f, const Hals<T>& rows, RowFactor<T> z,
                                      bool cross, bool squares, T* s, const Run& run) {
    const Index k = f.k, kp = f.kp;
    Plan plan = x.plan(k, s);
    plan.work = double(x.rows()) * double(k) * (double(x.work_per_row()) + double(k) * (1 + rows.max_sweeps));
    const auto make_sums = [&] {
        auto sums = std::make_unique<PassSums<T>>();
        if (s) sums->s = Buffer<T>(sums_size(x, k, kp));
        if (squares) sums->gram = Buffer<double>(k * k);
        if (cross) sums->cross = Buffer<double>(k * k);
        sums->clear();
        return sums;
    };
    const auto run_with = [&](auto make_worker) { return fold(plan, run, make_sums, make_worker); };
    const auto sums = [&] {
        if constexpr (std::is_same_v<Source, Dense<T>>)
            if (FewPassWorker<T>::serves(x, k))
                return run_with([&] { return FewPassWorker<T>(x, f, rows, z, plan.block); });
        return run_with([&] { return PassWorker<T, Source>(x, f, rows, z, plan.block); });
    };
    auto total = sums();
    if (s) read_sums(x, k, kp, total->s.get(), s);
    return total;
}

}  // namespace gramfold
