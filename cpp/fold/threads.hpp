// Work in several threads: by the pool, or by OpenMP where the build asks for it (GRAMFOLD_THREADS=openmp).
#pragma once

#ifdef _OPENMP

#include <omp.h>
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include <atomic>

namespace gramfold {

namespace threads_detail {

inline std::atomic<bool> used_openmp{false}, forked_after_use{false};

}  // namespace threads_detail

// OpenMP's threads do not survive fork: a child whose parent used them runs serially.
inline void watch_fork() {
#if defined(__unix__) || defined(__APPLE__)
    using namespace threads_detail;
    pthread_atfork(nullptr, nullptr, [] { forked_after_use = used_openmp.load(); });
#endif
}

template <class Work>
void in_threads(int n_threads, const Work& work) {
    using namespace threads_detail;
    if (n_threads <= 1 || forked_after_use) return work(true);
    used_openmp = true;
#pragma omp parallel num_threads(n_threads)
    work(omp_get_thread_num() == 0);
}

}  // namespace gramfold

#else

#include "fold/pool.hpp"

namespace gramfold {

inline void watch_fork() { Pool::watch_fork(); }

// Calls work(true) in this thread and work(false) in at most n_threads - 1 others; returns when all have ended.
template <class Work>
void in_threads(int n_threads, const Work& work) {
    if (n_threads <= 1) return work(true);
    Pool::current().run(n_threads - 1, work);
}

}  // namespace gramfold

#endif
