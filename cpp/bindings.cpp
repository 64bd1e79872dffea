// The compiled module: one m.def per kernel, bound for float and double. A kernel is one pass; see cpp/README.md. What
// all families use is bound here, each family in its bind_*.cpp.
#include "fold/measure.hpp"
#include "fold/peak.hpp"
#include "fold/products.hpp"
#include "fold/seam.hpp"
#include "fold/small.hpp"

using namespace gramfold;

void bind_rows(py::module_& m);
void bind_beta(py::module_& m);
void bind_coding(py::module_& m);
void bind_dictionary(py::module_& m);
void bind_kmeans(py::module_& m);
void bind_mixture(py::module_& m);
void bind_pca(py::module_& m);
void bind_rpca(py::module_& m);
void bind_ridge(py::module_& m);

namespace {

template <class I>
void bind_repeats(py::module_& m) {
    m.def(
        "repeats",
        [](const Contiguous<I>& columns, const Contiguous<I>& starts, Index cols, int n_threads) {
            require(columns.ndim() == 1 && starts.ndim() == 1 && starts.size() > 0,
                    "columns and starts must be vectors");
            const Index rows = starts.size() - 1;
            const I* at = starts.data();
            bool rise = at[0] == 0 && Index(at[rows]) <= columns.size();
            for (Index r = 0; r < rows; ++r) rise &= at[r] <= at[r + 1];
            require(rise, "X.indptr must rise from 0 to at most the number of stored entries");
            return without_gil(n_threads,
                               [&](const Run& run) { return repeats(columns.data(), starts.data(), rows, cols, run); });
        },
        py::kw_only(), py::arg("columns").noconvert(), py::arg("starts").noconvert(), py::arg("cols"),
        py::arg("n_threads"));
}

template <class T>
void bind(py::module_& m) {
    m.def(
        "scan",
        [](const Readable<T>& x, int n_threads) {
            const auto xm = rows_of<T>(x);
            const Scan s = without_gil(n_threads, [&](const Run& run) { return scan(xm, run); });
            return result("Scan", s.sum, s.squares, s.least, s.most);
        },
        py::kw_only(), py::arg("x").noconvert(), py::arg("n_threads"));
    m.def(
        "gram",
        [](const Strided<T>& f, int n_threads) {
            const auto fm = strided(f);
            return square(without_gil(n_threads, [&](const Run& run) { return gram(fm, run); }), fm.cols);
        },
        py::kw_only(), py::arg("f").noconvert(), py::arg("n_threads"));
    m.def(
        "products",
        [](const py::object& x, const Strided<T>& f, const Optional<T>& out, const Optional<T>& image, int n_threads) {
            with_source<T>(x, [&](const auto& source) {
                const auto fm = strided(f);
                require(fm.rows == source.cols(), "f must be cols x k");
                T* p = writable(out, source.rows(), fm.cols, "out must be a writable rows x k");
                T* to = writable(image, fm.rows, fm.cols, "image must be a writable cols x k");
                without_gil(n_threads, [&](const Run& run) {
                    if (fm.cols > 0) products(source, fm, p, to, run);
                });
            });
        },
        py::kw_only(), py::arg("x"), py::arg("f").noconvert(), py::arg("out").noconvert(), py::arg("image").noconvert(),
        py::arg("n_threads"));
    m.def(
        "scanned_products",
        [](const Readable<T>& x, const Strided<T>& f, const Contiguous<T>& image, int n_threads) -> py::object {
            const Dense<T> source(rows_of<T>(x));
            const auto fm = strided(f);
            require(fm.rows == source.cols(), "f must be cols x k");
            sized(image, fm.rows, fm.cols, "image must be cols x k");
            require(image.writeable(), "image must be writable");
            Scan s;
            const bool both = without_gil(n_threads, [&](const Run& run) {
                return scanned_products(source, fm, const_cast<T*>(image.data()), s, run);
            });
            if (!both) return py::none();
            return result("Scan", s.sum, s.squares, s.least, s.most);
        },
        py::kw_only(), py::arg("x").noconvert(), py::arg("f").noconvert(), py::arg("image").noconvert(),
        py::arg("n_threads"));
    m.def(
        "squared_residual",
        [](const py::object& x, const Contiguous<T>& w, const Contiguous<T>& h, int n_threads) {
            const auto xm = rows_of<T>(x);
            const Index k = h.ndim() == 2 ? h.shape(0) : 0;
            const T *wd = sized(w, xm.rows, k, "w must be rows x k"), *hd = sized(h, k, xm.cols, "h must be k x cols");
            return without_gil(n_threads, [&](const Run& run) { return squared_residual(xm, wd, hd, k, run); });
        },
        py::kw_only(), py::arg("x"), py::arg("w").noconvert(), py::arg("h").noconvert(), py::arg("n_threads"));
}

}  // namespace

PYBIND11_MODULE(GRAMFOLD_MODULE, m, py::mod_gil_not_used()) {
    watch_fork();
    bind<float>(m);
    bind<double>(m);
    bind_repeats<std::int32_t>(m);
    bind_repeats<std::int64_t>(m);
    bind_rows(m);
    bind_beta(m);
    bind_coding(m);
    bind_dictionary(m);
    bind_kmeans(m);
    bind_mixture(m);
    bind_pca(m);
    bind_rpca(m);
    bind_ridge(m);
    m.def(
        "pseudoinverse",
        [](const Contiguous<double>& gram, double eps) {
            const Index k = gram.ndim() == 2 ? gram.shape(0) : -1;
            const double* g = sized(gram, k, k, "gram must be square");
            Buffer<double> inverse;
            {
                const py::gil_scoped_release release;
                inverse = pseudoinverse(g, k, eps);
            }
            return square(inverse, k);
        },
        py::kw_only(), py::arg("gram").noconvert(), py::arg("eps"));
    m.def("between_blocks", [] { return py::capsule(&fold_detail::between_blocks, "gramfold.between_blocks"); });
    m.def("compiler", [] { return std::string(GRAMFOLD_COMPILER); });
    m.def("threading", [] { return std::string(GRAMFOLD_THREADING); });
    m.def(
        "peak",
        [](bool is_double, double seconds, int n_threads) {
            require(seconds >= 0 && seconds <= 60, "seconds must be from 0 to 60");
            return without_gil(n_threads, [&](const Run& run) {
                return is_double ? peak<double>(seconds, run) : peak<float>(seconds, run);
            });
        },
        py::kw_only(), py::arg("is_double"), py::arg("seconds"), py::arg("n_threads"));
}
