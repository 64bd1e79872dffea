// Rows to their minimisers: sweeps as in hals.hpp, and every `polish` of them steps on the face, for all rows that are
// still open.
//
// Non-negative rows without a start begin at the solution of the dual,
//     minimise 1/2 y'By + y'Bp  over y >= 0,   B = G^-1,   z = B (p + y),   z_t = 0 where y_t > 0
// after a few sweeps over y: dictionaries of many nearly dependent atoms have codes with few zeros, where B restricted to
// the zeros is far better conditioned than G restricted to the rest. Where B is known well enough, only the support is
// taken from it, in single precision (dual.hpp). They go on by solves on their supports and sweeps in turn (pivot.hpp),
// which end nearly all of them; the rest take the safe way of all other rows.
//
// Open rows are kept together, in front of the block, so that no vector waits for one row. What happens to a row does
// not depend on its place, nor on its neighbours.
#pragma once

#include <numeric>

#include "dual.hpp"
#include "face.hpp"
#include "hals.hpp"

namespace gramfold {

template <class T>
class Exact {
  public:
    static constexpr int width = Hals<T>::width, across = Hals<T>::across, wide = width * across;
    static constexpr int max_face_steps = 8, rounds = 8;
    using V = Vec<T>;
    using Lanes = typename Hals<T>::Lanes;

    static Index scratch_size(Index k) {
        const Index dual = DualStart<T>::scratch_size(k) * Index(sizeof(float)) / Index(sizeof(T));
        return std::max({Face<T>::scratch_size(k), 2 * k * wide, dual});
    }

    // z, p: k x count, row stride `stride`; count a multiple of row_group. Both are permuted on the way, p for good.
    Exact(const Hals<T>& rows, T* z, T* p, Index stride, Index count, T* scratch)
        : rows_(rows), z_(z), p_(p), stride_(stride), count_(count), scratch_(scratch),
          order_(static_cast<std::size_t>(count)), open_(static_cast<std::size_t>(count)) {
        std::iota(order_.begin(), order_.end(), Index{0});
    }

    RowStats solve(bool from_dual) {
        RowStats stats;
        rows_.with_prox([&](auto prox) {
            Index open = count_;
            if (prox == Prox::nonneg && from_dual && rows_.inverse) open = pivot(stats);
            descend<prox>(open, stats);
            restore_order();
        });
        return stats;
    }

  private:
    // Solves on supports and sweeps in turn; returns how many rows did not end.
    Index pivot(RowStats& stats) {
        Supports supports(rows_.k, count_);
        const auto positive = [](V z) { return z > V{}; };
        if (rows_.dual && rows_.dual->sound) {
            const DualStart<T> start(*rows_.dual, reinterpret_cast<float*>(scratch_));
            for (Index r = 0; r < count_; r += start.wide) start.solve(p_ + r, stride_, supports, r);
        } else {
            for (Index r = 0; r < count_; r += wide) start(r, 4, T(0.1));
            supports.mark(z_, stride_, count_, 0, positive);
        }
        Pivot<T> pivot(rows_.gram, rows_.k, scratch_);
        Index open = count_;
        for (int s = 0; s < std::min(rounds, rows_.max_sweeps) && open > 0; ++s) {
            if (s > 0) supports.mark(z_, stride_, round_up<Index>(open, width), 0, positive);
            pivot.step(supports, z_, p_, stride_, open);
            for (Index r = 0; r < open; r += wide) {
                const Lanes active = rows_.check(z_ + r, p_ + r, stride_, first_lanes(open - r), stats);
                for (int v = 0; v < across; ++v) store(open_.data() + r + v * width, active.x[v]);
            }
            open = bring_open_forward(open);
        }
        return open;
    }

