// The pass of assign.hpp for CSR rows: vectors run over centroids, one row at a time.
//
// Scores are gathered from the transposed centroids (d x k) as the entries of the row go by. Rows whose two best scores
// are closer than their rounding are decided by distances in double, see distance_csr.hpp: the entries that are not
// stored are never looked at. Sums are of x itself, and so in double.
// Cost: k FMA per stored entry.
#pragma once

#include "kmeans/assignment.hpp"
#include "kmeans/distance_csr.hpp"

namespace gramfold {

// The centroids transposed, and their squared norms.
template <class T>
struct GatheredCentroids {
    Index k, d, kp;
    Buffer<T> columns, bias;
    std::vector<double> squares;
    double longest = 0;

    GatheredCentroids(const T* c, Index size, Index cols)
        : k(size), d(cols), kp(round_up<Index>(k, component_pad<T>)), columns(d * kp),
          bias(round_up<Index>(k, lanes<T>)), squares(static_cast<std::size_t>(k)) {
        columns.zero();
        std::fill_n(bias.get(), bias.size(), std::numeric_limits<T>::infinity());
        for (Index j = 0; j < k; ++j) {
            double& sum = squares[std::size_t(j)];
            for (Index q = 0; q < d; ++q) {
                columns.get()[q * kp + j] = c[j * d + q];
                sum += double(c[j * d + q]) * double(c[j * d + q]);
            }
            bias.get()[j] = T(sum / 2);
            longest = std::max(longest, std::sqrt(sum));
        }
    }
};

template <class T, class I>
class AssignCsrWorker {
  public:
    AssignCsrWorker(const Csr<T, I>& x, const Assignment<T>& job, const GatheredCentroids<T>& centroids,
                    const Groups<T>& groups)
        : x_(x), job_(job), c_(centroids), groups_(groups),
          distance_(job.centers, job.k, job.d, centroids.squares.data()), scores_(centroids.bias.size()),
          squares_(std::size_t(job.k)) {}

    void operator()(Index first, Index count, AssignSums<double>& sums) {
        x_.open(first, count);
        for (Index i = first; i < first + count; ++i) {
            if (stays(i, sums)) continue;
            const auto row = x_.entries(i);
            const double square = distance_.square(row);
            if (!keeps(i, row, square, sums)) search(i, row, square, sums);
        }
    }

  private:
    using Row = Entries<T, I>;

    // Whether the row keeps its cluster by its bounds alone, and is not read.
    bool stays(Index i, AssignSums<double>& sums) {
        const Index label = job_.labels[i];
        if (!job_.moved || !job_.upper || label < 0) return false;
        if (!groups_.stay(job_.upper + i, job_.lower + i, label, 1 - 16 * std::numeric_limits<T>::epsilon()))
            return false;
        sums.counts.get()[label] += double(job_.weight(i));
        return true;
    }

    bool keeps(Index i, const Row& row, double square, AssignSums<double>& sums) {
        const Index label = job_.labels[i];
        if (!job_.search) {
            add(i, row, distance_(row, square, label), label, label, sums);
            return true;
        }
        if (!job_.moved || !job_.look || label < 0) return false;
        constexpr double slack = 16 * double(std::numeric_limits<T>::epsilon());
        const double low = double(job_.lower[i]) - double(groups_.all.of_others(0, label));
        job_.lower[i] = T(low * (low > 0 ? 1 - slack : 1 + slack));
        if (!(low > 0)) return false;
        const double own = distance_(row, square, label);
        bound_own(i, own + distance_.rounding(row, square));
        if (!(own + distance_.rounding(row, square) < low * low * (1 - 4 * slack))) return false;
        add(i, row, own, label, label, sums);
        return true;
    }

    void search(Index i, const Row& row, double square, AssignSums<double>& sums) {
        sums.searched += job_.k;
        project(row);
        T first, second;
        Index label = least(first, second);
        const double error = this->error(row, std::sqrt(square));
        double low = square + 2 * (double(second) - error);
        if (!(double(second) - double(first) > 2 * error)) {
            ++sums.rechecked;
            label = exact(row, square, low);
        }
        if (job_.lower) {
            const double root = std::sqrt(std::max(0.0, low - distance_.rounding(row, square)));
            job_.lower[i] = T(root * (1 - 8 * double(std::numeric_limits<T>::epsilon())));
        }
        const Index old = job_.labels[i];
        sums.changed += label != old;
        job_.labels[i] = std::int32_t(label);
        const double own = distance_(row, square, label);
        bound_own(i, own + distance_.rounding(row, square));
        if (label != old && old >= 0) sums.gained += double(job_.weight(i)) * (own - distance_(row, square, old));
        add(i, row, own, label, old, sums);
    }

    // `square`: what the squared distance to the row's own centroid is at most.
    void bound_own(Index i, double square) {
        if (job_.upper) job_.upper[i] = T(std::sqrt(square) * (1 + 8 * double(std::numeric_limits<T>::epsilon())));
    }

