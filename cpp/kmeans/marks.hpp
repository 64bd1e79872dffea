// Marks of rows: bit l is set where a row may be nearer to candidate l than to a seed.
#pragma once

#include <cstdint>
#include <cstring>

#include "fold/vectors.hpp"

namespace gramfold {

// f(i) for each i with a mark of those wanted, few as a rule.
template <class F>
void each_marked(const std::uint16_t* marks, Index count, std::uint16_t wanted, F f) {
    const auto some = [&](Index first, std::uint64_t four) {
        for (four &= wanted * 0x0001000100010001u; four;) {
            const int at = __builtin_ctzll(four) / 16;
            four &= ~(std::uint64_t(0xffff) << 16 * at);
            f(first + at);
        }
    };
    std::uint64_t four;
    const Index whole = count / 4 * 4;
    for (Index i = 0; i < whole; i += 4) std::memcpy(&four, marks + i, sizeof(four)), some(i, four);
    four = 0;
    for (Index i = whole; i < count; ++i) four |= std::uint64_t(marks[i]) << 16 * (i - whole);
    some(whole, four);
}

}  // namespace gramfold
