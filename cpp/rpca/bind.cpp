// The boundary of robust PCA.
#include "fold/factor.hpp"
#include "rpca/pass.hpp"

using namespace gramfold;

namespace {

template <class T>
Shrink<T> rule_of(bool by_row, double lam, double mu_old, double mu, double mu_next, double damping_old, double damping,
                  double relax) {
    Shrink<T> rule;
    rule.by_row = by_row;
    rule.lam = T(lam);
    rule.mu_old = T(mu_old), rule.mu = T(mu), rule.mu_next = T(mu_next);
    rule.damping_old = T(damping_old), rule.damping = T(damping);
    rule.relax = T(relax);
    return rule;
}

py::object named(const ShrinkSums& s) {
    const auto of = [&](int which) { return s.v[which]; };
    return result("ShrinkSums", of(ShrinkSums::misfit), of(ShrinkSums::dot), of(ShrinkSums::multipliers),
                  of(ShrinkSums::moved), of(ShrinkSums::unmet), of(ShrinkSums::noise), of(ShrinkSums::outlying),
                  of(ShrinkSums::unexplained), of(ShrinkSums::outliers));
}

// f without left: nothing is kept of W V; left without f: it is known. With q, gram is P'P; without, products are given
// if there is an image.
template <class T>
py::object shrink(const py::object& x, const std::optional<Strided<T>>& weights, const Contiguous<T>& z,
                  const std::optional<Strided<T>>& v, const std::optional<Contiguous<double>>& f,
                  const Optional<T>& left, double lam, double mu_old, double mu, double mu_next, double damping_old,
                  double damping, double relax, bool by_row, bool dual, const Optional<double>& gram,
                  const std::optional<Strided<T>>& q, const Optional<T>& products, const Optional<T>& image,
                  int n_threads) {
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
    const ShrinkInput<T> in{xm,
                            wm,
                            writable<T>(z, xm.rows, n, "z must be writable and have the shape of x"),
                            v.has_value(),
                            dual,
                            vm,
                            f ? f->data() : nullptr,
                            writable(left, xm.rows, k, "left must be a writable rows x k"),
                            qm,
                            writable(products, xm.rows, p, "products must be a writable rows x k"),
                            p};
    const auto rule = rule_of<T>(by_row, lam, mu_old, mu, mu_next, damping_old, damping, relax);
    const Index g = kq ? kq : n;
    double* gs = writable(gram, g, g, "gram must be a writable square");
    T* to = writable(image, p, n, "image must be a writable k x cols");
    return named(without_gil(n_threads, [&](const Run& run) { return shrink_pass(in, rule, gs, to, run); }));
}

// x: (data, indices, indptr, cols); weights, z and out as data.
template <class T>
py::object shrink_sparse(const py::tuple& x, const std::optional<Contiguous<T>>& weights, const Contiguous<T>& z,
                         const Contiguous<T>& left, const Contiguous<T>& right, double lam, double mu_old, double mu,
                         double mu_next, double damping_old, double damping, double relax, bool by_row,
                         const Contiguous<T>& out, int n_threads) {
    return with_source<T>(x, [&](const auto& source) -> py::object {
        if constexpr (std::is_same_v<std::decay_t<decltype(source)>, Dense<T>>)
            throw std::invalid_argument("x must be CSR");
        else {
            const Index used = source.begin(source.rows());
            for (const auto* a : {&z, &out})
                require(a->ndim() == 1 && a->size() >= used && a->writeable(),
                        "z and out must be writable and as data");
            require(!weights || weights->size() >= used, "weights must be as data");
            const Index k = left.ndim() == 2 ? left.shape(1) : 0;
            const T *l = sized(left, source.rows(), k, "left must be rows x k"),
                    *r = sized(right, source.cols(), k, "right must be cols x k");
            const auto rule = rule_of<T>(by_row, lam, mu_old, mu, mu_next, damping_old, damping, relax);
            T *zs = const_cast<T*>(z.data()), *to = const_cast<T*>(out.data());
            return named(without_gil(n_threads, [&](const Run& run) {
                return shrink_entries(source, weights ? weights->data() : nullptr, zs,
                                      Matrix<const T>{l, source.rows(), k, k, 1},
                                      Matrix<const T>{r, source.cols(), k, k, 1}, rule, to, run);
            }));
        }
    });
}

template <class T>
void rpca_kernels(py::module_& m) {
    m.def("shrink", &shrink<T>, py::kw_only(), py::arg("x"), py::arg("weights").noconvert(), py::arg("z").noconvert(),
          py::arg("v").noconvert(), py::arg("f").noconvert(), py::arg("left").noconvert(), py::arg("lam"),
          py::arg("mu_old"), py::arg("mu"), py::arg("mu_next"), py::arg("damping_old"), py::arg("damping"),
          py::arg("relax"), py::arg("by_row"), py::arg("dual"), py::arg("gram").noconvert(), py::arg("q").noconvert(),
          py::arg("products").noconvert(), py::arg("image").noconvert(), py::arg("n_threads"));
    m.def("shrink_sparse", &shrink_sparse<T>, py::kw_only(), py::arg("x"), py::arg("weights").noconvert(),
          py::arg("z").noconvert(), py::arg("left").noconvert(), py::arg("right").noconvert(), py::arg("lam"),
          py::arg("mu_old"), py::arg("mu"), py::arg("mu_next"), py::arg("damping_old"), py::arg("damping"),
          py::arg("relax"), py::arg("by_row"), py::arg("out").noconvert(), py::arg("n_threads"));
}

}  // namespace

void bind_rpca(py::module_& m) {
    rpca_kernels<float>(m);
    rpca_kernels<double>(m);
}
