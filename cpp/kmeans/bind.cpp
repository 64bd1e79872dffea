// The boundary of k-means.
#include "fold/seam.hpp"
#include "kmeans/assign.hpp"
#include "kmeans/assign_csr.hpp"
#include "kmeans/distances.hpp"
#include "kmeans/draw.hpp"
#include "kmeans/move.hpp"

using namespace gramfold;

namespace {

void check_order(const Optional<std::int64_t>& order, Index k) {
    const std::int64_t* at = sized(order, k, "order must have an entry for each centroid");
    std::vector<bool> seen(static_cast<std::size_t>(k));
    for (Index i = 0; at && i < k; ++i) {
        const std::int64_t j = at[i];
        require(j >= 0 && j < k && !seen[std::size_t(j)], "order must have each centroid once");
        seen[std::size_t(j)] = true;
    }
}

// Where rows are searched a negative label is none.
void check_labels(const std::int32_t* labels, Index n, Index k, bool search) {
    std::int32_t least = 0, most = -1;
    for (Index i = 0; i < n; ++i) least = std::min(least, labels[i]), most = std::max(most, labels[i]);
    require(most < k && (search || least >= 0), "labels must be less than k, and without a search at least 0");
}

void check_moved(const Optional<double>& moved, Index k) {
    const double* by = sized(moved, k, "moved must have an entry for each centroid");
    for (Index j = 0; by && j < k; ++j) require(by[j] >= 0, "moved must be at least 0");
}

template <class T>
py::tuple assign_rows(const py::object& x, const Contiguous<T>& centers, const Optional<T>& weights,
                      const Contiguous<std::int32_t>& labels, const Optional<T>& lower, const Optional<T>& upper,
                      const Optional<std::int64_t>& order, const Optional<double>& moved, Index n_far, bool look,
                      bool loose, const Optional<T>& distances, const Optional<double>& sums, bool search, bool wide,
                      int n_threads) {
    require(centers.ndim() == 2 && centers.size() > 0, "centers must be k x cols, neither 0");
    const Index k = centers.shape(0), d = centers.shape(1);
    require(k <= std::numeric_limits<std::int32_t>::max(), "there must be fewer than 2^31 centers: labels are int32");
    const Index n_groups = lower && lower->ndim() == 2 ? lower->shape(1) : 1;
    require(n_groups >= 1 && n_groups <= std::min<Index>(k, 63), "lower must have 1 to 63 columns, at most k");
    check_order(order, k);
    check_moved(moved, k);
    return with_source<T>(x, [&](const auto& source) {
        const Index n = source.rows();
        require(source.cols() == d, "centers must have as many columns as x");
        Assignment<T> job{k,
                          d,
                          centers.data(),
                          sized(weights, n, "weights must have an entry for each row"),
                          writable<std::int32_t>(labels, n, "labels must be writable, an entry for each row"),
                          writable(lower, n, n_groups, "lower must be a writable rows x groups"),
                          writable(upper, n, "upper must be writable, an entry for each row"),
                          n_groups,
                          sized(order, k, "order must have an entry for each centroid"),
                          moved ? moved->data() : nullptr,
                          n_far,
                          look,
                          loose,
                          writable(distances, n, "distances must be writable, an entry for each row"),
                          search,
                          sums.has_value()};
        require(!job.moved || job.lower, "moved goes with lower");
        require(!job.moved || look || (job.upper && n_groups == 1),
                "moved without a look goes with upper and one group");
        require(!job.upper || (job.lower && job.with_sums && !job.distances),
                "upper goes with lower and sums, and not with distances");
        require(n_far >= 0 && n_far < (job.moved ? k : 1), "n_far goes with moved and must be less than k");
        check_labels(job.labels, n, k, search);
        double* to = writable(sums, k, d, "sums must be a writable k x cols");
        const auto total = without_gil(n_threads, [&](const Run& run) {
            return wide ? assign<double>(source, job, to, run) : assign<float>(source, job, to, run);
        });
        return result("Assigned", vector(total->counts.get(), k), total->inertia, total->gained, total->changed,
                      double(total->searched) / double(k), total->rechecked);
    });
}

template <class T>
void distances_of(const py::object& x, const Contiguous<T>& centers, const Contiguous<T>& out, int n_threads) {
    require(centers.ndim() == 2 && centers.size() > 0, "centers must be k x cols, neither 0");
    const Index k = centers.shape(0), d = centers.shape(1);
    with_source<T>(x, [&](const auto& source) {
        require(source.cols() == d, "centers must have as many columns as x");
        const Distances<T> job{k, d, centers.data(),
                               writable<T>(out, source.rows(), k, "out must be a writable rows x k")};
        return without_gil(n_threads, [&](const Run& run) {
            distances(source, job, run);
            return 0;
        });
    });
}

template <class T>
Index seed_rows(const py::object& x, const Contiguous<T>& candidates, const Optional<T>& closest,
                const Optional<T>& weights, const Contiguous<T>& out, const Contiguous<double>& sums,
                const Optional<std::uint16_t>& marks, const Optional<std::int32_t>& bits, int n_threads) {
    require(candidates.ndim() == 2, "candidates must be n_candidates x cols");
    const Index l = candidates.shape(0), d = candidates.shape(1);
    const std::int32_t* bit_of = sized(bits, l, "bits must have an entry for each candidate");
    for (Index i = 0; bit_of && i < l; ++i) require(bit_of[i] >= 0 && bit_of[i] < 16, "bits must be 0 to 15");
    return with_source<T>(x, [&](const auto& source) {
        const Index n = source.rows();
        require(source.cols() == d, "candidates must have as many columns as x");
        const Seeding<T> job{l,
                             d,
                             candidates.data(),
                             sized(closest, n, "closest must have an entry for each row"),
                             sized(weights, n, "weights must have an entry for each row"),
                             writable<T>(out, l, n, "out must be a writable n_candidates x rows"),
                             writable<double>(sums, (n + seed_block - 1) / seed_block, l,
                                              "sums must be a writable blocks x n_candidates"),
                             sized(marks, n, "marks must have an entry for each row"),
                             bit_of};
        require(!job.marks || (job.closest && bit_of), "marks go with closest and bits");
        require(!job.marks || std::is_same_v<std::decay_t<decltype(source)>, Dense<T>>, "marks go with a dense x");
        return without_gil(n_threads, [&](const Run& run) { return seed(source, job, run); });
    });
}

// The arrays of a sketch of n rows, whose sizes are checked.
Sketch sketch_of(Index n, Index d, double scale, const Contiguous<std::int32_t>& order,
                 const Contiguous<std::int32_t>& codes, const Contiguous<float>& known,
                 const Contiguous<float>& balls) {
    require(scale > 0 && std::isfinite(scale), "scale must be above 0");
    require(d <= Index{1} << 16, "a sketch has at most 65536 columns");
    const std::int32_t* at = order.data();
    require(order.ndim() == 1 && order.shape(0) == n, "order must have an entry for each row");
    bool rows = true;
    for (Index i = 0; i < n; ++i) rows &= at[i] >= 0 && at[i] < n;
    require(rows, "order must be of rows");
    const Index places = sketch_places(n), b = sketch_balls(n);
    float* of_places = writable<float>(known, 4, places, "known must be a writable 4 x places");
    float* of_balls = writable<float>(balls, 2, b, "balls must be a writable 2 x balls");
    return {n,
            d,
            at,
            writable<std::int32_t>(codes, places, sketch_words(d), "codes must be a writable places x words"),
            of_places,
            of_places + places,
            of_places + 2 * places,
            of_places + 3 * places,
            of_balls,
            of_balls + b,
            scale};
}

template <class T>
std::vector<double> shift_of(const Contiguous<T>& shift, Index d) {
    require(shift.ndim() == 1 && shift.shape(0) == d, "shift must have an entry for each column");
    return {shift.data(), shift.data() + d};
}

template <class T>
void sketch_rows(const py::object& x, const Contiguous<T>& shift, double scale, const Contiguous<std::int32_t>& order,
                 const Contiguous<std::int32_t>& codes, const Contiguous<float>& known, const Contiguous<float>& balls,
                 int n_threads) {
    const Rows<T> source = rows_of<T>(x);
    const Sketch to = sketch_of(source.rows, source.cols, scale, order, codes, known, balls);
    const std::vector<double> mean = shift_of(shift, source.cols);
    without_gil(n_threads, [&](const Run& run) {
        sketch(source, to, mean, run);
        return 0;
    });
}

template <class T>
Index sift_rows(const Contiguous<T>& candidates, const Contiguous<T>& closest, const Optional<T>& weights,
                const Contiguous<T>& shift, double scale, const Contiguous<std::int32_t>& order,
                const Contiguous<std::int32_t>& codes, const Contiguous<float>& known, const Contiguous<float>& balls,
                const Contiguous<std::uint16_t>& marks, const Contiguous<double>& gains, int n_threads) {
    require(candidates.ndim() == 2 && candidates.shape(0) <= most_candidates, "candidates must be at most 16, x cols");
    const Index l = candidates.shape(0), d = candidates.shape(1), n = order.size();
    const Sketch from = sketch_of(n, d, scale, order, codes, known, balls);
    const std::vector<double> mean = shift_of(shift, d);
    require(closest.ndim() == 1 && closest.shape(0) == n, "closest must have an entry for each row");
    const Sifting<T> job{from, closest.data(), sized(weights, n, "weights must have an entry for each row"),
                         writable<std::uint16_t>(marks, n, "marks must be writable, an entry for each row")};
    double* to = writable<double>(gains, 2, l, "gains must be a writable 2 x n_candidates");
    const Gains found =
        without_gil(n_threads, [&](const Run& run) { return sift(job, candidates.data(), l, mean, run); });
    for (Index i = 0; i < l; ++i) {
        to[i] = scale * scale * found.least[std::size_t(i)];
        to[l + i] = scale * scale * found.most[std::size_t(i)];
    }
    return found.looked;
}

template <class T>
py::object draw_rows(const py::object& x, const Contiguous<double>& uniform, const Contiguous<T>& closest,
                     const Optional<T>& weights, const Optional<std::int32_t>& labels, std::int32_t first,
                     const Contiguous<double>& sums, const Optional<T>& shift, double scale,
                     const Optional<std::int32_t>& order, const Optional<std::int32_t>& codes,
                     const Optional<float>& known, const Optional<float>& balls, const Optional<std::uint16_t>& marks,
                     double rounding, const Contiguous<std::int64_t>& chosen, int n_threads) {
    const Dense<T> source(rows_of<T>(x));
    const Index n = source.rows();
    require(uniform.ndim() == 2 && uniform.shape(1) >= 1 && uniform.shape(1) <= most_candidates,
            "uniform must be rounds x trials, of 1 to 16 trials");
    require(n > 0, "x must have rows");
    const bool sifted(order);
    require(bool(labels) == sifted && bool(shift) == sifted && bool(codes) == sifted && bool(known) == sifted &&
                bool(balls) == sifted && bool(marks) == sifted,
            "labels, shift, codes, known, balls and marks go with order");
    std::optional<Sketch> from;
    std::vector<double> mean;
    if (sifted)
        from = sketch_of(n, source.cols(), scale, *order, *codes, *known, *balls),
        mean = shift_of(*shift, source.cols());
    const Drawing<T> job{
        uniform.shape(0),
        uniform.shape(1),
        uniform.data(),
        writable<T>(closest, n, "closest must be writable, an entry for each row"),
        sized(weights, n, "weights must have an entry for each row"),
        writable<std::int32_t>(labels, n, "labels must be writable, an entry for each row"),
        first,
        writable<double>(sums, (n + seed_block - 1) / seed_block, "sums must be writable, an entry for each block"),
        writable<std::uint16_t>(marks, n, "marks must be writable, an entry for each row"),
        rounding,
        writable<std::int64_t>(chosen, uniform.shape(0), "chosen must be writable, an entry for each round")};
    const Drawn done = without_gil(
        n_threads, [&](const Run& run) { return Drawer<T>(source, job, from ? &*from : nullptr, mean, run)(); });
    return result("Drawn", done.rounds, done.looked, done.read);
}

template <class T>
double move_centers(const Contiguous<T>& centers, const Contiguous<double>& sums, const Contiguous<double>& counts,
                    const Optional<double>& mean, double ridge, Index frozen, bool unit, const Contiguous<T>& out,
                    const Contiguous<double>& steps) {
    require(centers.ndim() == 2 && centers.size() > 0, "centers must be k x cols, neither 0");
    const Index k = centers.shape(0), d = centers.shape(1);
    require(frozen >= 0 && frozen <= k, "frozen must be 0 to k");
    require(sums.ndim() == 2 && sums.shape(0) == k && sums.shape(1) == d, "sums must be k x cols");
    require(counts.ndim() == 1 && counts.shape(0) == k, "counts must have an entry for each centroid");
    const Moving<T> job{k,
                        d,
                        centers.data(),
                        sums.data(),
                        counts.data(),
                        sized(mean, d, "mean must have an entry for each column"),
                        ridge,
                        frozen,
                        unit,
                        writable<T>(out, k, d, "out must be a writable k x cols"),
                        writable<double>(steps, k, "steps must be writable, an entry for each centroid")};
    return job();
}

template <class T>
void bind(py::module_& m) {
    m.def("assign", &assign_rows<T>, py::kw_only(), py::arg("x"), py::arg("centers").noconvert(),
          py::arg("weights").noconvert(), py::arg("labels").noconvert(), py::arg("lower").noconvert(),
          py::arg("upper").noconvert(), py::arg("order").noconvert(), py::arg("moved").noconvert(), py::arg("n_far"),
          py::arg("look"), py::arg("loose"), py::arg("distances").noconvert(), py::arg("sums").noconvert(),
          py::arg("search"), py::arg("wide"), py::arg("n_threads"));
    m.def("distances", &distances_of<T>, py::kw_only(), py::arg("x"), py::arg("centers").noconvert(),
          py::arg("out").noconvert(), py::arg("n_threads"));
    m.def("seed", &seed_rows<T>, py::kw_only(), py::arg("x"), py::arg("candidates").noconvert(),
          py::arg("closest").noconvert(), py::arg("weights").noconvert(), py::arg("out").noconvert(),
          py::arg("sums").noconvert(), py::arg("marks").noconvert(), py::arg("bits").noconvert(), py::arg("n_threads"));
    m.def("draw_seeds", &draw_rows<T>, py::kw_only(), py::arg("x"), py::arg("uniform").noconvert(),
          py::arg("closest").noconvert(), py::arg("weights").noconvert(), py::arg("labels").noconvert(),
          py::arg("first"), py::arg("sums").noconvert(), py::arg("shift").noconvert(), py::arg("scale"),
          py::arg("order").noconvert(), py::arg("codes").noconvert(), py::arg("known").noconvert(),
          py::arg("balls").noconvert(), py::arg("marks").noconvert(), py::arg("rounding"),
          py::arg("chosen").noconvert(), py::arg("n_threads"));
    m.def("move_centers", &move_centers<T>, py::kw_only(), py::arg("centers").noconvert(), py::arg("sums").noconvert(),
          py::arg("counts").noconvert(), py::arg("mean").noconvert(), py::arg("ridge"), py::arg("frozen"),
          py::arg("unit"), py::arg("out").noconvert(), py::arg("steps").noconvert());
    m.def("sketch", &sketch_rows<T>, py::kw_only(), py::arg("x"), py::arg("shift").noconvert(), py::arg("scale"),
          py::arg("order").noconvert(), py::arg("codes").noconvert(), py::arg("known").noconvert(),
          py::arg("balls").noconvert(), py::arg("n_threads"));
    m.def("sift", &sift_rows<T>, py::kw_only(), py::arg("candidates").noconvert(), py::arg("closest").noconvert(),
          py::arg("weights").noconvert(), py::arg("shift").noconvert(), py::arg("scale"), py::arg("order").noconvert(),
          py::arg("codes").noconvert(), py::arg("known").noconvert(), py::arg("balls").noconvert(),
          py::arg("marks").noconvert(), py::arg("gains").noconvert(), py::arg("n_threads"));
}

}  // namespace

void bind_kmeans(py::module_& m) {
    bind<float>(m);
    bind<double>(m);
}
