// What product() is made of: tiles of registers. Compiled once, and not again for every family.
#include "fold/tile.hpp"

#include <array>
#include <utility>

namespace gramfold {

namespace tile_detail {

template <class T>
struct Product {
    Index depth;
    const T* a;
    Index a_row, a_depth;
    const T* b;
    Index b_depth;
    T* out;
    Index out_row;
    bool add;
    const char*
        fetch;  // prefetched with two steps of q: this line and the next ones, each so many bytes on, 0 for none
    Index second, third, fetch_step;
};

template <class T, int W, int NV, int R>
void tile(const Product<T>& p) {
    using V = Vec<T, W>;
    V acc[R][NV] = {};
    // One pointer for three rows, the others by scaled index: all fit in the integer registers.
    const T *a[(R + 2) / 3], *b = p.b;
    for (int r = 0; r < R; r += 3) a[r / 3] = p.a + r * p.a_row;
    const Index step = p.a_row, next = p.a_depth;
    const auto one = [&]() __attribute__((always_inline)) {
        V bv[NV];
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) bv[v] = load<V>(b + v * W);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const T s = a[r / 3][r % 3 * step];
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) acc[r][v] += bv[v] * s;
        }
#pragma GCC unroll 4
        for (int i = 0; i < (R + 2) / 3; ++i) a[i] += next;
        b += p.b_depth;
    };
    const char* fetch = p.fetch;
    const Index second = p.second, third = p.third;
    Index q = p.depth;
    for (; q >= 2; q -= 2, fetch += p.fetch_step) {
        __builtin_prefetch(fetch, 0, 2);
        if (second) __builtin_prefetch(fetch + second, 0, 2);
        if (third) __builtin_prefetch(fetch + third, 0, 2);
        one();
        one();
    }
    if (q) one();
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) {
            T* o = p.out + r * p.out_row + v * W;
            store(o, p.add ? load<V>(o) + acc[r][v] : acc[r][v]);
        }
}

template <class T, int W, int NV, int... R>
constexpr auto tiles_of(std::integer_sequence<int, R...>) {
    return std::array<void (*)(const Product<T>&), sizeof...(R)>{&tile<T, W, NV, R + 1>...};
}

// One panel of NV * W columns: the rows are shared out evenly over the fewest tiles.
template <class T, int W, int NV>
void panel(Product<T>& p, Index rows, Index fetch_tile) {
    constexpr int most = NV > 2 ? few_rows : tile_rows;
    static constexpr auto tiles = tiles_of<T, W, NV>(std::make_integer_sequence<int, most>{});
    for (Index left = (rows + most - 1) / most; rows > 0; --left) {
        const Index r = (rows + left - 1) / left;
        tiles[static_cast<std::size_t>(r - 1)](p);
        p.a += r * p.a_row;
        p.out += r * p.out_row;
        p.fetch += fetch_tile;
        rows -= r;
    }
}

// How many bytes of a total go with every two steps of q, of all tiles.
inline Index per_two_steps(Index bytes, Index rows, Index panels, Index depth) {
    const Index steps = std::max<Index>(1, (rows + tile_rows - 1) / tile_rows * panels * (depth / 2));
    return (bytes + steps - 1) / steps;
}

}  // namespace tile_detail

// out (rows x cols, row stride out_row) = or += a (rows x depth, strides a_row, a_depth) * b (depth x cols).
// b has contiguous rows with stride b_depth, or comes from pack() and b_depth is `packed`. So may out be, for unpack().
template <class T>
void product(Index rows, Index cols, Index depth, const T* a, Index a_row, Index a_depth, const T* b, Index b_depth,
             T* out, Index out_row, bool add, Fetch fetch) {
    const char* lines = fetch.bytes ? static_cast<const char*>(fetch.lines) : nullptr;
    Index panels = 0, spread = 0;
    if (lines) {
        each_panel<T>(cols, [&](auto, auto, Index) { ++panels; });
        spread = tile_detail::per_two_steps(fetch.bytes, rows, panels, depth);
    }
    for (Index q = 0; q < depth || q == 0; q += depth_piece) {
        const Index piece = std::min(depth_piece, depth - q);
        const auto one = [&](auto w, auto nv, Index c) {
            const T* panel_b = b_depth == packed ? b + q * cols + c * piece : b + q * b_depth + c;
            const Index stride = b_depth == packed ? w * nv : b_depth;
            const char* first = lines ? lines : reinterpret_cast<const char*>(panel_b + fetch.ahead);
            const Index next = fetch.ahead ? stride * Index(sizeof(T)) : 0;
            const bool in_panels = out_row == packed;
            tile_detail::Product<T> p{piece,
                                      a + q * a_depth,
                                      a_row,
                                      a_depth,
                                      panel_b,
                                      stride,
                                      out + c * (in_panels ? rows : 1),
                                      in_panels ? w * nv : out_row,
                                      add || q > 0,
                                      first,
                                      lines ? (spread > 64 ? 64 : 0) : next,
                                      spread > 128 ? 128 : 0,
                                      lines ? spread : 2 * next};
            tile_detail::panel<T, w, nv>(p, rows, lines ? piece / 2 * spread : fetch.ahead ? 64 : 0);
            if (lines) lines = p.fetch;
        };
        if (b_depth == packed) each_panel<T>(cols, one);
        else each_panel_of<T>(rows, cols, one);
    }
}

template void product(Index, Index, Index, const float*, Index, Index, const float*, Index, float*, Index, bool, Fetch);
template void product(Index, Index, Index, const double*, Index, Index, const double*, Index, double*, Index, bool,
                      Fetch);
template void pack(Index, Index, const float*, Index, Index, Index, float*);
template void pack(Index, Index, const double*, Index, Index, Index, double*);

}  // namespace gramfold
