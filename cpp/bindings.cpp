// The whole boundary: one m.def per kernel, bound for float and double. A kernel is one pass; see cpp/README.md.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "beta.hpp"
#include "csr.hpp"
#include "frobenius.hpp"
#include "kl.hpp"
#include "kl_coordinate.hpp"
#include "masked.hpp"
#include "measure.hpp"
#include "pass.hpp"
#include "small.hpp"

namespace py = pybind11;
using namespace gramfold;

namespace {

template <class T>
using Strided = py::array_t<T>;
template <class T>
using Contiguous = py::array_t<T, py::array::c_style>;
template <class T>
using Optional = std::optional<Contiguous<T>>;

void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
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
    }
}

template <class T>
Matrix<const T> strided(const Strided<T>& x) {
    require(x.ndim() == 2, "x must have two dimensions");
    for (int d = 0; d < 2; ++d) require(x.strides(d) % Index(sizeof(T)) == 0, "x must be aligned");
    return {x.data(), x.shape(0), x.shape(1), x.strides(0) / Index(sizeof(T)), x.strides(1) / Index(sizeof(T))};
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

py::array_t<double> square(const Buffer<double>& from, Index k) {
    py::array_t<double> out({k, k});
    std::copy_n(from.get(), from.size(), out.mutable_data());
    return out;
}

template <class T, class I>
Csr<T, I> csr(const py::tuple& x) {
    const auto data = x[0].cast<Contiguous<T>>();
    const auto indices = x[1].cast<Contiguous<I>>(), indptr = x[2].cast<Contiguous<I>>();
    require(indptr.ndim() == 1 && indptr.size() > 0, "indptr must have rows + 1 entries");
    const Index rows = indptr.size() - 1;
    require(indptr.data()[0] == 0 && indptr.data()[rows] <= data.size() && data.size() == indices.size(),
            "indptr, indices and data do not fit together");
    return {data.data(), indices.data(), indptr.data(), rows, x[3].cast<Index>()};
}

// x is an array, or a tuple (data, indices, indptr, cols) with 32- or 64-bit indices.
template <class T, class F>
auto with_source(const py::object& x, F f) {
    if (!py::isinstance<py::tuple>(x)) {
        require(Strided<T>::check_(x), "x must be an array of the factor's dtype");
        return f(Dense<T>(strided(py::reinterpret_borrow<Strided<T>>(x))));
    }
    const auto parts = py::reinterpret_borrow<py::tuple>(x);
    require(parts.size() == 4 && Contiguous<T>::check_(parts[0]), "x must be (data, indices, indptr, cols)");
    const auto both = [&](auto index) {
        using I = decltype(index);
        return Contiguous<I>::check_(parts[1]) && Contiguous<I>::check_(parts[2]);
    };
    if (both(std::int32_t{})) return f(csr<T, std::int32_t>(parts));
    require(both(std::int64_t{}), "indices and indptr must both be int32 or int64");
    return f(csr<T, std::int64_t>(parts));
}

// Sums over x, or without x the rows of the known products p.
template <class T>
py::tuple hals(const py::object& x, const Optional<T>& p, const Strided<T>& f, const Contiguous<double>& gram,
               const Optional<double>& inverse, const Optional<T>& start, const Optional<T>& previous, double beta,
               const Contiguous<T>& out, const Optional<T>& sums, double l1, bool nonneg, int max_sweeps,
               int polish, double shrink, double tol, bool cross, int n_threads) {
    const auto fm = strided(f);
    const Index k = fm.cols;
    const double* g = sized(gram, k, k, "gram must be k x k");
    const double* gi = sized(inverse, k, k, "inverse must be k x k");
    require((!previous && !cross) || start, "previous and cross need start");

    const auto run_with = [&](const auto& source) {
        const Index n = source.rows();
        const RowFactor<T> z{sized(start, n, k, "start must be rows x k"),
                             sized(previous, n, k, "previous must be rows x k"), T(beta),
                             writable(Optional<T>(out), n, k, "out must be a writable rows x k")};
        T* s = writable(sums, source.cols(), k, "sums must be a writable cols x k");
        return without_gil(n_threads, [&](const Run& run) {
            const HalsShared<T> shared(g, k), inverse_shared(gi ? gi : g, k);
            return run_pass(source, Packed<T>(fm, source.reads_panels()),
                            Hals<T>(shared, gi ? &inverse_shared : nullptr, T(l1), nonneg, max_sweeps, T(shrink), T(tol), polish), z, cross, s, run);
        });
    };
    const auto result = p ? run_with(Known<T>(sized(*p, p->shape(0), k, "p must be rows x k"), p->shape(0), k))
                          : with_source<T>(x, [&](const auto& source) {
                                require(fm.rows == source.cols(), "f must have a row for each column of x");
                                return run_with(source);
                            });
    py::object crossed = py::none();
    if (cross) crossed = square(result->cross, k);
    const RowStats& t = result->stats;
    return py::make_tuple(square(result->gram, k), crossed, t.violation, t.step, t.objective, t.residual, t.open);
}

// w as x, or None; returns violation, step, objective, residual, open, before.
template <class T>
py::tuple masked_hals(const Strided<T>& x, const std::optional<Strided<T>>& w, const Strided<T>& f,
                      const Optional<T>& start, const Contiguous<T>& out, double l1, double l2, bool nonneg,
                      int max_sweeps, int polish, double shrink, double tol, int n_threads) {
    const auto xm = strided(x), fm = strided(f);
    const auto wm = w ? strided(*w) : Matrix<const T>{nullptr, xm.rows, xm.cols, 0, 0};
    const Index k = fm.cols;
    require(fm.rows == xm.cols && k > 0, "f must have a row for each column of x");
    require(wm.rows == xm.rows && wm.cols == xm.cols, "weights must have the shape of x");
    const T* z = sized(start, xm.rows, k, "start must be rows x k");
    T* to = writable<T>(out, xm.rows, k, "out must be a writable rows x k");
    const OwnStats t = without_gil(n_threads, [&](const Run& run) {
        const Masked<T> in(xm, wm, fm);
        const OwnGram<T> rows{k, in.kp, T(l1), nonneg, max_sweeps, polish, T(shrink), T(tol)};
        return run_masked(in, rows, T(l2), z, to, run);
    });
    return py::make_tuple(t.violation, t.step, t.objective, t.residual, t.open, t.before);
}

py::array_t<double> vector(const double* from, Index n) { return py::array_t<double>({n}, from); }

template <class T>
py::tuple multiplicative(const py::object& x, const Strided<T>& f, double beta, const Contiguous<T>& start,
                         const Contiguous<T>& out, const Optional<T>& num, const Optional<T>& den, double l1,
                         double l2, double floor, const Contiguous<double>& scale, int max_sweeps, double tol,
                         bool loss_at_start, bool measure_at_end, int n_threads) {
    const auto fm = strided(f);
    const Index k = fm.cols;
    require(scale.ndim() == 1 && scale.size() == k, "scale must have k entries");
    const std::vector<T> rounded(scale.data(), scale.data() + k);
    const Multiplicative<T> rule{k,          T(beta), T(l1),         T(l2),         T(floor), rounded.data(),
                                 max_sweeps, T(tol),  loss_at_start, measure_at_end};
    return with_source<T>(x, [&](const auto& source) {
        using Source = std::decay_t<decltype(source)>;
        const Index n = source.rows(), cols = source.cols();
        require(fm.rows == cols, "f must have a row for each column of x");
        const T* from = sized(start, n, k, "start must be rows x k");
        T* to = writable<T>(out, n, k, "out must be a writable rows x k");
        T* nm = writable(num, cols, k, "num must be a writable cols x k");
        T* dn = writable(den, cols, k, "den must be a writable cols x k");
        const auto sums = without_gil(n_threads, [&](const Run& run) {
            if (beta == 2) return frobenius_pass(source, fm, rule, from, to, nm, run);
            if constexpr (!std::is_same_v<Source, Dense<T>>)
                if (beta == 1) return kl_pass(source, fm, rule, from, to, nm, run);
            return beta_pass(source, fm, rule, from, to, nm, dn, run);
        });
        const MultiplicativeSums& s = sums->stats;
        return py::make_tuple(vector(sums->total.get(), k), s.loss_start, s.loss_end, s.residual, s.size, s.open);
    });
}

template <class T>
py::tuple kl_coordinate(const py::object& x, const Contiguous<T>& f, const Contiguous<double>& slope,
                        const Contiguous<T>& start, const Contiguous<T>& out, double l2, int max_sweeps, double shrink,
                        double tol, bool measure_start, bool measure_end, int n_threads) {
    const auto fm = strided<T>(f);
    const Index k = fm.cols;
    require(slope.ndim() == 1 && slope.size() == k, "slope must have k entries");
    const std::vector<T> rounded(slope.data(), slope.data() + k);
    const KlRows<T> rows{k, rounded.data(), T(l2), max_sweeps, T(shrink), T(tol), measure_start, measure_end};
    return with_source<T>(x, [&](const auto& source) {
        const Index n = source.rows();
        require(fm.rows == source.cols(), "f must have a row for each column of x");
        const T* from = sized(start, n, k, "start must be rows x k");
        T* to = writable<T>(out, n, k, "out must be a writable rows x k");
        const auto sums = without_gil(
            n_threads, [&](const Run& run) { return kl_coordinate_pass(source, fm.data, rows, from, to, run); });
        const KlStats& s = sums->stats;
        return py::make_tuple(vector(sums->total.get(), k), s.loss_start, s.loss_end, s.residual_start,
                              s.residual_end, s.open);
    });
}

}  // namespace

