// Memory for NumPy's arrays up to a budget; beyond it they lie in files that no folder names, whose pages are let go of
// while they are not worked on. A fit allocates under such a handler (NumPy's NEP 49), and arrays outlive it.
#include <Python.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

namespace {

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

constexpr std::size_t large = std::size_t{1} << 20;      // what is counted
constexpr std::size_t resident = std::size_t{48} << 20;  // bytes of pages of files that are left until the next look
constexpr auto look = std::chrono::milliseconds(4);

Allocator* usual = nullptr;
PyObject* (*set_handler)(PyObject*) = nullptr;

// What of the process's memory is pages of files.
std::size_t pages_of_files() {
    const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0) return SIZE_MAX;  // let go at every look
    char text[128];
    const auto got = read(file, text, sizeof(text) - 1);
    close(file);
    if (got <= 0) return SIZE_MAX;
    text[got] = 0;
    char* at = text;
    std::strtoull(at, &at, 10), std::strtoull(at, &at, 10);
    return std::strtoull(at, &at, 10) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

class Room {
  public:
    Room(std::size_t budget, std::string folder) : budget_(budget), folder_(std::move(folder)) {
        std::strcpy(handler.name, "gramfold_room");
        handler.version = 1;
        handler.allocator = {this, take, take_zeros, retake, give};
    }
    ~Room() { rest(); }

    Handler handler{};

    // Ends the thread; pages stay from then on.
    void rest() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            ended_ = true;
        }
        wake_.notify_all();
        if (thread_.joinable()) {
            if (owner_ == getpid()) thread_.join();
            else thread_.detach();  // after a fork it is not there
        }
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
        bool in_file;
    };

    static void* take(void* ctx, std::size_t size) {
        if (size < large) return usual->malloc(usual->ctx, size);
        return static_cast<Room*>(ctx)->allocate(size, false);
    }
    static void* take_zeros(void* ctx, std::size_t count, std::size_t size) {
        std::size_t all;
        if (__builtin_mul_overflow(count, size, &all)) return nullptr;
        if (all < large) return usual->calloc(usual->ctx, count, size);
        return static_cast<Room*>(ctx)->allocate(all, true);
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
            if (moved) room.note(moved, {size, false});
            return moved;
        }
        void* moved = room.allocate(size, false);
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

    void* allocate(std::size_t size, bool zeros) {
        bool fits;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            fits = used_ + size <= budget_;
        }
        void* at = !fits ? map(size) : zeros ? usual->calloc(usual->ctx, size, 1) : usual->malloc(usual->ctx, size);
        if (at) note(at, {size, !fits});
        return at;
    }

    void* map(std::size_t size) {
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
        if (!thread_.joinable() && !ended_) owner_ = getpid(), thread_ = std::thread([this] { watch(); });
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
                if (part.in_file) munmap(at, part.size);
            }
        }
        if (!part.in_file) usual->free(usual->ctx, at, part.size ? part.size : size);
    }

    void watch() {
        const std::size_t before = pages_of_files();
        std::unique_lock<std::mutex> lock(mutex_);
        while (!ended_) {
            wake_.wait_for(lock, look);
            const std::size_t now = pages_of_files();
            if (now != SIZE_MAX && now < before + resident) continue;
            for (const auto& [at, part] : parts_)
                if (part.in_file) madvise(at, part.size, MADV_DONTNEED);  // of a shared map: they stay in the file
        }
    }

    std::size_t budget_;
    std::string folder_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::unordered_map<void*, Part> parts_;
    std::size_t used_ = 0, in_files_ = 0, most_ = 0, refused_ = 0;
    std::atomic<bool> shrunk_{false};  // whether there are counted parts that have become small
    std::thread thread_;
    pid_t owner_ = 0;
    bool ended_ = false;
};

constexpr const char* kind = "mem_handler";

// The Room is left to arrays that hold the capsule.
void forget(PyObject* capsule) {
    auto* handler = static_cast<Handler*>(PyCapsule_GetPointer(capsule, kind));
    if (handler) delete static_cast<Room*>(handler->allocator.ctx);
}

PyObject* make(PyObject*, PyObject* arguments) {
    unsigned long long budget;
    const char* folder;
    if (!PyArg_ParseTuple(arguments, "Ks", &budget, &folder)) return nullptr;
    auto* room = new Room(budget, folder);
    PyObject* capsule = PyCapsule_New(&room->handler, kind, forget);
    if (!capsule) delete room;
    return capsule;
}

Room* room_of(PyObject* capsule) {
    auto* handler = static_cast<Handler*>(PyCapsule_GetPointer(capsule, kind));
    if (!handler) return nullptr;
    if (std::strcmp(handler->name, "gramfold_room") != 0) {
        PyErr_SetString(PyExc_TypeError, "a room is asked for");
        return nullptr;
    }
    return static_cast<Room*>(handler->allocator.ctx);
}

// Sets a handler, None for NumPy's own, and gives the one before.
PyObject* use(PyObject*, PyObject* capsule) { return set_handler(capsule == Py_None ? nullptr : capsule); }

PyObject* state(PyObject*, PyObject* capsule) {
    Room* room = room_of(capsule);
    if (!room) return nullptr;
    const auto [used, in_files, most, refused] = room->state();
    return Py_BuildValue("KKKK", static_cast<unsigned long long>(used), static_cast<unsigned long long>(in_files),
                         static_cast<unsigned long long>(most), static_cast<unsigned long long>(refused));
}

PyObject* rest(PyObject*, PyObject* capsule) {
    Room* room = room_of(capsule);
    if (!room) return nullptr;
    Py_BEGIN_ALLOW_THREADS room->rest();
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

// NumPy's functions, from the table that its headers use.
bool find_numpy() {
    PyObject* module = PyImport_ImportModule("numpy._core._multiarray_umath");
    if (!module) {
        PyErr_Clear();
        module = PyImport_ImportModule("numpy.core._multiarray_umath");
    }
    PyObject* table = module ? PyObject_GetAttrString(module, "_ARRAY_API") : nullptr;
    Py_XDECREF(module);
    void** api = table ? static_cast<void**>(PyCapsule_GetPointer(table, nullptr)) : nullptr;
    Py_XDECREF(table);
    if (!api) return false;
    set_handler = reinterpret_cast<PyObject* (*)(PyObject*)>(api[304]);
    PyObject* own = *static_cast<PyObject**>(api[306]);
    auto* handler = own ? static_cast<Handler*>(PyCapsule_GetPointer(own, kind)) : nullptr;
    if (!handler || handler->version != 1) return false;
    usual = &handler->allocator;
    return true;
}

int prepare(PyObject*) {
    if (find_numpy()) return 0;
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ImportError, "NumPy's memory handlers are not as they were");
    return -1;
}

PyMethodDef functions[] = {{"make", make, METH_VARARGS, nullptr},
                           {"use", use, METH_O, nullptr},
                           {"state", state, METH_O, nullptr},
                           {"rest", rest, METH_O, nullptr},
                           {}};
PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(prepare)},
#ifdef Py_mod_gil
                            {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
                            {}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_room", nullptr, 0, functions, slots, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__room() { return PyModuleDef_Init(&definition); }
