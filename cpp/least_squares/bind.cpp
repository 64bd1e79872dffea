// The boundary of least squares: rows solved for a fixed factor, whole or with missing entries.
#include "fold/seam.hpp"
#include "least_squares/masked.hpp"
#include "least_squares/orthogonal.hpp"
#include "least_squares/pass.hpp"
#include "least_squares/stored.hpp"

using namespace gramfold;

namespace {

// Sums over x, or without x the rows of the known products p.
template <class T>
py::tuple hals(const py::object& x, const Optional<T>& p, const Strided<T>& f, const Contiguous<double>& gram,
               const Optional<double>& inverse, const Optional<T>& start, const Optional<T>& previous, double beta,
               const Contiguous<T>& out, const Optional<T>& sums, double l1, bool nonneg, int max_sweeps, int polish,
               double shrink, double tol, bool cross, bool squares, int n_threads) {
    const auto fm = strided(f);
    const Index k = fm.cols;
    require(k > 0, "f must have a column");
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
            const Dual dual(g, gi, k);
            return run_pass(source, Packed<T>(fm, source.reads_panels()),
                            Hals<T>(shared, gi ? &inverse_shared : nullptr, T(l1), nonneg, max_sweeps, T(shrink),
                                    T(tol), polish, &dual),
                            z, cross, squares, s, run);
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
    py::object squared = py::none();
    if (squares) squared = square(result->gram, k);
    return gramfold::result("Swept", squared, crossed, t.violation, t.step, t.objective, t.residual, t.unconverged);
}

// w as a dense x, or None; returns violation, step, objective, residual, open, before.
template <class T>
py::tuple masked_hals(const py::object& x, const std::optional<Strided<T>>& w, const Strided<T>& f,
                      const Optional<T>& start, const Contiguous<T>& out, double l1, double l2, bool nonneg,
                      int max_sweeps, int polish, double shrink, double tol, int n_threads) {
    const auto fm = strided(f);
    const Index k = fm.cols;
    require(k > 0, "f must have a column");
    const OwnStats t = with_source<T>(x, [&](const auto& source) {
        const Index n = source.rows();
        require(fm.rows == source.cols(), "f must have a row for each column of x");
        const T* z = sized(start, n, k, "start must be rows x k");
        T* to = writable<T>(out, n, k, "out must be a writable rows x k");
        const OwnGram<T> rows{k,     round_up<Index>(k, component_pad<T>), T(l1), nonneg, max_sweeps, polish, T(shrink),
                              T(tol)};
        if constexpr (std::is_same_v<decltype(source), const Dense<T>&>) {
            const auto wm = w ? strided(*w) : Matrix<const T>{nullptr, n, fm.rows, 0, 0};
            require(wm.rows == n && wm.cols == fm.rows, "weights must have the shape of x");
            return without_gil(n_threads, [&](const Run& run) {
                return run_masked(Masked<T>(source.matrix(), wm, fm), rows, T(l2), z, to, run);
            });
        } else {
            require(!w, "weights need a dense x");
            return without_gil(n_threads, [&](const Run& run) {
                return run_stored(source, PaddedRows<T>(fm), rows, T(l2), z, to, run);
            });
        }
    });
    return result("OwnSwept", t.violation, t.step, t.objective, t.residual, t.unconverged, t.before);
}

void orthogonal_rows(const Contiguous<double>& atoms, const Contiguous<double>& y, const Contiguous<double>& codes,
                     const Contiguous<bool>& ended, double l1, bool nonneg, int max_rounds, int n_threads) {
    require(atoms.ndim() == 2 && y.ndim() == 2, "atoms and y must have two dimensions");
    const Index k = atoms.shape(0), r = atoms.shape(1), rows = y.shape(0);
    const double* from = sized(y, rows, r, "y must be rows x r");
    double* to = writable<double>(codes, rows, k, "codes must be a writable rows x k");
    bool* marks = writable<bool>(ended, rows, "ended must be a writable vector of rows");
    without_gil(n_threads, [&](const Run& run) {
        return run_orthogonal(atoms.data(), k, r, from, rows, l1, nonneg, max_rounds, to, marks, run);
    });
}

template <class T>
void bind(py::module_& m) {
    m.def("hals", &hals<T>, py::kw_only(), py::arg("x"), py::arg("p").noconvert(), py::arg("f").noconvert(),
          py::arg("gram").noconvert(), py::arg("inverse").noconvert(), py::arg("start").noconvert(),
          py::arg("previous").noconvert(), py::arg("beta"), py::arg("out").noconvert(), py::arg("sums").noconvert(),
          py::arg("l1"), py::arg("nonneg"), py::arg("max_sweeps"), py::arg("polish"), py::arg("shrink"), py::arg("tol"),
          py::arg("cross"), py::arg("squares"), py::arg("n_threads"));
    m.def("masked_hals", &masked_hals<T>, py::kw_only(), py::arg("x"), py::arg("weights").noconvert(),
          py::arg("f").noconvert(), py::arg("start").noconvert(), py::arg("out").noconvert(), py::arg("l1"),
          py::arg("l2"), py::arg("nonneg"), py::arg("max_sweeps"), py::arg("polish"), py::arg("shrink"), py::arg("tol"),
          py::arg("n_threads"));
}

}  // namespace

void bind_rows(py::module_& m) {
    m.def("orthogonal_rows", &orthogonal_rows, py::kw_only(), py::arg("atoms").noconvert(), py::arg("y").noconvert(),
          py::arg("codes").noconvert(), py::arg("ended").noconvert(), py::arg("l1"), py::arg("nonneg"),
          py::arg("max_rounds"), py::arg("n_threads"));
    bind<float>(m);
    bind<double>(m);
}
