// The boundary of the mixtures.
#include "fold/seam.hpp"
#include "mixture/gaussian.hpp"
#include "mixture/poisson.hpp"

using namespace gramfold;

namespace {

// given, resp: rows x k; weights, score, labels: rows.
template <class T>
MixtureRows<T> mixture_rows(Index n, Index k, const Optional<double>& weights, const Optional<T>& given,
                            const Optional<T>& resp, const Optional<double>& score,
                            const Optional<std::int64_t>& labels, T impossible) {
    require(k > 0, "there must be a component");
    return {k,
            sized(weights, n, "weights must have an entry for each row"),
            sized(given, n, k, "given must be rows x k"),
            writable(resp, n, k, "resp must be a writable rows x k"),
            writable(score, n, "score must be writable, with an entry for each row"),
            writable(labels, n, "labels must be writable, with an entry for each row"),
            impossible};
}

// Calls f(source of double) for x of either type.
template <class F>
auto with_widened(const py::object& x, F f) {
    if (!read_as_float(x)) return with_source<double>(x, f);
    return with_source<float>(x,
                              [&](const auto& source) { return f(Widened<std::decay_t<decltype(source)>>(source)); });
}

py::tuple poisson_mixture(const py::object& x, const Strided<double>& f, const Contiguous<double>& bias,
                          const Contiguous<double>& slope, const Optional<double>& exposure,
                          const Optional<double>& weights, const Optional<double>& given, const Optional<double>& sums,
                          const Optional<double>& resp, const Optional<double>& score,
                          const Optional<std::int64_t>& labels, int n_threads) {
    const auto fm = strided(f);
    const Index k = fm.cols;
    return with_widened(x, [&](const auto& source) {
        const Index n = source.rows();
        require(fm.rows == source.cols(), "f must have a row for each column of x");
        const PoissonShared shared{sized<double>(bias, k, "bias must have k entries"),
                                   sized<double>(slope, k, "slope must have k entries"),
                                   sized(exposure, n, "exposure must have an entry for each row")};
        const auto rows = mixture_rows(n, k, weights, given, resp, score, labels, log_of_zero / 10);
        double* s = writable(sums, source.cols(), k, "sums must be a writable cols x k");
        const auto found =
            without_gil(n_threads, [&](const Run& run) { return poisson_pass(source, fm, shared, rows, s, run); });
        return result("PoissonSums", vector(found->counts.get(), k), vector(found->exposure.get(), k),
                      found->likelihood);
    });
}

py::tuple count_rows(const py::object& x, const Contiguous<double>& totals, const Contiguous<double>& factorials,
                     int n_threads) {
    const auto count = [&](const auto& source) {
        const Index n = source.rows();
        double* t = writable<double>(totals, n, "totals must be writable, with an entry for each row");
        double* l = writable<double>(factorials, n, "factorials must be writable, with an entry for each row");
        const CountSums found = without_gil(n_threads, [&](const Run& run) { return count_pass(source, t, l, run); });
        return result("Counted", found.least, found.whole);
    };
    return read_as_float(x) ? with_source<float>(x, count) : with_source<double>(x, count);
}

Covariance covariance(const std::string& kind) {
    if (kind == "full") return Covariance::full;
    if (kind == "tied") return Covariance::tied;
    require(kind == "diag" || kind == "spherical", "kind must be full, tied, diag or spherical");
    return kind == "diag" ? Covariance::diag : Covariance::spherical;
}

// second: None for no sums of squares, k x d for their diagonal, k x d x d for all, 1 x d x d for those of all
// components together; without `first`, no sums.
template <class From, class T>
py::tuple gaussian_mixture(const Readable<From>& x, const std::string& kind, const Contiguous<T>& shift,
                           const Contiguous<T>& scale, const Contiguous<T>& centers, const Contiguous<T>& factor,
                           const Contiguous<double>& constants, const Contiguous<T>& about,
                           const Optional<double>& weights, const Optional<T>& given, const Optional<double>& first,
                           const Optional<double>& second, const Optional<T>& resp, const Optional<double>& score,
                           const Optional<std::int64_t>& labels, int n_threads) {
    const auto xm = rows_of<From>(x);
    const Index n = xm.rows, d = xm.cols, k = centers.ndim() == 2 ? centers.shape(0) : 0;
    const Covariance shape = covariance(kind);
    const Index entries[] = {k * d * d, d * d, k * d, k};
    require(d > 0, "x must have a column");
    require(factor.size() == entries[static_cast<int>(shape)], "factor must be as kind says");
    const auto rows = mixture_rows(n, k, weights, given, resp, score, labels, -std::numeric_limits<T>::infinity());
    const bool full = second && second->ndim() == 3, pooled = full && k > 1 && second->shape(0) == 1;
    require(!second || first, "second needs first");
    require(!full || (second->shape(0) == (pooled ? 1 : k) && second->shape(1) == d && second->shape(2) == d &&
                      second->writeable()),
            "second must be a writable k x d x d, 1 x d x d or k x d");
    double* f = writable(first, k, d, "first must be a writable k x d");
    double* s = full ? const_cast<double*>(second->data())
                     : writable(second, k, d, "second must be a writable k x d x d or k x d");
    const T *from = sized<T>(shift, d, "shift must have d entries"),
            *by = sized<T>(scale, d, "scale must have d entries"), *c = sized(centers, k, d, "centers must be k x d"),
            *a = sized(about, k, d, "about must be k x d");
    const double* constant = sized<double>(constants, k, "constants must have k entries");
    py::array_t<double> counts(k);
    double* to = counts.mutable_data();
    const double likelihood = without_gil(n_threads, [&](const Run& run) {
        const QuadraticForms<T> forms(shape, k, d, c, factor.data(), constant);
        std::unique_ptr<Moments<T>> moments;
        if (f)
            moments = std::make_unique<Moments<T>>(k, d,
                                                   pooled ? Second::pooled
                                                   : full ? Second::full
                                                   : s    ? Second::diagonal
                                                          : Second::none,
                                                   a);
        const auto sums = gaussian_pass(xm, from, by, forms, moments.get(), rows, run);
        for (Index t = 0; f && t < k; ++t) moments->read(t, sums->moments.get(), to, f, s);
        return sums->likelihood;
    });
    if (!f) std::fill_n(to, k, 0);
    return result("GaussianSums", counts, likelihood);
}

template <class From, class T>
void mixture_kernels(py::module_& m) {
    m.def("gaussian_mixture", &gaussian_mixture<From, T>, py::kw_only(), py::arg("x").noconvert(), py::arg("kind"),
          py::arg("shift").noconvert(), py::arg("scale").noconvert(), py::arg("centers").noconvert(),
          py::arg("factor").noconvert(), py::arg("constants").noconvert(), py::arg("about").noconvert(),
          py::arg("weights").noconvert(), py::arg("given").noconvert(), py::arg("first").noconvert(),
          py::arg("second").noconvert(), py::arg("resp").noconvert(), py::arg("score").noconvert(),
          py::arg("labels").noconvert(), py::arg("n_threads"));
}

}  // namespace

void bind_mixture(py::module_& m) {
    mixture_kernels<float, float>(m);
    mixture_kernels<double, double>(m);
    mixture_kernels<float, double>(m);
    m.def("poisson_mixture", &poisson_mixture, py::kw_only(), py::arg("x"), py::arg("f").noconvert(),
          py::arg("bias").noconvert(), py::arg("slope").noconvert(), py::arg("exposure").noconvert(),
          py::arg("weights").noconvert(), py::arg("given").noconvert(), py::arg("sums").noconvert(),
          py::arg("resp").noconvert(), py::arg("score").noconvert(), py::arg("labels").noconvert(),
          py::arg("n_threads"));
    m.def("count_rows", &count_rows, py::kw_only(), py::arg("x"), py::arg("totals").noconvert(),
          py::arg("factorials").noconvert(), py::arg("n_threads"));
}
