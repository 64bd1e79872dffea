// One row at a time to the minimiser of a lasso, by an active set.
//
//     minimise over z   1/2 z'Gz - b'z + l1 |z|_1      z >= 0 if nonneg,   G = F'F + l2 I,  b = F'x
//
// c = b - Gz. Atoms that want in, |c_j| > l1, join with the sign of c_j, several at a time; the row goes towards the
// minimiser over its support with the signs held, and atoms that reach 0 on the way leave (feature-sign search, Lee,
// Battle, Raina & Ng 2007; with l1 = 0 and nonneg it is Lawson & Hanson 1974, chapter 23). Every round lowers the
// objective and ends at the minimiser over its support, so the number of rounds is finite. A row ends when no
// c_j misses its condition by more than tol, or 16 roundings, times max|b|. A row whose objective rises, because
// rounding has spoiled it along dependent atoms, stops there and counts as open.
// Cost: a round is k |A| FMA for c, fused with the choice of the next atoms, and |A|^2 per atom that joins or leaves.
#pragma once

#include <cmath>

#include "coding/support.hpp"

namespace gramfold {

template <class T>
struct LassoRule {
    T l1;
    bool nonneg;
    Index most;      // atoms in the support
    bool one_by_one; // join singly; the row ends when there are `most`
    int max_rounds;
    T tol;
};

// G = F'F + l2 I: k rows of stride gp, zero beyond k; and as it came, k x k.
template <class T>
struct GramRows {
    const T* data;
    Index k, gp;
    const double* exact;
};

template <class T>
Buffer<T> padded_rows(const double* gram, Index k, Index gp) {
    Buffer<T> padded(k * gp);
    for (Index i = 0; i < k; ++i)
        for (Index j = 0; j < gp; ++j) padded.get()[i * gp + j] = j < k ? T(gram[i * k + j]) : T(0);
    return padded;
}

// What a coder gives back of a row.
struct RowCode {
    Index size;
    double objective;  // without 1/2 |x|^2
    bool open;
};

template <class T>
class Lasso {
  public:
    using V = Vec<T>;
    static constexpr Index width = lanes<T>;
    using Rule = LassoRule<T>;

    Lasso(const GramRows<T>& gram, const Rule& rule)
        : gram_(gram.data), k_(gram.k), gp_(gram.gp), rule_(rule), most_(std::min(rule.most, k_)), set_(gram_, gp_, std::max<Index>(1, most_)), c_(gp_), bound_(gp_),
          values_(6 * room()), moved_(static_cast<std::size_t>(k_ + room())), by_(static_cast<std::size_t>(k_ + room())),
          kept_(static_cast<std::size_t>(room())) {
        std::fill_n(bound_.get(), gp_, std::numeric_limits<T>::infinity());
        std::fill_n(bound_.get(), k_, rule.l1);
    }

