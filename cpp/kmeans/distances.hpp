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

template <class T>
void distances(const Dense<T>& source, const Distances<T>& job, const Run& run) {
    const auto worker = [&] {
        return [&, x = source.matrix(), copy = Buffer<T>(source.matrix().has_rows() ? 0 : job.d)](
                   Index first, Index count, NoSums&) mutable {
            for (Index i = first; i < first + count; ++i) {
                if (copy.size()) x.read(i, copy.get());
                const T* row = copy.size() ? copy.get() : x.row(i);
                for (Index j = 0; j < job.k; ++j)
                    job.out[i * job.k + j] = T(std::sqrt(
                        exact_distance(row, job.centers + j * job.d, job.d, std::numeric_limits<double>::infinity())));
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
