// Preloaded into a process, lets the n-th allocation fail, or the n-th thread, and counts what is not given back.
//
// Only what modules ask for that were named counts, so that the interpreter's own requests are met; who asks is told by
// the address that a call returns to. For NumPy's arrays there is an allocator, to be set as NumPy's own. glibc gives
// its functions under a second name.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <unordered_set>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {

template <class T>
struct Libc {
    using value_type = T;
    Libc() = default;
    template <class U>
    Libc(const Libc<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(__libc_malloc(n * sizeof(T))); }
    void deallocate(T* p, std::size_t) { __libc_free(p); }
    bool operator==(const Libc&) const { return true; }
    bool operator!=(const Libc&) const { return false; }
};

struct Module {
    std::uintptr_t begin, end;
};

using Pointers = std::unordered_set<void*, std::hash<void*>, std::equal_to<void*>, Libc<void*>>;

Module modules[8];
std::atomic<int> n_modules{0};
std::atomic<bool> any{false}, for_good{false}, spared{false};
std::atomic<long> asked{0}, failing{-1}, threads_left{-1};
std::mutex mutex;

Pointers& pointers() {
    alignas(Pointers) static char room[sizeof(Pointers)];
    static Pointers& made = *new (room) Pointers;
    return made;
}

bool is_watched(const void* caller) {
    const auto at = reinterpret_cast<std::uintptr_t>(caller);
    for (int i = 0; i < n_modules; ++i)
        if (at >= modules[i].begin && at < modules[i].end) return true;
    return false;
}

bool fails() {
    if (failing < 0 || spared) return false;
    const long number = asked++;
    return for_good ? number >= failing : number == failing;
}

void* noted(void* made) {
    const std::lock_guard<std::mutex> lock(mutex);
    any = true;
    pointers().insert(made);
    return made;
}

void forget(void* p) {
    if (!any || !p) return;
    const std::lock_guard<std::mutex> lock(mutex);
    pointers().erase(p);
}

template <class Make>
void* allocated(bool watched, Make make) {
    if (!watched) return make();
    return fails() ? nullptr : noted(make());
}

void* resized(bool watched, void* p, std::size_t n) {
    if (watched && fails()) return nullptr;
    forget(p);
    void* made = __libc_realloc(p, n);
    return watched && made ? noted(made) : made;
}

void* or_throw(void* p) {
    if (!p) throw std::bad_alloc();
    return p;
}

}  // namespace

#define WATCHED is_watched(__builtin_return_address(0))

extern "C" {

void watch(std::uintptr_t begin, std::uintptr_t end) { modules[n_modules++] = {begin, end}; }

// The request of this number fails, from 0 on, and if `all` those after it; none, nor are they counted, if it is
// negative. Gives how many there were since the last call.
long fail(long number, bool all) {
    failing = number;
    for_good = all;
    return asked.exchange(0);
}

// Whether for now nothing fails, nor is counted.
void spare(bool all) { spared = all; }

// How many more threads can be started; any number if it is negative.
void leave_threads(long count) { threads_left = count; }

long in_use() {
    const std::lock_guard<std::mutex> lock(mutex);
    return static_cast<long>(pointers().size());
}

void* malloc(std::size_t n) {
    return allocated(WATCHED, [=] { return __libc_malloc(n); });
}

void* calloc(std::size_t n, std::size_t size) {
    return allocated(WATCHED, [=] { return __libc_calloc(n, size); });
}

void* realloc(void* p, std::size_t n) { return resized(WATCHED, p, n); }

void* aligned_alloc(std::size_t alignment, std::size_t n) {
    return allocated(WATCHED, [=] { return __libc_memalign(alignment, n); });
}

int posix_memalign(void** to, std::size_t alignment, std::size_t n) {
    void* made = allocated(WATCHED, [=] { return __libc_memalign(alignment, n); });
    if (!made) return ENOMEM;
    *to = made;
    return 0;
}

void free(void* p) {
    forget(p);
    __libc_free(p);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
    using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
    static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
    if (threads_left >= 0 && WATCHED) {
        if (threads_left == 0) return EAGAIN;
        --threads_left;
    }
    return create(thread, attributes, start, argument);
}

static void* array_malloc(void*, std::size_t n) {
    return allocated(true, [=] { return __libc_malloc(n); });
}

static void* array_calloc(void*, std::size_t n, std::size_t size) {
    return allocated(true, [=] { return __libc_calloc(n, size); });
}

static void* array_realloc(void*, void* p, std::size_t n) { return resized(true, p, n); }

static void array_free(void*, void* p, std::size_t) { free(p); }

// A PyDataMem_Handler of NumPy.
struct Handler {
    char name[127];
    std::uint8_t version;
    void* context;
    void* (*malloc)(void*, std::size_t);
    void* (*calloc)(void*, std::size_t, std::size_t);
    void* (*realloc)(void*, void*, std::size_t);
    void (*free)(void*, void*, std::size_t);
} arrays = {"failing", 1, nullptr, array_malloc, array_calloc, array_realloc, array_free};
}

void* operator new(std::size_t n) {
    return or_throw(allocated(WATCHED, [=] { return __libc_malloc(n); }));
}

void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
    return allocated(WATCHED, [=] { return __libc_malloc(n); });
}

void* operator new(std::size_t n, std::align_val_t alignment) {
    return or_throw(allocated(WATCHED, [=] { return __libc_memalign(std::size_t(alignment), n); }));
}

void operator delete(void* p) noexcept { free(p); }
void operator delete(void* p, std::size_t) noexcept { free(p); }
void operator delete(void* p, std::align_val_t) noexcept { free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { free(p); }
