// One row at a time to its minimiser from the data, on an orthonormal basis of the atoms in use.
//
//     minimise over z   1/2 |y - Az|^2 + l1 |z|_1      z >= 0 if nonneg,   A: r x k, its columns the atoms
//
// The active set of Lawson & Hanson 1974, chapter 23, with signs as in feature-sign search (Lee, Battle, Raina & Ng
// 2007): the atom whose condition is missed most joins, the row goes to the minimiser over its support, R z = Q'y - l1
// R^-T sign, up to the first change of a sign, and what is 0 leaves. A Gram matrix squares the condition of A; QR does
// not. Every round lowers the objective; rows end after a few that do not, for rounding. With l1 = 0 what is left has
// no part in the span of the support but rounding, which slopes must not see: nearly dependent atoms differ by less.
// Cost: r k FMA per round, r s for an atom that joins, r s^2 for one that leaves. For rows that others could not solve.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "least_squares/basis.hpp"

namespace gramfold {

class OrthogonalRow {
  public:
    // atoms: k x r.
    OrthogonalRow(const double* atoms, Index k, Index r, double l1, bool nonneg, int max_rounds)
        : k_(k), r_(r), l1_(l1), nonneg_(nonneg), max_rounds_(max_rounds), basis_(atoms, k, r), z_(k), rest_(r),
          u_(basis_.room() + 1), to_(basis_.room() + 1), qy_(basis_.room() + 1), sign_(k), barred_(std::size_t(k)) {}

    // z: where the row starts, then where it ends; false if that is not its minimiser.
    bool solve(const double* y, double* z) {
        y_ = y, size_ = std::sqrt(basis_.dot(y, y));
        begin(z);
        double least = std::numeric_limits<double>::infinity();
        bool ended = false;
        Index joined = -1;
        for (int round = 0, failed = 0; round < max_rounds_ && !ended; ++round) {
            descend();
            const double now = objective();
            if (now < least) {
                least = now;
                std::copy_n(z_.get(), k_, z);
                std::fill(barred_.begin(), barred_.end(), false);
            } else {
                if (joined < 0 || ++failed > most_failed) return true;
                begin(z);
                objective();
                barred_[std::size_t(joined)] = true;
            }
            if (l1_ == 0) basis_.leave_span(rest_.get(), u_.get());
            while (!(ended = !join()) && wrong_way()) bar_last();
            joined = ended ? -1 : basis_.members().back();
        }
        return ended;
    }

  private:
    static constexpr int most_failed = 8;
    static constexpr double eps = std::numeric_limits<double>::epsilon();

    Index size() const { return basis_.size(); }
    double& z(Index a) const { return z_.get()[basis_[a]]; }
    double sign(Index a) const { return sign_.get()[basis_[a]]; }

    void begin(const double* z) {
        basis_.shrink(0), z_.zero();
        std::vector<Index> order;
        for (Index j = 0; j < k_; ++j)
            if (nonneg_ ? z[j] > 0 : z[j] != 0) order.push_back(j);
        std::stable_sort(order.begin(), order.end(), [&](Index i, Index j) {
            return std::abs(z[i]) * basis_.norm(i) > std::abs(z[j]) * basis_.norm(j);
        });
        for (const Index j : order) {
            if (basis_.full() || basis_.depends(j, basis_.project(j))) continue;
            z_.get()[j] = z[j];
            append(j, z[j] < 0 ? -1 : 1);
        }
    }

    // Directly after basis_.project(j).
    void append(Index j, double sign) {
        basis_.append(j);
        qy_.get()[size() - 1] = basis_.dot(basis_.q(size() - 1), y_);
        sign_.get()[j] = sign;
    }

    void drop_zeros() {
        const std::vector<Index> before = basis_.members();
        Index first = 0;
        while (first < size() && z(first) != 0) ++first;
        basis_.shrink(first);
        for (std::size_t a = std::size_t(first); a < before.size(); ++a) {
            const Index j = before[a];
            if (z_.get()[j] == 0) continue;
            basis_.project(j);
            append(j, sign_.get()[j]);
        }
    }

    // to_ = the minimiser over the support with the signs held.
    void target() {
        std::copy_n(qy_.get(), size(), to_.get());
        if (l1_ > 0) {
            for (Index a = 0; a < size(); ++a) u_.get()[a] = sign(a);
            basis_.forward_substitute(u_.get());
            for (Index a = 0; a < size(); ++a) to_.get()[a] -= l1_ * u_.get()[a];
        }
        basis_.back_substitute(to_.get());
    }

