// The boundary of dictionary learning.
#include "dictionary/soup.hpp"
#include "fold/seam.hpp"

using namespace gramfold;

namespace {

// (data, indices, indptr) of codes in compressed form, each index less than `minor`.
template <class T>
struct CompressedArrays {
    Contiguous<T> data;
    Contiguous<std::int32_t> indices;
    Contiguous<std::int64_t> starts;

    CompressedArrays(const py::tuple& z, Index major, Index minor) {
        require(minor <= std::numeric_limits<std::int32_t>::max(), "codes must be of fewer than 2^31 rows and atoms");
        require(z.size() == 3 && Contiguous<T>::check_(z[0]) && Contiguous<std::int32_t>::check_(z[1]) &&
                    Contiguous<std::int64_t>::check_(z[2]),
                "codes must be (data, 32-bit indices, 64-bit indptr)");
        data = py::reinterpret_borrow<Contiguous<T>>(z[0]);
        indices = py::reinterpret_borrow<Contiguous<std::int32_t>>(z[1]);
        starts = py::reinterpret_borrow<Contiguous<std::int64_t>>(z[2]);
        require(starts.size() == major + 1 && data.size() == indices.size(),
                "indptr, indices and data do not fit together");
        const std::int64_t* at = starts.data();
        for (Index i = 0; i < major; ++i) require(at[i] <= at[i + 1], "indptr must rise");
        require(at[0] == 0 && at[major] == data.size(), "indptr must rise from 0 to the number of codes");
        for (Index e = 0; e < data.size(); ++e)
            require(indices.data()[e] >= 0 && indices.data()[e] < minor, "an index is out of range");
    }

