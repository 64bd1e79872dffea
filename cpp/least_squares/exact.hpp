// Rows to their minimisers: sweeps as in hals.hpp, and every `polish` of them steps on the face, for all rows that are
// still open.
//
// Non-negative rows with a start take what a few sweeps leave positive for their support; those without begin at the
// solution of the dual,
//     minimise 1/2 y'By + y'Bp  over y >= 0,   B = G^-1,   z = B (p + y),   z_t = 0 where y_t > 0
// after a few sweeps over y: dictionaries of many nearly dependent atoms have codes with few zeros, where B restricted
// to the zeros is far better conditioned than G restricted to the rest. Where B is known well enough, only the support
// is taken from it, in single precision (dual.hpp). They go on by solves on their supports and sweeps in turn
// (pivot.hpp), which end nearly all of them; the rest take the safe way of all other rows.
//
// Open rows are kept together, in front of the block, so that no vector waits for one row. What happens to a row does
// not depend on its place, nor on its neighbours.
#pragma once

#include <numeric>

#include "least_squares/dual.hpp"
#include "least_squares/face.hpp"
#include "least_squares/hals.hpp"

namespace gramfold {

template <class T>
class Exact {
  public:
    static constexpr int width = Hals<T>::width, across = Hals<T>::across, wide = width * across;
    static constexpr int max_face_steps = 8, rounds = 8, start_sweeps = 4;
    using V = Vec<T>;
    using Lanes = typename Hals<T>::Lanes;

    static Index scratch_size(Index k) {
        const Index dual = DualStart<T>::scratch_size(k) * Index(sizeof(float)) / Index(sizeof(T));
        return std::max({Face<T>::scratch_size(k), 2 * k * wide, dual});
    }

    // z, p: k x count, row stride `stride`; count a multiple of row_group. Both are permuted on the way, p for good.
    Exact(const Hals<T>& rows, T* z, T* p, Index stride, Index count, T* scratch)
        : rows_(rows), z_(z), p_(p), stride_(stride), count_(count), scratch_(scratch),
          order_(static_cast<std::size_t>(count)), open_(order_.size()), firsts_(order_.size()),
          objectives_(order_.size()) {
        std::iota(order_.begin(), order_.end(), Index{0});
    }

    RowStats solve(bool started) {
        RowStats stats;
        rows_.with_prox([&](auto prox) {
            const bool from_start = prox == Prox::nonneg && started;
            Index open = count_;
            if (from_start) open = pivot_from_start(stats);
            else if (prox == Prox::nonneg && rows_.inverse) open = pivot_from_dual(stats);
            descend<prox>(open, from_start ? start_sweeps : 0, stats);
            restore_order();
        });
        return stats;
    }

  private:
    static constexpr auto positive = [](V z) { return z > V{}; };

    // Returns how many rows did not end.
    Index pivot_from_dual(RowStats& stats) {
        Supports supports(rows_.k, count_);
        if (rows_.dual && rows_.dual->sound) {
            const DualStart<T> start(*rows_.dual, reinterpret_cast<float*>(scratch_));
            for (Index r = 0; r < count_; r += start.wide) start.solve(p_ + r, stride_, supports, r);
        } else {
            for (Index r = 0; r < count_; r += wide) start(r, 4, T(0.1));
            supports.mark(z_, stride_, count_, 0, positive);
        }
        return pivot(supports, count_, false, stats);
    }

