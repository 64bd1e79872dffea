#include "fold/fold.hpp"

#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

#include "fold/threads.hpp"

namespace gramfold {

namespace {

using Sums = std::unique_ptr<void, void (*)(void*)>;

// Finished chunks on their way up: a level has a place for every pair of the level below.
class Tree {
  public:
    Tree(Index leaves, const fold_detail::Job& job) : job_(job), root_(none()) {
        for (Index width = leaves; width > 1; width = (width + 1) / 2) {
            levels_.emplace_back();
            for (Index pair = 0; pair < (width + 1) / 2; ++pair) levels_.back().push_back(none());
            widths_.push_back(width);
        }
    }

    // Sums of nothing.
    Sums take() {
        if (Sums sums = spare()) {
            job_.clear(sums.get());
            return sums;
        }
        return {job_.make_sums(job_.context), job_.delete_sums};
    }

    void put(Index leaf, Sums sums) {
        for (std::size_t level = 0; level < levels_.size(); ++level, leaf /= 2) {
            if ((leaf ^ 1) >= widths_[level]) continue;
            Sums other = none();
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                auto& place = levels_[level][static_cast<std::size_t>(leaf / 2)];
                if (!place) {
                    place = std::move(sums);
                    return;
                }
                other = std::move(place);
            }
            job_.add(sums.get(), other.get());
            const std::lock_guard<std::mutex> lock(mutex_);
            spare_.push_back(std::move(other));
        }
        root_ = std::move(sums);
    }

    void* root() { return root_.release(); }

  private:
    Sums none() const { return {nullptr, job_.delete_sums}; }

    Sums spare() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (spare_.empty()) return none();
        Sums sums = std::move(spare_.back());
        spare_.pop_back();
        return sums;
    }

    const fold_detail::Job& job_;
    std::vector<std::vector<Sums>> levels_;
    std::vector<Index> widths_;
    std::vector<Sums> spare_;
    Sums root_;
    std::mutex mutex_;
};

thread_local Index chunk_begin = 0, chunk_end = 0;
thread_local bool next_backwards = false;

}  // namespace

std::atomic<void (*)()> fold_detail::between_blocks{nullptr};

Index fold_detail::rows_to_come(Index row) { return row >= chunk_begin ? std::max<Index>(0, chunk_end - row) : 0; }

void fold_detail::go_backwards(bool backwards) { next_backwards = backwards; }

void* fold_detail::fold(const Plan& plan, const Run& run, const Job& job) {
    Tree tree(plan.chunks, job);
    const bool backwards = std::exchange(next_backwards, false);
    std::atomic<Index> next{0};
    std::atomic<bool> stop{false};
    std::exception_ptr error;
    std::mutex error_mutex;

    const auto work = [&](bool caller) {
        using Clock = std::chrono::steady_clock;
        try {
            const std::unique_ptr<void, void (*)(void*)> worker(job.make_worker(job.context), job.delete_worker);
            auto polled = Clock::now();
            for (Index taken; !stop && (taken = next++) < plan.chunks;) {
                const Index c = backwards ? plan.chunks - 1 - taken : taken;
                Sums sums = tree.take();
                const Index begin = plan.first(c), end = plan.first(c + 1);
                chunk_begin = begin, chunk_end = end;
                for (Index first = begin; first < end && !stop; first += plan.block) {
                    job.block(worker.get(), first, std::min(plan.block, end - first), sums.get());
                    if (const auto call = between_blocks.load(std::memory_order_relaxed)) call();
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
