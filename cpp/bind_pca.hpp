// PCA and robust PCA at the boundary: part of bindings.cpp, included where its helpers are known.
#pragma once

template <class T>
py::tuple shrink_rows(const Strided<T>& x, const std::optional<Strided<T>>& weights, const Contiguous<T>& z,
                      const std::optional<Strided<T>>& v, const std::optional<Contiguous<double>>& f,
                      const std::array<double, 7>& numbers, bool by_row, bool dual, const Optional<double>& gram,
                      int n_threads) {
    const auto xm = strided(x);
    const Index n = xm.cols;
    const auto wm = weights ? strided(*weights) : Matrix<const T>{nullptr, xm.rows, n, 0, 0};
    require(wm.rows == xm.rows && wm.cols == n, "weights must have the shape of x");
    const auto vm = v ? strided(*v) : Matrix<const T>{nullptr, n, 0, 1, 1};
    require(vm.rows == n && (!v || (f && f->ndim() == 1 && f->size() == vm.cols)), "v must be cols x k and f have k entries");
    const ShrinkInput<T> in{xm, wm, writable<T>(z, xm.rows, n, "z must be writable and have the shape of x"),
                            vm, f ? f->data() : nullptr, v.has_value(), dual};
    const auto at = [&](std::size_t i) { return T(numbers[i]); };
    const Shrink<T> rows{by_row, at(0), at(1), at(2), at(3), at(4), at(5), at(6)};
    double* g = writable(gram, n, n, "gram must be a writable cols x cols");
    const ShrinkSums s = without_gil(n_threads, [&](const Run& run) { return shrink_pass(in, rows, g, run); });
    return py::cast(std::vector<double>(s.v, s.v + ShrinkSums::size)).template cast<py::tuple>();
}

template <class T>
void bind_pca(py::module_& m) {
    m.def("shrink", &shrink_rows<T>, py::arg("x").noconvert(), py::arg("weights").noconvert(), py::arg("z").noconvert(),
          py::arg("v").noconvert(), py::arg("f").noconvert(), py::arg("numbers"), py::arg("by_row"), py::arg("dual"),
          py::arg("gram").noconvert(), py::arg("n_threads"));
}
