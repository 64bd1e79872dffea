// Logarithms of Gaussian densities of a strip of rows under k components, the rows in vector lanes.
//
//     l_t = constant_t - 1/2 |(x - c_t) U_t|^2     U_t upper triangular, U_t U_t' the inverse covariance
//
//     full       U_t for each component: a triangular product after the subtraction, d^2 / 2 FMA a component
//     tied       one U: rows are multiplied by it once, c_t are means times U
//     diag       U_t diagonal
//     spherical  U_t = u_t I
//
// The difference comes first, so that nothing cancels, however far the data lie from the origin of a component.
// A strip is d x strip_rows, contiguous. Sums over features run in order: a row's result depends on that row alone.
#pragma once

#include "fold/dense.hpp"

namespace gramfold {

enum class Covariance { full, tied, diag, spherical };

// As many vectors as leave four accumulators each, one operand each and a broadcast in registers.
inline constexpr int strip_vectors = tile_rows >= 12 ? 6 : 3;
template <class T>
inline constexpr Index strip_rows = strip_vectors * lanes<T>;

template <class T>
class QuadraticForms {
  public:
    // centers: k x d; factor: k x d x d, d x d, k x d or k, by kind; constants: k.
    QuadraticForms(Covariance kind, Index k, Index d, const T* centers, const T* factor, const double* constants)
        : kind_(kind), k_(k), d_(d), centers_(centers), factor_(factor), constants_(constants, constants + k) {
        const Index matrices = kind == Covariance::full ? k : kind == Covariance::tied ? 1 : 0;
        packed_ = Buffer<T>(matrices * triangle());
        for (Index t = 0; t < matrices; ++t) pack_triangle(factor + t * d * d, packed_.get() + t * triangle());
    }

    Index scratch_size() const { return d_ * rows; }

    // l: k x rows with row stride `stride`.
    void operator()(const T* x, T* scratch, T* l, Index stride) const {
        components<NV>(k_, [](Index t) { return t; }, prepared(x, scratch), scratch, l, stride);
    }

    // l: listed x rows, of the components in a list and the first `vectors` of the strip at least.
    void some(const std::int32_t* list, Index listed, int vectors, const T* x, T* scratch, T* l, Index stride) const {
        some_of<1>(list, listed, vectors, prepared(x, scratch), scratch, l, stride);
    }

  private:
    using V = Vec<T>;
    static constexpr int NV = strip_vectors, width = 4;
    static constexpr int together = NV < 6 ? 3 : 1;  // components: so that sums do not wait for themselves
    static constexpr Index w = lanes<T>, rows = strip_rows<T>;

    const T* prepared(const T* x, T* scratch) const {
        if (kind_ != Covariance::tied) return x;
        columns(x, packed_.get(), [&](Index j, const auto& y) { put(y, scratch + j * rows); });
        return scratch;
    }

    template <int N>
    void some_of(const std::int32_t* list, Index listed, int vectors, const T* x, T* scratch, T* l,
                 Index stride) const {
        if constexpr (N < NV)
            if (vectors > N) return some_of<N + 1>(list, listed, vectors, x, scratch, l, stride);
        components<N>(listed, [&](Index j) { return Index(list[j]); }, x, scratch, l, stride);
    }

    // The first N vectors of the lines of l, of the components at(0) ... at(count - 1).
    template <int N, class At>
    void components(Index count, const At& at, const T* x, T* scratch, T* l, Index stride) const {
        Index j = 0;
        if (kind_ == Covariance::full)
            for (; j < count; ++j) full<N>(at(j), x, scratch, l + j * stride);
        for (; j + together <= count; j += together) some_distances<N, together>(j, at, x, l, stride);
        for (; j < count; ++j) some_distances<N, 1>(j, at, x, l, stride);
    }

    // All of a strip are worked on.
    template <int N>
    void full(Index t, const T* x, T* scratch, T* l) const {
        const T* c = centers_ + t * d_;
        for (Index i = 0; i < d_; ++i)
            for (Index r = 0; r < rows; r += w) store(scratch + i * rows + r, load<V>(x + i * rows + r) - c[i]);
        V q[NV] = {};
        columns(scratch, packed_.get() + t * triangle(), [&](Index, const auto& y) { add_squares(y, q); });
        finish<N>(q, T(-0.5), t, l);
    }

