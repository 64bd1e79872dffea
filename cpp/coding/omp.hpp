// Rows by orthogonal matching pursuit or orthogonal least squares, from the Gram matrix.
//
//     OMP: argmax |c_j|     OLS: argmax c_j^2 / n_j     c = F'(x - Fz),  n_j = |the part of f_j outside the support|^2
//
// The support is orthonormalised on the way, q_1 .. q_s, and kept as its correlations with all atoms, h_s = F'q_s:
//     h_s = (G_j - sum_i h_i[j] h_i) / nu,  nu^2 = G_jj - sum_i h_i[j]^2,   c -= (c_j / nu) h_s,   n -= h_s^2
// one fused pass that ends with the next argmax (Batch-OMP, Rubinstein, Zibulevsky & Elad 2008, with the progressive
// Cholesky turned outward; OLS: Chen, Cowan & Grant 1991). The code solves one triangle at the end.
// Cost: k s FMA for the s-th atom. A row ends at `most` atoms, when it has explained `enough` of |x|^2, or
// when what is left, or the next atom's own part, is rounding. To choose an atom is a chain of some hundred cycles in
// which each instruction waits for the one before: several rows choose side by side, then their passes follow.
#pragma once

#include "coding/gram_rows.hpp"

namespace gramfold {

template <class T>
struct OmpRule {
    Index most;
    bool ols;
};

template <class T>
class Omp {
  public:
    using V = Vec<T>;
    static constexpr Index width = lanes<T>, strip = 4 * width;
    using Rule = OmpRule<T>;

    Omp(const GramRows<T>& gram, const Rule& rule)
        : gram_(gram.data), k_(gram.k), gp_(gram.gp), rule_(rule), most_(std::min(rule.most, k_)),
          h_(most_ * round_up<Index>(gp_, strip)), c_(gp_), n_(gp_), squares_(gp_), floor_(gp_), lower_(most_ * most_),
          gamma_(most_), atoms_(static_cast<std::size_t>(most_)) {
        squares_.zero(), floor_.zero();
        for (Index j = 0; j < k_; ++j) {
            squares_.get()[j] = gram_[j * gp_ + j];
            floor_.get()[j] = T(32) * std::numeric_limits<T>::epsilon() * squares_.get()[j];
        }
    }

    // How many rows go side by side: as many as the first-level cache has room for; none where they leave the second.
    static Index together(const GramRows<T>& gram, const Rule& rule) {
        const Index kept = std::min(rule.most, gram.k) * round_up<Index>(gram.gp, strip) * Index(sizeof(T));
        if (most_together * kept > Index{256} << 10) return 1;
        return std::clamp<Index>((Index{24} << 10) / kept, 2, most_together);
    }

    void begin(const T* b, const T*, double enough) {
        std::copy_n(b, k_, c_.get());
        std::fill(c_.get() + k_, c_.get() + gp_, T(0));
        std::copy_n(squares_.get(), gp_, n_.get());
        best_ = rule_.ols ? scores<true>() : scores<false>();
        size_ = 0, largest_ = 0, explained_ = 0, enough_ = enough;
    }

    // The next atom; false if there is none.
    bool choose() {
        if (!(size_ < most_ && explained_ < enough_)) return false;
        const T negligible = T(8) * std::numeric_limits<T>::epsilon(), most = best_.most();
        if (size_ == 0) largest_ = most;
        if (!(most > largest_ * (rule_.ols ? negligible * negligible : negligible))) return false;
        const Index j = best_.first(most);
        const T part = own_part(j);
        if (!(part > floor_.get()[j])) return false;
        const T nu = std::sqrt(part), gamma = c_.get()[j] / nu;
        atoms_[static_cast<std::size_t>(size_)] = j;
        lower_.get()[size_ * most_ + size_] = inverse_ = T(1) / nu;
        gamma_.get()[size_] = gamma;
        explained_ += double(gamma) * double(gamma);
        n_.get()[j] = -1;
        return true;
    }

