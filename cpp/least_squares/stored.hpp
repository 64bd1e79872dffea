// Rows of a CSR X of which only the stored entries are observed, solved for a fixed F as in masked.hpp:
//
//     G = sum_j f_j f_j' + l2 I,   p = sum_j x_j f_j      j over the entries stored in the row, in their order
//
// Rows of F are gathered some at a time. Cost per stored entry: k^2 / 2 to k^2 FMA, and 2 k for p and the objective.
#pragma once

#include "fold/csr.hpp"
#include "least_squares/own_rows.hpp"

namespace gramfold {

template <class T, class I>
class StoredWorker : OwnRows<T> {
  public:
    StoredWorker(const Csr<T, I>& x, const PaddedRows<T>& f, const OwnGram<T>& rows, T l2, const T* start, T* out)
        : OwnRows<T>(f.k, f.kp, rows, l2, start, out), x_(x), f_(f) {}

    void operator()(Index first, Index count, OwnStats& stats) {
        x_.open(first, count);
        for (Index r = 0; r < count; r += many_) some(first + r, std::min(many_, count - r), stats);
    }

  private:
    using OwnRows<T>::gathered, OwnRows<T>::k_, OwnRows<T>::kp_, OwnRows<T>::size_, OwnRows<T>::many_;
    using OwnRows<T>::z_, OwnRows<T>::p_, OwnRows<T>::gram_, OwnRows<T>::observed_, OwnRows<T>::a_;

    void some(Index first, Index n, OwnStats& stats) {
        this->clear();
        for (Index r = 0; r < n; ++r) add(x_.entries(first + r), r);
        this->solve(first, n, stats);
        for (Index r = 0; r < n; ++r) stats.objective += 0.5 * squares(x_.entries(first + r), z_.get() + r * kp_);
        stats.objective += this->penalty(n);
    }

    void add(const Entries<T, I>& entries, Index r) {
        observed_.get()[r] = entries.size;
        for (Index e = 0; e < entries.size; e += gathered) {
            const Index depth = std::min(gathered, entries.size - e);
            for (Index d = 0; d < depth; ++d) {
                const T* f = f_.row(Index(entries.columns[e + d]));
                this->copy(f, T(1), a_.get() + d * kp_);
                axpy(kp_, entries.values[e + d], f, p_.get() + r * kp_);
            }
            this->add_upper(depth, a_.get(), a_.get(), gram_.get() + r * size_);
        }
    }

    double squares(const Entries<T, I>& entries, const T* z) const {
        double total = 0;
        for (Index e = 0; e < entries.size; ++e) {
            const T* f = f_.row(Index(entries.columns[e]));
            Vec<T> sum = {};
            T left = entries.values[e];
            Index c = 0;
            for (; c + lanes<T> <= kp_; c += lanes<T>) sum += load<Vec<T>>(f + c) * load<Vec<T>>(z + c);
            for (; c < kp_; ++c) left -= f[c] * z[c];
            for (int l = 0; l < lanes<T>; ++l) left -= sum[l];
            total += double(left) * double(left);
        }
        return total;
    }

    CsrReader<T, I> x_;
    const PaddedRows<T>& f_;
};

template <class T, class I>
OwnStats run_stored(const Csr<T, I>& x, const PaddedRows<T>& f, const OwnGram<T>& rows, T l2, const T* start, T* out,
                    const Run& run) {
    return *fold(
        plan(x.rows(), 2048, row_group), run, [] { return std::make_unique<OwnStats>(); },
        [&] { return StoredWorker<T, I>(x, f, rows, l2, start, out); });
}

}  // namespace gramfold
