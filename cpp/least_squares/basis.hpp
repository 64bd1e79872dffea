// An orthonormal basis of some atoms, A_S = QR, which atoms join at the end.
//
// Q by Gram-Schmidt, twice. Cost: r s FMA for an atom that joins.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "fold/fold.hpp"

namespace gramfold {

class Basis {
  public:
    // atoms: k x r.
    Basis(const double* atoms, Index k, Index r)
        : atoms_(atoms), r_(r), room_(std::min(k, r)), q_((room_ + 1) * r), upper_((room_ + 1) * (room_ + 1)),
          norms_(k) {
        for (Index j = 0; j < k; ++j) norms_.get()[j] = std::sqrt(dot(atom(j), atom(j)));
    }

    const double* atom(Index j) const { return atoms_ + j * r_; }
    double norm(Index j) const { return norms_.get()[j]; }
    const double* q(Index a) const { return q_.get() + a * r_; }
    const double* column(Index a) const { return upper_.get() + a * (room_ + 1); }
    const std::vector<Index>& members() const { return members_; }
    Index operator[](Index a) const { return members_[std::size_t(a)]; }
    Index size() const { return Index(members_.size()); }
    Index room() const { return room_; }
    bool full() const { return size() == room_; }
    bool has(Index j) const { return std::find(members_.begin(), members_.end(), j) != members_.end(); }
    void shrink(Index size) { members_.resize(std::size_t(size)); }

    double dot(const double* a, const double* b) const {
        double sum[4] = {};
        Index i = 0;
        for (; i + 4 <= r_; i += 4)
            for (int l = 0; l < 4; ++l) sum[l] += a[i + l] * b[i + l];
        for (; i < r_; ++i) sum[0] += a[i] * b[i];
        return (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }

    // What of atom j is outside the span; that part, and the coefficients of the rest, behind the last column.
    double project(Index j) {
        double *v = q_.get() + size() * r_, *c = upper_.get() + size() * (room_ + 1);
        std::copy_n(atom(j), r_, v);
        std::fill_n(c, size(), 0.0);
        leave_span(v, c);
        return c[size()] = std::sqrt(dot(v, v));
    }
    bool depends(Index j, double left) const {
        return !(left > norm(j) * std::numeric_limits<double>::epsilon() * 8 * std::sqrt(double(r_)));
    }

    // Directly after project(j).
    void append(Index j) {
        double* v = q_.get() + size() * r_;
        const double left = column(size())[size()];
        for (Index i = 0; i < r_; ++i) v[i] /= left;
        members_.push_back(j);
    }

    // v without its part in the span, whose coefficients are added to c.
    void leave_span(double* v, double* c) const {
        for (int twice = 0; twice < 2; ++twice)
            for (Index a = 0; a < size(); ++a) {
                const double along = dot(q(a), v);
                c[a] += along;
                for (Index i = 0; i < r_; ++i) v[i] -= along * q(a)[i];
            }
    }

    // R^-1 t, in place.
    void back_substitute(double* t) const {
        for (Index a = size(); a-- > 0;) {
            t[a] /= column(a)[a];
            for (Index b = 0; b < a; ++b) t[b] -= column(a)[b] * t[a];
        }
    }

    // R^-T t, in place.
    void forward_substitute(double* t) const {
        for (Index a = 0; a < size(); ++a) {
            for (Index b = 0; b < a; ++b) t[a] -= column(a)[b] * t[b];
            t[a] /= column(a)[a];
        }
    }

  private:
    const double* atoms_;
    Index r_, room_;
    Buffer<double> q_, upper_, norms_;
    std::vector<Index> members_;
};

}  // namespace gramfold
