// The boundary of PCA and robust PCA.
#include <array>

#include "fold/seam.hpp"
#include "pca/centred.hpp"
#include "rpca/pass.hpp"

using namespace gramfold;

namespace {

// lam, mu of z, mu, mu of the next pass, c of z, c, relaxation
template <class T>
Shrink<T> shrink_rule(const std::array<double, 7>& n, bool by_row) {
    return {by_row, T(n[0]), T(n[1]), T(n[2]), T(n[3]), T(n[4]), T(n[5]), T(n[6])};
}

py::tuple totals(const ShrinkSums& s) {
    return py::cast(std::vector<double>(s.v, s.v + ShrinkSums::size)).cast<py::tuple>();
}

// The columns of an optional factor with `rows` rows; without one, none.
template <class T>
Matrix<const T> columns(const std::optional<Strided<T>>& a, Index rows, const char* message) {
    if (!a) return {nullptr, rows, 0, 1, 1};
    const auto m = strided(*a);
    require(m.rows == rows, message);
    return m;
}

// f without left: nothing is kept of W V; left without f: it is known. With q, gram is P'P; without, products are given
// if there is an image.
template <class T>
py::tuple shrink_rows(const py::object& x, const std::optional<Strided<T>>& weights, const Contiguous<T>& z,
                      const std::optional<Strided<T>>& v, const std::optional<Contiguous<double>>& f,
                      const Optional<T>& left, const std::array<double, 7>& numbers, bool by_row, bool dual,
                      const Optional<double>& gram, const std::optional<Strided<T>>& q, const Optional<T>& products,
                      const Optional<T>& image, int n_threads) {
    const auto xm = rows_of<T>(x);
    const Index n = xm.cols;
    const auto wm = weights ? strided(*weights) : Matrix<const T>{nullptr, xm.rows, n, 0, 0};
    require(wm.rows == xm.rows && wm.cols == n, "weights must have the shape of x");
    const auto vm = columns(v, n, "v must be cols x k"), qm = columns(q, n, "q must be cols x k");
    const Index k = vm.cols, kq = qm.cols;
    require(!v || f || left, "v needs f or left");
    require(!f || (f->ndim() == 1 && f->size() == k), "f must have k entries");
    require(!kq || gram, "q needs gram");
    require(!image || kq || (v && products), "an image needs q, or v and products");
    const Index p = kq ? kq : image && products->ndim() == 2 ? products->shape(1) : 0;
    const ShrinkInput<T> in{xm, wm, writable<T>(z, xm.rows, n, "z must be writable and have the shape of x"),
                            v.has_value(), dual, vm, f ? f->data() : nullptr,
                            writable(left, xm.rows, k, "left must be a writable rows x k"), qm,
                            writable(products, xm.rows, p, "products must be a writable rows x k"), p};
    const auto rows = shrink_rule<T>(numbers, by_row);
    const Index g = kq ? kq : n;
    double* gs = writable(gram, g, g, "gram must be a writable square");
    T* to = writable(image, p, n, "image must be a writable k x cols");
    return totals(without_gil(n_threads, [&](const Run& run) { return shrink_pass(in, rows, gs, to, run); }));
}

// x: (data, indices, indptr, cols); weights, z and out as data.
template <class T>
py::tuple shrink_sparse(const py::tuple& x, const std::optional<Contiguous<T>>& weights, const Contiguous<T>& z,
                        const Contiguous<T>& left, const Contiguous<T>& right, const std::array<double, 7>& numbers,
                        bool by_row, const Contiguous<T>& out, int n_threads) {
    return with_source<T>(x, [&](const auto& source) -> py::tuple {
        if constexpr (std::is_same_v<std::decay_t<decltype(source)>, Dense<T>>) throw std::invalid_argument("x must be CSR");
        else {
            const Index used = source.begin(source.rows());
            for (const auto* a : {&z, &out}) require(a->ndim() == 1 && a->size() >= used && a->writeable(), "z and out must be writable and as data");
            require(!weights || weights->size() >= used, "weights must be as data");
            const Index k = left.ndim() == 2 ? left.shape(1) : 0;
            const T *l = sized(left, source.rows(), k, "left must be rows x k"), *r = sized(right, source.cols(), k, "right must be cols x k");
            const auto rows = shrink_rule<T>(numbers, by_row);
            T *zs = const_cast<T*>(z.data()), *to = const_cast<T*>(out.data());
            return totals(without_gil(n_threads, [&](const Run& run) {
                return shrink_entries(source, weights ? weights->data() : nullptr, zs, Matrix<const T>{l, source.rows(), k, k, 1},
                                      Matrix<const T>{r, source.cols(), k, k, 1}, rows, to, run);
            }));
        }
    });
}

// shift (cols), weights (rows) and scale (cols) in double; gram is P'P if there is q; total: cols.
template <class T>
double centred(const Readable<T>& x, const Optional<double>& shift, const Optional<double>& weights,
               const Optional<double>& scale, bool by_row, const std::optional<Strided<T>>& q, const Optional<double>& gram,
               const Optional<T>& products, const Optional<T>& image, const Optional<double>& total, int n_threads) {
    const auto xm = rows_of<T>(x);
    const Index n = xm.cols;
    const auto qm = columns(q, n, "q must be cols x k");
    const Index k = qm.cols, g = k ? k : n;
    const CentredInput<T> in{xm, sized(shift, n, "shift must have cols entries"),
                             sized(weights, xm.rows, "weights must have rows entries"),
                             sized(scale, n, "scale must have cols entries"), by_row, qm,
                             writable(products, xm.rows, k, "products must be a writable rows x k")};
    double* gs = writable(gram, g, g, "gram must be a writable square");
    T* to = writable(image, k, n, "image must be a writable k x cols");
    double* sums = writable(total, n, "total must be writable, with an entry for each column");
    return without_gil(n_threads, [&](const Run& run) { return centred_pass(in, gs, to, sums, run); });
}

template <class T>
void bind(py::module_& m) {
    m.def("shrink", &shrink_rows<T>, py::kw_only(), py::arg("x"), py::arg("weights").noconvert(), py::arg("z").noconvert(),
          py::arg("v").noconvert(), py::arg("f").noconvert(), py::arg("left").noconvert(), py::arg("numbers"),
          py::arg("by_row"), py::arg("dual"), py::arg("gram").noconvert(), py::arg("q").noconvert(),
          py::arg("products").noconvert(), py::arg("image").noconvert(), py::arg("n_threads"));
    m.def("centred", &centred<T>, py::kw_only(), py::arg("x").noconvert(), py::arg("shift").noconvert(), py::arg("weights").noconvert(),
          py::arg("scale").noconvert(), py::arg("by_row"), py::arg("q").noconvert(), py::arg("gram").noconvert(),
          py::arg("products").noconvert(), py::arg("image").noconvert(), py::arg("total").noconvert(), py::arg("n_threads"));
    m.def("shrink_sparse", &shrink_sparse<T>, py::kw_only(), py::arg("x"), py::arg("weights").noconvert(), py::arg("z").noconvert(),
          py::arg("left").noconvert(), py::arg("right").noconvert(), py::arg("numbers"), py::arg("by_row"),
          py::arg("out").noconvert(), py::arg("n_threads"));
}

}  // namespace

void bind_pca(py::module_& m) {
    bind<float>(m);
    bind<double>(m);
}
