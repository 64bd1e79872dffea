// Rows searched among groups of centroids, many side by side: in S, or at first by products of whole numbers. Either
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

// Rows rounded to numbers N, and panels of them.
template <class T, class S, class N>
class FirstLook {
  public:
    // `most` rows are rounded at a time, and as many panels are laid side by side.
    FirstLook(const Centroids<S>& centroids, const CoarseCentroids<S, N>& coarse, Index panels, Index most)
        : coarse_(coarse), rounded_(centroids, coarse, most),
          panels_(coarse.on() ? panels * rounded_.panel_words() : 0), rows_(coarse.on() ? std::size_t(panels) : 0) {}

    template <class RowOf>
    void round(Index slot, Index count, const RowOf& row_of) {
        rounded_.round(slot, count, row_of);
    }
    template <class SlotOf>
    void pack(Index panel, const SlotOf& slot_of) {
        rounded_.pack(slot_of, panels_.get() + panel * rounded_.panel_words(), rows_[std::size_t(panel)]);
    }
    void search(Index count, Index begin, Index end, Nearest<S>* nearest, const char* fetch, Index bytes) const {
        coarse_.search(panels_.get(), rounded_.panel_words(), rows_.data(), count, begin, end, nearest, fetch, bytes);
    }
    const CoarseRows<S>& rows(Index panel) const { return rows_[std::size_t(panel)]; }
    bool on() const { return coarse_.on(); }

  private:
    const CoarseCentroids<S, N>& coarse_;
    RoundedRows<T, S, N> rounded_;
    Buffer<std::int32_t> panels_;
    std::vector<CoarseRows<S>> rows_;
};

// How rows are searched: by products of bytes, of halves, or in S.
enum class Look { bytes, halves, none };

// Centroids in all the ways in which they are searched.
template <class S>
struct Searched {
    const Centroids<S> whole;
    const CoarseCentroids<S, Halves> halves;
    const CoarseCentroids<S, Bytes> bytes;

    template <class T>
    Searched(const T* c, Index k, Index d, const std::vector<Index>& order, const std::vector<Index>& starts)
        : whole(c, k, d, order, starts), halves(whole), bytes(whole) {}
};

template <class T, class S>
class Search {
  public:
    static constexpr Index width = panel_rows<S>;

    // Slots for a first look: most() for rows that do not wait for it, and `waiting` for those that do. If bytes leave
    // some to be looked at by halves, they come behind these: nearly as many, and those of one search more.
    Search(const Searched<S>& centroids, Index waiting, bool by_bytes)
        : centroids_(centroids.whole), to_lanes_(centroids_.shift(), centroids_.scale()), d_(centroids_.columns()),
          panels_(std::clamp<Index>(block_bytes / 2 / (width * d_ * Index(sizeof(S))), 1, 8)), packed_(most() * d_),
          bytes_(centroids_, centroids.bytes, panels_, by_bytes ? most() + waiting : 0),
          halves_(centroids_, centroids.halves, panels_, by_bytes ? 2 * most() + 3 * waiting : most() + waiting),
          nearest_(std::size_t(panels_ * centroids_.groups())) {}

    // How many rows are searched at a time.
    Index most() const { return panels_ * width; }

    bool has(Look look) const { return look == Look::none || (look == Look::bytes ? bytes_.on() : halves_.on()); }

    // Rows for a first look into the slots from `slot` on.
    template <class RowOf>
    void round(Look look, Index slot, Index count, const RowOf& row_of) {
        with(look, [&](auto& first) { first.round(slot, count, row_of); });
    }

    // Rows to be searched in S, the last panel filled up with the first one.
    template <class RowOf>
    void pack(Index count, const RowOf& row_of) {
        pack_panels(Look::none, count, [&](Index p, const auto& index) {
            const T* rows[width];
            for (Index r = 0; r < width; ++r) rows[r] = row_of(index(r));
            to_lanes_.template operator()<lanes<S>>(rows, d_, panel_vectors, packed_.get() + p * width * d_);
        });
    }

    // The slots of rows to have a first look at.
    template <class SlotOf>
    void pack_rounded(Look look, Index count, const SlotOf& slot_of) {
        with(look, [&](auto& first) {
            pack_panels(look, count,
                        [&](Index p, const auto& index) { first.pack(p, [&](Index r) { return slot_of(index(r)); }); });
        });
    }

    // The rows that are packed, among the groups from `begin` to `end`, while so many entries from `ahead` on are
    // fetched. visit(first row, rows, the nearest in each group, what is known of the rows) comes once per panel.
    template <class Visit>
    void among(Index begin, Index end, const T* ahead, Index entries, const Visit& visit) {
        const Index panels = (count_ + width - 1) / width, bytes = entries * Index(sizeof(T));
        const char* fetch = reinterpret_cast<const char*>(ahead);
        if (look_ == Look::none) centroids_.search(packed_.get(), panels, begin, end, nearest_.data(), fetch, bytes);
        else with(look_, [&](auto& first) { first.search(count_, begin, end, nearest_.data(), fetch, bytes); });
        for (Index p = 0; p < panels; ++p) {
            if (look_ == Look::none) found_.begin(packed_.get() + p * width * d_, d_, centroids_);
            else with(look_, [&](auto& first) { found_.begin(first.rows(p).norm, first.rows(p).error); });
            visit(p * width, std::min(width, count_ - p * width), nearest_.data() + p * (end - begin), found_);
        }
    }

  private:
    template <class F>
    void with(Look look, const F& f) {
        if (look == Look::bytes) f(bytes_);
        else f(halves_);
    }

    template <class Pack>
    void pack_panels(Look look, Index count, const Pack& pack) {
        look_ = look, count_ = count;
        for (Index p = 0; p * width < count; ++p)
            pack(p, [&](Index r) { return p * width + r < count ? p * width + r : 0; });
    }

    const Centroids<S>& centroids_;
    ToLanes<T, S> to_lanes_;
    Index d_, panels_, count_ = 0;
    Look look_ = Look::none;  // for which rows are packed
    Buffer<S> packed_;
    FirstLook<T, S, Bytes> bytes_;
    FirstLook<T, S, Halves> halves_;
    std::vector<Nearest<S>> nearest_;
    Found<S> found_;
};

}  // namespace gramfold