    // b: k values; start: k values or null; the row ends early when it has explained `enough` of |x|^2 (l1 = 0).
    RowCode solve(const T* b, const T* start, double enough) {
        reset(b, start);
        best_ = update();
        // Below some roundings of b, what is missed is noise, and along dependent atoms noise is followed far.
        const T scale = largest(b) * std::max(rule_.tol, 16 * std::numeric_limits<T>::epsilon());
        double least = objective(b);
        const bool stops = enough < std::numeric_limits<double>::infinity();
        bool open = true;
        int fresh = 0;
        T last = std::numeric_limits<T>::infinity();
        for (int round = 0; round < rule_.max_rounds; ++round) {
            const T most = best_.most(), missed = residual();
            const bool full = set_.size() == most_;
            if (missed <= scale && (most <= scale || full || (stops && explained(b) >= enough))) {
                open = round > fresh + 12;
                if (!open) break;
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
        return {set_.size(), objective(b), open};
    }

    Index index(Index a) const { return set_[a]; }
    T value(Index a) const { return z()[a]; }

  private:
    Index room() const { return round_up<Index>(std::max<Index>(1, most_), width); }
    T* z() const { return values_.get(); }
    T* sign() const { return z() + room(); }
    T* from() const { return sign() + room(); }
    T* r() const { return from() + room(); }
    T* step() const { return r() + room(); }
    T* added() const { return step() + room(); }

    void reset(const T* b, const T* start) {
        for (Index a = 0; a < set_.size(); ++a) bound_.get()[set_[a]] = rule_.l1;
        set_.clear();
        n_moved_ = changes_ = 0;
        std::copy_n(b, k_, c_.get());
        std::fill(c_.get() + k_, c_.get() + gp_, T(0));
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

    // r = c - l1 sign on the support; its largest entry
    T residual() {
        T most = 0;
        for (Index a = 0; a < set_.size(); ++a) {
            r()[a] = c_.get()[set_[a]] - rule_.l1 * sign()[a];
            most = std::max(most, std::abs(r()[a]));
        }
        for (Index a = set_.size(); a < set_.padded(); ++a) r()[a] = 0;
        return most;
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

    // Where j depends on the support it takes weight over from it, until an atom there is 0 and leaves.
    void let_in(Index j) {
        const T s = c_.get()[j] < 0 ? T(-1) : T(1), missed = s * c_.get()[j] - rule_.l1;
        T taken = 0, left = set_.outside(j);
        while (set_.depends(j, left)) {
            const T* u = set_.combination();
            T most = missed / std::max(left, gram_[j * gp_ + j] * (T(64) * std::numeric_limits<T>::epsilon())) - taken;
            Index leaves = -1;
            for (Index a = 0; a < set_.size(); ++a)
                if (u[a] * s * sign()[a] > 0 && std::abs(z()[a]) <= most * std::abs(u[a])) leaves = a, most = std::abs(z()[a] / u[a]);
            if (!(most >= 0)) break;
            taken += most;
            for (Index a = 0; a < set_.size(); ++a) {
                const T moved = z()[a] - s * most * u[a];
                z()[a] = moved * sign()[a] > 0 ? moved : T(0);
            }
            if (leaves < 0) break;
            leave(leaves);
            left = set_.outside(j);
        }
        append(j, s * taken, left);
    }

    // Directly after left = set_.outside(j)
    void append(Index j, T zj, T left) {
        const Index a = set_.size();
        const T c = c_.get()[j], added_to_j = set_.add(j, left);
        if (a % width == 0)
            for (Index i = a; i < a + width; ++i) z()[i] = from()[i] = sign()[i] = r()[i] = added()[i] = 0;
        z()[a] = zj, sign()[a] = (zj != 0 ? zj : c) < 0 ? T(-1) : T(1), added()[a] = added_to_j;
        r()[a] = c - rule_.l1 * sign()[a];
        bound_.get()[j] = std::numeric_limits<T>::infinity();
    }

    void leave(Index a) {
        const Index j = set_[a], end = set_.size() - 1;
        if (from()[a] != 0) move(j, -from()[a]);
        bound_.get()[j] = rule_.l1;
        const bool sound = set_.remove(a);
        ++changes_;
        for (T* of : {z(), from(), sign(), r(), added()}) of[a] = of[end], of[end] = 0;
        if (!sound) rebuild();
    }

    void move(Index j, T by) {
        moved_[static_cast<std::size_t>(n_moved_)] = j;
        by_[static_cast<std::size_t>(n_moved_++)] = by;
    }

    // To the minimiser over what is left of the support. Along dependent atoms, where G was added to, steps are as
    // much longer as their own curvature allows.
    void descend() {
        const V zero = {};
        while (set_.size() > 0) {
            set_.times(r(), step());
            const T reached = whole_step();
            if (!(reached > 0)) break;
            V reach = zero + reached, wrong = zero + T(1);
            for (Index a = 0; a < set_.size(); a += width) {
                const V za = load<V>(z() + a), s = load<V>(step() + a), sa = load<V>(sign() + a);
                const V until = (za + s * reached) * sa < zero ? -za / s : zero + reached;
                reach = until < reach ? until : reach;
                wrong = until <= zero && za == zero ? zero : wrong;
            }
            if (least_lane<T, lanes<T>>(wrong) == 0) {
                for (Index a = set_.size(); a-- > 0;)
                    if (z()[a] == 0 && (step()[a] < 0) != (sign()[a] < 0)) leave(a);
                continue;
            }
            const T end = least_lane<T, lanes<T>>(reach);
            for (Index a = 0; a < set_.size(); a += width) {
                const V za = load<V>(z() + a), s = load<V>(step() + a), ra = load<V>(r() + a);
                const V sa = load<V>(sign() + a), moved = za + s * end;
                const V until = (za + s * reached) * sa < zero ? -za / s : zero + 2 * reached;
                store(z() + a, until <= zero + end || moved * sa <= zero ? zero : moved);
                store(r() + a, ra - (ra - load<V>(added() + a) * s) * end);
            }
            if (end >= reached) break;
            for (Index a = set_.size(); a-- > 0;)
                if (z()[a] == 0) leave(a);
        }
        for (Index a = 0; a < set_.size(); ++a)
            if (z()[a] != from()[a]) move(set_[a], z()[a] - from()[a]);
    }

    // How many times `step` leads to the least objective along it: r's / s'Gs, 1 but for what was added to G.
    T whole_step() const {
        V slope = {}, added_part = {};
        for (Index a = 0; a < set_.size(); a += width) {
            const V s = load<V>(step() + a);
            slope += load<V>(r() + a) * s;
            added_part += load<V>(added() + a) * s * s;
        }
        const T whole = add_lanes<T>(slope), extra = add_lanes<T>(added_part);
        if (!(whole > 0) || extra <= 0) return whole > 0 ? T(1) : T(0);
        return whole / std::max(whole - extra, whole * std::sqrt(std::numeric_limits<T>::epsilon()));
    }

    // The inverse anew, where rounding of many changes shows.
    void rebuild() {
        const Index n = set_.size();
        for (Index a = 0; a < n; ++a) kept_[static_cast<std::size_t>(a)] = set_[a];
        set_.clear();
        changes_ = 0;
        for (Index a = 0; a < n; ++a) {
            const Index j = kept_[static_cast<std::size_t>(a)];
            added()[a] = set_.add(j, set_.outside(j));
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

    const T* gram_;
    Index k_, gp_;
    Rule rule_;
    Index most_;
    Support<T> set_;
    Buffer<T> c_, bound_, values_;
    std::vector<Index> moved_;
    std::vector<T> by_;
    std::vector<Index> kept_;
    Index n_moved_ = 0, changes_ = 0;
    Best<T> best_;
};

}  // namespace gramfold
