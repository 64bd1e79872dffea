// Logarithm, exponential and power of vectors: a few units in the last place, the same bits in every lane.
#pragma once

#include <limits>
#include <type_traits>

#include "fold/vectors.hpp"

namespace gramfold {

// What divides is at least this, where X is of the order of 1: far below any wh, and its square is far from underflow.
template <class T>
inline constexpr T least = T(0x1p-40);

namespace elementary_detail {

template <class T>
struct Layout;
template <>
struct Layout<double> {
    using Int = std::int64_t;
    using Bits = std::uint64_t;
    static constexpr int mantissa = 52, log_terms = 11, exp_terms = 13;
    static constexpr Bits bias = 1023;
    static constexpr double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45;
    static constexpr double log_least = -708, log_most = 709;
};
template <>
struct Layout<float> {
    using Int = std::int32_t;
    using Bits = std::uint32_t;
    static constexpr int mantissa = 23, log_terms = 5, exp_terms = 7;
    static constexpr Bits bias = 127;
    static constexpr float ln2_high = 0x1.62ep-1f, ln2_low = 0x1.0bfbe8p-15f;
    static constexpr float log_least = -87, log_most = 88;
};

}  // namespace elementary_detail

template <class T, int W = lanes<T>>
inline T total(Vec<T, W> v) {
    if constexpr (W == 1) {
        return v;
    } else if constexpr (W == 2) {
        return v[0] + v[1];
    } else {
        const T* p = reinterpret_cast<const T*>(&v);
        return total<T, W / 2>(load<Vec<T, W / 2>>(p) + load<Vec<T, W / 2>>(p + W / 2));
    }
}

// log x = e log 2 + 2 artanh s, s = (m - 1) / (m + 1), x = 2^e m, sqrt(1/2) <= m < sqrt 2. x normal and positive; any
// other lane gets any number.
template <class T>
inline Vec<T> log(Vec<T> x) {
    using L = elementary_detail::Layout<T>;
    using V = Vec<T>;
    using Bits = Vec<typename L::Bits>;
    const Bits root_half = (Bits)(V{} + T(0.70710678118654752440));
    const Bits shifted = (Bits)x - root_half;
    const V e = __builtin_convertvector((Vec<typename L::Int>)shifted >> L::mantissa, V);
    const V m = (V)((shifted & ((typename L::Bits(1) << L::mantissa) - 1)) + root_half);
    const V s = (m - 1) / (m + 1), q = s * s;
    V series = {};
#pragma GCC unroll 16
    for (int n = L::log_terms; n >= 1; --n) series = (series + T(2) / T(2 * n + 1)) * q;
    return e * L::ln2_high + (2 * s + (s * series + e * L::ln2_low));
}

// exp x = 2^n exp r, |r| <= log 2 / 2; x is clipped to where the result is normal.
template <class T>
inline Vec<T> exp(Vec<T> x) {
    using L = elementary_detail::Layout<T>;
    using V = Vec<T>;
    using Bits = Vec<typename L::Bits>;
    const T shift = T(3) * T(typename L::Bits(1) << (L::mantissa - 1));
    x = x < L::log_least ? V{} + L::log_least : x;
    x = x > L::log_most ? V{} + L::log_most : x;
    const V shifted = x * T(1.44269504088896340736) + shift;
    const V n = shifted - shift;
    const V r = (x - n * L::ln2_high) - n * L::ln2_low;
    V series = V{} + T(1);
#pragma GCC unroll 16
    for (int i = L::exp_terms; i >= 1; --i) series = series * (r * (T(1) / T(i))) + T(1);
    const Bits power = (Bits)shifted - (Bits)(V{} + shift) + L::bias;
    return series * (V)(power << L::mantissa);
}

// x^a for x >= 0; what is below the least normal number counts as 0, and 0^a is 0 (a > 0) or infinite (a < 0).
template <class T>
inline Vec<T> pow(Vec<T> x, T a) {
    using V = Vec<T>;
    const V at_zero = V{} + (a > 0 ? T(0) : std::numeric_limits<T>::infinity());
    return x < std::numeric_limits<T>::min() ? at_zero : exp<T>(log<T>(x) * a);
}

}  // namespace gramfold