    void join() {
        const Index j = atoms_[static_cast<std::size_t>(size_)];
        const T gamma = gamma_.get()[size_];
        best_ = rule_.ols ? orthonormalise<true>(j, inverse_, gamma) : orthonormalise<false>(j, inverse_, gamma);
        ++size_;
    }

    RowCode end() {
        back_substitute();
        return {size_, -0.5 * explained_, false};
    }

    Index index(Index a) const { return atoms_[static_cast<std::size_t>(a)]; }
    T value(Index a) const { return gamma_.get()[a]; }

  private:
    // h_s from component `at` on, in strips of four vectors: all h of a strip lie side by side, to be read in order.
    T* h(Index s, Index at) const { return h_.get() + at / strip * strip * most_ + s * strip + at % strip; }

    // What of f_j lies outside the support; leaves h_i[j] in lower_.
    T own_part(Index j) {
        T part = squares_.get()[j];
        T* l = lower_.get() + size_ * most_;
        for (Index i = 0; i < size_; ++i) {
            l[i] = *h(i, j);
            part -= l[i] * l[i];
        }
        return part;
    }

    // n < 0 marks the support
    template <bool ols>
    V score(V c, V n, Index v) const {
        if (ols) return n > load<V>(floor_.get() + v * width) ? c * c / n : V{};
        const V size = c < V{} ? -c : c;
        return n < V{} ? V{} : size;
    }

    template <bool ols>
    Best<T> scores() const {
        Best<T> best;
        for (Index v = 0; v < gp_ / width; ++v)
            best.offer(score<ols>(load<V>(c_.get() + v * width), load<V>(n_.get() + v * width), v), v);
        return best;
    }

    template <bool ols>
    Best<T> orthonormalise(Index j, T inverse_nu, T gamma) {
        Best<T> best;
        const T *row = gram_ + j * gp_, *l = lower_.get() + size_ * most_;
        T *c = c_.get(), *n = n_.get(), *h0 = h_.get();
        const Index size = size_, column = most_ * strip;
        // Captured by value: a reference would be read anew after every store.
        by_four_vectors(gp_ / width, [=, &best](auto count, Index first) __attribute__((always_inline)) {
            constexpr int N = decltype(count)::value;
            V sum[N];
#pragma GCC unroll 4
            for (int i = 0; i < N; ++i) sum[i] = load<V>(row + (first + i) * width);
            T* old = h0 + first * width / strip * column + first * width % strip;
            for (Index s = 0; s < size; ++s, old += strip)
#pragma GCC unroll 4
                for (int i = 0; i < N; ++i) sum[i] -= load<V>(old + i * width) * l[s];
            Best<T> of[N];
#pragma GCC unroll 4
            for (int i = 0; i < N; ++i) {
                const Index at = (first + i) * width;
                const V hs = sum[i] * inverse_nu, left = load<V>(c + at) - hs * gamma;
                V own = load<V>(n + at);
                store(old + i * width, hs);
                store(c + at, left);
                if (ols) store(n + at, own = own < V{} ? own : own - hs * hs);
                of[i] = Best<T>::one(score<ols>(left, own, first + i), first + i);
            }
            // In pairs: one after the other they would wait for each other.
#pragma GCC unroll 2
            for (int apart = 1; apart < N; apart *= 2)
#pragma GCC unroll 4
                for (int i = 0; i < N; i += 2 * apart) of[i].merge(of[i + apart]);
            best.merge(of[0]);
        });
        return best;
    }

    // L'z = gamma, in place; on the diagonal of `lower_` lie the inverses
    void back_substitute() {
        T* z = gamma_.get();
        for (Index i = size_; i-- > 0;) {
            const T* l = lower_.get() + i * most_;
            z[i] *= l[i];
            for (Index s = 0; s < i; ++s) z[s] -= l[s] * z[i];
        }
    }

    const T* gram_;
    Index k_, gp_;
    Rule rule_;
    Index most_, size_ = 0;
    T largest_ = 0, inverse_ = 0;
    double explained_ = 0, enough_ = 0;
    Best<T> best_;
    Buffer<T> h_, c_, n_, squares_, floor_, lower_, gamma_;
    std::vector<Index> atoms_;
};

}  // namespace gramfold
