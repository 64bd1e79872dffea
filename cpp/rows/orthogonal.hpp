// One row at a time to its minimiser from the data, on an orthonormal basis of the atoms in use.
//
//     minimise over z   1/2 |y - Az|^2 + l1 |z|_1      z >= 0 if nonneg,   A: r x k, its columns the atoms
//
// The active set of Lawson & Hanson 1974, chapter 23, with signs as in feature-sign search (Lee, Battle, Raina & Ng 2007):
// the atom whose condition is missed most joins, the row goes to the minimiser over its support, R z = Q'y - l1 R^-T sign,
// up to the first change of a sign, and what is 0 leaves. A Gram matrix squares the condition of A; QR does not. Every
// round lowers the objective; rows end after a few that do not, for rounding. Q by Gram-Schmidt, twice.
// Cost: r k FMA per round, r s for an atom that joins, r s^2 for one that leaves. For rows that others could not solve.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "../fold.hpp"

namespace gramfold {

class OrthogonalRow {
  public:
    // atoms: k x r.
    OrthogonalRow(const double* atoms, Index k, Index r, double l1, bool nonneg, int max_rounds)
        : atoms_(atoms), k_(k), r_(r), l1_(l1), nonneg_(nonneg), max_rounds_(max_rounds), room_(std::min(k, r)), q_((room_ + 1) * r), upper_((room_ + 1) * (room_ + 1)),
          norms_(k), z_(k), rest_(r), u_(room_ + 1), to_(room_ + 1), qy_(room_ + 1), sign_(k), barred_(std::size_t(k)) {
        for (Index j = 0; j < k; ++j) norms_.get()[j] = std::sqrt(dot(atom(j), atom(j)));
    }

    // z: where the row starts, then where it ends; false if that is not its minimiser.
    bool solve(const double* y, double* z) {
        y_ = y, size_ = std::sqrt(dot(y, y));
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
            while (!(ended = !join()) && wrong_way()) bar_last();
            joined = ended ? -1 : members_.back();
        }
        return ended;
    }

  private:
    static constexpr int most_failed = 8;
    static constexpr double eps = std::numeric_limits<double>::epsilon();

    const double* atom(Index j) const { return atoms_ + j * r_; }
    double* q(Index a) const { return q_.get() + a * r_; }
    double* column(Index a) const { return upper_.get() + a * (room_ + 1); }
    Index size() const { return Index(members_.size()); }
    Index at(Index a) const { return members_[std::size_t(a)]; }
    double& z(Index a) const { return z_.get()[at(a)]; }
    double sign(Index a) const { return sign_.get()[at(a)]; }

    double dot(const double* a, const double* b) const {
        double sum[4] = {};
        Index i = 0;
        for (; i + 4 <= r_; i += 4)
            for (int l = 0; l < 4; ++l) sum[l] += a[i + l] * b[i + l];
        for (; i < r_; ++i) sum[0] += a[i] * b[i];
        return (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }

    void begin(const double* z) {
        members_.clear(), z_.zero();
        std::vector<Index> order;
        for (Index j = 0; j < k_; ++j)
            if (nonneg_ ? z[j] > 0 : z[j] != 0) order.push_back(j);
        std::stable_sort(order.begin(), order.end(), [&](Index i, Index j) {
            return std::abs(z[i]) * norms_.get()[i] > std::abs(z[j]) * norms_.get()[j];
        });
        for (const Index j : order) {
            if (size() == room_ || depends(j, project(j))) continue;
            z_.get()[j] = z[j];
            append(j, z[j] < 0 ? -1 : 1);
        }
    }

    // What of atom j is outside the span of the support; that part, and the coefficients of the rest, behind the last column.
    double project(Index j) {
        double *v = q(size()), *c = column(size());
        std::copy_n(atom(j), r_, v);
        std::fill_n(c, size(), 0.0);
        for (int twice = 0; twice < 2; ++twice)
            for (Index a = 0; a < size(); ++a) {
                const double along = dot(q(a), v);
                c[a] += along;
                for (Index i = 0; i < r_; ++i) v[i] -= along * q(a)[i];
            }
        return c[size()] = std::sqrt(dot(v, v));
    }
    bool depends(Index j, double left) const { return !(left > norms_.get()[j] * eps * 8 * std::sqrt(double(r_))); }

    // Directly after project(j).
    void append(Index j, double sign) {
        double* v = q(size());
        const double left = column(size())[size()];
        for (Index i = 0; i < r_; ++i) v[i] /= left;
        qy_.get()[size()] = dot(v, y_);
        sign_.get()[j] = sign;
        members_.push_back(j);
    }

    // Those that are 0 leave, but for the last `kept`.
    void drop_zeros(Index kept) {
        const std::vector<Index> before = members_;
        Index first = 0;
        while (first < size() - kept && z(first) != 0) ++first;
        members_.resize(std::size_t(first));
        for (std::size_t a = std::size_t(first); a < before.size(); ++a) {
            const Index j = before[a];
            if (z_.get()[j] == 0 && a + std::size_t(kept) < before.size()) continue;
            project(j);
            append(j, sign_.get()[j]);
        }
    }

    // to_ = the minimiser over the support with the signs held.
    void target() {
        double* t = to_.get();
        std::copy_n(qy_.get(), size(), t);
        if (l1_ > 0)
            for (Index a = 0; a < size(); ++a) {
                double w = sign(a);
                for (Index b = 0; b < a; ++b) w -= column(a)[b] * u_.get()[b];
                u_.get()[a] = w / column(a)[a];
                t[a] -= l1_ * u_.get()[a];
            }
        back_substitute(t);
    }

    void back_substitute(double* t) const {
        for (Index a = size(); a-- > 0;) {
            t[a] /= column(a)[a];
            for (Index b = 0; b < a; ++b) t[b] -= column(a)[b] * t[a];
        }
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
            drop_zeros(0);
        }
    }

