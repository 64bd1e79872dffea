// Threads that help whoever asks, and that nobody waits for before they have begun.
//
// A call begins at once. Idle helpers join it; one that still sleeps, or waits for a CPU that another process has,
// finds the call gone if it comes when all work is given out: beside a busy process a call waits only for what a
// helper has begun.
#pragma once

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace gramfold {

class Pool {
  public:
    // One for the process. It is never destroyed: its threads sleep until the process ends.
    static Pool& current() {
        if (Pool* pool = current_) return *pool;
        auto* fresh = new Pool;
        Pool* none = nullptr;
        if (current_.compare_exchange_strong(none, fresh)) return *fresh;
        delete fresh;
        return *none;
    }

    // Threads do not survive fork, and one of them may have held the lock: a child begins with a fresh pool.
    static void watch_fork() {
#if defined(__unix__) || defined(__APPLE__)
        pthread_atfork(nullptr, nullptr, [] { current_ = nullptr; });
#endif
    }

    // Calls work(true) here and work(false) in up to `helpers` threads that come in time; returns when all have ended.
    // work does not throw; called when nothing is left to do, it returns at once.
    template <class Work>
    void run(int helpers, const Work& work) {
        Call call{helpers, &work, [](const void* w) { (*static_cast<const Work*>(w))(false); }};
        offer(call);
        work(true);
        withdraw(call);
    }

  private:
    struct Call {
        std::atomic<int> places;  // for helpers that have not begun
        const void* work;
        void (*help)(const void*);
        std::atomic<int> helping{0};
        Call* next = nullptr;
    };

    void offer(Call& call) {
        int to_wake;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            call.next = calls_;
            calls_ = &call;
            while (idle_ < call.places && helpers_ < std::max(call.places.load(), others_) && spawn()) {
            }
            to_wake = std::min(asleep_, call.places.load() - (idle_ - asleep_));
        }
        ++offered_;
        for (; to_wake > 0; --to_wake) wake_.notify_one();
    }

    bool spawn() {
        try {
            std::thread([this] { help(); }).detach();
        } catch (const std::exception&) {
            return false;  // fewer helpers will do
        }
        ++helpers_, ++idle_;
        return true;
    }

    void withdraw(Call& call) {
        if (current_ != this) throw std::runtime_error("the process was forked in the midst of this call");
        if (call.places > 0) {
            const std::lock_guard<std::mutex> lock(mutex_);
            remove(call);
        }
        const auto ended = [&] { return call.helping == 0; };
        if (spin(ended)) return;
        std::unique_lock<std::mutex> lock(mutex_);
        ended_.wait(lock, ended);
    }

    void remove(Call& call) {
        for (Call** at = &calls_; *at; at = &(*at)->next)
            if (*at == &call) {
                *at = call.next;
                return;
            }
    }

    void help() {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            if (calls_) {
                join(*calls_, lock);
                continue;
            }
            const unsigned seen = offered_;
            lock.unlock();
            const bool offered = spin([&] { return offered_ != seen; });
            lock.lock();
            if (offered) continue;
            ++asleep_;
            wake_.wait(lock, [&] { return calls_ != nullptr; });
            --asleep_;
        }
    }

    void join(Call& call, std::unique_lock<std::mutex>& lock) {
        ++call.helping;
        if (--call.places == 0) remove(call);
        --idle_;
        lock.unlock();
        call.help(call.work);
        --call.helping;  // the call may be gone from here on
        lock.lock();
        ++idle_;
        ended_.notify_all();
    }

    // To wake a thread costs 50 us: between the passes of a fit it is worth watching for the next one. But a clock that
    // jumps shows that this thread lost its CPU: somebody else has use for it, and for a while nobody spins.
    template <class Ready>
    bool spin(Ready ready) {
        using namespace std::chrono;
        using Clock = steady_clock;
        const auto begin = Clock::now();
        if (begin.time_since_epoch().count() < crowded_until_) return ready();
        for (auto last = begin; last - begin < microseconds(500);) {
            if (ready()) return true;
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#endif
            const auto now = Clock::now();
            if (now - last > microseconds(100)) {
                crowded_until_ = (now + milliseconds(50)).time_since_epoch().count();
                break;
            }
            last = now;
        }
        return ready();
    }

    inline static std::atomic<Pool*> current_{nullptr};

    const int others_ = static_cast<int>(std::thread::hardware_concurrency()) - 1;
    std::mutex mutex_;
    std::condition_variable wake_, ended_;
    std::atomic<unsigned> offered_{0};
    std::atomic<std::chrono::steady_clock::rep> crowded_until_{0};
    Call* calls_ = nullptr;  // that have places
    int helpers_ = 0, idle_ = 0, asleep_ = 0;
};

}  // namespace gramfold
