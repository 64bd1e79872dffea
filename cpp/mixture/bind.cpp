// The boundary of the mixtures.
#include "fold/seam.hpp"
#include "mixture/gaussian.hpp"
#include "mixture/poisson.hpp"
#include "mixture/truncated.hpp"

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

// What all passes of Gaussians are given, and what they leave. second: None for no sums of squares, k x d for their
// diagonal, k x d x d for all, 1 x d x d for those of all components together; without `first`, no sums.
template <class T>
struct GaussianCall {
    GaussianCall(Index cols, const std::string& kind, const Contiguous<T>& shift, const Contiguous<T>& scale,
                 const Contiguous<T>& centers, const Contiguous<T>& factor, const Contiguous<double>& constants,
                 const Contiguous<T>& about, const Optional<double>& first_sums, const Optional<double>& second_sums)
        : k(centers.ndim() == 2 ? centers.shape(0) : 0), d(cols), shape(covariance(kind)), factors(factor.data()),
          counts(k) {
        const Index entries[] = {k * d * d, d * d, k * d, k};
        require(k > 0, "there must be a component");
        require(d > 0, "x must have a column");
        require(factor.size() == entries[static_cast<int>(shape)], "factor must be as kind says");
        const bool full = second_sums && second_sums->ndim() == 3;
        const bool pooled = full && k > 1 && second_sums->shape(0) == 1;
        require(!second_sums || first_sums, "second needs first");
        require(!full || (second_sums->shape(0) == (pooled ? 1 : k) && second_sums->shape(1) == d &&
                          second_sums->shape(2) == d && second_sums->writeable()),
                "second must be a writable k x d x d, 1 x d x d or k x d");
        first = writable(first_sums, k, d, "first must be a writable k x d");
        second = full ? const_cast<double*>(second_sums->data())
                      : writable(second_sums, k, d, "second must be a writable k x d x d or k x d");
        squares = pooled ? Second::pooled : full ? Second::full : second ? Second::diagonal : Second::none;
        from = sized<T>(shift, d, "shift must have d entries"), by = sized<T>(scale, d, "scale must have d entries");
        c = sized(centers, k, d, "centers must be k x d"), a = sized(about, k, d, "about must be k x d");
        constant = sized<double>(constants, k, "constants must have k entries");
    }

    // f(forms, moments or null) -> sums
    template <class F>
    double run(F f) {
        const QuadraticForms<T> forms(shape, k, d, c, factors, constant);
        std::unique_ptr<Moments<T>> moments;
        if (first) moments = std::make_unique<Moments<T>>(k, d, squares, a);
        const auto sums = f(forms, moments.get());
        double* to = counts_data;
        for (Index t = 0; first && t < k; ++t) moments->read(t, sums->moments.get(), to, first, second);
        return sums->likelihood;
    }

    py::object found(double likelihood) {
        if (!first) std::fill_n(counts_data, k, 0);
        return result("GaussianSums", counts, likelihood);
    }

    Index k, d;
    Covariance shape;
    const T *factors, *from, *by, *c, *a;
    const double* constant;
    double *first, *second;
    Second squares;
    py::array_t<double> counts;
    double* counts_data = counts.mutable_data();
};

template <class From, class T>
py::object gaussian_mixture(const Readable<From>& x, const std::string& kind, const Contiguous<T>& shift,
                            const Contiguous<T>& scale, const Contiguous<T>& centers, const Contiguous<T>& factor,
                            const Contiguous<double>& constants, const Contiguous<T>& about,
                            const Optional<double>& weights, const Optional<T>& given, const Optional<double>& first,
                            const Optional<double>& second, const Optional<T>& resp, const Optional<double>& score,
                            const Optional<std::int64_t>& labels, int n_threads) {
    const auto xm = rows_of<From>(x);
    GaussianCall<T> call(xm.cols, kind, shift, scale, centers, factor, constants, about, first, second);
    const auto rows =
        mixture_rows(xm.rows, call.k, weights, given, resp, score, labels, -std::numeric_limits<T>::infinity());
    return call.found(without_gil(n_threads, [&](const Run& run) {
        return call.run([&](const QuadraticForms<T>& forms, const Moments<T>* moments) {
            return gaussian_pass(xm, call.from, call.by, forms, moments, rows, run);
        });
    }));
}

// The entries of an array of n, all of them components of k.
const std::int32_t* components(const Contiguous<std::int32_t>& a, Index n, Index k, const char* message) {
    require(a.size() == n, message);
    const std::int32_t* at = a.data();
    bool fit = true;
    for (Index i = 0; i < n; ++i) fit &= at[i] >= 0 && at[i] < k;
    require(fit, message);
    return at;
}

// groups, labels: rows; lists: k x listed.
template <class From, class T>
py::object truncated_mixture(const Readable<From>& x, const std::string& kind, const Contiguous<T>& shift,
                             const Contiguous<T>& scale, const Contiguous<T>& centers, const Contiguous<T>& factor,
                             const Contiguous<double>& constants, const Contiguous<T>& about,
                             const Optional<double>& weights, const Contiguous<std::int32_t>& groups,
                             const Contiguous<std::int32_t>& lists, const Optional<double>& first,
                             const Optional<double>& second, const Optional<std::int32_t>& labels, int n_threads) {
    const auto xm = rows_of<From>(x);
    GaussianCall<T> call(xm.cols, kind, shift, scale, centers, factor, constants, about, first, second);
    const Index n = xm.rows, k = call.k, listed = lists.ndim() == 2 ? lists.shape(1) : 0;
    require(listed > 0, "lists must have a component for each");
    const TruncatedRows rows{listed, components(groups, n, k, "groups must have one of k for each row"),
                             components(lists, k * listed, k, "lists must be k x listed, each of them below k"),
                             sized(weights, n, "weights must have an entry for each row"),
                             writable(labels, n, "labels must be writable, with an entry for each row")};
    return call.found(without_gil(n_threads, [&](const Run& run) {
        const Grouped grouped(n, k, rows.groups);
        return call.run([&](const QuadraticForms<T>& forms, const Moments<T>* moments) {
            return truncated_pass(xm, call.from, call.by, forms, moments, rows, grouped, run);
        });
    }));
}

template <class From, class T>
void mixture_kernels(py::module_& m) {
    m.def("gaussian_mixture", &gaussian_mixture<From, T>, py::kw_only(), py::arg("x").noconvert(), py::arg("kind"),
          py::arg("shift").noconvert(), py::arg("scale").noconvert(), py::arg("centers").noconvert(),
          py::arg("factor").noconvert(), py::arg("constants").noconvert(), py::arg("about").noconvert(),
          py::arg("weights").noconvert(), py::arg("given").noconvert(), py::arg("first").noconvert(),
          py::arg("second").noconvert(), py::arg("resp").noconvert(), py::arg("score").noconvert(),
          py::arg("labels").noconvert(), py::arg("n_threads"));
    m.def("truncated_mixture", &truncated_mixture<From, T>, py::kw_only(), py::arg("x").noconvert(), py::arg("kind"),
          py::arg("shift").noconvert(), py::arg("scale").noconvert(), py::arg("centers").noconvert(),
          py::arg("factor").noconvert(), py::arg("constants").noconvert(), py::arg("about").noconvert(),
          py::arg("weights").noconvert(), py::arg("groups").noconvert(), py::arg("lists").noconvert(),
          py::arg("first").noconvert(), py::arg("second").noconvert(), py::arg("labels").noconvert(),
          py::arg("n_threads"));
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
