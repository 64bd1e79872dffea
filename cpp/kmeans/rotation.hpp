// A rotation after which the entries of a row are about equally large, whatever they were: what bytes keep best.
//
// Signs by chance and Hadamard's transform, of the first 2^p columns and then of the last 2^p (Ailon & Chazelle 2009):
// orthogonal but for rounding, which is below 64 units of the last place of the norm in float.
// Cost: up to 2 d log d additions.
#pragma once

#include <cmath>

#include "fold/vectors.hpp"

namespace gramfold {

class Rotation {
  public:
    explicit Rotation(Index d) : d_(d), size_(d > 0) {
        while (d > 0 && 2 * size_ <= d) size_ *= 2;
    }

    // at(q): entry q, a number or the vector of some rows' entries.
    template <class At>
    void operator()(At at) const {
        std::uint64_t chance = 0x9e3779b97f4a7c15u;
        turn(at, 0, chance);
        if (size_ < d_) turn(at, d_ - size_, chance);
    }

  private:
    template <class At>
    void turn(At at, Index first, std::uint64_t& chance) const {
        for (Index q = first; q < first + size_; ++q) {
            chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
            if (chance >> 63) at(q) = -at(q);
        }
        for (Index half = 1; half < size_; half *= 2)
            for (Index block = first; block < first + size_; block += 2 * half)
                for (Index q = block; q < block + half; ++q) {
                    const auto a = at(q), b = at(q + half);
                    at(q) = a + b, at(q + half) = a - b;
                }
        const float scale = 1 / std::sqrt(float(size_));
        for (Index q = first; q < first + size_; ++q) at(q) *= scale;
    }

    Index d_, size_;
};

}  // namespace gramfold
