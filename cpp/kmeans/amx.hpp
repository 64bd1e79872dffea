// Products of whole numbers by the tiles of AMX: 16 rows by 16 points, 64 columns an instruction.
//
//     sums[i][j] = sum over the columns of x_i c_j        in 32 bits, as they come out without AMX
//
// Rows lie one behind the other, in planes of bytes that are filled up with any numbers to 64 columns; points four
// columns a word, words x 16, filled up with zeros. Numbers of 16 bits have two planes, low bytes and high ones, those
// of points such that both are signed: a product is made of four of bytes.
#pragma once

#include "kmeans/bytes.hpp"

#if defined(__AVX512BW__) && defined(__linux__) && (defined(__clang__) || __GNUC__ >= 11)
#define GRAMFOLD_AMX __attribute__((target("amx-tile,amx-int8")))
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace gramfold {

inline constexpr Index amx_points = 16, amx_columns = 64;

using AmxSums = std::int32_t[16][16];  // of 16 rows

#if defined(GRAMFOLD_AMX)

// Whether machine and system have it; the process asks for it once, since its threads then take more room.
inline bool has_amx() {
    static const bool has = [] {
        constexpr unsigned tiles_and_bytes = 3u << 24;
        constexpr long ask = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
        unsigned a, b, c, d;
        return may_use("amx") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & tiles_and_bytes) == tiles_and_bytes &&
               syscall(SYS_arch_prctl, ask, tile_data) == 0;
    }();
    return has;
}

// While one lives, this thread's tiles have 16 rows of 64 bytes.
class AmxTiles {
  public:
    GRAMFOLD_AMX AmxTiles() {
        struct alignas(64) {
            std::uint8_t palette = 1, start = 0, reserved[14] = {};
            std::uint16_t bytes[16] = {};
            std::uint8_t rows[16] = {};
        } shape;
        for (int i = 0; i < 8; ++i) shape.bytes[i] = 64, shape.rows[i] = 16;
        __asm__ volatile("" : : "r"(&shape) : "memory");  // all of it has been written, though GCC is told of 8 bytes
        _tile_loadconfig(&shape);
    }
    GRAMFOLD_AMX ~AmxTiles() { _tile_release(); }
    AmxTiles(const AmxTiles&) = delete;
    AmxTiles& operator=(const AmxTiles&) = delete;
};

struct AmxProduct {
    Index steps;            // of 64 columns
    const std::uint8_t* x;  // the first row
    Index stride;           // bytes from row to row
    const std::int32_t* c;
    Ahead ahead;  // for each word

    // On by 64 columns, of points in so many words.
    void go_on(Index words) {
        x += amx_columns, c += words;
        for (int i = 0; i < (ahead.step > 0 ? 16 * fetch_lines : 0); ++i, ahead.lines += 64)
            __builtin_prefetch(ahead.lines, 0, 2);
    }
};

// 48 rows of unsigned bytes. A tile that is loaded waits for those who read it before: every second step has its own.
GRAMFOLD_AMX inline void multiply_bytes(AmxProduct p, AmxSums (&sums)[3]) {
    __asm__ volatile("" ::: "memory");  // what tiles load has been written
    const auto stride = std::size_t(p.stride);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    for (Index i = 0; i < p.steps; ++i, p.go_on(256)) {
        if (i % 2 == 0) {
            _tile_loadd(3, p.c, 64);
            _tile_loadd(5, p.x, stride);
            _tile_dpbusd(0, 5, 3);
            _tile_loadd(6, p.x + 16 * stride, stride);
            _tile_dpbusd(1, 6, 3);
            _tile_loadd(7, p.x + 32 * stride, stride);
            _tile_dpbusd(2, 7, 3);
        } else {
            _tile_loadd(4, p.c, 64);
            _tile_loadd(5, p.x, stride);
            _tile_dpbusd(0, 5, 4);
            _tile_loadd(6, p.x + 16 * stride, stride);
            _tile_dpbusd(1, 6, 4);
            _tile_loadd(7, p.x + 32 * stride, stride);
            _tile_dpbusd(2, 7, 4);
        }
    }
    _tile_stored(0, sums[0], 64);
    _tile_stored(1, sums[1], 64);
    _tile_stored(2, sums[2], 64);
}

// 16 rows of signed numbers of 16 bits: a plane of low bytes, and one of high bytes half a stride behind it.
GRAMFOLD_AMX inline void multiply_halves(AmxProduct p, AmxSums& sums) {
    __asm__ volatile("" ::: "memory");
    const auto stride = std::size_t(p.stride);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (Index i = 0; i < p.steps; ++i, p.go_on(512)) {
        _tile_loadd(4, p.x, stride);
        _tile_loadd(6, p.c, 64);
        _tile_dpbusd(0, 4, 6);
        _tile_loadd(7, p.c + 256, 64);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(5, p.x + stride / 2, stride);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    alignas(64) AmxSums low, middle, other;
    _tile_stored(0, low, 64);
    _tile_stored(1, middle, 64);
    _tile_stored(2, other, 64);
    _tile_stored(3, sums, 64);
    using Bits = Vec<std::uint32_t>;
    for (int r = 0; r < 16; ++r)
        store(sums[r],
              (load<Bits>(sums[r]) << 16) + ((load<Bits>(middle[r]) + load<Bits>(other[r])) << 8) + load<Bits>(low[r]));
}

#else

inline constexpr bool has_amx() { return false; }

#endif

}  // namespace gramfold