    void descend() {
        while (size() > 0) {
            target();
            double reach = 1;
            for (Index a = 0; a < size(); ++a)
                if (!(to_.get()[a] * sign(a) > 0)) reach = std::min(reach, z(a) / (z(a) - to_.get()[a]));
            if (!(reach < 1)) reach = 1;
            bool crossed = false;
            for (Index a = 0; a < size(); ++a) {
                const double to = to_.get()[a], from = z(a);
                const bool ends = !(to * sign(a) > 0) && !(from / (from - to) > reach);
                z(a) = ends ? 0 : reach < 1 ? from + reach * (to - from) : to;
                if (z(a) * sign(a) <= 0) z(a) = 0, crossed = true;
            }
            if (!crossed) return;
            drop_zeros();
        }
    }

    // rest_ = y - Az; from the data, not from Q.
    double objective() {
        std::copy_n(y_, r_, rest_.get());
        double total = 0;
        for (Index a = 0; a < size(); ++a) {
            const double za = z(a), *f = basis_.atom(basis_[a]);
            for (Index i = 0; i < r_; ++i) rest_.get()[i] -= za * f[i];
            total += std::abs(za);
        }
        return 0.5 * basis_.dot(rest_.get(), rest_.get()) + l1_ * total;
    }

    // The atom whose condition is missed most joins; false if none is.
    bool join() {
        for (;;) {
            const double left = std::sqrt(basis_.dot(rest_.get(), rest_.get()));
            if (l1_ == 0 && left <= 4 * eps * size_) return false;
            double most = 0, s = 1;
            Index j = -1;
            for (Index t = 0; t < k_; ++t) {
                const double norm = basis_.norm(t);
                if (norm == 0 || barred_[std::size_t(t)] || basis_.has(t)) continue;
                const double c = basis_.dot(basis_.atom(t), rest_.get()), missed = (nonneg_ ? c : std::abs(c)) - l1_;
                if (missed > 1e-13 * l1_ + 4 * eps * norm * left && missed / norm > most)
                    most = missed / norm, j = t, s = c < 0 ? -1 : 1;
            }
            if (j < 0) return false;
            if (take_over(j, s)) return true;
            barred_[std::size_t(j)] = true;
        }
    }

    // Where j depends on the support it takes weight over from it, until an atom there is 0 and leaves.
    bool take_over(Index j, double s) {
        double taken = 0;
        while (basis_.full() || basis_.depends(j, basis_.project(j))) {
            if (basis_.full()) basis_.project(j);
            std::copy_n(basis_.column(size()), size(), u_.get());
            basis_.back_substitute(u_.get());
            double most = std::numeric_limits<double>::infinity();
            for (Index a = 0; a < size(); ++a)
                if (u_.get()[a] * s * sign(a) > 0) most = std::min(most, std::abs(z(a) / u_.get()[a]));
            if (l1_ == 0 || !std::isfinite(most)) return false;
            taken += most;
            for (Index a = 0; a < size(); ++a) {
                const double to = z(a) - s * most * u_.get()[a];
                z(a) = to * sign(a) > 0 && std::abs(z(a)) != most * std::abs(u_.get()[a]) ? to : 0;
            }
            const Index before = size();
            drop_zeros();
            if (size() == before) return false;
        }
        z_.get()[j] = s * taken;
        append(j, s);
        return true;
    }

    // Whether the atom that has just joined, at 0, would leave the way it did not come: rounding.
    bool wrong_way() {
        target();
        const Index last = size() - 1;
        return z(last) == 0 && !(to_.get()[last] * sign(last) > 0);
    }

    void bar_last() {
        barred_[std::size_t(basis_.members().back())] = true;
        basis_.shrink(size() - 1);
    }

    const double* y_ = nullptr;
    Index k_, r_;
    double l1_, size_ = 0;
    bool nonneg_;
    int max_rounds_;
    Basis basis_;
    Buffer<double> z_, rest_, u_, to_, qy_, sign_;
    std::vector<bool> barred_;
};

struct UnconvergedRows {
    double unconverged = 0;

    void clear() { unconverged = 0; }
    UnconvergedRows& operator+=(const UnconvergedRows& o) {
        unconverged += o.unconverged;
        return *this;
    }
};

// y: rows x r; codes, rows x k: the starts, overwritten. ended: by row.
inline void run_orthogonal(const double* atoms, Index k, Index r, const double* y, Index rows, double l1, bool nonneg,
                           int max_rounds, double* codes, bool* ended, const Run& run) {
    Plan by = plan(rows, (r + k) * Index(sizeof(double)), 1);
    by.work = double(rows) * double(k) * double(r) * 64;
    fold(
        by, run, [] { return std::make_unique<UnconvergedRows>(); },
        [&] {
            return [&, row = std::make_shared<OrthogonalRow>(atoms, k, r, l1, nonneg, max_rounds)](
                       Index first, Index count, UnconvergedRows& sums) {
                for (Index i = first; i < first + count; ++i) {
                    ended[i] = row->solve(y + i * r, codes + i * k);
                    sums.unconverged += !ended[i];
                }
            };
        });
}

}  // namespace gramfold
