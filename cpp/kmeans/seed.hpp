// Squared distances of every row to a few candidates, for k-means++: one read of X for all of them.
//
//     out[l, i] = min(closest[i], |x_i - c_l|^2)        sums[b, l] = sum over the rows i of block b of w_i out[l, i]
//
// Arthur & Vassilvitskii 2007, with greedy trials. The sums of short blocks are what the potential of a candidate and
// the draw of the next ones need. Dense distances come from the differences, so that a row is 0 from itself.
// With marks (sift.hpp) only rows that may be nearer to some candidate than `closest` are read, and out holds what is
// said only where the mark is set; sums have the same bits, or are NaN where no row of a block is marked.
//
// Cost: 2 cols candidates operations a row that is read.
#pragma once

#include "kmeans/argmin.hpp"
#include "kmeans/distance_csr.hpp"
#include "kmeans/lanes.hpp"
#include "kmeans/marks.hpp"

#include <optional>

namespace gramfold {

inline constexpr Index seed_block = 96;  // a multiple of every level's panels

template <class T>
struct Seeding {
    Index n_candidates, d;
    const T *candidates, *closest, *weights;  // closest, weights: null for infinity, ones
    T* out;                                   // n_candidates x rows
    double* sums;                             // blocks x n_candidates
    const std::uint16_t* marks;  // rows: bit bits[l] for candidate l; or null for all; with it goes closest
    const std::int32_t* bits;

    std::uint16_t all_bits() const {
        unsigned all = 0;
        for (Index l = 0; l < n_candidates; ++l) all |= 1u << bits[l];
        return std::uint16_t(all);
    }

    // out has the distances of rows first to first + count; takes the minima and adds them up.
    void settle(Index first, Index count, Index rows) const {
        for (Index l = 0; l < n_candidates; ++l) {
            T* at = out + l * rows + first;
            for (Index i = 0; closest && i < count; ++i)
                at[i] = at[i] < closest[first + i] ? at[i] : closest[first + i];
            sums[first / seed_block * n_candidates + l] = sum(at, first, count);
        }
    }

    // The same where it has those of rows that are marked: the others stay where they are. NaN stands for the sum of
    // `closest`.
    void settle_marked(Index first, Index count, Index rows) const {
        unsigned any = 0;
        for (Index i = first; i < first + count; ++i) any |= marks[i];
        for (Index l = 0; l < n_candidates; ++l) {
            double& to = sums[first / seed_block * n_candidates + l];
            to = std::numeric_limits<double>::quiet_NaN();
            if (!(any >> bits[l] & 1)) continue;
            T least[seed_block], *at = out + l * rows + first;
            std::copy_n(closest + first, count, least);
            each_marked(marks + first, count, std::uint16_t(1 << bits[l]),
                        [&](Index i) { at[i] = least[i] = at[i] < least[i] ? at[i] : least[i]; });
            to = sum(least, first, count);
        }
    }

  private:
    // Weighted, of the rows from `first` on.
    double sum(const T* of, Index first, Index count) const {
        using V = Vec<T>;
        constexpr Index w = lanes<T>;
        V sums_of_lanes = {};
        Index i = 0;
        for (; i + w <= count; i += w) {
            const V a = load<V>(of + i);
            sums_of_lanes += weights ? a * load<V>(weights + first + i) : a;
        }
        double sum = 0;
        for (int lane = 0; lane < w; ++lane) sum += double(sums_of_lanes[lane]);
        for (; i < count; ++i) sum += double(of[i]) * (weights ? double(weights[first + i]) : 1.0);
        return sum;
    }
};

struct RowsRead {
    Index count = 0;
    void clear() { count = 0; }
    RowsRead& operator+=(const RowsRead& o) {
        count += o.count;
        return *this;
    }
};

template <class T, int R>
void distance_tile(Index d, const T* x, const T* c, T* out, Index out_row, const char* fetch) {
    using V = Vec<T>;
    constexpr int w = lanes<T>, nv = panel_vectors;
    V acc[R][nv] = {};
    over_columns<R>(acc, d, x, c, {fetch, 64 * fetch_lines}, [](V& square, V entries, T centre) {
        const V a = entries - centre;
        square += a * a;
    });
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < nv; ++v) store(out + r * out_row + v * w, acc[r][v]);
}

