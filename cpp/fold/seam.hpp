// What every binding shares: how arrays, sparse matrices and numbers cross the boundary, and the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>

#include "fold/csr.hpp"

namespace py = pybind11;

namespace gramfold {

// An array of T as it is, whose data is aligned: a misaligned one, or another type, is refused and never converted.
template <class T, int flags>
struct AsIs : py::array_t<T, flags> {
    using py::array_t<T, flags>::array_t;
    static bool check_(py::handle h) {
        return py::array_t<T, flags>::check_(h) &&
               py::detail::check_flags(h.ptr(), py::detail::npy_api::NPY_ARRAY_ALIGNED_);
    }
};
template <class T>
using Strided = AsIs<T, py::array::forcecast>;
template <class T>
using Contiguous = AsIs<T, py::array::c_style>;
template <class T>
using Optional = std::optional<Contiguous<T>>;

inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

[[noreturn]] inline void throw_os_error(int code, const std::string& said, const std::string& path) {
    PyErr_SetObject(PyExc_OSError, py::make_tuple(code, said, path).ptr());
    throw py::error_already_set();
}

// Releases the GIL around f(run); signals are looked at now and then, and a KeyboardInterrupt cancels the fold.
template <class F>
auto without_gil(int n_threads, F f) {
    require(n_threads >= 1, "n_threads must be at least 1");
    bool interrupted = false;
    Run run{n_threads, [&] {
                const py::gil_scoped_acquire gil;
                return interrupted = PyErr_CheckSignals() != 0;
            }};
    try {
        const py::gil_scoped_release release;
        return f(run);
    } catch (const Cancelled&) {
        if (interrupted) throw py::error_already_set();
        throw;
    } catch (const FileError& error) {
        const std::string said = error.code ? std::strerror(error.code) : "it ends there, and did not before";
        throw_os_error(error.code ? error.code : EIO, said + ", at byte " + std::to_string(error.at), error.path);
    }
}

// How an array's items lie in memory, if they can be read as floats.
inline std::optional<Item> item_of(const py::dtype& type) {
    const auto by_size = [&](std::initializer_list<Item> items) {
        std::optional<Item> found;
        Index size = 1;
        for (auto item = items.begin(); item != items.end(); ++item, size *= 2)
            if (size == type.itemsize()) found = *item;
        return found;
    };
    switch (type.kind()) {
        case 'b':
            return Item::boolean;
        case 'i':
            return by_size({Item::int8, Item::int16, Item::int32, Item::int64});
        case 'u':
            return by_size({Item::uint8, Item::uint16, Item::uint32, Item::uint64});
        case 'f':
            if (type.itemsize() < 2) return std::nullopt;
            return by_size({Item::float16, Item::float16, Item::float32, Item::float64});
        default:
            if (type.attr("name").cast<std::string>() == "bfloat16") return Item::bfloat16;
            return std::nullopt;
    }
}

// What reads the items of an array as T; null if they are no numbers, or are read as the other float.
template <class T>
Convert<T> converter_of(const py::array& x) {
    constexpr char other_order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '>' : '<';
    const auto item = item_of(x.dtype());
    return item ? converter<T>(*item, x.dtype().byteorder() == other_order) : nullptr;
}

// An array whose items are read as T.
template <class T>
struct Readable : py::array {
    using py::array::array;
    static bool check_(py::handle h) {
        return py::array::check_(h) && converter_of<T>(py::reinterpret_borrow<py::array>(h));
    }
};

template <class T>
Matrix<const T> strided(const Strided<T>& x) {
    require(x.ndim() == 2, "x must have two dimensions");
    for (int d = 0; d < 2; ++d) require(x.strides(d) % Index(sizeof(T)) == 0, "strides must be whole entries");
    return {x.data(), x.shape(0), x.shape(1), x.strides(0) / Index(sizeof(T)), x.strides(1) / Index(sizeof(T))};
}

// An array that is the view of a map of a file, of which nothing is read through that map.
class InFile {
  public:
    // beside: what lies in it is read with that of another one.
    explicit InFile(const py::array& x, const InFile* beside = nullptr) {
        if (Py_TYPE(x.ptr()) == py::detail::npy_api::get().PyArray_Type_) return;
        const py::object file = py::getattr(x, "gramfold_file", py::none());
        if (file.is_none()) return;
        const auto begin = file.attr("address").cast<std::uintptr_t>(), at = reinterpret_cast<std::uintptr_t>(x.data());
        if (at < begin || at >= begin + file.attr("size").cast<std::uintptr_t>()) return;  // a copy in memory
        at_ = Index(at - begin), change_ = change_of(x);
        struct stat now;
        const int descriptor = file.attr("descriptor").cast<int>();
        const bool found = fstat(descriptor, &now) == 0;
        const auto changed = std::int64_t(now.st_mtim.tv_sec) * 1000000000 + now.st_mtim.tv_nsec;
        if (!found || now.st_size != file.attr("size").cast<off_t>() ||
            changed != file.attr("changed").cast<std::int64_t>())
            throw_os_error(EIO, "it has been changed since it was opened", file.attr("path").cast<std::string>());
        backwards_ = beside ? beside->backwards_ : next_backwards(file);
        file_ = std::make_shared<File>(descriptor, file.attr("path").cast<std::string>(), backwards_);
    }
    explicit operator bool() const { return bool(file_); }
    const std::shared_ptr<File>& file() const { return file_; }
    Index at() const { return at_; }
    const Change& change() const { return change_; }

