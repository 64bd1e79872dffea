// The pass of k-means for few clusters: four rows at a time, all their distances at once, vectors run over columns.
//
//     a_j = |x - c_j|^2 from the differences    label = argmin_j a_j    counts, sums and inertia as in assign.hpp
//
// Rows are read where they lie: side by side, as assign.hpp has them, few centroids do not repay that. A subtraction
// with each FMA costs nothing on cores that add beside them. Distances are known up to a share of themselves, as in
// few.hpp: a row with a second centroid within that share is looked at again in double. A row that its bounds show to
// stay is not read; one that may go is searched at once, for its own distance alone costs as much.
// Cost: k d / lanes subtractions and FMA per row that is read.
#pragma once

#include "kmeans/kept.hpp"
#include "kmeans/stay.hpp"

namespace gramfold {

// Beyond so many clusters a tile of scores is as fast; measured on Zen 4 and, with AVX2, on Zen 3.
inline constexpr Index direct_clusters = vector_bytes == 64 ? 16 : 12;

// Lane r of the result is the sum of the lanes of v[r].
template <class T>
[[gnu::always_inline]] inline Vec<T, 4> sums_of_four(const Vec<T> (&v)[4]) {
    constexpr int w = lanes<T>;
    const auto blocks = [](const Vec<T>& a, const Vec<T>& b, auto size, int odd) {
        using Id = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
        Vec<Id> from;
        for (int l = 0; l < w; ++l) {
            const int block = l / size;
            from[l] = Id((block % 2 ? w : 0) + (block / 2 * 2 + odd) * size + l % size);
        }
        return __builtin_shuffle(a, b, from);
    };
    const auto pairs = [&](const Vec<T>& a, const Vec<T>& b, auto size) {
        return blocks(a, b, size, 0) + blocks(a, b, size, 1);
    };
    constexpr auto one = std::integral_constant<int, 1>{};
    constexpr auto two = std::integral_constant<int, 2>{};
    const Vec<T> low = pairs(v[0], v[1], one), high = pairs(v[2], v[3], one);
    Vec<T, 4> out;
    if constexpr (w == 2) {
        std::memcpy(&out, &low, sizeof(low)),
            std::memcpy(reinterpret_cast<char*>(&out) + sizeof(low), &high, sizeof(high));
        return out;
    } else {
        const Vec<T> all = pairs(low, high, two);
        Vec<T, 4> parts[w / 4];
        std::memcpy(parts, &all, sizeof(all));
        for (int n = w / 8; n > 0; n /= 2)
            for (int i = 0; i < n; ++i) parts[i] += parts[i + n];
        return parts[0];
    }
}

template <class T>
class DirectWorker {
  public:
    DirectWorker(const Rows<T>& x, const Assignment<T>& job, const Groups<T>& groups)
        : job_(job), stay_(job, groups), rows_(x, most_), whole_(job.d / w), stride_((whole_ + 1) * w),
          centers_(job.k * stride_), squares_(job.k * together_) {
        const Index left = job.d - whole_ * w;  // columns behind the last whole vector: they end a vector of their own
        for (Index l = 0; l < w; ++l) behind_[l] = l >= w - left ? Bits(-1) : Bits(0);
        centers_.zero();
        for (Index j = 0; j < job.k; ++j) {
            T* to = centers_.get() + j * stride_;
            std::copy_n(job.center(j), whole_ * w, to);
            std::copy_n(job.center(j) + whole_ * w, left, to + stride_ - left);
            // Of equal centroids the first one takes the rows: the others need no second look at every tie.
            for (Index i = 0; i < j; ++i)
                if (std::equal(job.center(i), job.center(i) + job.d, job.center(j)))
                    copies_ = true, std::fill_n(to, whole_ * w, std::numeric_limits<T>::infinity());
        }
        error_ = T(whole_ + 10) * epsilon;
        least_ = T(job.d) * std::numeric_limits<T>::min() * error_;
    }

    void operator()(Index first, Index count, AssignSums<T>& sums) {
        const Index end = first + count;
        for (Index begin = first; begin < end; begin += most_) {
            const Index block = std::min(most_, end - begin);
            rows_.open(begin, block);
            const Index waiting = stay_.those_that_may_go(begin, block, sums.counts.get(), at_);
            for (Index r = 0; r < waiting; ++r) x_[r] = rows_.row(at_[r]);
            sums.searched += waiting * job_.k;
            for (Index r = 0; r < 2 * together_ && waiting; ++r) x_[waiting + r] = x_[waiting - 1];
            for (Index r = 0; r < waiting; r += together_) search(r, std::min<Index>(together_, waiting - r), sums);
            for (Index r = 0; r < waiting; ++r) rows_.release(x_[r]);
        }
    }

  private:
    static constexpr int w = lanes<T>, together_ = 4, across_ = vector_bytes == 64 ? 4 : 2;
    static constexpr Index most_ = 64;
    static constexpr T epsilon = std::numeric_limits<T>::epsilon();
    using V = Vec<T>;
    using Four = Vec<T, together_>;
    using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    using Ids = Vec<Bits, together_>;

    // Of the rows that wait those from `first` on.
    void search(Index first, Index count, AssignSums<T>& sums) {
        const T* const* x = x_ + first;
        for (Index j = 0; j < job_.k;) {
            const Index left = job_.k - j;
            if (across_ == 4 && (left == 4 || left > 6)) tile<across_>(x, j);
            else if (left > 2 && across_ == 4) tile<3>(x, j);
            else if (left > 1) tile<2>(x, j);
            else tile<1>(x, j);
        }
        settle(x, at_ + first, count, sums);
    }

