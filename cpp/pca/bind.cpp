// The boundary of PCA.
#include "fold/factor.hpp"
#include "pca/centred.hpp"

using namespace gramfold;

namespace {

// shift (cols), weights (rows) and scale (cols) in double; gram is P'P if there is q; total: cols.
template <class T>
double centred(const Readable<T>& x, const Optional<double>& shift, const Optional<double>& weights,
               const Optional<double>& scale, bool by_row, const std::optional<Strided<T>>& q,
               const Optional<double>& gram, const Optional<T>& products, const Optional<T>& image,
               const Optional<double>& total, int n_threads) {
    const auto xm = rows_of<T>(x);
    const Index n = xm.cols;
    const auto qm = columns(q, n, "q must be cols x k");
    const Index k = qm.cols, g = k ? k : n;
    const CentredInput<T> in{xm,
                             sized(shift, n, "shift must have cols entries"),
                             sized(weights, xm.rows, "weights must have rows entries"),
                             sized(scale, n, "scale must have cols entries"),
                             by_row,
                             qm,
                             writable(products, xm.rows, k, "products must be a writable rows x k")};
    double* gs = writable(gram, g, g, "gram must be a writable square");
    T* to = writable(image, k, n, "image must be a writable k x cols");
    double* sums = writable(total, n, "total must be writable, with an entry for each column");
    return without_gil(n_threads, [&](const Run& run) { return centred_pass(in, gs, to, sums, run); });
}

template <class T>
void pca_kernels(py::module_& m) {
    m.def("centred", &centred<T>, py::kw_only(), py::arg("x").noconvert(), py::arg("shift").noconvert(),
          py::arg("weights").noconvert(), py::arg("scale").noconvert(), py::arg("by_row"), py::arg("q").noconvert(),
          py::arg("gram").noconvert(), py::arg("products").noconvert(), py::arg("image").noconvert(),
          py::arg("total").noconvert(), py::arg("n_threads"));
}

}  // namespace

void bind_pca(py::module_& m) {
    pca_kernels<float>(m);
    pca_kernels<double>(m);
}
