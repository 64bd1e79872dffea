// One row at a time to the minimiser of a lasso, by an active set.
//
//     minimise over z   1/2 z'Gz - b'z + l1 |z|_1      z >= 0 if nonneg,   G = F'F + l2 I,  b = F'x
//
// c = b - Gz. Atoms that want in, |c_j| > l1, join with the sign of c_j, several at a time; the row goes towards the
// minimiser over its support with the signs held, and atoms that reach 0 on the way leave (feature-sign search, Lee,
// Battle, Raina & Ng 2007; with l1 = 0 and nonneg it is Lawson & Hanson 1974, chapter 23). Every round lowers the
// objective and ends at the minimiser over its support, so the number of rounds is finite. A row ends when no
// c_j misses its condition by more than tol, or 16 roundings, times max|b|. A row whose objective rises, because
// rounding has spoiled it along dependent atoms, stops there and counts as not converged.
// Cost: a round is k |A| FMA for c, fused with the choice of the next atoms, and |A|^2 per atom that joins or leaves.
#pragma once

#include "coding/face.hpp"

namespace gramfold {

template <class T>
struct LassoRule {
    T l1;
    bool nonneg;
    Index most;       // atoms in the support
    bool one_by_one;  // join singly; the row ends when there are `most`
    int max_rounds;
    T tol;
};

template <class T>
class Lasso : public LassoFace<T> {
    using Face = LassoFace<T>;
    using Face::append, Face::clear, Face::descend, Face::let_in, Face::move, Face::rebuild, Face::slopes;
    using Face::moved_, Face::by_, Face::n_moved_, Face::changes_, Face::z, Face::from;
    using Face::width, Face::gram_, Face::k_, Face::gp_, Face::most_, Face::set_, Face::c_, Face::bound_;
    using typename Face::V;

  public:
    using Rule = LassoRule<T>;

    Lasso(const GramRows<T>& gram, const Rule& rule) : Face(gram, rule.l1, rule.most), rule_(rule) {}

    // b: k values; start: k values or null; the row ends early when it has explained `enough` of |x|^2 (l1 = 0).
    RowCode solve(const T* b, const T* start, double enough) {
        reset(b, start);
        best_ = update();
        // Below some roundings of b, what is missed is noise, and along dependent atoms noise is followed far.
        const T scale = largest(b) * std::max(rule_.tol, 16 * std::numeric_limits<T>::epsilon());
        double least = objective(b);
        const bool stops = enough < std::numeric_limits<double>::infinity();
        bool unconverged = true;
        int fresh = 0;
        T last = std::numeric_limits<T>::infinity();
        for (int round = 0; round < rule_.max_rounds; ++round) {
            const T most = best_.most(), missed = slopes();
            const bool full = set_.size() == most_;
            if (missed <= scale && (most <= scale || full || (stops && explained(b) >= enough))) {
                unconverged = round > fresh + 12;
                if (!unconverged) break;
                fresh = round;
                begin_anew(b);
                continue;
            }
            if (changes_ > 32 + set_.size()) rebuild();
            std::copy_n(z(), set_.padded(), from());
            if (most <= scale || full) {
                if (missed > T(0.5) * last) rebuild();
                last = missed;
            } else {
                join(most);
            }
            descend();
            best_ = update();
            const double now = objective(b), rounding = std::sqrt(std::numeric_limits<T>::epsilon()) * std::abs(least);
            if (!(now <= least + rounding)) break;
            least = std::min(least, now);
        }
        if (!std::isfinite(objective(b))) set_.clear();
        return {set_.size(), objective(b), unconverged};
    }

  private:
    void reset(const T* b, const T* start) {
        clear(b);
        if (!start) return;
        for (Index j = 0; j < k_ && set_.size() < most_; ++j) {
            if (start[j] == 0 || (rule_.nonneg && start[j] < 0) || gram_[j * gp_ + j] <= 0) continue;
            const T left = set_.outside(j);
            if (set_.depends(j, left)) continue;
            append(j, start[j], left);
            move(j, start[j]);
        }
    }

    // After many rounds c is computed anew from z, and judged once more.
    void begin_anew(const T* b) {
        std::copy_n(b, k_, c_.get());
        for (Index a = 0; a < set_.size(); ++a) move(set_[a], z()[a]);
        best_ = update();
    }

    // c -= G moves, and the best of those outside the support
    Best<T> update() {
        if (rule_.nonneg) return update_as<true>();
        return update_as<false>();
    }

    template <bool nonneg>
    Best<T> update_as() {
        Best<T> best;
        by_four_vectors(gp_ / width, [&](auto n, Index v) {
            constexpr int N = decltype(n)::value;
            T* c = c_.get() + v * width;
            V sum[N];
#pragma GCC unroll 4
            for (int i = 0; i < N; ++i) sum[i] = load<V>(c + i * width);
            for (Index m = 0; m < n_moved_; ++m) {
                const T* g = gram_ + moved_[static_cast<std::size_t>(m)] * gp_ + v * width;
                const T by = by_[static_cast<std::size_t>(m)];
#pragma GCC unroll 4
                for (int i = 0; i < N; ++i) sum[i] -= load<V>(g + i * width) * by;
            }
#pragma GCC unroll 4
            for (int i = 0; i < N; ++i) {
                store(c + i * width, sum[i]);
                const V size = nonneg ? sum[i] : sum[i] < V{} ? -sum[i] : sum[i];
                best.offer(size - load<V>(bound_.get() + (v + i) * width), v + i);
            }
        });
        n_moved_ = 0;
        return best;
    }

    void join(T most) {
        const Index first = best_.first(most);
        let_in(first);
        if (rule_.one_by_one) return;
        for (int i = 0; i < width && set_.size() < most_; ++i) {
            const Index j = best_.index(i);
            if (!(best_.score[i] >= T(0.6) * most) || j == first) continue;
            const T left = set_.outside(j);
            if (!set_.depends(j, left)) append(j, T(0), left);
        }
    }

    T largest(const T* b) const {
        T most = 0;
        for (Index j = 0; j < k_; ++j) most = std::max(most, std::abs(b[j]));
        return most;
    }

    double explained(const T* b) const {
        double total = 0;
        for (Index a = 0; a < set_.size(); ++a) total += double(z()[a]) * double(b[set_[a]] + c_.get()[set_[a]]);
        return total;
    }

    double objective(const T* b) const {
        double size = 0;
        for (Index a = 0; a < set_.size(); ++a) size += std::abs(double(z()[a]));
        return double(rule_.l1) * size - 0.5 * explained(b);
    }

    Rule rule_;
    Best<T> best_;
};

}  // namespace gramfold
