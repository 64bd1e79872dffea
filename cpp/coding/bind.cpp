// The boundary of sparse coding.
#include "coding/code.hpp"
#include "fold/seam.hpp"

using namespace gramfold;

namespace {

// (data, indices, indptr) of the codes in a sink.
template <class T>
py::tuple csr_parts(const CodeSink<T>& sink) {
    py::array_t<std::int64_t> indptr(sink.rows + 1);
    std::int64_t* to = indptr.mutable_data();
    to[0] = 0;
    for (Index r = 0; r < sink.rows; ++r) to[r + 1] = to[r] + sink.sizes[static_cast<std::size_t>(r)];
    py::array_t<T> data(to[sink.rows]);
    py::array_t<std::int32_t> indices(to[sink.rows]);
    T* value = data.mutable_data();
    std::int32_t* column = indices.mutable_data();
    for (const auto& piece : sink.pieces) {
        value = std::copy(piece.values.begin(), piece.values.end(), value);
        column = std::copy(piece.columns.begin(), piece.columns.end(), column);
    }
    return result("Compressed", data, indices, indptr);
}

// (data, indices, indptr) of a dense matrix.
template <class T>
py::tuple nonzeros(const Contiguous<T>& dense) {
    require(dense.ndim() == 2 && dense.shape(1) < std::numeric_limits<std::int32_t>::max(), "dense must be rows x k");
    const Index rows = dense.shape(0), k = dense.shape(1);
    const T* from = dense.data();
    py::array_t<std::int64_t> indptr(rows + 1);
    std::int64_t* to = indptr.mutable_data();
    to[0] = 0;
    for (Index r = 0; r < rows; ++r) to[r + 1] = to[r] + (k - std::count(from + r * k, from + (r + 1) * k, T(0)));
    py::array_t<T> data(to[rows]);
    py::array_t<std::int32_t> indices(to[rows]);
    std::vector<T> values(static_cast<std::size_t>(k) + 1);
    std::vector<std::int32_t> columns(values.size());
    for (Index r = 0; r < rows; ++r) {
        std::size_t n = 0;
        for (Index t = 0; t < k; ++t) {
            values[n] = from[r * k + t], columns[n] = std::int32_t(t);
            n += values[n] != 0;  // a branch would be mispredicted at every third entry
        }
        std::copy_n(values.data(), n, data.mutable_data() + to[r]);
        std::copy_n(columns.data(), n, indices.mutable_data() + to[r]);
    }
    return result("Compressed", data, indices, indptr);
}

// Codes of the rows of x, or without x of the rows of the known products p.
template <class Rows, class T>
py::tuple code_rows(const py::object& x, const Optional<T>& p, const Strided<T>& f, const Contiguous<double>& gram,
                    const Optional<T>& start, const Optional<double>& enough, const Optional<T>& out,
                    const Optional<T>& sums, const Optional<bool>& doubtful, typename Rows::Rule rule, int n_threads) {
    const auto fm = strided(f);
    const Index k = fm.cols;
    const double* g = sized(gram, k, k, "gram must be k x k");
    require(k > 0 && rule.most > 0, "there must be a component, and room for one in a code");
    require(k <= std::numeric_limits<std::int32_t>::max(), "k must fit in 32 bits");
    const auto run_with = [&](const auto& source) {
        const Index n = source.rows();
        require(!enough || (enough->ndim() == 1 && enough->size() == n), "enough must have an entry for each row");
        const T* from = sized(start, n, k, "start must be rows x k");
        CodeSink<T> sink(n, k, writable(out, n, k, "out must be a writable rows x k"));
        T* s = writable(sums, source.cols(), k, "sums must be a writable cols x k");
        bool* doubts = writable(doubtful, n, "doubtful must be a writable vector of rows");
        const auto done = without_gil(n_threads, [&](const Run& run) {
            return run_code<T, Rows>(source, Packed<T>(fm, source.reads_panels()), g, rule, from,
                                     enough ? enough->data() : nullptr, doubts, sink, s, run);
        });
        py::object codes = py::none(), squares = py::none();
        if (!sink.dense) codes = csr_parts(sink);
        if (s) squares = square(done->gram, k);
        return result("Coded", codes, squares, done->stats.objective, done->stats.unconverged);
    };
    if (p) return run_with(Known<T>(sized(*p, p->shape(0), k, "p must be rows x k"), p->shape(0), k));
    return with_source<T>(x, [&](const auto& source) {
        require(fm.rows == source.cols(), "f must have a row for each column of x");
        return run_with(source);
    });
}

template <class T>
void bind_coders(py::module_& m) {
    m.def(
        "lasso",
        [](const py::object& x, const Optional<T>& p, const Strided<T>& f, const Contiguous<double>& gram,
           const Optional<T>& start, const Optional<double>& enough, const Optional<T>& out, const Optional<T>& sums,
           const Optional<bool>& doubtful, double l1, bool nonneg, Index most, bool one_by_one, int max_rounds,
           double tol, int n_threads) {
            require(tol >= 0 && l1 >= 0, "l1 and tol must be at least 0");
            const LassoRule<T> rule{T(l1), nonneg, most, one_by_one, max_rounds, T(tol)};
            return code_rows<SoundLasso<T>, T>(x, p, f, gram, start, enough, out, sums, doubtful, rule, n_threads);
        },
        py::kw_only(), py::arg("x"), py::arg("p").noconvert(), py::arg("f").noconvert(), py::arg("gram").noconvert(),
        py::arg("start").noconvert(), py::arg("enough").noconvert(), py::arg("out").noconvert(),
        py::arg("sums").noconvert(), py::arg("doubtful").noconvert(), py::arg("l1"), py::arg("nonneg"), py::arg("most"),
        py::arg("one_by_one"), py::arg("max_rounds"), py::arg("tol"), py::arg("n_threads"));
    m.def(
        "omp",
        [](const py::object& x, const Optional<T>& p, const Strided<T>& f, const Contiguous<double>& gram,
           const Optional<double>& enough, const Optional<T>& out, const Optional<T>& sums,
           const Optional<bool>& doubtful, Index most, bool ols, int n_threads) {
            const OmpRule<T> rule{most, ols};
            return code_rows<Omp<T>, T>(x, p, f, gram, std::nullopt, enough, out, sums, doubtful, rule, n_threads);
        },
        py::kw_only(), py::arg("x"), py::arg("p").noconvert(), py::arg("f").noconvert(), py::arg("gram").noconvert(),
        py::arg("enough").noconvert(), py::arg("out").noconvert(), py::arg("sums").noconvert(),
        py::arg("doubtful").noconvert(), py::arg("most"), py::arg("ols"), py::arg("n_threads"));
    m.def("nonzeros", &nonzeros<T>, py::kw_only(), py::arg("dense").noconvert());
}

}  // namespace

void bind_coding(py::module_& m) {
    bind_coders<float>(m);
    bind_coders<double>(m);
}
