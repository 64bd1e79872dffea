// Numbers of other types than a kernel's, turned into its floats where a block of rows is opened.
#pragma once

#include <cstdint>

namespace gramfold {

using Index = std::int64_t;

// How an item lies in memory.
enum class Item {
    boolean,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
    float16,
    bfloat16,
    float32,
    float64
};

// to = n items that lie `step` bytes apart, at any address.
template <class T>
using Convert = void (*)(const char* from, Index step, Index n, T* to);

// What reads items as T; null where they are read as the other float: float has all digits of up to 16 bits and its
// own, all others become double. swapped: in the byte order that is not the machine's.
template <class T>
Convert<T> converter(Item item, bool swapped);
template <>
Convert<float> converter(Item item, bool swapped);
template <>
Convert<double> converter(Item item, bool swapped);

}  // namespace gramfold
