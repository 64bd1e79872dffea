// One row at a time by orthogonal matching pursuit or orthogonal least squares, from the Gram matrix.
//
//     OMP: argmax |c_j|     OLS: argmax c_j^2 / n_j     c = F'(x - Fz),  n_j = |the part of f_j outside the support|^2
//
// The support is orthonormalised on the way, q_1 .. q_s, and kept as its correlations with all atoms, h_s = F'q_s:
//     h_s = (G_j - sum_i h_i[j] h_i) / nu,  nu^2 = G_jj - sum_i h_i[j]^2,   c -= (c_j / nu) h_s,   n -= h_s^2
// one fused pass that ends with the next argmax (Batch-OMP, Rubinstein, Zibulevsky & Elad 2008, with the progressive
// Cholesky turned outward; OLS: Chen, Cowan & Grant 1991). The code solves one triangle at the end.
// Cost: k s FMA for the s-th atom. A row ends at `most` atoms, when it has explained `enough` of |x|^2, or
// when what is left, or the next atom's own part, is rounding.
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
          h_(most_ * round_up<Index>(gp_, strip)), c_(gp_), n_(gp_), floor_(gp_), lower_(most_ * most_), gamma_(most_),
          atoms_(static_cast<std::size_t>(most_)) {
        for (Index j = 0; j < gp_; ++j)
            floor_.get()[j] = j < k_ ? T(32) * std::numeric_limits<T>::epsilon() * gram_[j * gp_ + j] : T(0);
    }

    RowCode solve(const T* b, const T*, double enough) {
        std::copy_n(b, k_, c_.get());
        std::fill(c_.get() + k_, c_.get() + gp_, T(0));
        for (Index j = 0; j < gp_; ++j) n_.get()[j] = j < k_ ? gram_[j * gp_ + j] : T(0);
        Best<T> best = rule_.ols ? scores<true>() : scores<false>();
        const T negligible = T(8) * std::numeric_limits<T>::epsilon();
        T largest = 0;
        double explained = 0;
        for (size_ = 0; size_ < most_ && explained < enough;) {
            const T most = best.most();
            if (size_ == 0) largest = most;
            if (!(most > largest * (rule_.ols ? negligible * negligible : negligible))) break;
            const Index j = best.first(most);
            const T part = own_part(j);
            if (!(part > floor_.get()[j])) break;
            const T nu = std::sqrt(part), gamma = c_.get()[j] / nu;
            atoms_[static_cast<std::size_t>(size_)] = j;
            lower_.get()[size_ * most_ + size_] = nu;
            gamma_.get()[size_] = gamma;
            explained += double(gamma) * double(gamma);
            n_.get()[j] = -1;
            best = rule_.ols ? orthonormalise<true>(j, T(1) / nu, gamma) : orthonormalise<false>(j, T(1) / nu, gamma);
            ++size_;
        }
        back_substitute();
        return {size_, -0.5 * explained, false};
    }

    Index index(Index a) const { return atoms_[static_cast<std::size_t>(a)]; }
    T value(Index a) const { return gamma_.get()[a]; }

  private:
    // h_s from component `at` on, in strips of four vectors: all h of a strip lie side by side, to be read in order.
    T* h(Index s, Index at) const { return h_.get() + at / strip * strip * most_ + s * strip + at % strip; }

    // What of f_j lies outside the support; leaves h_i[j] in lower_.
    T own_part(Index j) {
        T part = gram_[j * gp_ + j];
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
        const T* l = lower_.get() + size_ * most_;
        by_four_vectors(gp_ / width, [&](auto count, Index v) {
            constexpr int N = decltype(count)::value;
            V sum[N];
#pragma GCC unroll 4
            for (int i = 0; i < N; ++i) sum[i] = load<V>(gram_ + j * gp_ + (v + i) * width);
            const T* old = h(0, v * width);
            for (Index s = 0; s < size_; ++s, old += strip)
#pragma GCC unroll 4
                for (int i = 0; i < N; ++i) sum[i] -= load<V>(old + i * width) * l[s];
#pragma GCC unroll 4
            for (int i = 0; i < N; ++i) {
                const Index at = (v + i) * width;
                const V hs = sum[i] * inverse_nu, c = load<V>(c_.get() + at) - hs * gamma;
                V n = load<V>(n_.get() + at);
                store(h(size_, at), hs);
                store(c_.get() + at, c);
                if (ols) store(n_.get() + at, n = n < V{} ? n : n - hs * hs);
                best.offer(score<ols>(c, n, v + i), v + i);
            }
        });
        return best;
    }

    // L'z = gamma, in place
    void back_substitute() {
        T* z = gamma_.get();
        for (Index i = size_; i-- > 0;) {
            const T* l = lower_.get() + i * most_;
            z[i] /= l[i];
            for (Index s = 0; s < i; ++s) z[s] -= l[s] * z[i];
        }
    }

    const T* gram_;
    Index k_, gp_;
    Rule rule_;
    Index most_, size_ = 0;
    Buffer<T> h_, c_, n_, floor_, lower_, gamma_;
    std::vector<Index> atoms_;
};

}  // namespace gramfold
