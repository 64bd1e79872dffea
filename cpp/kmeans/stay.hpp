// Rows that keep their cluster by what is known of one bound each, without being read (Hamerly 2010).
#pragma once

#include "kmeans/assignment.hpp"

namespace gramfold {

template <class T>
class Stay {
  public:
    Stay(const Assignment<T>& job, const Groups<T>& groups) : job_(job) {
        for (Index j = 0; job.moved && j < job.k; ++j) {
            moves_.push_back(groups.moves[std::size_t(j)]);
            of_others_.push_back(groups.all.of_others(0, j));
        }
    }

    // at: the rows whose own centroid may not be the nearest one any more, wherever all went; the others are counted.
    // Bounds of rows that may go are overwritten when these have been searched. Returns how many they are.
    Index those_that_may_go(Index begin, Index count, double* counts, Index* at) const {
        constexpr T epsilon = std::numeric_limits<T>::epsilon();
        Index found = 0;
        if (!job_.moved) {
            for (; found < count; ++found) at[found] = begin + found;
            return found;
        }
        for (Index i = begin; i < begin + count; ++i) {
            const bool known = job_.labels[i] >= 0;
            const Index label = known ? job_.labels[i] : 0;
            const T upper = (job_.upper[i] + moves_[std::size_t(label)]) * (1 + 4 * epsilon);
            const T lower = (job_.lower[i] - of_others_[std::size_t(label)]) * (1 - 16 * epsilon);
            const bool stays = known && lower > upper;
            job_.upper[i] = upper, job_.lower[i] = lower;
            counts[label] += stays ? double(job_.weight(i)) : 0.0;
            at[found] = i, found += !stays;
        }
        return found;
    }

  private:
    const Assignment<T>& job_;
    std::vector<T> moves_, of_others_;
};

}  // namespace gramfold