    // The distances of rows to the centroids from j on, so many of them; j goes on behind them. With the first ones the
    // next rows are fetched.
    template <int C>
    void tile(const T* const* rows, Index& j) {
        V acc[C][together_];
#pragma GCC unroll 4
        for (int i = 0; i < C; ++i)
#pragma GCC unroll 4
            for (int r = 0; r < together_; ++r) acc[i][r] = V{};
        const T* c = centers_.get() + j * stride_;
        const Index next = j ? 0 : together_;
        const auto step = [&](Index q, const V(&x)[together_]) __attribute__((always_inline)) {
#pragma GCC unroll 4
            for (int i = 0; i < C; ++i) {
                const V center = load<V>(c + i * stride_ + q);
#pragma GCC unroll 4
                for (int r = 0; r < together_; ++r) {
                    const V t = x[r] - center;
                    acc[i][r] += t * t;
                }
            }
        };
        V x[together_];
        for (Index q = 0; q < whole_ * w; q += w) {
#pragma GCC unroll 4
            for (int r = 0; r < together_; ++r) {
                x[r] = load<V>(rows[r] + q);
                __builtin_prefetch(rows[r + next] + q, 0, 2);
            }
            step(q, x);
        }
        if (job_.d > whole_ * w) {
#pragma GCC unroll 4
            for (int r = 0; r < together_; ++r) x[r] = (V)(load<Vec<Bits>>(rows[r] + job_.d - w) & behind_);
            step(whole_ * w, x);
        }
#pragma GCC unroll 4
        for (int i = 0; i < C; ++i) store(squares_.get() + (j + i) * together_, sums_of_four<T>(acc[i]));
        j += C;
    }

    void settle(const T* const* x, const Index* at, Index count, AssignSums<T>& sums) {
        Four first = Four{} + std::numeric_limits<T>::infinity(), second = first;
        Ids label = {};
        for (Index j = 0; j < job_.k; ++j) {
            const Four a = load<Four>(squares_.get() + j * together_), later = a > first ? a : first;
            second = later < second ? later : second;
            label = a < first ? Ids{} + Bits(j) : label;
            first = a < first ? a : first;
        }
        double inertia = 0;
        for (int r = 0; r < count; ++r) {
            Index to = Index(label[r]);
            T nearest = first[r], next = second[r];
            if (next <= nearest * (1 + 2 * error_) + least_) to = decide(r, x[r], nearest, next, sums);
            if (job_.lower) bound(at[r], nearest, next);
            add(r, at[r], x[r], to, nearest, sums);
            inertia += double(job_.weight(at[r])) * double(nearest);
        }
        sums.inertia += inertia;
    }

    // By distances in double; of the others the nearest one is at the square root of `next`.
    Index decide(int r, const T* x, T& nearest, T& next, AssignSums<T>& sums) const {
        const Index label = exact_nearest(x, job_.centers, job_.k, job_.d);
        ++sums.rechecked;
        nearest = square(r, label), next = std::numeric_limits<T>::infinity();
        for (Index j = 0; j < job_.k; ++j)
            if (j != label) next = std::min(next, square(r, j));
        return label;
    }

    T square(int r, Index j) const { return squares_.get()[j * together_ + r]; }

    void bound(Index i, T nearest, T next) {
        const T low = next * (1 - error_) - least_;
        job_.lower[i] = copies_ || !(low > 0) ? T(0) : std::sqrt(low) * (1 - 4 * epsilon);
        if (job_.upper) job_.upper[i] = std::sqrt(nearest * (1 + error_) + least_) * (1 + 4 * epsilon);
    }

    // Copies of a centroid are infinitely far in a search.
    double before(int r, const T* x, Index old) const {
        return copies_ ? distance(x, job_.center(old), job_.d).sum() : double(square(r, old));
    }

    void add(int r, Index i, const T* x, Index label, T nearest, AssignSums<T>& sums) {
        const Index old = job_.labels[i];
        const T weight = job_.weight(i);
        sums.counts.get()[label] += double(weight);
        if (job_.distances) job_.distances[i] = nearest;
        if (label == old) return;
        ++sums.changed;
        job_.labels[i] = std::int32_t(label);
        if (old >= 0) sums.gained += double(weight) * (double(nearest) - before(r, x, old));
        if (!job_.with_sums) return;
        const auto to = [&](Index j, T by) {
            add_difference(x, job_.center(j), job_.d, by, sums.s.get() + j * job_.d);
            sums.moved.get()[j] += double(by);
        };
        to(label, weight);
        if (old >= 0) to(old, -weight);
    }

    const Assignment<T>& job_;
    const Stay<T> stay_;
    RowsAtHand<T> rows_;
    Index whole_, stride_;         // whole_: vectors of columns
    Buffer<T> centers_, squares_;  // squares_: k x together_
    Vec<Bits> behind_;
    bool copies_ = false;
    T error_, least_;
    Index at_[most_];  // of the rows that wait
    const T* x_[most_ + 2 * together_];
};

template <class T>
bool direct(const Assignment<T>& job) {
    return job.search && job.k <= direct_clusters && job.d >= lanes<T> && job.n_groups == 1 && !job.n_far &&
           !job.look && (!job.moved || job.upper);
}

}  // namespace gramfold