    template <Prox prox>
    void descend(const Index count, RowStats& stats) {
        Index open = count;
        for (int s = 0; s < rows_.max_sweeps && open > 0; ++s) {
            for (Index r = 0; r < open; r += wide) {
                Lanes active = first_lanes(open - r), first, violation;
                active = rows_.template sweep<prox>(z_ + r, p_ + r, stride_, active, s == 0, first, violation);
                for (int v = 0; v < across; ++v) store(open_.data() + r + v * width, active.x[v]);
                stats.violation += Hals<T>::sum(violation);
                if (s == 0) stats.step += Hals<T>::sum(first);
            }
            open = bring_open_forward(open);
            if (due(s + 1)) to_face(open);
        }
        stats.open = double(open);
        for (Index r = 0; r < count; r += wide) rows_.template finish<prox>(z_ + r, p_ + r, stride_, first_lanes(count - r), stats);
    }

    // After 16 times ever more rarely, so that the rounding of a nearly singular G cannot keep a row from ending.
    bool due(int sweeps) const {
        const int times = sweeps / rows_.polish;
        return sweeps % rows_.polish == 0 && (times <= 16 || (times & (times - 1)) == 0);
    }

    void to_face(Index open) {
        const Face<T> face(rows_.gram, rows_.k, rows_.nonneg ? T(0) : rows_.l1, scratch_);
        for (int s = 0; s < max_face_steps && open > 0; ++s) {
            for (Index r = 0; r < open; r += width)
                store(open_.data() + r, face.step(z_ + r, p_ + r, stride_, first_lanes(open - r).x[0]));
            open = bring_open_forward(open);
        }
    }

    void start(Index r, int dual_sweeps, T shrink) {
        const Index k = rows_.k;
        T *negative = scratch_, *y = scratch_ + k * wide, *z = z_ + r;
        const T* b = rows_.inverse->gram();
        product(k, Index{wide}, k, b, k, 1, p_ + r, stride_, negative, Index{wide}, false);
        for (Index i = 0; i < k * wide; ++i) negative[i] = -negative[i], y[i] = 0;
        Hals<T>(*rows_.inverse, nullptr, T(0), true, dual_sweeps, shrink, T(0)).solve(y, negative, wide, wide, nullptr);
        product(k, Index{wide}, k, b, k, 1, y, Index{wide}, z, stride_, false);
        for (Index t = 0; t < k; ++t)
            for (Index i = 0; i < wide; ++i) {
                const T free = z[t * stride_ + i] - negative[t * wide + i];
                z[t * stride_ + i] = y[t * wide + i] > 0 || free < 0 || rows_.inverse_diagonal[t] == 0 ? T(0) : free;
            }
    }

    static Lanes first_lanes(Index count) {
        Lanes lanes;
        for (int v = 0; v < across; ++v)
            for (int i = 0; i < width; ++i) lanes.x[v][i] = v * width + i < count ? T(1) : T(0);
        return lanes;
    }

    // Of the first `count` rows those marked in open_ come first; returns how many.
    Index bring_open_forward(Index count) {
        Index end = std::count_if(open_.begin(), open_.begin() + count, [](T o) { return o > 0; });
        for (Index to = 0, from = end; to < end; ++to) {
            if (open_[static_cast<std::size_t>(to)] > 0) continue;
            while (!(open_[static_cast<std::size_t>(from)] > 0)) ++from;
            exchange(to, from++);
        }
        return end;
    }

    void restore_order() {
        for (Index i = 0; i < count_; ++i)
            while (order_[static_cast<std::size_t>(i)] != i) {
                const Index j = order_[static_cast<std::size_t>(i)];
                for (Index t = 0; t < rows_.k; ++t) std::swap(z_[t * stride_ + i], z_[t * stride_ + j]);
                std::swap(order_[static_cast<std::size_t>(i)], order_[static_cast<std::size_t>(j)]);
            }
    }

    void exchange(Index i, Index j) {
        for (Index t = 0; t < rows_.k; ++t) {
            std::swap(z_[t * stride_ + i], z_[t * stride_ + j]);
            std::swap(p_[t * stride_ + i], p_[t * stride_ + j]);
        }
        std::swap(order_[static_cast<std::size_t>(i)], order_[static_cast<std::size_t>(j)]);
    }

    const Hals<T>& rows_;
    T *z_, *p_;
    Index stride_, count_;
    T* scratch_;
    std::vector<Index> order_;
    std::vector<T> open_;
};

}  // namespace gramfold
