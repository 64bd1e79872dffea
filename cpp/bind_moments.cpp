// The boundary of ridge regression: all moments of features and targets in one read.
#include "augmented.hpp"
#include "seam.hpp"

using namespace gramfold;

namespace {

// shift: columns + targets numbers, or None; with CSR x the part of the columns must be 0.
template <class T>
py::array_t<double> moments(const py::object& x, const Strided<T>& y, const Optional<T>& shift,
                            const Optional<T>& weights, int n_threads) {
    const auto ym = strided(y);
    return with_source<T>(x, [&](const auto& source) {
        const Index n = source.rows(), cols = source.cols();
        require(ym.rows == n, "y must have a row for each row of x");
        require(!shift || (shift->ndim() == 1 && shift->size() == cols + ym.cols), "shift must have columns + targets entries");
        require(!weights || (weights->ndim() == 1 && weights->size() == n), "weights must have an entry for each row");
        const Augmented<T> in{ym, shift ? shift->data() : nullptr, weights ? weights->data() : nullptr, cols};
        py::array_t<double> out({in.size(), in.size()});
        double* to = out.mutable_data();
        without_gil(n_threads, [&](const Run& run) { moments(source, in, to, run); return 0; });
        return out;
    });
}

template <class T>
void bind(py::module_& m) {
    m.def("moments", &moments<T>, py::arg("x"), py::arg("y").noconvert(), py::arg("shift").noconvert(),
          py::arg("weights").noconvert(), py::arg("n_threads"));
}

}  // namespace

void bind_moments(py::module_& m) {
    bind<float>(m);
    bind<double>(m);
}