  private:
    static Change change_of(const py::array& x) {
        Change found;
        for (const auto& step : x.attr("gramfold_change").cast<py::tuple>())
            found.push_back(step.is_none() ? square_root : step.cast<int>());
        return found;
    }

    static bool next_backwards(const py::object& file) {
        const auto passes = file.attr("passes").cast<std::int64_t>();
        file.attr("passes") = passes + 1;
        fold_detail::go_backwards(passes % 2);
        return passes % 2;
    }

    std::shared_ptr<File> file_;
    Index at_ = 0;
    Change change_;
    bool backwards_ = false;
};

// The rows of an array of T or of items that are read as T, in any order and at any address.
template <class T>
Rows<T> rows_of(const py::handle& h) {
    require(Readable<T>::check_(h), "x must be an array of the factor's dtype, or of numbers that are read as it");
    const auto x = py::reinterpret_borrow<py::array>(h);
    require(x.ndim() == 2, "x must have two dimensions");
    const bool whole = x.strides(0) % Index(sizeof(T)) == 0 && x.strides(1) % Index(sizeof(T)) == 0;
    if (const InFile in(x); in && x.size())
        return {in.file(),          in.at(),    x.itemsize(), whole && Strided<T>::check_(x),
                x.shape(0),         x.shape(1), x.strides(0), x.strides(1),
                converter_of<T>(x), in.change()};
    if (whole && Strided<T>::check_(x)) return strided(py::reinterpret_borrow<Strided<T>>(x));
    return {static_cast<const char*>(x.data()), x.shape(0), x.shape(1), x.strides(0), x.strides(1), converter_of<T>(x)};
}

template <class T>
const T* sized(const Contiguous<T>& a, Index rows, Index cols, const char* message) {
    require(a.ndim() == 2 && a.shape(0) == rows && a.shape(1) == cols, message);
    return a.data();
}

template <class T>
const T* sized(const Optional<T>& a, Index rows, Index cols, const char* message) {
    return a ? sized(*a, rows, cols, message) : nullptr;
}

template <class T>
T* writable(const Optional<T>& a, Index rows, Index cols, const char* message) {
    sized(a, rows, cols, message);
    if (!a) return nullptr;
    require(a->writeable(), message);
    return const_cast<T*>(a->data());
}

template <class T>
const T* sized(const Optional<T>& a, Index n, const char* message) {
    require(!a || (a->ndim() == 1 && a->size() == n), message);
    return a ? a->data() : nullptr;
}

template <class T>
T* writable(const Optional<T>& a, Index n, const char* message) {
    sized(a, n, message);
    require(!a || a->writeable(), message);
    return a ? const_cast<T*>(a->data()) : nullptr;
}

inline py::array_t<double> square(const Buffer<double>& from, Index k) {
    py::array_t<double> out({k, k});
    std::copy_n(from.get(), from.size(), out.mutable_data());
    return out;
}

// That indices are at least 0 and less than cols is the caller's duty: to look costs a read of them all.
template <class T, class I>
Csr<T, I> csr(const py::tuple& x) {
    const auto data = py::reinterpret_borrow<py::array>(x[0]);
    const auto indices = py::reinterpret_borrow<py::array>(x[1]);
    const auto indptr = py::reinterpret_borrow<Contiguous<I>>(x[2]);
    require(indptr.ndim() == 1 && indptr.size() > 0, "indptr must have rows + 1 entries");
    const Index rows = indptr.size() - 1, cols = x[3].cast<Index>();
    const I* at = indptr.data();
    bool rises = at[0] == 0 && Index(at[rows]) <= data.size() && data.size() == indices.size();
    for (Index r = 0; r < rows; ++r) rises &= at[r] <= at[r + 1];
    require(rises, "indptr must rise from 0 to at most the number of entries of data and of indices");
    require(cols >= 0 && (cols > 0 || at[rows] == 0), "cols must be at least 0, and above it if there are entries");
    if (const InFile in(data); in && data.size()) {
        const InFile columns(indices, &in);
        require(bool(columns), "indices must lie in a file if data do");
        return {{in.file(), in.at(), data.itemsize()},
                converter_of<T>(data),
                in.change(),
                {columns.file(), columns.at(), indices.itemsize()},
                at,
                rows,
                cols};
    }
    require(indices.itemsize() == Index(sizeof(I)), "indices and indptr must both be int32 or int64");
    const auto* columns = static_cast<const I*>(indices.data());
    if (Contiguous<T>::check_(data)) return {static_cast<const T*>(data.data()), columns, at, rows, cols};
    return {static_cast<const char*>(data.data()), data.itemsize(), converter_of<T>(data), columns, at, rows, cols};
}

// x is an array, or a tuple (data, indices, indptr, cols) with 32- or 64-bit indices.
template <class T, class F>
auto with_source(const py::object& x, F f) {
    if (!py::isinstance<py::tuple>(x)) return f(Dense<T>(rows_of<T>(x)));
    const auto parts = py::reinterpret_borrow<py::tuple>(x);
    require(parts.size() == 4 && Readable<T>::check_(parts[0]), "x must be (data, indices, indptr, cols)");
    require(py::detail::check_flags(parts[0].ptr(), py::array::c_style), "data must be contiguous");
    const auto both = [&](auto index) {
        using I = decltype(index);
        return Contiguous<I>::check_(parts[1]) && Contiguous<I>::check_(parts[2]);
    };
    if (both(std::int32_t{})) return f(csr<T, std::int32_t>(parts));
    const bool narrow = Contiguous<std::int32_t>::check_(parts[1]) && Contiguous<std::int64_t>::check_(parts[2]);
    require(narrow || both(std::int64_t{}), "indices and indptr must both be int32 or int64");
    return f(csr<T, std::int64_t>(parts));
}

// What a kernel gives back, by name: a class of gramfold/_core/results.py.
template <class... Values>
py::object result(const char* name, Values&&... values) {
    return py::module_::import("gramfold._core.results").attr(name)(std::forward<Values>(values)...);
}

// Whether the numbers of an array, or of (data, indices, indptr, cols), become float.
inline bool read_as_float(const py::object& x) {
    if (!py::isinstance<py::tuple>(x)) return Readable<float>::check_(x);
    return py::len(x) > 0 && Readable<float>::check_(py::object(x[py::int_(0)]));
}

// Copied here: pybind11's constructor from a pointer does not see that NumPy has no memory for the copy.
template <class T>
py::array_t<T> vector(const T* from, Index n) {
    py::array_t<T> out(n);
    std::copy_n(from, n, out.mutable_data());
    return out;
}

}  // namespace gramfold
