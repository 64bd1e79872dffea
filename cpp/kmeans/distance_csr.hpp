// Squared distances |x - c|^2 from CSR rows to dense centroids, in double.
//
//     |x|^2 - 2 x'c + |c|^2                                                     quick; off by `rounding`
//     sum over the stored q of (x_q - c_q)^2  +  |c|^2 - sum over these of c_q^2
//
// Nothing cancels in the first part of the second form; the sums of the rest have some 100 bits, and where even these
// do not do it is added up over all columns. It takes the place of the quick form where that may be off by more than a
// share of the distance, or hides which centroid is the nearest. Either costs no more than the entries that are stored.
#pragma once

#include "fold/csr.hpp"
#include "kmeans/argmin.hpp"
#include "kmeans/distance.hpp"

namespace gramfold {

// A sum of squares in two doubles.
class SquareSum {
  public:
    void add(double a) {
        double square = a * a;
        asm("" : "+m"(square));  // else it may be contracted with a sum below
        const double sum = high_ + square, part = sum - high_;
        low_ += std::fma(a, a, -square) + ((high_ - (sum - part)) + (square - part));
        high_ = sum;
    }

    double operator-(const SquareSum& o) const { return (high_ - o.high_) + (low_ - o.low_); }
    // How far the sum of n squares may be off.
    double rounding(Index n) const { return double(n) * 0x1p-104 * high_; }

  private:
    double high_ = 0, low_ = 0;
};

template <class T, class I>
class CsrDistances {
  public:
    using Row = Entries<T, I>;

    // squares: the squared norms of the k centroids c, (k x d).
    CsrDistances(const T* c, Index k, Index d, const double* squares)
        : c_(c), squares_(squares), k_(k), d_(d), sums_(std::size_t(k)), support_(std::size_t(k), -1),
          stored_(std::size_t(d)) {
        for (Index j = 0; j < k; ++j) largest_ = std::max(largest_, squares[j]);
    }

    static double square(const Row& row) {
        double sum = 0;
        for (Index e = 0; e < row.size; ++e) sum += double(row.values[e]) * double(row.values[e]);
        return sum;
    }

    // How far a quick distance of a row of this squared norm may be off.
    double rounding(const Row& row, double square) const {
        return 4 * score_error<double>(row.size + d_) * (square + largest_);
    }

    double operator()(const Row& row, double square, Index j) {
        const double a = quick(row, square, j);
        return a > rounding(row, square) * clear_ ? a : exact(row, j);
    }

    // out: to all centroids.
    void all(const Row& row, double square, double* out) {
        for (Index j = 0; j < k_; ++j) out[j] = quick(row, square, j);
        settle(row, square, out);
    }

    // out: the quick distances to all centroids; those that rounding may have spoilt are found again.
    void settle(const Row& row, double square, double* out) {
        const double rounding = this->rounding(row, square);
        double least = std::numeric_limits<double>::infinity();
        for (Index j = 0; j < k_; ++j) least = std::min(least, out[j]);
        Index near = 0;
        for (Index j = 0; j < k_; ++j) near += out[j] <= least + 2 * rounding;
        const double most = std::max(rounding * clear_, near > 1 ? least + 2 * rounding : 0.0);
        for (Index j = 0; j < k_; ++j)
            if (!(out[j] > most)) out[j] = exact(row, j);
    }

  private:
    // Where the quick distance is beyond so many times its rounding it will do.
    static constexpr double clear_ = 0x1p36;

    double quick(const Row& row, double square, Index j) const {
        const T* c = c_ + j * d_;
        double product = 0;
        for (Index e = 0; e < row.size; ++e) product += double(row.values[e]) * double(c[row.columns[e]]);
        return square - 2 * product + squares_[j];
    }

    double exact(const Row& row, Index j) {
        know(j);
        const T* c = c_ + j * d_;
        double sum = 0;
        SquareSum stored;
        Index support = 0;
        for (Index e = 0; e < row.size; ++e) {
            const double a = double(c[row.columns[e]]), difference = double(row.values[e]) - a;
            sum += difference * difference;
            stored.add(a);
            support += a != 0;
        }
        if (support == support_[std::size_t(j)]) return sum;
        const SquareSum& all = sums_[std::size_t(j)];
        const double rest = all - stored;
        const bool shows = all.rounding(d_) <= std::numeric_limits<double>::epsilon() * (sum + rest);
        return sum + (shows ? rest : not_stored(row, c));
    }

    void know(Index j) {
        Index& support = support_[std::size_t(j)];
        if (support >= 0) return;
        support = 0;
        for (Index q = 0; q < d_; ++q) {
            const double a = double(c_[j * d_ + q]);
            sums_[std::size_t(j)].add(a);
            support += a != 0;
        }
    }

    double not_stored(const Row& row, const T* c) {
        double rest = 0;
        for (Index e = 0; e < row.size; ++e) stored_[std::size_t(row.columns[e])] = 1;
        for (Index q = 0; q < d_; ++q)
            if (!stored_[std::size_t(q)]) rest += double(c[q]) * double(c[q]);
        for (Index e = 0; e < row.size; ++e) stored_[std::size_t(row.columns[e])] = 0;
        return rest;
    }

    const T* c_;
    const double* squares_;
    Index k_, d_;
    double largest_ = 0;
    std::vector<SquareSum> sums_;  // of the squares of a centroid, and how many are not 0: found where they are needed
    std::vector<Index> support_;
    std::vector<char> stored_;
};

}  // namespace gramfold
