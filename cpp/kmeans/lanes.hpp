// Rows of X into panels in which vectors run over rows: shifted, scaled, converted and transposed in one go.
#pragma once

#include "fold/dense.hpp"

namespace gramfold {

// (x - shift) scale, computed in the wider of the two types.
template <class T, class S>
class ToLanes {
  public:
    using Wide = std::conditional_t<sizeof(T) == 8 || sizeof(S) == 8, double, float>;

    ToLanes(const std::vector<double>& shift, double scale) : shift_(shift.begin(), shift.end()), scale_(Wide(scale)) {}

    // out (d x N * groups) = N * groups rows side by side.
    template <int N>
    void operator()(const T* const* rows, Index d, int groups, S* out) const {
        for (int g = 0; g < groups; ++g) {
            Index q = 0;
            squares<N, N>(rows + g * N, d, q, groups * N, out + g * N);
            if constexpr (N >= 4) squares<N, N / 2>(rows + g * N, d, q, groups * N, out + g * N);
            if constexpr (N >= 8) squares<N, N / 4>(rows + g * N, d, q, groups * N, out + g * N);
            for (; q < d; ++q)
                for (int r = 0; r < N; ++r)
                    out[q * groups * N + g * N + r] = S((Wide(rows[g * N + r][q]) - shift_[std::size_t(q)]) * scale_);
        }
    }

  private:
    template <int N, int M>
    void squares(const T* const* rows, Index d, Index& q, Index stride, S* out) const {
        for (; q + M <= d; q += M)
            for (int part = 0; part < N; part += M) {
                const auto shift = load<Vec<Wide, M>>(shift_.data() + q);
                Vec<S, M> v[M];
#pragma GCC unroll 16
                for (int i = 0; i < M; ++i) v[i] = narrow<M>((wide<M>(rows[part + i] + q) - shift) * scale_);
                if constexpr (M > 1) transpose_in_place<S, M>(v);
#pragma GCC unroll 16
                for (int i = 0; i < M; ++i) store(out + (q + i) * stride + part, v[i]);
            }
    }

    template <int M>
    static Vec<Wide, M> wide(const T* p) {
        if constexpr (std::is_same_v<T, Wide>) return load<Vec<T, M>>(p);
        else return __builtin_convertvector(load<Vec<T, M>>(p), Vec<Wide, M>);
    }
    template <int M>
    static Vec<S, M> narrow(const Vec<Wide, M>& v) {
        if constexpr (std::is_same_v<S, Wide>) return v;
        else return __builtin_convertvector(v, Vec<S, M>);
    }

    std::vector<Wide> shift_;
    Wide scale_;
};

namespace lanes_detail {

// acc with the entries of v, the M-th of the vectors that hold D columns of the same rows, where column Q has them.
template <int D, int Q, int M, class V, int... I>
inline V take(V acc, V v, std::integer_sequence<int, I...>) {
    using T = std::decay_t<decltype(v[0])>;
    constexpr int n = sizeof...(I);
    using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    constexpr Vec<Bits, n> from = {Bits((I * D + Q) / n == M             ? n + (I * D + Q) % n
                                        : M == 1 && (I * D + Q) / n == 0 ? I * D + Q
                                                                         : I)...};
    return __builtin_shuffle(acc, v, from);
}

template <int D, int Q, int M, class V>
inline V column(V acc, const V* v) {
    constexpr int n = sizeof(V) / sizeof(v[0][0]);
    if constexpr (M == D) return acc;
    else return column<D, Q, M + 1>(take<D, Q, M>(acc, v[M], std::make_integer_sequence<int, n>{}), v);
}

}  // namespace lanes_detail

// D columns of rows that lie one behind the other.
template <class T, int D, int... Q>
inline void columns_to_lanes(const T* rows, T* out, Index stride, std::integer_sequence<int, Q...>) {
    using V = Vec<T>;
    V v[D];
    for (int m = 0; m < D; ++m) v[m] = load<V>(rows + m * lanes<T>);
    (store(out + Q * stride, lanes_detail::column<D, Q, 1>(v[0], v)), ...);
}

}  // namespace gramfold
