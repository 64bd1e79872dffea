// Products of bytes: four unsigned ones of each row of a panel by four signed ones of a point, added up in 32 bits, by
// what the machine has. Sums are whole numbers, the same at every level, and fit up to 65,536 columns.
#pragma once

#include <cstdlib>
#include <cstring>

#include "kmeans/panel.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gramfold {

using Words = Vec<std::int32_t>;

// Whether instructions of that name are not among those that GRAMFOLD_WITHOUT names.
inline bool may_use(const char* name) {
    const char* without = std::getenv("GRAMFOLD_WITHOUT");
    return !without || !std::strstr(without, name);
}

// How four bytes of a point lie for a product, `Code`, the step of over_columns(), and how many products of bytes take
// as long as one of floats, `as_one`.
#if defined(__x86_64__)

// Any x86: as pairs of 16 bits.
struct MultiplyPairs {
    static constexpr int as_one = 1;
    struct Code {
        std::int32_t even, odd;
    };
    static Code code(const int* p) { return {pair(p[0], p[2]), pair(p[1], p[3])}; }
    void operator()(Words& sum, Words x, const Code& c) const {
        using Bits = Vec<std::uint32_t>;
        const Words low = Words{} + 0x00ff00ff;
        sum += multiply(x & low, Words{} + c.even) + multiply((Words)((Bits)x >> 8) & low, Words{} + c.odd);
    }

  private:
    static std::int32_t pair(int low, int high) {
        return std::int32_t(std::uint32_t(high) << 16 | (std::uint32_t(low) & 0xffff));
    }
#if defined(__AVX512BW__)
    static Words multiply(Words a, Words b) { return (Words)_mm512_madd_epi16((__m512i)a, (__m512i)b); }
#elif defined(__AVX2__)
    static Words multiply(Words a, Words b) { return (Words)_mm256_madd_epi16((__m256i)a, (__m256i)b); }
#else
    static Words multiply(Words a, Words b) { return (Words)_mm_madd_epi16((__m128i)a, (__m128i)b); }
#endif
};
using MultiplyAnywhere = MultiplyPairs;

#else

struct MultiplyBytes {
    static constexpr int as_one = 1;
    using Code = std::int32_t;
    static Code code(const int* p) {
        std::uint32_t four = 0;
        for (int i = 0; i < 4; ++i) four |= (std::uint32_t(p[i]) & 255) << (8 * i);
        return std::int32_t(four);
    }
    void operator()(Words& sum, Words x, Code c) const {
        for (int i = 0; i < 4; ++i) sum += (x >> (8 * i) & 255) * std::int32_t(std::int8_t(c >> (8 * i)));
    }
};
using MultiplyAnywhere = MultiplyBytes;

#endif

#if defined(__AVX512BW__)
#define GRAMFOLD_VNNI __attribute__((target("avx512vnni")))
struct MultiplyVnni {
    static constexpr int as_one = 8;
    using Code = std::int32_t;
    static Code code(const int* p) {
        std::uint32_t four = 0;
        for (int i = 0; i < 4; ++i) four |= (std::uint32_t(p[i]) & 255) << (8 * i);
        return std::int32_t(four);
    }
    GRAMFOLD_VNNI void operator()(Words& sum, Words x, Code c) const {
        sum = (Words)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)(Words{} + c));
    }
};
// GCC 12 takes lanes apart where it is to convert them itself.
inline Vec<std::uint8_t, 16> low_bytes(Words a) {
    return (Vec<std::uint8_t, 16>)_mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)a);
}

inline bool has_vnni() {
    static const bool has = __builtin_cpu_supports("avx512vnni") && may_use("vnni");
    return has;
}
#endif

}  // namespace gramfold
