// The limit of the machine's arithmetic.
#pragma once

#include <atomic>
#include <chrono>

#include "fold/fold.hpp"
#include "fold/threads.hpp"

namespace gramfold {

// FMA per second times two, from registers alone.
template <class T>
double peak(double seconds, const Run& run) {
    using V = Vec<T>;
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
    constexpr int chains = tile_rows >= 12 ? 24 : 10;
    std::atomic<Index> done{0};
    in_threads(std::min(run.n_threads, 1024), [&](bool) {
        constexpr Index rounds = 100000;
        V acc[chains] = {};
        const V x = V{} + T(0.5);
        for (; elapsed() < seconds; done += rounds)
            for (Index i = 0; i < rounds; ++i)
#pragma GCC unroll 24
                for (int c = 0; c < chains; ++c) acc[c] = acc[c] * x + x;
        T sink = 0;
        for (const V& a : acc) sink += a[0];
        if (sink == T(-1)) done = 0;
    });
    return 2.0 * chains * lanes<T> * double(done) / elapsed();
}

}  // namespace gramfold
