// Distances of all rows to all centroids, in double: those by which assign.hpp decides, so that the least one is the
// label's.
//
//     out_ij = |x_i - c_j|
//
// Cost: 2 d operations, of MANY centroids d FMA, or some 10 for each stored entry, per row and centroid. Overwrites
// out, rows x k.
#pragma once

#include "fold/packed.hpp"
#include "fold/transpose.hpp"
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

// z = x less the mean; gives |z|^2.
template <class T>
double brought_to(const double* mean, const T* x, Index d, double* z) {
    constexpr int w = 8;
    const double* __restrict from = mean;
    double* __restrict to = z;
    for (Index q = 0; q < d; ++q) to[q] = double(x[q]) - from[q];
    double parts[w] = {}, sum = 0;
    Index q = 0;
    for (; q + w <= d; q += w)
        for (int l = 0; l < w; ++l) parts[l] += z[q + l] * z[q + l];
    for (; q < d; ++q) parts[0] += z[q] * z[q];
    for (double part : parts) sum += part;
    return sum;
}

// Centroids about their mean, for products in double. They pay from so many on: a row is brought to the mean once.
template <class T>
struct Middle {
    static constexpr Index many = 6, most = Index{1} << 24;  // centroids; their numbers, of which there are copies

    static bool worth(const Distances<T>& job) {
        return job.k >= many && job.d >= 2 * lanes<double> && job.k <= most / job.d;
    }

    Buffer<double> mean, squares;  // of all centroids, and the squared norms of them less it
    Packed<double> packed;         // them less it, d x k
    double top = 0;                // of the squares

    explicit Middle(const Distances<T>& job) : mean(job.d), squares(job.k), packed(about_mean(job)) {
        for (Index j = 0; j < job.k; ++j) top = std::max(top, squares.get()[j]);
    }

  private:
    Packed<double> about_mean(const Distances<T>& job) {
        Buffer<double> near(job.k * job.d), across(job.d * job.k);
        mean.zero();
        for (Index j = 0; j < job.k; ++j)
            for (Index q = 0; q < job.d; ++q) mean.get()[q] += double(job.centers[j * job.d + q]);
        for (Index q = 0; q < job.d; ++q) mean.get()[q] /= double(job.k);
        for (Index j = 0; j < job.k; ++j) {
            const Index at = j * job.d;
            squares.get()[j] = brought_to(mean.get(), job.centers + at, job.d, near.get() + at);
        }
        transpose(job.k, job.d, near.get(), job.d, across.get(), job.k);
        return Packed<double>({across.get(), job.d, job.k, job.k, 1}, true);
    }
};

// |x - c|^2 = |z|^2 + |c'|^2 - 2 z c', both about the mean of the centroids. What cancels in that is found anew from
// the differences, and so is what may be the least of a row.
template <class T>
class ByProducts {
  public:
    static constexpr Index most = row_group;

    // So many at a time stay in the second-level cache.
    static Index rows(Index d) { return std::clamp<Index>((Index{1} << 15) / d, 6, most); }

    ByProducts(const Distances<T>& job, const Middle<T>& middle)
        : job_(job), middle_(middle), kp_(middle.packed.kp), z_(rows(job.d) * job.d), products_(rows(job.d) * kp_),
          squares_(kp_), error_(double(job.d + 16) * std::numeric_limits<double>::epsilon()) {}

    void operator()(const T* const* rows, Index count, T* out) {
        const Index d = job_.d;
        double norms[most];
        for (Index r = 0; r < count; ++r) norms[r] = brought_to(middle_.mean.get(), rows[r], d, z_.get() + r * d);
        times_factor(count, job_.k, kp_, d, z_.get(), d, middle_.packed.data, products_.get(), kp_);
        for (Index r = 0; r < count; ++r) row(rows[r], norms[r], products_.get() + r * kp_, out + r * job_.k);
    }

  private:
    // Share of |z|^2 + |c'|^2 from which on a square is as exact as one of the differences, in T.
    double least() const { return std::is_same_v<T, double> ? 0.25 : std::max(error_ * 0x1p30, 0x1p-16); }

    void row(const T* x, double norm, const double* products, T* out) const {
        constexpr double inf = std::numeric_limits<double>::infinity();
        const Index k = job_.k, d = job_.d;
        const double share = least();
        const double* __restrict centers = middle_.squares.get(), * __restrict product = products;
        double* __restrict to = squares_.get();
        Index doubtful = 0, near = 0;
        for (Index j = 0; j < k; ++j) {
            const double sum = norm + centers[j];
            to[j] = sum - 2 * product[j];
            doubtful += !(to[j] > share * sum);
        }
        const auto exact = [&](Index j) { return exact_distance(x, job_.centers + j * d, d, inf); };
        for (Index j = 0; j < k && doubtful; ++j)
            if (!(to[j] > share * (norm + centers[j]))) to[j] = exact(j);
        const double close = least_of(to, k) + 4 * error_ * (norm + middle_.top);
        for (Index j = 0; j < k; ++j) near += to[j] <= close;
        for (Index j = 0; j < k && near > 1; ++j)
            if (to[j] <= close) to[j] = exact(j);
        for (Index j = 0; j < k; ++j) out[j] = T(std::sqrt(to[j]));
    }

    static double least_of(const double* a, Index n) {
        constexpr int w = 8;
        double parts[w];
        std::fill_n(parts, w, std::numeric_limits<double>::infinity());
        Index i = 0;
        for (; i + w <= n; i += w)
            for (int l = 0; l < w; ++l) parts[l] = a[i + l] < parts[l] ? a[i + l] : parts[l];
        for (; i < n; ++i) parts[0] = a[i] < parts[0] ? a[i] : parts[0];
        return *std::min_element(parts, parts + w);
    }

    const Distances<T>& job_;
    const Middle<T>& middle_;
    Index kp_;
    Buffer<double> z_, products_, squares_;
    double error_;
};

template <class T>
void distances(const Dense<T>& source, const Distances<T>& job, const Run& run) {
    const bool by_products = Middle<T>::worth(job);
    const auto middle = by_products ? std::make_unique<Middle<T>>(job) : nullptr;
    const Index together = by_products ? ByProducts<T>::rows(job.d) : 8;  // rows that each centroid is read for
    const auto worker = [&] {
        return [&, x = source.matrix(), copy = Buffer<T>(source.matrix().has_rows() ? 0 : together * job.d),
                products = middle ? std::make_unique<ByProducts<T>>(job, *middle) : nullptr](Index first, Index count,
                                                                                             NoSums&) mutable {
            const T* rows[ByProducts<T>::most];
            for (Index i = 0; i < count; i += together) {
                const Index some = std::min(together, count - i);
                for (Index r = 0; r < some; ++r) {
                    if (copy.size()) x.read(first + i + r, copy.get() + r * job.d);
                    rows[r] = copy.size() ? copy.get() + r * job.d : x.row(first + i + r);
                }
                T* out = job.out + (first + i) * job.k;
                if (products) (*products)(rows, some, out);
                else distances_of(rows, some, job, out);
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