    // From what a few sweeps leave positive. Rows that do not end below that go on from there.
    Index pivot_from_start(RowStats& stats) {
        for (Index r = 0; r < count_; r += wide) {
            const Lanes all = first_lanes(count_ - r);
            Lanes active = all, first, violation, objective, residual;
            for (int s = 0; s < std::min(rows_.max_sweeps, start_sweeps) && Hals<T>::sum(active) > 0; ++s)
                active = rows_.template sweep<Prox::nonneg>(z_ + r, p_ + r, stride_, active, s == 0, first, violation);
            rows_.template measure<Prox::nonneg>(z_ + r, p_ + r, stride_, all, objective, residual);
            put(active, open_, r), put(first, firsts_, r), put(objective, objectives_, r);
            stats.violation += Hals<T>::sum(violation);
            stats.step += Hals<T>::sum(first);
            for (int v = 0; v < across; ++v) {
                objective.x[v] = active.x[v] > V{} ? V{} : objective.x[v];
                residual.x[v] = active.x[v] > V{} ? V{} : residual.x[v];
            }
            stats.objective += Hals<T>::sum(objective);
            stats.residual += Hals<T>::sum(residual);
        }
        const std::vector<T> kept(z_, z_ + rows_.k * stride_);
        Index open = bring_open_forward(count_);
        Supports supports(rows_.k, count_);
        supports.mark(z_, stride_, round_up<Index>(open, width), 0, positive);
        open = pivot(supports, open, true, stats);
        for (Index i = 0; i < open; ++i)
            for (Index t = 0; t < rows_.k; ++t)
                z_[t * stride_ + i] = kept[std::size_t(t * stride_ + order_[std::size_t(i)])];
        return open;
    }

    // Solves on supports and sweeps in turn.
    Index pivot(Supports& supports, Index open, bool bounded, RowStats& stats) {
        Pivot<T> pivot(rows_.gram, rows_.k, scratch_);
        for (int s = 0; s < std::min(rounds, rows_.max_sweeps) && open > 0; ++s) {
            if (s > 0) supports.mark(z_, stride_, round_up<Index>(open, width), 0, positive);
            pivot.step(supports, z_, p_, stride_, open);
            open = check(open, bounded, stats);
        }
        return open;
    }

    // Returns how many rows did not end.
    Index check(Index open, bool bounded, RowStats& stats) {
        for (Index r = 0; r < open; r += wide) {
            Lanes first, bounds;
            if (bounded) first = by_row(firsts_, r), bounds = by_row(objectives_, r);
            put(rows_.check(z_ + r, p_ + r, stride_, first_lanes(open - r), first, bounded ? &bounds : nullptr, stats),
                open_, r);
        }
        return bring_open_forward(open);
    }

    template <Prox prox>
    void descend(const Index count, int done, RowStats& stats) {
        Index open = count;
        for (int s = done; s < rows_.max_sweeps && open > 0; ++s) {
            for (Index r = 0; r < open; r += wide) {
                Lanes first = by_row(firsts_, r), violation;
                put(rows_.template sweep<prox>(z_ + r, p_ + r, stride_, first_lanes(open - r), s == 0, first,
                                               violation),
                    open_, r);
                if (s > 0) continue;
                put_by_row(first, firsts_, r);
                stats.violation += Hals<T>::sum(violation);
                stats.step += Hals<T>::sum(first);
            }
            open = bring_open_forward(open);
            if (due(s + 1)) to_face(open);
        }
        stats.unconverged = double(open);
        for (Index r = 0; r < count; r += wide)
            rows_.template finish<prox>(z_ + r, p_ + r, stride_, first_lanes(count - r), stats);
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

    static void put(const Lanes& lanes, std::vector<T>& to, Index r) {
        for (int v = 0; v < across; ++v) store(to.data() + r + v * width, lanes.x[v]);
    }

    Lanes by_row(const std::vector<T>& values, Index r) const {
        Lanes lanes;
        for (int i = 0; i < wide; ++i) lanes.x[i / width][i % width] = values[std::size_t(order_[std::size_t(r + i)])];
        return lanes;
    }

    void put_by_row(const Lanes& lanes, std::vector<T>& to, Index r) const {
        for (int i = 0; i < wide; ++i) to[std::size_t(order_[std::size_t(r + i)])] = lanes.x[i / width][i % width];
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
    std::vector<T> firsts_, objectives_;  // by row: its first step, and what a pivot has to get below
};

}  // namespace gramfold
