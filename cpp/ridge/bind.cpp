// The boundary of ridge regression: all moments of features and targets in one read, and residuals with their gradient.
#include "fold/seam.hpp"
#include "ridge/second_moments.hpp"
#include "ridge/misfit.hpp"

using namespace gramfold;

namespace {

// shift: columns + targets numbers, or None; with CSR x the part of the columns must be 0. Sums are formed in T, that
// of y, and x may be float where T is double.
template <class T>
py::tuple moments(const py::object& x, const Strided<T>& y, const Optional<T>& shift, const Optional<T>& weights,
                  int n_threads, double scale) {
    const auto ym = strided(y);
    const auto run_on = [&](const auto& source) {
        const Index n = source.rows(), cols = source.cols();
        require(ym.rows == n, "y must have a row for each row of x");
        const Augmented<T> in{ym, sized(shift, cols + ym.cols, "shift must have columns + targets entries"),
                              sized(weights, n, "weights must have an entry for each row"), cols, scale};
        py::array_t<double> products({cols + 1, in.size()}), squares(ym.cols);
        double *to = products.mutable_data(), *to_squares = squares.mutable_data();
        without_gil(n_threads, [&](const Run& run) {
            moments(source, in, to, to_squares, run);
            return 0;
        });
        return result("Moments", products, squares);
    };
    if constexpr (std::is_same_v<T, double>)
        if (read_as_float(x)) return with_source<float>(x, run_on);
    return with_source<T>(x, run_on);
}

// y, shift, weights and coefs (columns x targets) are double; with CSR x the part of the shift for columns must be 0.
py::tuple misfit_of(const py::object& x, const Strided<double>& y, const Optional<double>& shift,
                    const Optional<double>& weights, double scale, const Contiguous<double>& coefs, int n_threads) {
    const auto ym = strided(y);
    const auto run_on = [&](const auto& source) {
        const Index n = source.rows(), cols = source.cols();
        require(ym.rows == n, "y must have a row for each row of x");
        require(cols > 0 && ym.cols > 0, "x and y must have columns");
        const Misfit in{ym,
                        sized(shift, cols + ym.cols, "shift must have columns + targets entries"),
                        sized(weights, n, "weights must have an entry for each row"),
                        scale,
                        sized(coefs, cols, ym.cols, "coefs must be columns x targets"),
                        cols};
        py::array_t<double> pull({cols, ym.cols}), squares(ym.cols), sums(ym.cols);
        double *to = pull.mutable_data(), *to_squares = squares.mutable_data(), *to_sums = sums.mutable_data();
        without_gil(n_threads, [&](const Run& run) {
            gramfold::misfit(source, in, to, to_squares, to_sums, run);
            return 0;
        });
        return result("Misfit", pull, squares, sums);
    };
    return read_as_float(x) ? with_source<float>(x, run_on) : with_source<double>(x, run_on);
}

template <class T>
void ridge_kernels(py::module_& m) {
    m.def("moments", &moments<T>, py::kw_only(), py::arg("x"), py::arg("y").noconvert(), py::arg("shift").noconvert(),
          py::arg("weights").noconvert(), py::arg("n_threads"), py::arg("scale") = 1.0);
}

}  // namespace

void bind_ridge(py::module_& m) {
    ridge_kernels<float>(m);
    ridge_kernels<double>(m);
    m.def("misfit", &misfit_of, py::kw_only(), py::arg("x"), py::arg("y").noconvert(), py::arg("shift").noconvert(),
          py::arg("weights").noconvert(), py::arg("scale"), py::arg("coefs").noconvert(), py::arg("n_threads"));
}