    // rest_ = y - Az; from the data, not from Q.
    double objective() {
        std::copy_n(y_, r_, rest_.get());
        double total = 0;
        for (Index a = 0; a < size(); ++a) {
            const double za = z(a), *f = atom(at(a));
            for (Index i = 0; i < r_; ++i) rest_.get()[i] -= za * f[i];
            total += std::abs(za);
        }
        return 0.5 * dot(rest_.get(), rest_.get()) + l1_ * total;
    }

    // The atom whose condition is missed most joins; false if none is.
    bool join() {
        for (;;) {
            const double left = std::sqrt(dot(rest_.get(), rest_.get()));
            if (l1_ == 0 && left <= 4 * eps * size_) return false;
            double most = 0, s = 1;
            Index j = -1;
            for (Index t = 0; t < k_; ++t) {
                const double norm = norms_.get()[t];
                if (norm == 0 || barred_[std::size_t(t)]) continue;
                if (std::find(members_.begin(), members_.end(), t) != members_.end()) continue;
                const double c = dot(atom(t), rest_.get()), missed = (nonneg_ ? c : std::abs(c)) - l1_;
                if (missed > 1e-13 * l1_ + 4 * eps * norm * left && missed / norm > most) most = missed / norm, j = t, s = c < 0 ? -1 : 1;
            }
            if (j < 0) return false;
            if (take_over(j, s)) return true;
            barred_[std::size_t(j)] = true;
        }
    }

    // Where j depends on the support it takes weight over from it, until an atom there is 0 and leaves.
    bool take_over(Index j, double s) {
        double taken = 0;
        while (size() == room_ || depends(j, project(j))) {
            if (size() == room_) project(j);
            std::copy_n(column(size()), size(), u_.get());
            back_substitute(u_.get());
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
            drop_zeros(0);
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
        barred_[std::size_t(members_.back())] = true;
        members_.pop_back();
    }

    const double *atoms_, *y_ = nullptr;
    Index k_, r_;
    double l1_, size_ = 0;
    bool nonneg_;
    int max_rounds_;
    Index room_;
    Buffer<double> q_, upper_, norms_, z_, rest_, u_, to_, qy_, sign_;
    std::vector<Index> members_;
    std::vector<bool> barred_;
};

struct OpenRows {
    double open = 0;

    void clear() { open = 0; }
    OpenRows& operator+=(const OpenRows& o) {
        open += o.open;
        return *this;
    }
};

// y: rows x r; codes, rows x k: the starts, overwritten. ended: by row.
inline void run_orthogonal(const double* atoms, Index k, Index r, const double* y, Index rows, double l1, bool nonneg,
                           int max_rounds, double* codes, bool* ended, const Run& run) {
    Plan by = plan(rows, (r + k) * Index(sizeof(double)), 1);
    by.work = double(rows) * double(k) * double(r) * 64;
    fold(
        by, run, [] { return std::make_unique<OpenRows>(); },
        [&] {
            return [&, row = std::make_shared<OrthogonalRow>(atoms, k, r, l1, nonneg, max_rounds)](Index first, Index count, OpenRows& sums) {
                for (Index i = first; i < first + count; ++i) {
                    ended[i] = row->solve(y + i * r, codes + i * k);
                    sums.open += !ended[i];
                }
            };
        });
}

}  // namespace gramfold
