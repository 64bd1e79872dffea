// Distances of all rows to all centroids, in double: those by which assign.hpp decides, so that the least one is the
// label's.
//
//     out_ij = |x_i - c_j|
//
// Cost: 2 d operations, or some 10 for each stored entry, per row and centroid. Overwrites out, rows x k.
#pragma once

#include "kmeans/distance_csr.hpp"

namespace gramfold {

template <class T>
struct Distances {
    Index k, d;
    const T* centers;
    T* out;

    double work(Index rows) const { return double(rows) * double(d) * double(k); }
};

// Of some rows, two by two: out (rows x k).
template <class T>
void distances_of(const T* const* rows, Index count, const Distances<T>& job, T* out) {
    for (Index j = 0; j < job.k; j += 2)
        for (Index r = 0; r < count; r += 2) {
            const T* c[] = {job.centers + j * job.d, job.centers + std::min(j + 1, job.k - 1) * job.d};
            const T* x[] = {rows[r], rows[std::min(r + 1, count - 1)]};
            double squares[2][2];
            exact_distances<2, 2>(x, c, job.d, squares);
            for (Index i = 0; i < std::min<Index>(2, count - r); ++i)
                for (Index l = 0; l < std::min<Index>(2, job.k - j); ++l)
                    out[(r + i) * job.k + j + l] = T(std::sqrt(squares[i][l]));
        }
}

template <class T>
void distances(const Dense<T>& source, const Distances<T>& job, const Run& run) {
    constexpr Index together = 8;  // rows that each centroid is read for
    const auto worker = [&] {
        return [&, x = source.matrix(), copy = Buffer<T>(source.matrix().has_rows() ? 0 : together * job.d)](
                   Index first, Index count, NoSums&) mutable {
            const T* rows[together];
            for (Index i = 0; i < count; i += together) {
                const Index some = std::min(together, count - i);
                for (Index r = 0; r < some; ++r) {
                    if (copy.size()) x.read(first + i + r, copy.get() + r * job.d);
                    rows[r] = copy.size() ? copy.get() + r * job.d : x.row(first + i + r);
                }
                distances_of(rows, some, job, job.out + (first + i) * job.k);
            }
        };
    };
    Plan plan = gramfold::plan(source.rows(), job.d * Index(sizeof(T)));
    plan.work = job.work(source.rows());
    fold(plan, run, [] { return std::make_unique<NoSums>(); }, worker);
}

template <class T, class I>
void distances(const Csr<T, I>& source, const Distances<T>& job, const Run& run) {
    std::vector<double> norms(std::size_t(job.k));
    for (Index i = 0; i < job.k * job.d; ++i)
        norms[std::size_t(i / job.d)] += double(job.centers[i]) * double(job.centers[i]);
    const auto worker = [&] {
        return [&, x = CsrReader<T, I>(source), distance = CsrDistances<T, I>(job.centers, job.k, job.d, norms.data()),
                squares = std::vector<double>(std::size_t(job.k))](Index first, Index count, NoSums&) mutable {
            x.open(first, count);
            for (Index i = first; i < first + count; ++i) {
                const auto row = x.entries(i);
                distance.all(row, distance.square(row), squares.data());
                for (Index j = 0; j < job.k; ++j) job.out[i * job.k + j] = T(std::sqrt(squares[std::size_t(j)]));
            }
        };
    };
    Plan plan = source.plan(job.k, false);
    plan.work = job.work(source.rows());
    fold(plan, run, [] { return std::make_unique<NoSums>(); }, worker);
}

}  // namespace gramfold
