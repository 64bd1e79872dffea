// Squared distances |x - c|^2 between single rows, from the differences themselves: nothing cancels.
#pragma once

#include "fold/dense.hpp"

namespace gramfold {

// Of passes that add up nothing.
struct NoSums {
    void clear() {}
    NoSums& operator+=(const NoSums&) { return *this; }
};

template <class V, class T>
inline V widened(const T* p) {
    if constexpr (sizeof(V) / sizeof(double) * sizeof(T) == sizeof(V)) return load<V>(p);
    else return __builtin_convertvector(load<Vec<T, int(sizeof(V) / sizeof(double))>>(p), V);
}

// In double, one sum per lane. Gives up, with a value above `most`, once the sum has passed it.
template <class T>
double exact_distance(const T* x, const T* c, Index d, double most) {
    constexpr int w = lanes<double>;
    using V = Vec<double>;
    constexpr Index piece = 16 * w;
    double total = 0;
    Index q = 0;
    for (; q + w <= d && !(total > most);) {
        V even = {}, odd = {};
        const Index end = std::min(d, q + piece);
        for (; q + 2 * w <= end; q += 2 * w) {
            const V a = widened<V>(x + q) - widened<V>(c + q), b = widened<V>(x + q + w) - widened<V>(c + q + w);
            even += a * a, odd += b * b;
        }
        for (; q + w <= end; q += w) {
            const V a = widened<V>(x + q) - widened<V>(c + q);
            even += a * a;
        }
        even += odd;
        for (int l = 0; l < w; ++l) total += even[l];
    }
    for (; q < d && !(total > most); ++q) {
        const double a = double(x[q]) - double(c[q]);
        total += a * a;
    }
    return total;
}

// The same of R rows and C centroids, to the bit, at less cost each.
template <int R, int C, class T>
void exact_distances(const T* const* x, const T* const* c, Index d, double (&total)[R][C]) {
    constexpr int w = lanes<double>;
    using V = Vec<double>;
    constexpr Index piece = 16 * w;
    for (auto& row : total) std::fill_n(row, C, 0.0);
    Index q = 0;
    while (q + w <= d) {
        V even[R][C] = {}, odd[R][C] = {};
        const auto add = [&](Index at, V(&to)[R][C]) __attribute__((always_inline)) {
            V rows[R];
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) rows[r] = widened<V>(x[r] + at);
#pragma GCC unroll 4
            for (int j = 0; j < C; ++j) {
                const V center = widened<V>(c[j] + at);
#pragma GCC unroll 4
                for (int r = 0; r < R; ++r) {
                    const V a = rows[r] - center;
                    to[r][j] += a * a;
                }
            }
        };
        const Index end = std::min(d, q + piece);
        for (; q + 2 * w <= end; q += 2 * w) add(q, even), add(q + w, odd);
        for (; q + w <= end; q += w) add(q, even);
        for (int r = 0; r < R; ++r)
            for (int j = 0; j < C; ++j) {
                even[r][j] += odd[r][j];
                for (int l = 0; l < w; ++l) total[r][j] += even[r][j][l];
            }
    }
    for (; q < d; ++q)
        for (int r = 0; r < R; ++r)
            for (int j = 0; j < C; ++j) {
                const double a = double(x[r][q]) - double(c[j][q]);
                total[r][j] += a * a;
            }
}

// The nearest centroid by these distances; of equally near ones the first.
template <class T>
Index exact_nearest(const T* x, const T* centers, Index k, Index d) {
    double first = std::numeric_limits<double>::infinity();
    Index label = 0;
    for (Index j = 0; j < k; ++j) {
        const double a = exact_distance(x, centers + j * d, d, first);
        if (a < first) first = a, label = j;
    }
    return label;
}

// The sum of all lanes, in pairs.
template <class T>
inline T sum_lanes(Vec<T> v) {
    constexpr int n = lanes<T>;
    T parts[n];
    store(parts, v);
    for (int half = n / 2; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) parts[l] += parts[l + half];
    return parts[0];
}

// Squares in one lane each, to be added up over a few rows; what is behind the last whole vector is in `tail`.
template <class T>
struct Squares {
    Vec<T> lanes_ = {};
    T tail = 0;

    double sum() const { return double(tail) + double(sum_lanes<T>(lanes_)); }
};

template <class T>
inline Squares<T> distance(const T* x, const T* c, Index d) {
    constexpr Index w = lanes<T>;
    using V = Vec<T>;
    Squares<T> even, odd;
    Index q = 0;
    for (; q + 2 * w <= d; q += 2 * w) {
        const V a = load<V>(x + q) - load<V>(c + q), b = load<V>(x + q + w) - load<V>(c + q + w);
        even.lanes_ += a * a, odd.lanes_ += b * b;
    }
    for (; q + w <= d; q += w) {
        const V a = load<V>(x + q) - load<V>(c + q);
        even.lanes_ += a * a;
    }
    even.lanes_ += odd.lanes_;
    for (; q < d; ++q) even.tail += (x[q] - c[q]) * (x[q] - c[q]);
    return even;
}

// The same, and sums += weight (x - c).
template <class T>
inline Squares<T> add_difference(const T* x, const T* c, Index d, T weight, T* sums) {
    constexpr Index w = lanes<T>;
    using V = Vec<T>;
    Squares<T> even, odd;
    Index q = 0;
    for (; q + 2 * w <= d; q += 2 * w) {
        const V a = load<V>(x + q) - load<V>(c + q), b = load<V>(x + q + w) - load<V>(c + q + w);
        even.lanes_ += a * a, odd.lanes_ += b * b;
        store(sums + q, load<V>(sums + q) + a * weight);
        store(sums + q + w, load<V>(sums + q + w) + b * weight);
    }
    for (; q + w <= d; q += w) {
        const V a = load<V>(x + q) - load<V>(c + q);
        even.lanes_ += a * a;
        store(sums + q, load<V>(sums + q) + a * weight);
    }
    even.lanes_ += odd.lanes_;
    for (; q < d; ++q) {
        const T a = x[q] - c[q];
        even.tail += a * a;
        sums[q] += a * weight;
    }
    return even;
}

}  // namespace gramfold