#include "bind_coding.hpp"

namespace {

template <class T>
void bind(py::module_& m) {
    bind_coding<T>(m);
    m.def(
        "scan",
        [](const Strided<T>& x, int n_threads) {
            const auto xm = strided(x);
            const Scan s = without_gil(n_threads, [&](const Run& run) { return scan(xm, run); });
            return py::make_tuple(s.sum, s.squares, s.least);
        },
        py::arg("x").noconvert(), py::arg("n_threads"));
    m.def(
        "gram",
        [](const Strided<T>& f, int n_threads) {
            const auto fm = strided(f);
            return square(without_gil(n_threads, [&](const Run& run) { return gram(fm, run); }), fm.cols);
        },
        py::arg("f").noconvert(), py::arg("n_threads"));
    m.def(
        "squared_residual",
        [](const Strided<T>& x, const Contiguous<T>& w, const Contiguous<T>& h, int n_threads) {
            const auto xm = strided(x);
            const Index k = h.ndim() == 2 ? h.shape(0) : 0;
            const T *wd = sized(w, xm.rows, k, "w must be rows x k"), *hd = sized(h, k, xm.cols, "h must be k x cols");
            return without_gil(n_threads, [&](const Run& run) { return squared_residual(xm, wd, hd, k, run); });
        },
        py::arg("x").noconvert(), py::arg("w").noconvert(), py::arg("h").noconvert(), py::arg("n_threads"));
    m.def("hals", &hals<T>, py::arg("x"), py::arg("p").noconvert(), py::arg("f").noconvert(),
          py::arg("gram").noconvert(), py::arg("inverse").noconvert(), py::arg("start").noconvert(),
          py::arg("previous").noconvert(), py::arg("beta"), py::arg("out").noconvert(),
          py::arg("sums").noconvert(), py::arg("l1"), py::arg("nonneg"), py::arg("max_sweeps"), py::arg("polish"), py::arg("shrink"),
          py::arg("tol"), py::arg("cross"), py::arg("n_threads"));
    m.def("masked_hals", &masked_hals<T>, py::arg("x").noconvert(), py::arg("weights").noconvert(),
          py::arg("f").noconvert(), py::arg("start").noconvert(), py::arg("out").noconvert(), py::arg("l1"),
          py::arg("l2"), py::arg("nonneg"), py::arg("max_sweeps"), py::arg("polish"), py::arg("shrink"),
          py::arg("tol"), py::arg("n_threads"));
    m.def("multiplicative", &multiplicative<T>, py::arg("x"), py::arg("f").noconvert(), py::arg("beta"),
          py::arg("start").noconvert(), py::arg("out").noconvert(), py::arg("num").noconvert(),
          py::arg("den").noconvert(), py::arg("l1"), py::arg("l2"), py::arg("floor"), py::arg("scale").noconvert(),
          py::arg("max_sweeps"), py::arg("tol"), py::arg("loss_at_start"), py::arg("measure_at_end"),
          py::arg("n_threads"));
    m.def("kl_coordinate", &kl_coordinate<T>, py::arg("x"), py::arg("f").noconvert(), py::arg("slope").noconvert(),
          py::arg("start").noconvert(), py::arg("out").noconvert(), py::arg("l2"), py::arg("max_sweeps"),
          py::arg("shrink"), py::arg("tol"), py::arg("measure_start"), py::arg("measure_end"), py::arg("n_threads"));
}

}  // namespace

PYBIND11_MODULE(GRAMFOLD_MODULE, m, py::mod_gil_not_used()) {
    fold_detail::watch_fork();
    bind<float>(m);
    bind<double>(m);
    m.def(
        "pseudoinverse",
        [](const Contiguous<double>& gram, double eps) {
            const Index k = gram.ndim() == 2 ? gram.shape(0) : -1;
            const double* g = sized(gram, k, k, "gram must be square");
            return square(pseudoinverse(g, k, eps), k);
        },
        py::arg("gram").noconvert(), py::arg("eps"));
    m.def("compiler", [] { return std::string(GRAMFOLD_COMPILER); });
    m.def("openmp", [] { return std::string(GRAMFOLD_OPENMP) + ", OpenMP " + std::to_string(_OPENMP); });
    m.def(
        "peak",
        [](bool is_double, double seconds, int n_threads) {
            const py::gil_scoped_release release;
            return is_double ? peak<double>(seconds, n_threads) : peak<float>(seconds, n_threads);
        },
        py::arg("is_double"), py::arg("seconds"), py::arg("n_threads"));
}
