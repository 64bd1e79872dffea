// Rows searched among groups of centroids, many side by side: in S, or at first by products of 16-bit integers. Either
// leaves the least two scores of each row, and how far they may be off.
#pragma once

#include "kmeans/found.hpp"
#include "kmeans/rounded.hpp"

namespace gramfold {

// A row that waits for its search, and what has been found of it in the groups that are marked in `searched`.
template <class T, class S>
struct SearchedRow {
    Index at;
    const T* x;
    std::uint64_t searched;
    T at_most;  // a bound of the row's old group, for what went far and was not searched
    FoundRow<S> found = {};
};

template <class T, class S>
class Search {
  public:
    static constexpr Index width = panel_rows<S>;

    // `kept`: how many rows wait for a first look in slots from most() on. Those before are for rows that do not wait.
    Search(const Centroids<S>& centroids, const CoarseCentroids<S>& coarse, Index kept)
        : centroids_(centroids), coarse_(coarse), to_lanes_(centroids.shift(), centroids.scale()),
          d_(centroids.columns()), panels_(std::clamp<Index>(block_bytes / 2 / (width * d_ * Index(sizeof(S))), 1, 8)),
          packed_(most() * d_), rounded_(centroids, coarse, most() + kept),
          rounded_panels_(coarse.on() ? panels_ * rounded_.panel_words() : 0),
          rounded_rows_(coarse.on() ? std::size_t(panels_) : 0), nearest_(std::size_t(panels_ * centroids.groups())) {}

    // How many rows are searched at a time.
    Index most() const { return panels_ * width; }

    // Rows for a first look into the slots from `slot` on.
    template <class RowOf>
    void round(Index slot, Index count, const RowOf& row_of) {
        rounded_.round(slot, count, row_of);
    }

    // Rows to be searched in S, the last panel filled up with the first one.
    template <class RowOf>
    void pack(Index count, const RowOf& row_of) {
        pack_panels(false, count, [&](Index p, const auto& index) {
            const T* rows[width];
            for (Index r = 0; r < width; ++r) rows[r] = row_of(index(r));
            to_lanes_.template operator()<lanes<S>>(rows, d_, panel_vectors, packed_.get() + p * width * d_);
        });
    }

    // The slots of rows to have a first look at.
    template <class SlotOf>
    void pack_rounded(Index count, const SlotOf& slot_of) {
        pack_panels(true, count, [&](Index p, const auto& index) {
            rounded_.pack([&](Index r) { return slot_of(index(r)); },
                          rounded_panels_.get() + p * rounded_.panel_words(), rounded_rows_[std::size_t(p)]);
        });
    }

    // The rows that are packed, among the groups from `begin` to `end`, while so many entries from `ahead` on are
    // fetched. visit(first row, rows, the nearest in each group, what is known of the rows) comes once per panel.
    template <class Visit>
    void among(Index begin, Index end, const T* ahead, Index entries, const Visit& visit) {
        const Index panels = (count_ + width - 1) / width, bytes = entries * Index(sizeof(T));
        const char* fetch = reinterpret_cast<const char*>(ahead);
        if (looks_)
            coarse_.search(rounded_panels_.get(), rounded_.panel_words(), rounded_rows_.data(), panels, begin, end,
                           nearest_.data(), fetch, bytes);
        else centroids_.search(packed_.get(), panels, begin, end, nearest_.data(), fetch, bytes);
        for (Index p = 0; p < panels; ++p) {
            if (looks_) found_.begin(rounded_rows_[std::size_t(p)].norm, rounded_rows_[std::size_t(p)].error);
            else found_.begin(packed_.get() + p * width * d_, d_, centroids_);
            visit(p * width, std::min(width, count_ - p * width), nearest_.data() + p * (end - begin), found_);
        }
    }

  private:
    template <class Pack>
    void pack_panels(bool looks, Index count, const Pack& pack) {
        looks_ = looks, count_ = count;
        for (Index p = 0; p * width < count; ++p)
            pack(p, [&](Index r) { return p * width + r < count ? p * width + r : 0; });
    }

    const Centroids<S>& centroids_;
    const CoarseCentroids<S>& coarse_;
    ToLanes<T, S> to_lanes_;
    Index d_, panels_, count_ = 0;
    bool looks_ = false;  // whether what is packed is rounded
    Buffer<S> packed_;
    RoundedRows<T, S> rounded_;
    Buffer<std::int32_t> rounded_panels_;
    std::vector<CoarseRows<S>> rounded_rows_;
    std::vector<Nearest<S>> nearest_;
    Found<S> found_;
};

}  // namespace gramfold
