// One pass over the rows of X by coordinate descent on the Kullback-Leibler loss, see rows/kl.hpp.
//
// A row needs F only where it has entries. They are gathered once, component by component, and several sweeps run
// in the cache. Short rows are solved side by side, one in each lane, with rows of about the same length; long ones
// one at a time along the lanes. Which of the two depends on the row alone, and lanes do not see each other.
// A thread gathers up to `longest row` x k numbers; of dense rows it has the entries of `most_opened` bytes, or of one.
#pragma once

#include "fold/csr.hpp"
#include "nmf/kl_row.hpp"

namespace gramfold {

struct KlSums {
    Buffer<double> total;
    KlStats stats;

    explicit KlSums(Index k) : total(k) { clear(); }
    void clear() { total.zero(), stats = {}; }
    KlSums& operator+=(const KlSums& o) {
        for (Index t = 0; t < total.size(); ++t) total.get()[t] += o.total.get()[t];
        stats += o.stats;
        return *this;
    }
};

// The entries of a row; of a dense row those that are not 0.
template <class Source>
class RowEntries;

template <class T, class I>
class RowEntries<Csr<T, I>> {
  public:
    static Index block(const Csr<T, I>& x, Index k) { return x.plan(k).block; }

    explicit RowEntries(const Csr<T, I>& x) : x_(x) {}
    void open(Index first, Index count) {
        first_ = first;
        x_.open(first, count);
    }
    Entries<T, I> operator[](Index r) const { return x_.entries(first_ + r); }

  private:
    CsrReader<T, I> x_;
    Index first_ = 0;
};

template <class T>
class RowEntries<Dense<T>> {
  public:
    // By the shape alone: rows that lie side by side are solved in the same order as those that follow each other.
    static Index block(const Dense<T>& x, Index) {
        const Index row = x.cols() * Index(sizeof(T) + sizeof(Index));
        return std::clamp<Index>(most_opened / std::max<Index>(1, row), 1,
                                 plan(x.rows(), x.cols() * Index(sizeof(T))).block);
    }

    explicit RowEntries(const Dense<T>& x) : x_(x.matrix()) {}
    void open(Index first, Index count) {
        values_.clear(), columns_.clear(), begins_.assign(1, 0);
        const Index cols = x_.cols, some = count == 1 && !x_.in_place() ? std::min(cols, piece) : cols;
        if (some < cols) values_.reserve(std::size_t(cols)), columns_.reserve(std::size_t(cols));
        for (Index begin = 0; begin < cols; begin += some) {
            const Index end = std::min(cols, begin + some);
            x_.open(first, count, begin, end - begin);
            for (Index r = first; r < first + count; ++r) {
                for (Index c = begin; c < end; ++c)
                    if (const T x = x_(r, c); x != 0) values_.push_back(x), columns_.push_back(c);
                if (end == cols) begins_.push_back(values_.size());
            }
        }
        begins_.resize(static_cast<std::size_t>(count) + 1, 0);
    }
    Entries<T, Index> operator[](Index r) const {
        const auto begin = begins_[static_cast<std::size_t>(r)], end = begins_[static_cast<std::size_t>(r + 1)];
        return {values_.data() + begin, columns_.data() + begin, Index(end - begin)};
    }

  private:
    static constexpr Index most_opened = Index{8} << 20, piece = Index{1} << 18;  // bytes; entries of a long row

    RowReader<T> x_;
    std::vector<T> values_;
    std::vector<Index> columns_;
    std::vector<std::size_t> begins_;
};

// Slopes of all rows, k numbers, or with `step` = k of each row its own.
struct KlSlopes {
    const double* values;
    Index step;
};

template <class T, class Source>
class KlCoordinateWorker {
  public:
    KlCoordinateWorker(const Source& x, const T* f, KlSlopes slopes, const KlRows<T>& rows, const T* start, T* out)
        : entries_(x), f_(f), slopes_(slopes), rows_(rows), start_(start), out_(out), k_(rows.k), z_(k_ * w),
          slope_(k_ * w), zeros_(k_), short_(std::clamp<Index>((Index{256} << 10) / (vector_bytes * k_), 1, 256)) {
        zeros_.zero();
    }

    void operator()(Index first, Index count, KlSums& sums) {
        entries_.open(first, count);
        sort_by_length(count);
        Index i = 0;
        while (i < count && entries_[order_[i]].size <= short_) {
            Index n = 1;
            while (n < w && i + n < count && entries_[order_[i + n]].size <= short_) ++n;
            solve_side_by_side(first, order_.data() + i, n, sums.stats);
            i += n;
        }
        for (; i < count; ++i) solve_along(first, order_[i], sums.stats);
        for (Index t = 0; t < k_; ++t) {
            T sum = 0;
            for (Index r = first; r < first + count; ++r) sum += out_[r * k_ + t];
            sums.total.get()[t] += double(sum);
        }
    }

  private:
    using V = Vec<T>;
    static constexpr int w = lanes<T>;

    // Counting sort; all long rows are last, in no order.
    void sort_by_length(Index count) {
        const auto bucket = [&](Index r) { return static_cast<std::size_t>(std::min(entries_[r].size, short_ + 1)); };
        ends_.assign(static_cast<std::size_t>(short_ + 2), 0);
        for (Index r = 0; r < count; ++r) ++ends_[bucket(r)];
        for (std::size_t b = 1; b < ends_.size(); ++b) ends_[b] += ends_[b - 1];
        order_.resize(static_cast<std::size_t>(count));
        for (Index r = count; r-- > 0;) order_[static_cast<std::size_t>(--ends_[bucket(r)])] = r;
    }

    T unit(Index r) const { return rows_.units ? T(rows_.units[r]) : T(1); }

