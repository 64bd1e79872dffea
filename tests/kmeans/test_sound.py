"""k-means far from the origin, at any scale, under any weights; and what it says of wrong input."""

import copy
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from kmeans.cases import blobs, quiet
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

MODELS = [gf.KMeans, gf.MiniBatchKMeans]
INITS = ["k-means++", "k-means||", "random"]
FORMS = {"dense": np.asarray, "csr": sp.csr_array}


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]


@pytest.fixture(params=MODELS, ids=lambda model: model.__name__)
def model(request):
    return request.param


@pytest.fixture
def X():
    return blobs(500)


def squares_of(X, centers):
    return np.square(X.astype(np.longdouble)[:, None] - centers.astype(np.longdouble)).sum(axis=2)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("offset", [1e4, 1e8, 1e12])
def test_all_methods_agree_with_the_differences_far_from_the_origin(X, model, form, init, offset):
    X = X + offset * (np.arange(6) % 3 > 0)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = 0
    fitted = quiet(model(8, init=init, n_init=1, random_state=0), form(X))
    exact = squares_of(X, fitted.cluster_centers_)
    assert_array_equal(fitted.labels_, exact.argmin(axis=1))
    assert_array_equal(fitted.predict(form(X)), fitted.labels_)
    distances = fitted.transform(form(X))
    assert_allclose(distances, np.sqrt(exact).astype(float), rtol=1e-11)
    assert_array_equal(distances.argmin(axis=1), fitted.labels_)
    inertia = float(exact.min(axis=1).sum())
    assert_allclose([fitted.inertia_, -fitted.score(form(X))], inertia, rtol=1e-11)


def test_sparse_rows_far_from_the_origin_are_fitted_as_dense_ones(X):
    X = X + 1e8
    dense, sparse = (quiet(gf.KMeans(8, random_state=0), form(X)) for form in FORMS.values())
    assert_array_equal(dense.labels_, sparse.labels_)
    assert dense.n_iter_ == sparse.n_iter_
    assert_array_equal(*(gf.kmeans_plusplus(form(X), 20, random_state=0)[1] for form in FORMS.values()))


def test_float32_rows_are_compared_with_float64_centroids_as_they_are(model):
    X = (1e6 + np.random.default_rng(0).standard_normal((400, 3))).astype(np.float32)
    fitted = model(4, random_state=0, n_init=1).fit(X.astype(np.float64))
    assert_array_equal(fitted.predict(X), squares_of(X, fitted.cluster_centers_).argmin(axis=1))


@pytest.mark.parametrize("init", [*INITS, "array"])
@pytest.mark.parametrize(("dtype", "exponent"), [
    (np.float32, -100), (np.float32, -60), (np.float32, 60), (np.float32, 110),
    (np.float64, -980), (np.float64, -498), (np.float64, 498),
])  # fmt: skip
def test_a_power_of_two_scales_a_fit_to_the_bit(X, model, form, dtype, exponent, init):
    X, weights = X.astype(dtype), np.random.default_rng(0).random(len(X))

    def fit(by):
        given = np.ldexp(X, by)
        start = given[:7] if init == "array" else init
        options = {"ridge": 0.7, "prior_mean": np.ldexp(np.arange(6.0), by), "random_state": 3, "n_init": 1}
        return quiet(model(7, init=start, **options), form(given), sample_weight=weights), form(given)

    (one, given), (scaled, scaled_rows) = fit(0), fit(exponent)
    assert_array_equal(scaled.labels_, one.labels_)
    assert_array_equal(scaled.cluster_centers_, np.ldexp(one.cluster_centers_, exponent))
    assert scaled.inertia_ == np.ldexp(one.inertia_, 2 * exponent)
    assert_array_equal(scaled.history_["objective"], np.ldexp(one.history_["objective"], 2 * exponent))
    assert_array_equal(scaled.predict(scaled_rows), one.predict(given))
    assert_array_equal(scaled.transform(scaled_rows), np.ldexp(one.transform(given), exponent))
    drawn, plain = (gf.kmeans_plusplus(rows, 9, random_state=0) for rows in (scaled_rows, given))
    assert_array_equal(drawn[1], plain[1])
    assert_array_equal(drawn[0], np.ldexp(plain[0], exponent))


