// Blocks of rows -> threads -> sums, the same bits for any number of threads.
//
// The rows are cut into chunks by the shape alone. Whoever is free takes the next chunk, block by block, and
// adds to the chunk's own sums. Finished chunks are added pairwise up a fixed binary tree: of two siblings the
// one that ends last does the addition, and a + b == b + a, so neither the thread nor the order shows.
// At most threads + log2(chunks) sums are alive at once.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "fold/threads.hpp"
#include "fold/vectors.hpp"

// A function that is compiled once, and not again where it is called with a constant.
#ifdef __clang__
#define GRAMFOLD_ONCE __attribute__((noinline))
#else
#define GRAMFOLD_ONCE __attribute__((noinline, noclone))
#endif

namespace gramfold {

struct Cancelled : std::exception {
    const char* what() const noexcept override { return "cancelled"; }
};

// Two blocks of X fit in the second-level cache: one at work, one on its way. Few long rows may take all of it.
inline constexpr Index block_bytes = Index{384} << 10, most_block_bytes = Index{1} << 20;

// Rows are solved with this many side by side; chunks start at multiples of it, and so do blocks unless rows are long.
inline constexpr Index row_group = 48;

struct Plan {
    Index rows, block, chunks;
    double work = 1e12;  // multiplications in all: little work is not worth many threads

    Index first(Index chunk) const {
        const Index groups = (rows + row_group - 1) / row_group;
        return std::min(rows, groups * chunk / chunks * row_group);
    }
};

// A block of X should stay in the second-level cache between project and accumulate; a chunk should be worth
// the addition of its sums, which costs about as much as ten rows. Even counts divide well over threads.
inline Plan plan(Index rows, Index bytes_per_row, Index rows_per_chunk = 256) {
    const Index fit = block_bytes / std::max<Index>(1, bytes_per_row) / row_group * row_group;
    Index chunks = std::min<Index>(1024, rows / rows_per_chunk);
    chunks = chunks >= 16 ? chunks / 16 * 16 : chunks / 2 * 2;
    Plan p;
    p.rows = rows;
    p.block = std::clamp<Index>(fit, row_group, 4 * row_group);
    p.chunks = std::max<Index>(1, chunks);
    return p;
}

// n_threads, and a poll that the calling thread makes about every 50 ms; true cancels the fold.
struct Run {
    int n_threads = 1;
    std::function<bool()> poll;
};

namespace fold_detail {

template <class Sums>
class Tree {
  public:
    explicit Tree(Index leaves) {
        for (Index width = leaves; width > 1; width = (width + 1) / 2) {
            levels_.emplace_back(static_cast<std::size_t>((width + 1) / 2));
            widths_.push_back(width);
        }
    }

    std::unique_ptr<Sums> take() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (spare_.empty()) return nullptr;
        auto sums = std::move(spare_.back());
        spare_.pop_back();
        return sums;
    }

    void put(Index leaf, std::unique_ptr<Sums> sums) {
        for (std::size_t level = 0; level < levels_.size(); ++level, leaf /= 2) {
            if ((leaf ^ 1) >= widths_[level]) continue;
            std::unique_ptr<Sums> other;
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                auto& slot = levels_[level][static_cast<std::size_t>(leaf / 2)];
                if (!slot) {
                    slot = std::move(sums);
                    return;
                }
                other = std::move(slot);
            }
            *sums += *other;
            const std::lock_guard<std::mutex> lock(mutex_);
            spare_.push_back(std::move(other));
        }
        root_ = std::move(sums);
    }

    std::unique_ptr<Sums> root() { return std::move(root_); }

  private:
    std::vector<std::vector<std::unique_ptr<Sums>>> levels_;
    std::vector<Index> widths_;
    std::vector<std::unique_ptr<Sums>> spare_;
    std::unique_ptr<Sums> root_;
    std::mutex mutex_;
};

}  // namespace fold_detail

// make_sums() -> unique_ptr<Sums>, with Sums::clear() and +=; make_worker() -> a callable with its own scratch,
// worker(first, count, sums), called for each block. The sums of the whole fold are returned.
template <class MakeSums, class MakeWorker>
auto fold(const Plan& plan, const Run& run, MakeSums make_sums, MakeWorker make_worker) {
    using Sums = typename decltype(make_sums())::element_type;
    fold_detail::Tree<Sums> tree(plan.chunks);
    std::atomic<Index> next{0};
    std::atomic<bool> stop{false};
    std::exception_ptr error;
    std::mutex error_mutex;

    const auto work = [&](bool caller) GRAMFOLD_ONCE {
        using Clock = std::chrono::steady_clock;
        try {
            auto worker = make_worker();
            auto polled = Clock::now();
            for (Index c; !stop && (c = next++) < plan.chunks;) {
                auto sums = tree.take();
                if (sums) sums->clear();
                else sums = make_sums();
                const Index end = plan.first(c + 1);
                for (Index first = plan.first(c); first < end && !stop; first += plan.block) {
                    worker(first, std::min(plan.block, end - first), *sums);
                    if (caller && run.poll && Clock::now() - polled > std::chrono::milliseconds(50)) {
                        if (run.poll()) throw Cancelled();
                        polled = Clock::now();
                    }
                }
                tree.put(c, std::move(sums));
            }
        } catch (...) {
            const std::lock_guard<std::mutex> lock(error_mutex);
            if (!error) error = std::current_exception();
            stop = true;
        }
    };

    const double worth = 1 + plan.work / 4e6;
    in_threads(static_cast<int>(std::min({double(run.n_threads), double(plan.chunks), worth})), work);
    if (error) std::rethrow_exception(error);
    return tree.root();
}

}  // namespace gramfold
