// A row of a lasso on its support: atoms join and leave, and the row goes to the minimiser over them, signs held.
//
// z, its signs and c = b - Gz are kept along. What z has moved by waits in a list until c is updated, in one pass
// over it with the choice of the next atoms.
#pragma once

#include <cmath>

#include "coding/gram_rows.hpp"

namespace gramfold {

template <class T>
class LassoFace {
  public:
    using V = Vec<T>;
    static constexpr Index width = lanes<T>;

    Index index(Index a) const { return set_[a]; }
    T value(Index a) const { return z()[a]; }

  protected:
    LassoFace(const GramRows<T>& gram, T l1, Index most)
        : gram_(gram.data), k_(gram.k), gp_(gram.gp), l1_(l1), most_(std::min(most, k_)),
          set_(gram_, gp_, std::max<Index>(1, most_)), c_(gp_), bound_(gp_), values_(6 * room()),
          moved_(static_cast<std::size_t>(k_ + room())), by_(static_cast<std::size_t>(k_ + room())),
          kept_(static_cast<std::size_t>(room())) {
        std::fill_n(bound_.get(), gp_, std::numeric_limits<T>::infinity());
        std::fill_n(bound_.get(), k_, l1_);
    }

    Index room() const { return round_up<Index>(std::max<Index>(1, most_), width); }
    T* z() const { return values_.get(); }
    T* sign() const { return z() + room(); }
    T* from() const { return sign() + room(); }
    T* r() const { return from() + room(); }
    T* step() const { return r() + room(); }
    T* added() const { return step() + room(); }

    // z = 0 and c = b.
    void clear(const T* b) {
        for (Index a = 0; a < set_.size(); ++a) bound_.get()[set_[a]] = l1_;
        set_.clear();
        n_moved_ = changes_ = 0;
        std::copy_n(b, k_, c_.get());
        std::fill(c_.get() + k_, c_.get() + gp_, T(0));
    }

    // r = c - l1 sign on the support; its largest entry
    T slopes() {
        T most = 0;
        for (Index a = 0; a < set_.size(); ++a) {
            r()[a] = c_.get()[set_[a]] - l1_ * sign()[a];
            most = std::max(most, std::abs(r()[a]));
        }
        for (Index a = set_.size(); a < set_.padded(); ++a) r()[a] = 0;
        return most;
    }

    // Where j depends on the support it takes weight over from it, until an atom there is 0 and leaves.
    void let_in(Index j) {
        const T s = c_.get()[j] < 0 ? T(-1) : T(1), missed = s * c_.get()[j] - l1_;
        T taken = 0, left = set_.outside(j);
        while (set_.depends(j, left)) {
            const T* u = set_.combination();
            T most = missed / std::max(left, gram_[j * gp_ + j] * (T(64) * std::numeric_limits<T>::epsilon())) - taken;
            Index leaves = -1;
            for (Index a = 0; a < set_.size(); ++a)
                if (u[a] * s * sign()[a] > 0 && std::abs(z()[a]) <= most * std::abs(u[a]))
                    leaves = a, most = std::abs(z()[a] / u[a]);
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
        r()[a] = c - l1_ * sign()[a];
        bound_.get()[j] = std::numeric_limits<T>::infinity();
    }

    void leave(Index a) {
        const Index j = set_[a], end = set_.size() - 1;
        if (from()[a] != 0) move(j, -from()[a]);
        bound_.get()[j] = l1_;
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

    const T* gram_;
    Index k_, gp_;
    T l1_;
    Index most_;
    Support<T> set_;
    Buffer<T> c_, bound_, values_;  // bound: what |c| must pass for an atom to join
    std::vector<Index> moved_;
    std::vector<T> by_;
    std::vector<Index> kept_;
    Index n_moved_ = 0, changes_ = 0;
};

}  // namespace gramfold