def test_batches_of_any_scale_are_means_of_their_rows(dtype):
    exponent = 100 if dtype == np.float32 else 490
    X = blobs(600, dtype=dtype)
    models = [gf.MiniBatchKMeans(5, random_state=0) for _ in range(2)]
    for begin in range(0, 600, 100):
        part = X[begin : begin + 100]
        models[0].partial_fit(part)
        models[1].partial_fit(np.ldexp(part, exponent))
    assert_array_equal(models[1].cluster_centers_, np.ldexp(models[0].cluster_centers_, exponent))


@pytest.mark.parametrize("by", [2.0**990, 2.0**-990, 2.0**-40])
@pytest.mark.parametrize("ridge", [0, 3.0])
def test_only_ratios_of_weights_matter(X, form, dtype, by, ridge):
    given, weights = form(X.astype(dtype)), np.random.default_rng(0).random(len(X))
    one = quiet(gf.KMeans(7, random_state=0, ridge=ridge), given, sample_weight=weights)
    scaled = quiet(gf.KMeans(7, random_state=0, ridge=ridge * by), given, sample_weight=weights * by)
    assert_array_equal(scaled.cluster_centers_, one.cluster_centers_)
    assert scaled.inertia_ == by * one.inertia_
    assert scaled.objective_ == by * one.objective_
    assert scaled.score(given, sample_weight=weights * by) == by * one.score(given, sample_weight=weights)
    batches = [gf.MiniBatchKMeans(5, random_state=0, ridge=ridge * s) for s in (1, by)]
    for i in range(0, 500, 100):
        for batch, s in zip(batches, (1, by), strict=True):
            batch.partial_fit(given[i : i + 100], sample_weight=s * weights[i : i + 100])
    assert_array_equal(batches[1].cluster_centers_, batches[0].cluster_centers_)
    drawn = [gf.kmeans_plusplus(given, 9, sample_weight=s * weights, random_state=0)[1] for s in (1, by)]
    assert_array_equal(*drawn)


@pytest.mark.parametrize("light", [0, 1e-16])
def test_rows_of_little_weight_take_no_empty_cluster(form, dtype, light):
    X = np.array([0, 1, 10, 11, 1000, 2000, -3000], dtype)[:, None]
    weights = np.array([1, 1, 1, 1, light, light, light])
    fitted = gf.KMeans(2, init=[[5.0], [9000.0]]).fit(form(X), sample_weight=weights)
    assert_allclose(np.sort(fitted.cluster_centers_.ravel()), [0.5, 10.5], rtol=1e-5)
    X[:4] = 5  # only two of three clusters are wanted by rows that count
    fitted = quiet(
        gf.KMeans(3, init=[[5.0], [7000.0], [9000.0]]), form(X), sample_weight=weights * (X[:, 0] == 5)
    )
    assert_allclose(fitted.cluster_centers_, 5)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("seed", range(4))
def test_a_few_rows_that_count_among_many_are_found(form, dtype, init, seed):
    rng = np.random.default_rng(seed)
    X, weights = rng.standard_normal((20_000, 2)).astype(dtype), np.zeros(20_000)
    count = rng.choice(20_000, 10, replace=False)
    weights[count[:2]] = 1, 3
    for model in (gf.KMeans(2, init=init, random_state=seed), gf.KMeans(4, init=init, random_state=seed)):
        fitted = quiet(model, form(X), sample_weight=weights)
        assert fitted.inertia_ < 1e-10
        assert np.abs(fitted.cluster_centers_[:, None] - X[count[:2]]).sum(axis=2).min(axis=1).max() < 1e-5
    gf.MiniBatchKMeans(2, init=init, random_state=seed).fit(form(X), sample_weight=weights)
    weights[count] = rng.random(10)
    online = gf.MiniBatchKMeans(4, init=init, random_state=seed)
    for _ in range(3):
        online.partial_fit(form(X), sample_weight=weights)
    assert np.abs(online.cluster_centers_).max() <= np.abs(X[count]).max() * (1 + 1e-6)


