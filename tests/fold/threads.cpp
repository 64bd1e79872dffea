// Folds by several threads, for the sanitizers: .ci/sanitize. A claim that does not hold ends the program.
#include "fold/threads.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "fold/fold.hpp"

using namespace gramfold;

namespace {

void claim(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::_Exit(1);
}

struct Sum {
    double value = 0;
    void clear() { value = 0; }
    Sum& operator+=(const Sum& o) {
        value += o.value;
        return *this;
    }
};

constexpr Index rows = 5000;

Plan chunks(Index count) { return {rows, row_group, count}; }

// The sum over rows of 1 / (1 + row), each row written once; at_block is called first in every block.
template <class AtBlock>
double sum(int n_threads, Index count, const AtBlock& at_block, std::function<bool()> poll = {}) {
    std::vector<double> out(rows, -1.0);
    const auto total = fold(
        chunks(count), Run{n_threads, std::move(poll)}, [] { return std::make_unique<Sum>(); },
        [&] {
            return [&, scratch = std::vector<double>(row_group)](Index first, Index size, Sum& s) mutable {
                at_block(first);
                for (Index r = 0; r < size; ++r) scratch[std::size_t(r)] = 1.0 / double(1 + first + r);
                for (Index r = 0; r < size; ++r) s.value += out[std::size_t(first + r)] = scratch[std::size_t(r)];
            };
        });
    for (Index r = 0; r < rows; ++r) claim(out[std::size_t(r)] == 1.0 / double(1 + r), "every row is done");
    return total->value;
}
double sum(int n_threads, Index count) {
    return sum(n_threads, count, [](Index) {});
}

void same_bits() {
    for (const Index count : {1, 2, 7, 16, 100}) {
        const double serial = sum(1, count);
        for (int i = 0; i < 50; ++i)
            for (const int n_threads : {2, 3, 8}) claim(sum(n_threads, count) == serial, "the bits are the same");
    }
}

// Helpers spin for half a millisecond, then sleep.
void after_rests() {
    const double serial = sum(1, 16);
    for (const int rest : {100, 400, 600, 5000})
        for (int i = 0; i < 20; ++i) {
            std::this_thread::sleep_for(std::chrono::microseconds(rest));
            claim(sum(4, 16) == serial, "the sum is right after a rest");
        }
}

template <class Error, class F>
void raises(const F& f, const char* what) {
    try {
        f();
    } catch (const Error&) {
        return;
    }
    claim(false, what);
}

void errors() {
    const double serial = sum(1, 16);
    for (Index bad = 0; bad < rows; bad += 7 * row_group) {
        const auto fails = [&](Index first) {
            if (first >= bad) throw std::bad_alloc();
        };
        raises<std::bad_alloc>([&] { sum(4, 16, fails); }, "what a worker throws comes out");
        claim(sum(4, 16) == serial, "the sum is right after an error");
    }
    for (int i = 0; i < 30; ++i) {
        std::atomic<int> made{0};
        const auto make = [&]() -> std::unique_ptr<Sum> {
            if (++made == 3) throw std::bad_alloc();
            return std::make_unique<Sum>();
        };
        const auto worker = [] { return [](Index, Index, Sum&) {}; };
        raises<std::bad_alloc>([&] { fold(chunks(100), Run{4, {}}, make, worker); },
                               "what making sums throws comes out");
    }
}

void cancelled() {
    const auto slow = [](Index) { std::this_thread::sleep_for(std::chrono::milliseconds(5)); };
    int polls = 0;
    raises<Cancelled>([&] { sum(3, 100, slow, [&] { return ++polls == 2; }); }, "a poll cancels");
}

void nested() {
    const double serial = sum(1, 16);
    sum(4, 16, [&](Index first) {
        if (first % (10 * row_group) == 0) claim(sum(3, 16) == serial, "a fold in a fold is right");
    });
}

void side_by_side(int callers) {
    const double serial = sum(1, 16);
    std::vector<std::thread> threads;
    for (int t = 0; t < callers; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 100; ++i)
                claim(sum(1 + (t + i) % 5, 16) == serial, "callers do not disturb each other");
        });
    for (auto& thread : threads) thread.join();
}

#ifndef __SANITIZE_THREAD__  // which knows of no fork: a thread of a child may have the id of one of its parent
void forked() {
    const double serial = sum(1, 16);
    for (int i = 0; i < 20; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(60);
            claim(sum(4, 16) == serial, "the sum is right in a child");
            std::_Exit(0);
        }
        int status = -1;
        claim(waitpid(child, &status, 0) == child && status == 0, "a child ends well");
        claim(sum(4, 16) == serial, "the sum is right in the parent");
    }
}
#else
void forked() {}
#endif

}  // namespace

int main() {
    watch_fork();
    same_bits();
    after_rests();
    errors();
    cancelled();
    nested();
    side_by_side(4);
    forked();
}
