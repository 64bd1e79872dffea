// Rows that wait for their search, until there are enough to go side by side.
#pragma once

#include "kmeans/search.hpp"

namespace gramfold {

// For a search among all centroids.
template <class T>
struct Queue {
    std::vector<Index> at;
    std::vector<const T*> rows;
    Index size = 0;

    explicit Queue(Index most) : at(std::size_t(most)), rows(at.size()) {}
    // Whether it is full then.
    bool push(Index i, const T* x) {
        at[std::size_t(size)] = i, rows[std::size_t(size)] = x;
        return ++size == Index(at.size());
    }
};

// For a search in some groups, each in a list for each of its groups. For a first look they are rounded in slots from
// `slot` on.
template <class T, class S>
struct GroupQueue {
    using Row = SearchedRow<T, S>;
    std::vector<Row> rows;
    std::vector<std::vector<Index>> lists;  // of places among the rows
    Index slot;

    explicit GroupQueue(Index groups, Index first_slot = 0) : lists(std::size_t(groups)), slot(first_slot) {}

    Index size() const { return Index(rows.size()); }

    void push(const Row& row) {
        for (std::uint64_t left = row.searched; left; left &= left - 1)
            lists[std::size_t(__builtin_ctzll(left))].push_back(size());
        rows.push_back(row);
    }

    // Its rows into `taken`, which was empty.
    void take(std::vector<Row>& taken) {
        for (auto& list : lists) list.clear();
        taken.swap(rows);
    }
};

}  // namespace gramfold
