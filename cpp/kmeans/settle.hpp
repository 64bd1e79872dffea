// Rows get their labels, and are added to the sums of the pass.
#pragma once

#include "kmeans/bounds.hpp"

namespace gramfold {

template <class T, class S>
class Settler {
  public:
    using Row = SearchedRow<T, S>;

    Settler(const Assignment<T>& job, const Centroids<S>& centroids, const Groups<T>& groups)
        : job_(job), centroids_(centroids), groups_(groups), bounds_(job, centroids, groups),
          square_error_(double(job.d / (2 * lanes<T>)+2 * lanes<T> + 8) * double(Limits::epsilon())),
          least_square_(double(job.d + 8) * double(Limits::denorm_min())) {}

    Bounds<T, S>& bounds() { return bounds_; }

    // Row i keeps its label, with `squares` between it and its centroid.
    void keep(Index i, Index label, const Squares<T>& squares, AssignSums<T>& sums) const {
        const double square = squares.sum(), weight = double(job_.weight(i));
        if (job_.distances) job_.distances[i] = T(square);
        sums.counts.get()[label] += weight;
        sums.inertia += square * weight;
    }

    // A row that has been searched; its squares go to `total`.
    void operator()(const Row& row, Squares<T>& total, AssignSums<T>& sums) {
        const Index old = job_.labels[row.at];
        Index label = centroids_.at(row.found.place);
        if (row.found.is_undecided()) label = exact(row, sums);
        else bounds_.set_own(row);
        bounds_.hold(row, old);
        sums.changed += label != old;
        job_.labels[row.at] = std::int32_t(label);
        add(row, label, old, total, sums);
    }

  private:
    // The nearest centroid by distances in double, among the groups that have been searched.
    Index exact(const Row& row, AssignSums<T>& sums) {
        double first = std::numeric_limits<double>::infinity(), second = first, others = first;
        Index label = centroids_.at(row.found.place);  // of a row of NaN
        ++sums.rechecked;
        const double most = farthest_of_near(row);
        visit_searched(row, [&](Index j) {
            if (sizeof(T) < sizeof(double) && near_[std::size_t(j)] > most) {
                others = std::min(others, least(near_[std::size_t(j)]));
                return;
            }
            const double a = exact_distance(row.x, job_.center(j), job_.d, second);
            if (a < first || (a == first && j < label)) second = first, first = a, label = j;
            else second = std::min(second, a);
        });
        bounds_.set_own(row, groups_.place[std::size_t(label)], std::sqrt(std::min(second, others)));
        return label;
    }

    // Squared distances in T, from the differences, and what that of the nearest centroid is not above.
    double farthest_of_near(const Row& row) {
        double nearest = std::numeric_limits<double>::infinity();
        if (sizeof(T) == sizeof(double)) return nearest;
        near_.resize(std::size_t(job_.k));
        visit_searched(row, [&](Index j) {
            near_[std::size_t(j)] = distance(row.x, job_.center(j), job_.d).sum();
            nearest = std::min(nearest, near_[std::size_t(j)]);
        });
        return (nearest + least_square_) / (1 - 2 * square_error_) + least_square_;
    }
    double least(double square) const { return std::max(0.0, square * (1 - square_error_) - least_square_); }

    template <class Visit>
    void visit_searched(const Row& row, const Visit& visit) const {
        for (Index g = 0; g <= groups_.size(); ++g)
            for (Index i = groups_.starts[std::size_t(g)];
                 (row.searched >> g & 1) && i < groups_.starts[std::size_t(g + 1)]; ++i)
                visit(groups_.order[std::size_t(i)]);
    }

    void add(const Row& row, Index label, Index old, Squares<T>& total, AssignSums<T>& sums) const {
        const T weight = job_.weight(row.at), *c = job_.center(label);
        Squares<T> squares;
        if (job_.with_sums && label != old) {
            squares = add_difference(row.x, c, job_.d, weight, sums.s.get() + label * job_.d);
            sums.moved.get()[label] += double(weight);
            if (old >= 0) {
                const Squares<T> before =
                    add_difference(row.x, job_.center(old), job_.d, -weight, sums.s.get() + old * job_.d);
                sums.gained += double(weight) * (squares.sum() - before.sum());
                sums.moved.get()[old] -= double(weight);
            }
        } else {
            squares = distance(row.x, c, job_.d);
        }
        sums.counts.get()[label] += double(weight);
        if (job_.distances) job_.distances[row.at] = T(squares.sum());
        if (job_.upper) job_.upper[row.at] = bounds_.own(squares);
        total.lanes_ += squares.lanes_ * weight;
        total.tail += squares.tail * weight;
    }

    using Limits = std::numeric_limits<T>;

    const Assignment<T>& job_;
    const Centroids<S>& centroids_;
    const Groups<T>& groups_;
    Bounds<T, S> bounds_;
    double square_error_, least_square_;  // of `distance`: a share of it, and what underflow loses
    std::vector<double> near_;            // of each centroid that was searched
};

}  // namespace gramfold
