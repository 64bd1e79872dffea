// Rows that are converted one by one and stay where they are until they are released.
#pragma once

#include <vector>

#include "fold/dense.hpp"

namespace gramfold {

template <class T>
class KeptRows {
  public:
    explicit KeptRows(const Rows<T>& x) : x_(x) {}

    const T* row(Index i) {
        if (free_.empty()) grow();
        T* to = free_.back();
        free_.pop_back();
        x_.read(i, to);
        return to;
    }

    void release(const T* row) { free_.push_back(const_cast<T*>(row)); }

  private:
    static constexpr Index together_ = 64;

    void grow() {
        room_.emplace_back(together_ * x_.cols);
        for (Index r = together_; r-- > 0;) free_.push_back(room_.back().get() + r * x_.cols);
    }

    Rows<T> x_;
    std::vector<Buffer<T>> room_;
    std::vector<T*> free_;
};

}  // namespace gramfold