    // Space for n vectors per component.
    KlGathered<T> gathered(Index n) {
        const Index size = (k_ + 3) * n * w;
        if (space_.size() < size) {
            space_ = Buffer<T>();  // of long rows there is no room for two
            space_ = Buffer<T>(size + std::min<Index>(size / 2, Index{1} << 20));
        }
        V* v = reinterpret_cast<V*>(space_.get());
        return {n,
                v,
                v + k_ * n,
                v + (k_ + 1) * n,
                v + (k_ + 2) * n,
                reinterpret_cast<V*>(z_.get()),
                reinterpret_cast<const V*>(slope_.get()),
                V{}};
    }

    void solve_side_by_side(Index first, const Index* rows, Index count, KlStats& stats) {
        const Index n = entries_[rows[count - 1]].size;
        KlGathered<T> all = gathered(n);
        decltype(entries_[0]) row[w] = {};
        V active = {}, inverse = {};
        z_.zero();
        for (Index lane = 0; lane < count; ++lane) {
            row[lane] = entries_[rows[lane]];
            const T unit = this->unit(first + rows[lane]);
            active[lane] = 1, inverse[lane] = 1 / unit, all.l2[lane] = rows_.penalty(unit);
            for (Index t = 0; t < k_; ++t) z_.get()[t * w + lane] = start_[(first + rows[lane]) * k_ + t];
        }
        for (Index lane = 0; lane < w; ++lane) set_slope(first + rows[std::min(lane, count - 1)], lane);
        for (Index e = 0; e < n; ++e) {
            const T* from[w];
            for (Index lane = 0; lane < w; ++lane) {
                const auto& r = row[lane];
                if (e + 2 < r.size) prefetch(r.columns[e + 2]);
                all.x[e][lane] = e < r.size ? r.values[e] : T(0);
                from[lane] = all.x[e][lane] != 0 ? f_ + Index(r.columns[e]) * k_ : zeros_.get();
            }
            all.x[e] *= inverse;
            gather(from, space_.get() + e * w, n * w);
        }
        rows_.template solve<true>(all, active, stats);
        for (Index lane = 0; lane < count; ++lane)
            for (Index t = 0; t < k_; ++t) out_[(first + rows[lane]) * k_ + t] = z_.get()[t * w + lane];
    }

    void solve_along(Index first, Index r, KlStats& stats) {
        const auto row = entries_[r];
        const Index n = (row.size + w - 1) / w;
        KlGathered<T> all = gathered(n);
        const T unit = this->unit(first + r), inverse = 1 / unit;
        all.l2 = V{} + rows_.penalty(unit);
        for (Index e = 0; e < n * w; e += w) {
            const T* from[w];
            for (Index lane = 0; lane < w; ++lane) {
                const Index i = e + lane;
                if (i + 4 * w < row.size) prefetch(row.columns[i + 4 * w]);
                all.x[e / w][lane] = i < row.size ? row.values[i] : T(0);
                from[lane] = all.x[e / w][lane] != 0 ? f_ + Index(row.columns[i]) * k_ : zeros_.get();
            }
            all.x[e / w] *= inverse;
            gather(from, space_.get() + e, n * w);
        }
        for (Index t = 0; t < k_; ++t) all.z[t] = V{} + start_[(first + r) * k_ + t];
        for (Index lane = 0; lane < w; ++lane) set_slope(first + r, lane);
        rows_.template solve<false>(all, V{} + T(1), stats);
        for (Index t = 0; t < k_; ++t) out_[(first + r) * k_ + t] = all.z[t][0];
    }

    void set_slope(Index row, Index lane) {
        for (Index t = 0; t < k_; ++t) slope_.get()[t * w + lane] = T(slopes_.values[row * slopes_.step + t]);
    }

    void prefetch(Index column) const {
        const char* row = reinterpret_cast<const char*>(f_ + column * k_);
        for (Index b = 0; b < k_ * Index(sizeof(T)); b += 64) __builtin_prefetch(row + b);
    }

    // One row of F per lane becomes one vector per component, f_step apart. The last square overlaps its neighbour.
    void gather(const T* const* from, T* f, Index f_step) const {
        for (Index t = 0; k_ >= w && t < k_; t += w) {
            const Index at = std::min(t, k_ - w);
            V v[w];
#pragma GCC unroll 16
            for (Index lane = 0; lane < w; ++lane) v[lane] = load<V>(from[lane] + at);
            transpose_in_place<T, w>(v);
#pragma GCC unroll 16
            for (Index i = 0; i < w; ++i) store(f + (at + i) * f_step, v[i]);
        }
        for (Index t = 0; k_ < w && t < k_; ++t)
            for (Index lane = 0; lane < w; ++lane) f[t * f_step + lane] = from[lane][t];
    }

    RowEntries<Source> entries_;
    const T* f_;
    KlSlopes slopes_;
    const KlRows<T>& rows_;
    const T* start_;
    T* out_;
    Index k_;
    Buffer<T> z_, slope_, zeros_, space_;
    Index short_;
    std::vector<Index> ends_, order_;
};

// f: cols x k.
template <class T, class Source>
std::unique_ptr<KlSums> kl_coordinate_pass(const Source& x, const T* f, KlSlopes slopes, const KlRows<T>& rows,
                                           const T* start, T* out, const Run& run) {
    Plan plan = gramfold::plan(x.rows(), 2048);
    plan.block = std::min(plan.block, RowEntries<Source>::block(x, rows.k));
    plan.work = double(x.rows()) * double(rows.k) * double(x.work_per_row()) * (1 + rows.max_sweeps);
    return fold(
        plan, run, [&] { return std::make_unique<KlSums>(rows.k); },
        [&] { return KlCoordinateWorker<T, Source>(x, f, slopes, rows, start, out); });
}

}  // namespace gramfold