    Compressed<T> view(bool written = false) const {
        require(!written || data.writeable(), "codes must be writable");
        return {const_cast<T*>(data.data()), indices.data(), starts.data()};
    }
};

template <class T>
T* atoms_of(const Contiguous<T>& atoms, Index cols) {
    require(atoms.ndim() == 2 && atoms.shape(1) == cols && atoms.writeable(), "atoms must be a writable k x cols");
    return const_cast<T*>(atoms.data());
}

template <class T>
T* residual_of(const Contiguous<T>& r) {
    require(r.ndim() == 2 && r.writeable(), "residual must be a writable rows x cols");
    return const_cast<T*>(r.data());
}

template <class T, class A>
py::array_t<T> array(const std::vector<T, A>& from) {
    return vector(from.data(), Index(from.size()));
}

template <class T>
void dictionary_kernels(py::module_& m) {
    m.def(
        "update_atoms",
        [](const Contiguous<T>& atoms, const Contiguous<double>& gram, const Contiguous<T>& products, double l1,
           double l2, bool nonneg, bool ball, double unused, int sweeps) {
            require(atoms.ndim() == 2, "atoms must have two dimensions");
            const Index k = atoms.shape(0), cols = atoms.shape(1);
            const double* a = sized(gram, k, k, "gram must be k x k");
            const T* b = sized(products, k, cols, "products must have the shape of atoms");
            T* d = atoms_of(atoms, cols);
            const AtomRule rule{l1, l2, nonneg, ball, unused};
            without_gil(1, [&](const Run& run) {
                AtomUpdate<T> update(k, cols, a, b, d, rule, run);
                for (int sweep = 0; sweep < sweeps; ++sweep) update.sweep();
            });
        },
        py::kw_only(), py::arg("atoms").noconvert(), py::arg("gram").noconvert(), py::arg("products").noconvert(),
        py::arg("l1"), py::arg("l2"), py::arg("nonneg"), py::arg("ball"), py::arg("unused"), py::arg("sweeps"));
    m.def(
        "residual",
        [](const py::object& x, const Optional<T>& weights, const py::tuple& codes, const Contiguous<T>& atoms,
           const Contiguous<T>& out, int n_threads) {
            const auto xm = rows_of<T>(x);
            require(atoms.ndim() == 2 && atoms.shape(1) == xm.cols, "atoms must be k x cols");
            const CompressedArrays<T> z(codes, xm.rows, atoms.shape(0));
            const T* w = sized(weights, xm.rows, xm.cols, "weights must have the shape of x");
            sized(out, xm.rows, xm.cols, "out must have the shape of x");
            T* to = residual_of(out);
            py::array_t<double> errors(xm.rows);
            double* e = errors.mutable_data();
            without_gil(n_threads, [&](const Run& run) { residual(xm, w, z.view(), atoms.data(), to, e, run); });
            return errors;
        },
        py::kw_only(), py::arg("x"), py::arg("weights").noconvert(), py::arg("codes"), py::arg("atoms").noconvert(),
        py::arg("out").noconvert(), py::arg("n_threads"));
    m.def(
        "masked_atoms",
        [](const Contiguous<T>& r, const Contiguous<T>& weights, const py::tuple& codes, const Contiguous<T>& atoms,
           double l1, double l2, bool nonneg, bool ball, double unused, int n_threads) {
            T *to = residual_of(r), *d = atoms_of(atoms, r.shape(1));
            const T* w = sized(weights, r.shape(0), r.shape(1), "weights must have the shape of residual");
            const CompressedArrays<T> z(codes, atoms.shape(0), r.shape(0));
            const AtomRule rule{l1, l2, nonneg, ball, unused};
            without_gil(n_threads, [&](const Run& run) {
                masked_atoms(atoms.shape(0), r.shape(1), to, w, z.view(), d, rule, run);
            });
        },
        py::kw_only(), py::arg("residual").noconvert(), py::arg("weights").noconvert(), py::arg("codes"),
        py::arg("atoms").noconvert(), py::arg("l1"), py::arg("l2"), py::arg("nonneg"), py::arg("ball"),
        py::arg("unused"), py::arg("n_threads"));
    m.def(
        "ksvd_atoms",
        [](const Contiguous<T>& r, const py::tuple& codes, const Contiguous<T>& atoms, bool nonneg_codes,
           bool nonneg_atoms, int n_threads) {
            T *to = residual_of(r), *d = atoms_of(atoms, r.shape(1));
            const CompressedArrays<T> z(codes, atoms.shape(0), r.shape(0));
            const auto view = z.view(true);
            without_gil(n_threads, [&](const Run& run) {
                ksvd_atoms(atoms.shape(0), r.shape(1), to, view, d, nonneg_codes, nonneg_atoms, run);
            });
        },
        py::kw_only(), py::arg("residual").noconvert(), py::arg("codes"), py::arg("atoms").noconvert(),
        py::arg("nonneg_codes"), py::arg("nonneg_atoms"), py::arg("n_threads"));
    m.def(
        "soup_atoms",
        [](const Contiguous<T>& r, const py::tuple& codes, const Contiguous<T>& atoms, double penalty, bool hard,
           bool nonneg_codes, bool nonneg_atoms, int n_threads) {
            T *to = residual_of(r), *d = atoms_of(atoms, r.shape(1));
            const CompressedArrays<T> z(codes, atoms.shape(0), r.shape(0));
            const SoupRule<T> rule{T(penalty), hard, nonneg_codes, nonneg_atoms};
            const auto out = without_gil(n_threads, [&](const Run& run) {
                const auto view = z.view();
                return Soup<T>(r.shape(0), r.shape(1), atoms.shape(0), to, view, d, rule, run).sweep();
            });
            return result("Compressed", array(out.values), array(out.rows), array(out.starts));
        },
        py::kw_only(), py::arg("residual").noconvert(), py::arg("codes"), py::arg("atoms").noconvert(),
        py::arg("penalty"), py::arg("hard"), py::arg("nonneg_codes"), py::arg("nonneg_atoms"), py::arg("n_threads"));
}

}  // namespace

void bind_dictionary(py::module_& m) {
    dictionary_kernels<float>(m);
    dictionary_kernels<double>(m);
    m.def(
        "repeated_atoms",
        [](const Contiguous<double>& gram, double same) {
            const Index k = gram.ndim() == 2 ? gram.shape(0) : -1;
            const double* g = sized(gram, k, k, "gram must be square");
            py::array_t<bool> out(k);
            repeated_atoms(k, g, same, out.mutable_data());
            return out;
        },
        py::kw_only(), py::arg("gram").noconvert(), py::arg("same"));
}
