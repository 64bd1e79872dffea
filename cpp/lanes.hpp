// Rows of X into panels in which vectors run over rows: shifted, scaled, converted and transposed in one go.
#pragma once

#include "dense.hpp"

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
                if constexpr (M > 1) tile_detail::exchange_round<S, M, 1>(v, std::make_integer_sequence<int, M>{});
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

}  // namespace gramfold
