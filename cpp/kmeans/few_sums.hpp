// The sums of a pass over few clusters and columns, kept in lanes while the panels go by.
//
// Where few rows of a panel change their cluster they are added one by one, else by masks per cluster.
#pragma once

#include "kmeans/argmin.hpp"
#include "kmeans/assignment.hpp"

namespace gramfold {

template <class T>
class FewSums {
  public:
    static constexpr int w = lanes<T>, across = tile_rows >= 12 ? 4 : 2, width = across * w;
    using V = Vec<T>;
    using Id = typename Nearest<T>::Id;
    using I = Vec<Id>;
    using Doubles = Vec<double, sizeof(T) == 8 ? w : w / 2>;

    // x: d x width, the rows of the panel at hand.
    FewSums(const Assignment<T>& job, const T* x)
        : job_(job), x_(x), sums_(job.k * job.d * w), moved_(job.k * w), counts_(job.k * width),
          labels_(together_ * width) {
        sums_.zero(), moved_.zero(), counts_.zero();
    }

    static Doubles pairs(V v) {
        if constexpr (sizeof(T) == 8) {
            return v;
        } else {
            Vec<T, w / 2> half[2];
            std::memcpy(half, &v, sizeof(v));
            return __builtin_convertvector(half[0] + half[1], Doubles);
        }
    }

    // Rows are counted in bytes, some panels at a time; the counts are added up before they are full.
    void count(const I (&label)[across], AssignSums<T>& sums) {
        Byte* at = labels_.get() + waiting_++ * width;
        for (int v = 0; v < across; ++v) store(at + v * w, __builtin_convertvector(label[v], Vec<Byte, w>));
        if (waiting_ == together_) count_waiting(sums);
    }

    void add(Index r, Index label, Index old, T weight, AssignSums<T>& sums) {
        const auto to = [&](Index j, T by) {
            for (Index q = 0; q < job_.d; ++q)
                sums.s.get()[j * job_.d + q] += (x_[q * width + r] - job_.center(j)[q]) * by;
            sums.moved.get()[j] += double(by);
        };
        to(label, weight);
        if (old >= 0) to(old, -weight);
    }

    template <bool Weighted>
    void add_by_masks(const Id* label, const Id* old, const T* weights) {
        for (Index j = 0; j < job_.k; ++j) {
            V by[across], whole = {};
            Doubles moved = load<Doubles>(moved_.get() + j * w);
            for (int v = 0; v < across; ++v) {
                const V weight = Weighted ? load<V>(weights + v * w) : V{} + 1;
                by[v] = load<I>(label + v * w) == Id(j) ? weight : V{};
                by[v] = load<I>(old + v * w) == Id(j) ? by[v] - weight : by[v];
                if constexpr (Weighted) moved += pairs(by[v]);
                else whole += by[v];
            }
            moved += pairs(whole);
            store(moved_.get() + j * w, moved);
            for (Index q = 0; q < job_.d; ++q) {
                T* to = sums_.get() + (j * job_.d + q) * w;
                V s = load<V>(to);
                for (int v = 0; v < across; ++v) {
                    const V t = load<V>(x_ + q * width + v * w) - job_.center(j)[q];
                    s += by[v] * (by[v] != V{} ? t : V{});
                }
                store(to, s);
            }
        }
    }

    // What is in lanes goes to the sums of the chunk.
    void flush(AssignSums<T>& sums) {
        for (Index j = 0; j < job_.k; ++j)
            for (int l = 0; l < w; ++l) sums.moved.get()[j] += moved_.get()[j * w + l];
        for (Index i = 0; job_.with_sums && i < job_.k * job_.d; ++i)
            sums.s.get()[i] += sum_lanes<T>(load<V>(sums_.get() + i * w));
        count_waiting(sums), flush_counts(sums);
        sums_.zero(), moved_.zero();
    }

  private:
    using Byte = unsigned char;
    using Bytes = Vec<Byte, width>;
    static constexpr int together_ = 4;  // panels that are counted at a time

    void count_waiting(AssignSums<T>& sums) {
        std::fill(labels_.get() + waiting_ * width, labels_.get() + together_ * width, Byte(255));
        Byte* to = counts_.get();
        for (Index j = 0; j < job_.k; ++j, to += width) {
            auto count = load<Bytes>(to);
            for (int i = 0; i < together_; ++i) count -= Bytes(load<Bytes>(labels_.get() + i * width) == Byte(j));
            store(to, count);
        }
        counted_ += together_, waiting_ = 0;
        if (counted_ + together_ > 255) flush_counts(sums);
    }

    void flush_counts(AssignSums<T>& sums) {
        for (Index j = 0; j < job_.k; ++j)
            sums.counts.get()[j] += std::accumulate(counts_.get() + j * width, counts_.get() + (j + 1) * width, 0);
        counts_.zero(), counted_ = 0;
    }

    const Assignment<T>& job_;
    const T* x_;
    Buffer<T> sums_;  // sums_, moved_: a number per lane; counts_: per row of a panel
    Buffer<double> moved_;
    Buffer<Byte> counts_, labels_;   // labels_: of panels that wait to be counted
    int counted_ = 0, waiting_ = 0;  // panels
};

}  // namespace gramfold
