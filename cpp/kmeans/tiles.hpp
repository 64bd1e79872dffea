// Centroids in the order in which they are read, cut into tiles.
#pragma once

#include <algorithm>
#include <vector>

#include "fold/dense.hpp"

namespace gramfold {

// A group is a stretch of the order, from starts[g] to starts[g + 1], and has tiles of its own, of at most so many
// centroids and as good as equally large.
class Tiles {
  public:
    struct Tile {
        Index first, size, group;
    };

    Tiles(const std::vector<Index>& starts, Index most) : most_(most), of_group_(1) {
        for (std::size_t g = 0; g + 1 < starts.size(); ++g) {
            const Index size = starts[g + 1] - starts[g], count = (size + most - 1) / most;
            for (Index t = 0; t < count; ++t) {
                const Index from = size * t / count;
                all_.push_back({starts[g] + from, size * (t + 1) / count - from, Index(g)});
            }
            of_group_.push_back(Index(all_.size()));
        }
    }

    // Visits each tile of some groups with each panel, if a centroid takes so many bytes. Centroids go by in stretches
    // that stay in the second-level cache while the panels pass.
    template <class Visit>
    void walk(Index begin, Index end, Index panels, Index bytes, const Visit& visit) const {
        const Index stretch = std::max<Index>(1, block_bytes / (most_ * bytes)), last = of_group_[std::size_t(end)];
        for (Index t = of_group_[std::size_t(begin)]; t < last; t += stretch)
            for (Index p = 0; p < panels; ++p)
                for (Index u = t; u < std::min(last, t + stretch); ++u) visit(all_[std::size_t(u)], p);
    }

    const std::vector<Tile>& all() const { return all_; }
    Index groups() const { return Index(of_group_.size()) - 1; }

  private:
    Index most_;
    std::vector<Tile> all_;
    std::vector<Index> of_group_;  // its first tile, and the end
};

}  // namespace gramfold