    // How far a score may be off, where sums may leave the range of T as well.
    double error(const Row& row, double norm) const {
        using Limits = std::numeric_limits<T>;
        const double reach = c_.longest * (norm + c_.longest);
        if (!(reach < double(Limits::max()) / 4)) return std::numeric_limits<double>::infinity();
        return score_error<T>(row.size) * reach + double(row.size + 2) * double(Limits::denorm_min());
    }

    // By distances in double; `second`: the squared distance to the nearest of the others.
    Index exact(const Row& row, double square, double& second) {
        distance_.all(row, square, squares_.data());
        double first = std::numeric_limits<double>::infinity();
        Index label = 0;
        second = first;
        for (Index j = 0; j < job_.k; ++j) {
            const double a = squares_[std::size_t(j)];
            if (a < first) second = first, first = a, label = j;
            else second = std::min(second, a);
        }
        return label;
    }

    void project(const Row& row) {
        std::copy_n(c_.bias.get(), c_.bias.size(), scores_.get());
        Index c = 0;
        for (; c + 4 * lanes<T> <= c_.kp; c += 4 * lanes<T>) gather<Vec<T>, 4>(row, c);
        for (; c + lanes<T> <= c_.kp; c += lanes<T>) gather<Vec<T>, 1>(row, c);
        constexpr int quarter = component_pad<T>;
        for (; c < c_.kp; c += quarter) gather<Vec<T, quarter>, 1>(row, c);
    }

    template <class V, int N>
    void gather(const Row& row, Index c) {
        constexpr Index w = sizeof(V) / sizeof(T);
        T* to = scores_.get() + c;
        V acc[N];
        for (int v = 0; v < N; ++v) acc[v] = load<V>(to + v * w);
        for (Index e = 0; e < row.size; ++e) {
            const T* column = c_.columns.get() + Index(row.columns[e]) * c_.kp + c;
            const T s = row.values[e];
#pragma GCC unroll 4
            for (int v = 0; v < N; ++v) acc[v] -= load<V>(column + v * w) * s;
        }
        for (int v = 0; v < N; ++v) store(to + v * w, acc[v]);
    }

    // The least two scores and where the first one is.
    Index least(T& first, T& second) const {
        using V = Vec<T>;
        using Id = typename Nearest<T>::Id;
        using J = Vec<Id>;
        constexpr int w = lanes<T>;
        V best = V{} + std::numeric_limits<T>::infinity(), next = best;
        J index = {};
        for (Index c = 0; c < scores_.size(); c += w) {
            const V a = load<V>(scores_.get() + c), farther = a > best ? a : best;
            next = next < farther ? next : farther;
            index = a < best ? J{} + Id(c) : index;
            best = a < best ? a : best;
        }
        Index lane = 0;
        for (int l = 1; l < w; ++l)
            if (best[l] < best[lane] || (best[l] == best[lane] && index[l] < index[lane])) lane = l;
        first = best[lane], second = next[lane];
        for (int l = 0; l < w; ++l)
            if (l != lane) second = std::min(second, best[l]);
        return Index(index[lane]) + lane;
    }

    void add(Index i, const Row& row, double square, Index label, Index old, AssignSums<double>& sums) {
        const double weight = double(job_.weight(i));
        if (job_.with_sums && label != old) {
            double* s = sums.s.get();
            for (Index e = 0; e < row.size; ++e) s[label * job_.d + row.columns[e]] += weight * double(row.values[e]);
            for (Index e = 0; old >= 0 && e < row.size; ++e)
                s[old * job_.d + row.columns[e]] -= weight * double(row.values[e]);
        }
        sums.counts.get()[label] += weight;
        sums.inertia += weight * square;
        if (job_.distances) job_.distances[i] = T(square);
    }

    CsrReader<T, I> x_;
    const Assignment<T>& job_;
    const GatheredCentroids<T>& c_;
    const Groups<T>& groups_;
    CsrDistances<T, I> distance_;
    Buffer<T> scores_;
    std::vector<double> squares_;
};

template <class S, class T, class I>
std::unique_ptr<AssignSums<double>> assign(const Csr<T, I>& source, const Assignment<T>& job, double* sums,
                                           const Run& run) {
    const GatheredCentroids<T> centroids(job.centers, job.k, job.d);
    const Groups<T> groups(nullptr, 1, job.moved, 0, job.k);
    Plan plan = source.plan(1);
    plan.work = double(source.rows()) * double(source.work_per_row()) * double(job.k);
    auto total = fold(
        plan, run, [&] { return std::make_unique<AssignSums<double>>(job.with_sums ? job.k * job.d : 0, job.k); },
        [&] { return AssignCsrWorker<T, I>(source, job, centroids, groups); });
    for (Index i = 0; sums && i < job.k * job.d; ++i) sums[i] = total->s.get()[i];
    return total;
}

}  // namespace gramfold
