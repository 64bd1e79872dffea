// What of the process's memory is pages of files, and who lets go of them in time.
//
// Pages are let go of by whoever makes them: the thread that allocates, and those that work on rows, between two
// blocks. What other code touches is left to a thread that looks now and then. It may come late beside busy processes,
// so that it asks the system for short turns, which come sooner.
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

namespace gramfold {

// Bytes; SIZE_MAX if the system does not say.
inline std::size_t pages_of_files() {
    const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0) return SIZE_MAX;
    char text[128];
    const auto got = read(file, text, sizeof(text) - 1);
    close(file);
    if (got <= 0) return SIZE_MAX;
    text[got] = 0;
    char* at = text;
    std::strtoull(at, &at, 10), std::strtoull(at, &at, 10);
    return std::strtoull(at, &at, 10) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// Since Linux 6.12 a thread that is content with short turns has them sooner; before, nothing comes of it.
inline void ask_for_short_turns() {
#ifdef SYS_sched_setattr
    struct {
        std::uint32_t size, policy;
        std::uint64_t flags;
        std::int32_t nice;
        std::uint32_t priority;
        std::uint64_t runtime, deadline, period;
    } wanted{48, 0, 0, getpriority(PRIO_PROCESS, 0), 0, 100'000, 0, 0};
    syscall(SYS_sched_setattr, 0, &wanted, 0);
#endif
}

// What has pages of files, and can let go of them.
class Pages {
  public:
    virtual void let_go() = 0;

  protected:
    ~Pages() = default;
};

// All that have pages, and the thread that looks; one for the process.
class Watch {
  public:
    static Watch& one() {
        static auto* watch = new Watch;  // never destroyed: arrays outlive whatever made them
        return *watch;
    }

    // Has them let go of pages beyond `most` bytes, until `remove`.
    void add(Pages* pages, std::size_t most) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const std::size_t now = pages_of_files();
        kept_.push_back({pages, now == SIZE_MAX ? 0 : now + most});  // 0: let go at every look
        lowest();
        if (!thread_.joinable()) thread_ = std::thread([this, turn = turn_] { stay(turn); });
    }

    void remove(Pages* pages) {
        std::thread ended;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            const auto gone = [&](const Kept& kept) { return kept.pages == pages; };
            kept_.erase(std::remove_if(kept_.begin(), kept_.end(), gone), kept_.end());
            lowest();
            if (kept_.empty()) ++turn_, ended.swap(thread_);
        }
        wake_.notify_all();
        if (ended.joinable()) ended.join();
    }

    // Lets go of all pages if there are too many.
    void look() {
        if (pages_of_files() < least_.load(std::memory_order_relaxed)) return;
        const std::lock_guard<std::mutex> lock(mutex_);
        let_go();
    }

    // The same, not more often than is of use: for every thread between any two blocks of rows.
    static void between_blocks() {
        using Clock = std::chrono::steady_clock;
        Watch& watch = one();
        if (watch.least_.load(std::memory_order_relaxed) == SIZE_MAX) return;
        thread_local Clock::time_point last;
        const auto now = Clock::now();
        if (now - last < std::chrono::microseconds(500)) return;
        last = now;
        watch.look();
    }

  private:
    struct Kept {
        Pages* pages;
        std::size_t most;
    };

    Watch() {
        pthread_atfork([] { one().mutex_.lock(); }, [] { one().mutex_.unlock(); }, [] { one().begin_anew(); });
    }

    // In a child of a fork, where the thread is not.
    void begin_anew() {
        ++turn_;
        new (&thread_) std::thread;
        new (&wake_) std::condition_variable;
        mutex_.unlock();
    }

    void lowest() {
        std::size_t least = SIZE_MAX;
        for (const Kept& kept : kept_) least = std::min(least, kept.most);
        least_ = least;
    }

    void let_go() {
        const std::size_t now = pages_of_files();
        for (const Kept& kept : kept_)
            if (now >= kept.most) kept.pages->let_go();
    }

    void stay(unsigned turn) {
        ask_for_short_turns();
        std::unique_lock<std::mutex> lock(mutex_);
        while (turn == turn_) {
            wake_.wait_for(lock, std::chrono::milliseconds(2));
            let_go();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Kept> kept_;
    std::atomic<std::size_t> least_{SIZE_MAX};
    std::thread thread_;
    unsigned turn_ = 0;  // the thread's, which ends when it is over
};

}  // namespace gramfold