template <class T>
class SeedWorker {
  public:
    static constexpr Index width = panel_rows<T>;
    static constexpr int most = tile_rows >= 12 ? 8 : 4;

    SeedWorker(const Rows<T>& x, const Seeding<T>& job)
        : x_(x), job_(job), to_lanes_(std::vector<double>(static_cast<std::size_t>(job.d), 0.0), 1.0),
          packed_(width * job.d), candidates_(job.n_candidates * job.d), found_(most * width),
          copy_(x.has_rows() ? 0 : width * job.d), wanted_(job.marks ? job.all_bits() : 0) {
        T* to = candidates_.get();
        for (Index l = 0; l < job.n_candidates; l += most)
            for (Index q = 0; q < job.d; ++q)
                for (Index i = l; i < std::min(job.n_candidates, l + most); ++i) *to++ = job.candidates[i * job.d + q];
    }

    void operator()(Index first_block, Index blocks, RowsRead& read) {
        const Index begin = first_block * seed_block, end = std::min(x_.rows, begin + blocks * seed_block);
        if (job_.marks) read.count += panels_of_marked_rows(begin, end);
        else read.count += panels_of_rows(begin, end);
        for (Index i = begin; i < end; i += seed_block) {
            const Index count = std::min(seed_block, end - i);
            if (job_.marks) job_.settle_marked(i, count, x_.rows);
            else job_.settle(i, count, x_.rows);
        }
    }

  private:
    Index panels_of_rows(Index begin, Index end) {
        for (Index i = begin; i < end; i += width) {
            const Index count = std::min(width, end - i);
            for (Index r = 0; r < width; ++r) at_[r] = i + std::min(r, count - 1);
            panel(count, [&](Index l, const T* found) { std::copy_n(found, count, job_.out + l * x_.rows + i); });
        }
        return end - begin;
    }

    // Rows that are marked are read side by side, and fetched while they wait.
    Index panels_of_marked_rows(Index begin, Index end) {
        Index waiting = 0, read = 0;
        const auto go = [&] {
            read += waiting;
            std::fill(at_ + waiting, at_ + width, at_[0]);
            panel(waiting, [&](Index l, const T* found) {
                for (Index r = 0; r < waiting; ++r) job_.out[l * x_.rows + at_[r]] = found[r];
            });
            waiting = 0;
        };
        each_marked(job_.marks + begin, end - begin, wanted_, [&](Index i) {
            if (!copy_.size()) fetch(x_.row(begin + i));
            at_[waiting++] = begin + i;
            if (waiting == width) go();
        });
        if (waiting) go();
        return read;
    }

    void fetch(const T* row) const {
        for (Index byte = 0; byte < job_.d * Index(sizeof(T)); byte += 64)
            __builtin_prefetch(reinterpret_cast<const char*>(row) + byte, 0, 2);
    }

    // Distances of the rows at_; f(candidate, distances of the rows).
    template <class F>
    void panel(Index count, F f) {
        const T* rows[width];
        for (Index r = 0; r < width; ++r) rows[r] = row(at_[r], r);
        to_lanes_.template operator()<lanes<T>>(rows, job_.d, panel_vectors, packed_.get());
        const char* next = reinterpret_cast<const char*>(rows[count - 1] + job_.d);
        static constexpr auto tiles = tiles_of(std::make_integer_sequence<int, most>{});
        for (Index l = 0; l < job_.n_candidates; l += most) {
            const Index r = std::min<Index>(most, job_.n_candidates - l);
            tiles[std::size_t(r - 1)](job_.d, packed_.get(), candidates_.get() + l * job_.d, found_.get(), width, next);
            for (Index i = 0; i < r; ++i) f(l + i, found_.get() + i * width);
        }
    }