@pytest.mark.parametrize(("dtype", "scale"), [
    (np.float64, 1e-15), (np.float64, 1e-200), (np.float64, 1e-300), (np.float64, 1e300), (np.float32, 1e-6),
    (np.float32, 1e-35), (np.float32, 1e35),
])  # fmt: skip
def test_cosine_knows_directions_alone(X, model, form, dtype, scale):
    X = X.astype(dtype)
    mixed = X * np.where(np.arange(len(X)) % 2, dtype(scale), dtype(1))[:, None]
    one, other = (model(5, metric="cosine", random_state=0, n_init=1).fit(form(x)) for x in (X, mixed))
    assert_array_equal(other.labels_, one.labels_)
    assert_allclose(other.cluster_centers_, one.cluster_centers_, atol=1e-6)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    expected = np.sqrt(squares_of(unit, other.cluster_centers_)).astype(float)
    assert_allclose(other.transform(form(mixed)), expected, atol=1e-6 if dtype == np.float32 else 1e-14)


def test_centroids_that_were_overwritten_are_checked(X, model, form):
    for value, match in (
        (np.nan, "cluster_centers_ contains NaN"),
        (np.inf, "cluster_centers_ contains inf"),
    ):
        fitted = model(3, random_state=0, n_init=1).fit(form(X))
        fitted.cluster_centers_[1, 2] = value
        methods = ["predict", "transform", "score"] + ["partial_fit"] * (model is gf.MiniBatchKMeans)
        for method in methods:
            with pytest.raises(ValueError, match=match):
                getattr(fitted, method)(form(X))
    fitted.cluster_centers_ = np.ones((3, 4))
    with pytest.raises(ValueError, match="cluster_centers_ has 4 columns, and X had 6 in the fit"):
        fitted.predict(form(X))


@pytest.mark.parametrize("begin", ["fit", "partial_fit"])
def test_a_batch_after_a_parameter_has_changed_says_what_changed(X, begin):
    changes = {"n_clusters": 6, "metric": "cosine", "ridge": 2.0, "prior_mean": np.ones(6), "frozen": X[:1]}
    for name, value in changes.items():
        model = getattr(gf.MiniBatchKMeans(4, random_state=0), begin)(X)
        before = copy.deepcopy(vars(model))
        with pytest.raises(ValueError, match=f"(?s){name} was .* when the fit began and is .* now"):
            model.set_params(**{name: value}).partial_fit(X)
        assert_array_equal(model.cluster_centers_, before["cluster_centers_"])
        model.set_params(**{name: before[name]}).partial_fit(X)
    with pytest.raises(ValueError, match="X has 3 features, but MiniBatchKMeans is expecting 6"):
        model.partial_fit(X[:, :3])
    assert model.partial_fit(X.astype(np.float32)).cluster_centers_.dtype == np.float64


def test_masked_arrays_are_refused_wherever_they_come(X, model):
    masked = np.ma.masked_greater(X, 2)
    for name, given in (("init", X[:3]), ("frozen", X[:2]), ("prior_mean", X[0])):
        with pytest.raises(ValueError, match=f"{name} is a masked array"):
            model(3, **{name: np.ma.masked_less(given, given.max())}).fit(X)
    weights = np.ma.masked_less(np.arange(500.0), 3)
    with pytest.raises(ValueError, match="init is a masked array"):
        model(3, init=lambda X, k, random_state: masked[:k]).fit(X)
    with pytest.raises(ValueError, match="sample_weight is a masked array"):
        model(3).fit(X, sample_weight=weights)
    with pytest.raises(ValueError, match="sample_weight is a masked array"):
        model(3, random_state=0).fit(X).score(X, sample_weight=weights)
    with pytest.raises(ValueError, match="sample_weight is a masked array"):
        gf.kmeans_plusplus(X, 3, sample_weight=weights)


def test_a_callable_start_may_use_a_sparse_matrix_as_its_own(X, model):
    def init(X, k, random_state):
        X.sort_indices()
        X.data *= 2
        X.sum_duplicates()
        return X[:k].toarray() / 2

    given = sp.csr_array(X)[:, [3, 1, 2, 0, 5, 4]]
    kept = given.copy()
    fitted = quiet(model(4, init=init, n_init=1, random_state=0), given)
    assert_array_equal(
        fitted.predict(given), squares_of(given.toarray(), fitted.cluster_centers_).argmin(axis=1)
    )
    for part in ("data", "indices", "indptr"):
        assert_array_equal(getattr(given, part), getattr(kept, part))


