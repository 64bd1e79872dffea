// Blocks of rows -> threads -> sums, the same bits for any number of threads.
//
// The rows are cut into chunks by the shape alone. Whoever is free takes the next chunk, block by block, and
// adds to the chunk's own sums. Finished chunks are added pairwise up a fixed binary tree: of two siblings the
// one that ends last does the addition, and a + b == b + a, so neither the thread nor the order shows.
// At most threads + log2(chunks) sums are alive at once.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <memory>

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
// What has 512-bit vectors has 1 MB of it or more, of others many have 512 KB.
inline constexpr Index block_bytes = Index{vector_bytes == 64 ? 384 : 192} << 10, most_block_bytes = Index{1} << 20;

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

// Sums and workers of any type, as fold.cpp sees them: it is compiled once, and not again for every kernel.
struct Job {
    const void* context;
    void* (*make_sums)(const void* context);
    void (*clear)(void* sums);
    void (*add)(void* sums, const void* other);
    void (*delete_sums)(void* sums);
    void* (*make_worker)(const void* context);
    void (*block)(void* worker, Index first, Index count, void* sums);
    void (*delete_worker)(void* worker);
};

// The sums of the whole, which the caller deletes.
void* fold(const Plan& plan, const Run& run, const Job& job);

// Whether the next fold of this thread takes its chunks from the last to the first: every second one over a file does,
// so that what the system has kept of it is read first. The sums are the same bits.
void go_backwards(bool backwards);

// What every thread calls when it has done a block, if it is set: by the memory room, cpp/room/pages.hpp.
extern std::atomic<void (*)()> between_blocks;

// How many rows from this one on the calling thread is about to have in its chunk.
Index rows_to_come(Index row);

}  // namespace fold_detail

// make_sums() -> unique_ptr<Sums>, with Sums::clear() and +=; make_worker() -> a callable with its own scratch,
// worker(first, count, sums), called for each block. The sums of the whole fold are returned.
template <class MakeSums, class MakeWorker>
auto fold(const Plan& plan, const Run& run, const MakeSums& make_sums, const MakeWorker& make_worker) {
    using Sums = typename decltype(make_sums())::element_type;
    using Worker = decltype(make_worker());
    struct Context {
        const MakeSums& make_sums;
        const MakeWorker& make_worker;
    };
    const Context context{make_sums, make_worker};
    const fold_detail::Job job{
        &context,
        [](const void* c) -> void* { return static_cast<const Context*>(c)->make_sums().release(); },
        [](void* sums) { static_cast<Sums*>(sums)->clear(); },
        [](void* sums, const void* other) { *static_cast<Sums*>(sums) += *static_cast<const Sums*>(other); },
        [](void* sums) { delete static_cast<Sums*>(sums); },
        [](const void* c) -> void* { return new Worker(static_cast<const Context*>(c)->make_worker()); },
        [](void* worker, Index first, Index count, void* sums) {
            (*static_cast<Worker*>(worker))(first, count, *static_cast<Sums*>(sums));
        },
        [](void* worker) { delete static_cast<Worker*>(worker); },
    };
    return std::unique_ptr<Sums>(static_cast<Sums*>(fold_detail::fold(plan, run, job)));
}

}  // namespace gramfold