    const T* row(Index i, Index place) {
        if (!copy_.size()) return x_.row(i);
        T* to = copy_.get() + place * job_.d;
        x_.read(i, to);
        return to;
    }

    template <int... R>
    static constexpr auto tiles_of(std::integer_sequence<int, R...>) {
        return std::array<void (*)(Index, const T*, const T*, T*, Index, const char*), sizeof...(R)>{
            &distance_tile<T, R + 1>...};
    }

    Rows<T> x_;
    const Seeding<T>& job_;
    ToLanes<T, T> to_lanes_;
    Buffer<T> packed_, candidates_, found_, copy_;
    std::uint16_t wanted_;  // marks of any candidate
    Index at_[width];       // the rows of a panel
};

// Distances in double, see distance_csr.hpp, of all candidates side by side.
template <class T, class I>
class SeedCsrWorker {
  public:
    SeedCsrWorker(const Csr<T, I>& x, const Seeding<T>& job)
        : x_(x), job_(job), kp_(round_up<Index>(job.n_candidates, component_pad<double>)), columns_(job.d * kp_),
          squares_(kp_), products_(kp_), distances_(std::size_t(job.n_candidates)) {
        columns_.zero(), squares_.zero();
        for (Index q = 0; q < job.d; ++q)
            for (Index l = 0; l < job.n_candidates; ++l) {
                const double c = double(job.candidates[l * job.d + q]);
                columns_.get()[q * kp_ + l] = c;
                squares_.get()[l] += c * c;
            }
        distance_.emplace(job.candidates, job.n_candidates, job.d, squares_.get());
    }

    void operator()(Index first_block, Index blocks, RowsRead& read) {
        for (Index b = first_block; b < first_block + blocks; ++b) {
            const Index first = b * seed_block, count = std::min(seed_block, x_.rows() - first);
            x_.open(first, count);
            for (Index i = first; i < first + count; ++i) row(i);
            read.count += count;
            job_.settle(first, count, x_.rows());
        }
    }

  private:
    void row(Index i) {
        const auto entries = x_.entries(i);
        const double square = distance_->square(entries);
        products_.zero();
        for (Index e = 0; e < entries.size; ++e)
            axpy(kp_, double(entries.values[e]), columns_.get() + Index(entries.columns[e]) * kp_, products_.get());
        double* distances = distances_.data();
        for (Index l = 0; l < job_.n_candidates; ++l)
            distances[l] = square - 2 * products_.get()[l] + squares_.get()[l];
        distance_->settle(entries, square, distances);
        for (Index l = 0; l < job_.n_candidates; ++l) job_.out[l * x_.rows() + i] = T(distances[l]);
    }

    CsrReader<T, I> x_;
    const Seeding<T>& job_;
    Index kp_;
    Buffer<double> columns_, squares_, products_;
    std::vector<double> distances_;
    std::optional<CsrDistances<T, I>> distance_;
};

template <class T>
SeedWorker<T> seed_worker(const Dense<T>& x, const Seeding<T>& job) {
    return {x.matrix(), job};
}
template <class T, class I>
SeedCsrWorker<T, I> seed_worker(const Csr<T, I>& x, const Seeding<T>& job) {
    return {x, job};
}

// How many rows were read.
template <class Source, class T>
Index seed(const Source& x, const Seeding<T>& job, const Run& run) {
    const Index blocks = (x.rows() + seed_block - 1) / seed_block;
    const double work = double(x.rows()) * double(x.work_per_row()) * double(job.n_candidates);
    return fold(
               {blocks, blocks, std::max<Index>(1, blocks / row_group), work}, run,
               [] { return std::make_unique<RowsRead>(); }, [&] { return seed_worker(x, job); })
        ->count;
}

}  // namespace gramfold
