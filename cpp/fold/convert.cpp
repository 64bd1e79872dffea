#include "fold/convert.hpp"

#include <cstring>
#include <type_traits>

namespace gramfold {
namespace {

struct Half {
    std::uint16_t bits;
    // The exponent's bias is mended by a product, which is exact for subnormal numbers too.
    explicit operator float() const {
        const std::uint32_t magnitude = bits & 0x7fff, sign = std::uint32_t(bits & 0x8000) << 16;
        std::uint32_t wide = magnitude << 13;
        float value;
        std::memcpy(&value, &wide, sizeof(value));
        value *= 0x1p112f;
        std::memcpy(&wide, &value, sizeof(value));
        wide = sign | (magnitude < 0x7c00 ? wide : 0x7f800000 | magnitude << 13);  // infinities and NaN
        std::memcpy(&value, &wide, sizeof(value));
        return value;
    }
};

struct BrainFloat {
    std::uint16_t bits;
    explicit operator float() const {
        const std::uint32_t wide = std::uint32_t(bits) << 16;
        float value;
        std::memcpy(&value, &wide, sizeof(value));
        return value;
    }
};

struct Truth {
    std::uint8_t byte;
    explicit operator float() const { return byte != 0; }
};

inline std::uint8_t other_order(std::uint8_t a) { return a; }
inline std::uint16_t other_order(std::uint16_t a) { return __builtin_bswap16(a); }
inline std::uint32_t other_order(std::uint32_t a) { return __builtin_bswap32(a); }
inline std::uint64_t other_order(std::uint64_t a) { return __builtin_bswap64(a); }

template <int size>
using Bits = std::conditional_t<
    size == 1, std::uint8_t,
    std::conditional_t<size == 2, std::uint16_t, std::conditional_t<size == 4, std::uint32_t, std::uint64_t>>>;

template <class From, bool swapped, class T>
inline T value(const char* at) {
    Bits<sizeof(From)> bits;
    std::memcpy(&bits, at, sizeof(bits));
    if (swapped) bits = other_order(bits);
    From from;
    std::memcpy(&from, &bits, sizeof(from));
    return T(from);
}

template <class From, bool swapped, class T>
void convert(const char* from, Index step, Index n, T* to) {
    constexpr Index size = sizeof(From);
    if (step == size)
        for (Index i = 0; i < n; ++i) to[i] = value<From, swapped, T>(from + i * size);
    else
        for (Index i = 0; i < n; ++i) to[i] = value<From, swapped, T>(from + i * step);
}

template <class From, class T>
Convert<T> of(bool swapped) {
    return swapped ? &convert<From, true, T> : &convert<From, false, T>;
}

}  // namespace

template <>
Convert<float> converter(Item item, bool swapped) {
    switch (item) {
        case Item::boolean:
            return of<Truth, float>(false);
        case Item::int8:
            return of<std::int8_t, float>(false);
        case Item::uint8:
            return of<std::uint8_t, float>(false);
        case Item::int16:
            return of<std::int16_t, float>(swapped);
        case Item::uint16:
            return of<std::uint16_t, float>(swapped);
        case Item::float16:
            return of<Half, float>(swapped);
        case Item::bfloat16:
            return of<BrainFloat, float>(swapped);
        case Item::float32:
            return of<float, float>(swapped);
        default:
            return nullptr;
    }
}

template <>
Convert<double> converter(Item item, bool swapped) {
    switch (item) {
        case Item::int32:
            return of<std::int32_t, double>(swapped);
        case Item::int64:
            return of<std::int64_t, double>(swapped);
        case Item::uint32:
            return of<std::uint32_t, double>(swapped);
        case Item::uint64:
            return of<std::uint64_t, double>(swapped);
        case Item::float64:
            return of<double, double>(swapped);
        default:
            return nullptr;
    }
}

}  // namespace gramfold