    template <int N, int C, class At>
    void some_distances(Index first, const At& at, const T* x, T* l, Index stride) const {
        Index t[C];
        for (int j = 0; j < C; ++j) t[j] = at(first + j);
        if (kind_ == Covariance::diag) distances<true, N, C>(t, x, l + first * stride, stride);
        else distances<false, N, C>(t, x, l + first * stride, stride);
    }

    template <int J>
    struct Columns {
        V y[J][NV];
    };

    // Tiles of `width` columns reach down to their last diagonal entry; the zeros above it are stored too.
    Index triangle() const {
        Index size = 0;
        for (Index j = 0; j < d_; j += width) size += std::min<Index>(width, d_ - j) * std::min<Index>(j + width, d_);
        return size;
    }

    void pack_triangle(const T* u, T* out) const {
        for (Index j = 0; j < d_; j += width) {
            const Index n = std::min<Index>(width, d_ - j);
            for (Index i = 0; i < j + n; ++i)
                for (Index c = j; c < j + n; ++c) *out++ = i <= c ? u[i * d_ + c] : T(0);
        }
    }

    // f(j, columns j.. of z U), z: d x rows.
    template <class F>
    void columns(const T* z, const T* u, F f) const {
        for (Index j = 0; j < d_; j += width) {
            const Index n = std::min<Index>(width, d_ - j);
            if (n == 4) f(j, tile<4>(j + n, z, u));
            else if (n == 3) f(j, tile<3>(j + n, z, u));
            else if (n == 2) f(j, tile<2>(j + n, z, u));
            else f(j, tile<1>(j + n, z, u));
            u += n * (j + n);
        }
    }

    template <int J>
    static Columns<J> tile(Index depth, const T* z, const T* u) {
        Columns<J> acc = {};
        for (Index i = 0; i < depth; ++i, z += rows, u += J) {
            V in[NV];
#pragma GCC unroll 8
            for (int v = 0; v < NV; ++v) in[v] = load<V>(z + v * w);
#pragma GCC unroll 4
            for (int j = 0; j < J; ++j) {
                const T s = u[j];
#pragma GCC unroll 8
                for (int v = 0; v < NV; ++v) acc.y[j][v] += in[v] * s;
            }
        }
        return acc;
    }

    template <int J>
    static void add_squares(const Columns<J>& y, V (&q)[NV]) {
        for (int j = 0; j < J; ++j)
            for (int v = 0; v < NV; ++v) q[v] += y.y[j][v] * y.y[j][v];
    }

    template <int J>
    static void put(const Columns<J>& y, T* out) {
        for (int j = 0; j < J; ++j)
            for (int v = 0; v < NV; ++v) store(out + j * rows + v * w, y.y[j][v]);
    }

    // constant_t - 1/2 sum_i (x_i - c_ti)^2, each difference times u_ti if weighted, for C components.
    template <bool weighted, int N, int C>
    void distances(const Index (&t)[C], const T* x, T* l, Index stride) const {
        const T *c[C], *u[C];
        for (int j = 0; j < C; ++j) c[j] = centers_ + t[j] * d_, u[j] = weighted ? factor_ + t[j] * d_ : nullptr;
        V q[C][N] = {};
        for (Index i = 0; i < d_; ++i, x += rows) {
            V in[N];
#pragma GCC unroll 8
            for (int v = 0; v < N; ++v) in[v] = load<V>(x + v * w);
#pragma GCC unroll 4
            for (int j = 0; j < C; ++j) {
                const T center = c[j][i];
#pragma GCC unroll 8
                for (int v = 0; v < N; ++v) {
                    V y = in[v] - center;
                    if constexpr (weighted) y *= u[j][i];
                    q[j][v] += y * y;
                }
            }
        }
        for (int j = 0; j < C; ++j) {
            const T unit = kind_ == Covariance::spherical ? factor_[t[j]] : T(1);
            finish<N>(q[j], T(-0.5) * unit * unit, t[j], l + j * stride);
        }
    }

    template <int N>
    void finish(const V* q, T factor, Index t, T* l) const {
        for (int v = 0; v < N; ++v) store(l + v * w, q[v] * factor + T(constants_[static_cast<std::size_t>(t)]));
    }

    Covariance kind_;
    Index k_, d_;
    const T *centers_, *factor_;
    std::vector<double> constants_;
    Buffer<T> packed_;
};

}  // namespace gramfold
