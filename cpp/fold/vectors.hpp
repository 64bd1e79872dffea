// Vectors of the width of the level, by the compiler's extensions.
#pragma once

#include <cstdint>
#include <cstring>

namespace gramfold {

using Index = std::int64_t;

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64, tile_rows = 12;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32, tile_rows = 6;
#elif defined(__aarch64__)
inline constexpr int vector_bytes = 16, tile_rows = 12;
#else
inline constexpr int vector_bytes = 16, tile_rows = 6;
#endif

template <class T>
inline constexpr int lanes = vector_bytes / int(sizeof(T));

// Factors that are read as vectors are padded with zeros to a multiple of this many components.
template <class T>
inline constexpr int component_pad = lanes<T> >= 4 ? lanes<T> / 4 : 1;

template <class T, int W>
struct VectorOf {
    typedef T type __attribute__((vector_size(W * sizeof(T))));
};
template <class T>
struct VectorOf<T, 1> {
    typedef T type;
};
template <class T, int W = lanes<T>>
using Vec = typename VectorOf<T, W>::type;

template <class V, class T>
inline V load(const T* p) {
    V v;
    std::memcpy(&v, p, sizeof(V));
    return v;
}
template <class V, class T>
inline void store(T* p, const V& v) {
    std::memcpy(p, &v, sizeof(V));
}

template <class T>
inline T round_up(T n, T multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

}  // namespace gramfold
