// Squared distances |x - c|^2 from CSR rows to dense centroids, in double.
//
//     |x|^2 - 2 x'c + |c|^2                                                     quick; off by `rounding`
//     sum over the stored q of (x_q - c_q)^2  +  |c|^2 - sum over these of c_q^2
//
// Nothing cancels in the first part of the second form, and in the rest of it nothing shows: its sums have some 100 bits.
// It takes the place of the quick one where that may be off by more than a share of the distance or hides which centroid
// is the nearest. Either costs no more than the entries that are stored.
#pragma once

#include "csr.hpp"
#include "distance.hpp"
#include "rows/argmin.hpp"

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

    // The squares of n terms that are in this sum and not in `some` of them; 0 where that is below rounding.
    double beyond(const SquareSum& some, Index n) const {
        const double rest = (high_ - some.high_) + (low_ - some.low_);
        return rest > double(n) * 0x1p-98 * high_ ? rest : 0;
    }

  private:
    double high_ = 0, low_ = 0;
};

template <class T, class I>
class CsrDistances {
  public:
    using Row = Entries<T, I>;

    // squares: the squared norms of the k centroids c, (k x d).
    CsrDistances(const T* c, Index k, Index d, const double* squares)
        : c_(c), squares_(squares), k_(k), d_(d), exact_squares_(std::size_t(k)), known_(std::size_t(k)) {
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
    static constexpr double clear_ = 0x1p30;

    double quick(const Row& row, double square, Index j) const {
        const T* c = c_ + j * d_;
        double product = 0;
        for (Index e = 0; e < row.size; ++e) product += double(row.values[e]) * double(c[row.columns[e]]);
        return square - 2 * product + squares_[j];
    }

    double exact(const Row& row, Index j) {
        const T* c = c_ + j * d_;
        if (!known_[std::size_t(j)]) {
            for (Index q = 0; q < d_; ++q) exact_squares_[std::size_t(j)].add(double(c[q]));
            known_[std::size_t(j)] = true;
        }
        double sum = 0;
        SquareSum stored;
        for (Index e = 0; e < row.size; ++e) {
            const double a = double(c[row.columns[e]]), difference = double(row.values[e]) - a;
            sum += difference * difference;
            stored.add(a);
        }
        return sum + exact_squares_[std::size_t(j)].beyond(stored, d_);
    }

    const T* c_;
    const double* squares_;
    Index k_, d_;
    double largest_ = 0;
    std::vector<SquareSum> exact_squares_;  // found where they are needed
    std::vector<bool> known_;
};

}  // namespace gramfold
