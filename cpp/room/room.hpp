// Memory for NumPy's arrays up to a budget; beyond it they lie in files that no folder names, whose pages are let go of
// while they are not worked on. A fit allocates under such a handler (NumPy's NEP 49), and arrays outlive it.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <unordered_map>

#include "room/pages.hpp"

namespace gramfold {

// As in numpy/ndarraytypes.h.
struct Allocator {
    void* ctx;
    void* (*malloc)(void* ctx, std::size_t size);
    void* (*calloc)(void* ctx, std::size_t count, std::size_t size);
    void* (*realloc)(void* ctx, void* at, std::size_t size);
    void (*free)(void* ctx, void* at, std::size_t size);
};
struct Handler {
    char name[127];
    std::uint8_t version;
    Allocator allocator;
};

inline constexpr std::size_t large = std::size_t{1} << 20;      // what is counted
inline constexpr std::size_t resident = std::size_t{48} << 20;  // at most so many bytes of pages of files are left

inline constexpr std::size_t huge = std::size_t{4} << 20;  // what is worth large pages, as NumPy has it

inline Allocator* usual = nullptr;  // NumPy's own

class Room final : public Pages {
  public:
    static constexpr const char* name = "gramfold_room";

    Room(std::size_t budget, std::string folder) : budget_(budget), folder_(std::move(folder)) {
        std::strcpy(handler.name, name);
        handler.version = 1;
        handler.allocator = {this, take, take_zeros, retake, give};
    }
    ~Room() { rest(); }

    Handler handler{};

    // Pages stay from then on.
    void rest() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            ended_ = true;
            if (!watched_) return;
            watched_ = false;
        }
        Watch::one().remove(this);
    }

    void let_go() override {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (const auto& [at, part] : parts_)
            if (part.in_file) madvise(at, part.size, MADV_DONTNEED);  // of a shared map: they stay in the file
    }

    struct State {
        std::size_t used, in_files, most_in_files, refused;
    };
    State state() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return {used_, in_files_, most_, refused_};
    }

  private:
    struct Part {
        std::size_t size;
        bool in_file, mapped;  // what is mapped goes back to the system at once, which malloc may put off
    };

    static void* take(void* ctx, std::size_t size) {
        if (size < large) return usual->malloc(usual->ctx, size);
        return static_cast<Room*>(ctx)->allocate(size);
    }
    static void* take_zeros(void* ctx, std::size_t count, std::size_t size) {
        std::size_t all;
        if (__builtin_mul_overflow(count, size, &all)) return nullptr;
        if (all < large) return usual->calloc(usual->ctx, count, size);
        return static_cast<Room*>(ctx)->allocate(all);
    }
    static void* retake(void* ctx, void* at, std::size_t size) {
        auto& room = *static_cast<Room*>(ctx);
        Part old{};
        {
            const std::lock_guard<std::mutex> lock(room.mutex_);
            if (const auto found = room.parts_.find(at); found != room.parts_.end()) old = found->second;
        }
        if (!old.size && size < large) return usual->realloc(usual->ctx, at, size);
        if (!old.size) {  // it grows large: how large it was is not known, so that it stays where it is
            void* moved = usual->realloc(usual->ctx, at, size);
            if (moved) room.note(moved, {size, false, false});
            return moved;
        }
        void* moved = room.allocate(size);
        if (!moved) return nullptr;
        std::memcpy(moved, at, std::min(old.size, size));
        room.release(at, old.size);
        return moved;
    }
    static void give(void* ctx, void* at, std::size_t size) {
        if (at) static_cast<Room*>(ctx)->release(at, size);
    }

    void note(void* at, Part part) {
        const std::lock_guard<std::mutex> lock(mutex_);
        parts_[at] = part;
        (part.in_file ? in_files_ : used_) += part.size;
        most_ = std::max(most_, in_files_);
        if (part.size < large) shrunk_ = true;
    }

    void* allocate(std::size_t size) {
        bool fits;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            fits = used_ + size <= budget_;
        }
        void* at = fits ? memory(size) : map(size);
        if (at) note(at, {size, !fits, true});
        return at;
    }

    static void* memory(std::size_t size) {
        void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
        if (size >= huge) madvise(at, size, MADV_HUGEPAGE);
#endif
        return at;
    }

    void* map(std::size_t size) {
        watch();
        int file = -1;
#ifdef O_TMPFILE
        file = open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#endif
        if (file < 0) {
            std::string path = folder_ + "/gramfold-XXXXXX";
            file = mkstemp(path.data());
            if (file >= 0) unlink(path.c_str());
        }
        void* at = MAP_FAILED;
        if (file >= 0 && reserve(file, size) == 0)
            at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        const std::lock_guard<std::mutex> lock(mutex_);
        if (at == MAP_FAILED) {
            refused_ = size;
            return nullptr;
        }
        return at;
    }

    // So that a full disk is told now, and not by a signal when a page is written.
    static int reserve(int file, std::size_t size) {
#ifdef __linux__
        return posix_fallocate(file, 0, static_cast<off_t>(size));
#else
        return ftruncate(file, static_cast<off_t>(size));
#endif
    }

    void release(void* at, std::size_t size) {
        Part part{};
        if (size >= large || shrunk_.load(std::memory_order_relaxed)) {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (const auto found = parts_.find(at); found != parts_.end()) {
                part = found->second;
                parts_.erase(found);
                (part.in_file ? in_files_ : used_) -= part.size;
                if (part.mapped) munmap(at, part.size);
            }
        }
        if (!part.mapped) usual->free(usual->ctx, at, part.size ? part.size : size);
    }

    // From the first map on; those that are there may have pages to let go of before there is another one.
    void watch() {
        bool begins;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (ended_) return;
            begins = !watched_;
            watched_ = true;
        }
        if (begins) Watch::one().add(this, std::min(resident, budget_ / 4));
        else Watch::one().look();
    }

    std::size_t budget_;
    std::string folder_;
    std::mutex mutex_;
    std::unordered_map<void*, Part> parts_;
    std::size_t used_ = 0, in_files_ = 0, most_ = 0, refused_ = 0;
    std::atomic<bool> shrunk_{false};  // whether there are counted parts that have become small
    bool watched_ = false, ended_ = false;
};

}  // namespace gramfold
