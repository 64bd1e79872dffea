// The boundary of the beta divergences.
#include "fold/seam.hpp"
#include "nmf/beta.hpp"
#include "nmf/frobenius.hpp"
#include "nmf/kl.hpp"
#include "nmf/kl_coordinate.hpp"

using namespace gramfold;

namespace {

template <class T>
py::tuple multiplicative(const py::object& x, const Strided<T>& f, double beta, const Contiguous<T>& start,
                         const Contiguous<T>& out, const Optional<T>& num, const Optional<T>& den, double l1, double l2,
                         double floor, const Contiguous<double>& scale, int max_sweeps, double tol, bool loss_at_start,
                         bool measure_at_end, int n_threads, const Optional<double>& units) {
    const auto fm = strided(f);
    const Index k = fm.cols;
    require(k > 0, "f must have a column");
    require(scale.ndim() == 1 && scale.size() == k, "scale must have k entries");
    const std::vector<T> rounded(scale.data(), scale.data() + k);
    return with_source<T>(x, [&](const auto& source) {
        using Source = std::decay_t<decltype(source)>;
        const Index n = source.rows(), cols = source.cols();
        require(fm.rows == cols, "f must have a row for each column of x");
        const T* from = sized(start, n, k, "start must be rows x k");
        T* to = writable<T>(out, n, k, "out must be a writable rows x k");
        const double* un = sized(units, n, "units must have an entry for each row");
        const Multiplicative<T> rule{
            k, T(beta), l1, l2, T(floor), rounded.data(), max_sweeps, T(tol), loss_at_start, measure_at_end, un};
        T* nm = writable(num, cols, k, "num must be a writable cols x k");
        T* dn = writable(den, cols, k, "den must be a writable cols x k");
        const auto sums = without_gil(n_threads, [&](const Run& run) {
            if (beta == 2) return frobenius_pass(source, fm, rule, from, to, nm, run);
            if constexpr (!std::is_same_v<Source, Dense<T>>)
                if (beta == 1) return kl_pass(source, fm, rule, from, to, nm, run);
            return beta_pass(source, fm, rule, from, to, nm, dn, run);
        });
        const MultiplicativeSums& s = sums->stats;
        return result("Multiplied", vector(sums->total.get(), k), s.loss_start, s.loss_end, s.residual, s.size,
                      s.unconverged);
    });
}

template <class T>
py::tuple kl_coordinate(const py::object& x, const Contiguous<T>& f, const Contiguous<double>& slope,
                        const Contiguous<T>& start, const Contiguous<T>& out, double l2, int max_sweeps, double shrink,
                        double tol, bool measure_start, bool measure_end, int n_threads,
                        const Optional<double>& units) {
    const auto fm = strided<T>(f);
    const Index k = fm.cols;
    require(k > 0, "f must have a column");
    return with_source<T>(x, [&](const auto& source) {
        const Index n = source.rows();
        require(fm.rows == source.cols(), "f must have a row for each column of x");
        const T* from = sized(start, n, k, "start must be rows x k");
        T* to = writable<T>(out, n, k, "out must be a writable rows x k");
        const double* un = sized(units, n, "units must have an entry for each row");
        const bool own = slope.ndim() == 2;
        require(own ? slope.shape(0) == n && slope.shape(1) == k : slope.ndim() == 1 && slope.size() == k,
                "slope must have k entries, or be rows x k");
        const KlSlopes slopes{slope.data(), own ? k : 0};
        const KlRows<T> rows{k, l2, max_sweeps, T(shrink), T(tol), measure_start, measure_end, un};
        const auto sums = without_gil(n_threads, [&](const Run& run) {
            return kl_coordinate_pass(source, fm.data, slopes, rows, from, to, run);
        });
        const KlStats& s = sums->stats;
        return result("Descended", vector(sums->total.get(), k), s.loss_start, s.loss_end, s.residual_start,
                      s.residual_end, s.unconverged);
    });
}

template <class T>
void bind_divergences(py::module_& m) {
    m.def("multiplicative", &multiplicative<T>, py::kw_only(), py::arg("x"), py::arg("f").noconvert(), py::arg("beta"),
          py::arg("start").noconvert(), py::arg("out").noconvert(), py::arg("num").noconvert(),
          py::arg("den").noconvert(), py::arg("l1"), py::arg("l2"), py::arg("floor"), py::arg("scale").noconvert(),
          py::arg("max_sweeps"), py::arg("tol"), py::arg("loss_at_start"), py::arg("measure_at_end"),
          py::arg("n_threads"), py::arg("units").noconvert() = py::none());
    m.def("kl_coordinate", &kl_coordinate<T>, py::kw_only(), py::arg("x"), py::arg("f").noconvert(),
          py::arg("slope").noconvert(), py::arg("start").noconvert(), py::arg("out").noconvert(), py::arg("l2"),
          py::arg("max_sweeps"), py::arg("shrink"), py::arg("tol"), py::arg("measure_start"), py::arg("measure_end"),
          py::arg("n_threads"), py::arg("units").noconvert() = py::none());
}

}  // namespace

void bind_beta(py::module_& m) {
    bind_divergences<float>(m);
    bind_divergences<double>(m);
}