def test_batches_of_unlike_weights_are_weighed_against_each_other(X):
    heavy, light = np.full(300, 1e280), np.full(300, 1e-280)
    for ridge in (0, 1e-280):
        model = gf.MiniBatchKMeans(1, init=X[:1], ridge=ridge).partial_fit(X[:200], sample_weight=heavy[:200])
        model.partial_fit(X[200:], sample_weight=light)
        assert_allclose(model.cluster_centers_[0], X[:200].mean(axis=0), rtol=1e-12)
        model.partial_fit(X[200:], sample_weight=heavy)
        assert_allclose(model.cluster_centers_[0], X.mean(axis=0), rtol=1e-12)


def test_distances_beyond_the_type_are_refused(form):
    X = np.array([[3e38, 3e38], [-3e38, -3e38], [3e38, -3e38]], np.float32)
    fitted = gf.KMeans(2, random_state=0).fit(form(X))
    with pytest.raises(ValueError, match="X is too large for float32: distances overflow"):
        fitted.transform(form(X))
    assert_array_equal(fitted.predict(form(X.astype(np.float64))), fitted.labels_)


def test_flags_are_python_bools_and_wrong_values_are_named(X, model):
    for options in ({}, {"tol": 0.0}, {"tol": 10.0}, {"max_iter": 1}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert type(model(4, random_state=0, **options).fit(X).converged_) is bool
    with pytest.raises(ValueError, match=r"random_state must be .* got Generator"):
        model(3, random_state=np.random.default_rng(0)).fit(X)
    with pytest.raises(ValueError, match=r"reassignment_ratio must be .* \[0, 1\], got 2"):
        gf.MiniBatchKMeans(3, reassignment_ratio=2).fit(X)


@pytest.mark.parametrize("k", [3, 9, 40])
@pytest.mark.parametrize("form", [np.array, sp.csr_array], ids=["dense", "CSR"])
@pytest.mark.parametrize("exponent", [-100, -20, 0, 20, 50, 59, 80, 120])
def test_rows_of_any_magnitude_meet_centroids_as_in_long_numbers(k, form, exponent, dtype):
    """Rows are taken as they are at first; what overflows then is seen, and scaled."""
    rng = np.random.default_rng(0)
    model = quiet(gf.KMeans(k, random_state=0), rng.standard_normal((200, 17)).astype(dtype))
    rows = np.ldexp(rng.standard_normal((50, 17)), exponent).astype(dtype)
    rows[::7] = 0
    # Exact enough: products of numbers of 53 bits in 64.
    apart = np.square(rows[:, None].astype(np.longdouble) - model.cluster_centers_.astype(np.longdouble)).sum(
        2
    )
    given = form(rows)
    labels = model.predict(given)
    least = np.sqrt(apart.min(axis=1))
    assert_allclose(np.sqrt(apart[np.arange(50), labels]), least, rtol=1e-12)
    assert_allclose(model.transform(given), np.sqrt(apart), rtol=1e-5 if dtype == np.float32 else 1e-12)
    assert_allclose(
        model.score(given), -float(apart.min(axis=1).sum()), rtol=1e-4 if dtype == np.float32 else 1e-12
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["predict", "transform", "score"])
@pytest.mark.parametrize("k", [3, 9, 40])
@pytest.mark.parametrize("form", [np.array, np.asfortranarray, sp.csr_array], ids=["C", "F", "CSR"])
def test_rows_that_are_not_finite_are_refused_of_a_fitted_model(bad, method, k, form, dtype):
    X = np.random.default_rng(0).standard_normal((300, 17)).astype(dtype)
    model = quiet(gf.KMeans(k, random_state=0), X)
    X[299, 16] = bad
    with pytest.raises(ValueError, match=f"Input X contains {'NaN' if np.isnan(bad) else 'infinity'}"):
        getattr(model, method)(form(X))
