"""KMeans: scikit-learn's results and checks, the objective, priors, degenerate data, bad input."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.cluster as peer
from kmeans.cases import blobs, quiet
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf
from gramfold.fold.source import Source
from gramfold.kmeans.estimator import mean_variance

VARIANTS = [
    gf.KMeans(),
    gf.KMeans(3, init="random", n_init=2),
    gf.KMeans(3, init="k-means||"),
    gf.KMeans(3, ridge=1.0),
    gf.KMeans(2, metric="cosine"),
    gf.MiniBatchKMeans(),
]
# Other draws: scikit-learn expects its own KMeans to fail these as well.
DRAWS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "repeated rows are drawn in another order"
    for kind in ("dense", "sparse")
}


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@parametrize_with_checks(VARIANTS, expected_failed_checks=lambda estimator: DRAWS)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.fixture
def X():
    return blobs()


@pytest.mark.parametrize("offset", [0, 1e5])
@pytest.mark.parametrize("form", [np.array, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("k", [1, 3, 30, 200])
def test_the_fit_is_scikit_learns_from_the_same_start(k, form, offset):
    if form is sp.csr_array and offset:
        pytest.skip("scikit-learn does not centre sparse data, and loses it")
    X = blobs(offset=offset)
    given = form(X)
    init = X[np.random.default_rng(k).choice(len(X), k, replace=False)]
    weights = np.random.default_rng(0).random(len(X))
    for options in ({}, {"sample_weight": weights}):
        ours = quiet(gf.KMeans(k, init=init, max_iter=25), given, **options)
        theirs = quiet(peer.KMeans(k, init=init, max_iter=25), given, **options)
        assert_array_equal(ours.labels_, theirs.labels_)
        assert ours.n_iter_ == theirs.n_iter_
        atol = 1e-11 * (1 + offset)
        assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=0, atol=atol)
        assert_allclose(ours.inertia_, theirs.inertia_, rtol=1e-9)
        assert_allclose(ours.score(given), theirs.score(given), rtol=1e-9)
        assert_allclose(ours.transform(given), theirs.transform(given), atol=10 * np.sqrt(atol))


@pytest.mark.parametrize("init", ["k-means++", "random"])
@pytest.mark.parametrize("k", [2, 30])
def test_the_same_seed_gives_scikit_learns_fit(X, init, k):
    ours = gf.KMeans(k, init=init, random_state=5, n_init=3).fit(X)
    theirs = peer.KMeans(k, init=init, random_state=5, n_init=3).fit(X)
    assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.n_iter_ == theirs.n_iter_


def test_empty_clusters_are_relocated_as_in_scikit_learn(X):
    init = np.concatenate([X[:4], X[:1] + 1e3 + np.arange(5)[:, None]])
    for form in (np.array, sp.csr_array):
        ours = gf.KMeans(9, init=init, n_init=1).fit(form(X))
        theirs = peer.KMeans(9, init=init, n_init=1).fit(form(X))
        assert_array_equal(ours.labels_, theirs.labels_)
        assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-9)
        assert len(np.unique(ours.labels_)) == 9


def test_relocated_centroids_go_on_until_they_gain_nothing():
    """Rows are few whole points many times over: centroids meet exactly, and take no row from each other."""
    fewer = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        k = rng.integers(5, 14)
        places = np.rint(rng.standard_normal((k + 4, 6)) * 2.0 ** rng.integers(0, 8, k + 4)[:, None])
        X = places[rng.integers(len(places), size=1000)]
        init = X[rng.choice(1000, k, replace=False)]
        ours = quiet(gf.KMeans(k, init=init, n_init=1, tol=0), X)
        theirs = quiet(peer.KMeans(k, init=init, n_init=1, tol=0), X)
        assert ours.inertia_ <= theirs.inertia_ * (1 + 1e-9)
        fewer += ours.inertia_ < 0.9 * theirs.inertia_
        again = quiet(gf.KMeans(k, init=ours.cluster_centers_, n_init=1, tol=0), X)
        assert again.inertia_ >= ours.inertia_ * (1 - 1e-6)
        assert ours.n_iter_ < 30
    assert fewer > 5
    same = gf.KMeans(7, init=np.float32(0.1) + np.eye(7, 6, dtype=np.float32), n_init=1, tol=0)
    assert quiet(same, np.full((50, 6), 0.1, np.float32)).n_iter_ < 5


@pytest.mark.parametrize("model", [
    gf.KMeans(40), gf.KMeans(40, ridge=5.0), gf.KMeans(12, metric="cosine"),
    gf.KMeans(40, ridge=2.0, prior_mean=np.full(6, 3.0), frozen=np.eye(3, 6)),
], ids=["plain", "ridge", "cosine", "ridge, frozen"])  # fmt: skip
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_the_objective_never_rises(model, dtype, sparse):
    X = blobs(dtype=dtype)
    model = clone(model).set_params(random_state=0, tol=0, max_iter=40)
    model = quiet(model, sp.csr_array(X) if sparse else X)
    objective = np.append(model.history_["objective"], model.objective_)
    assert len(objective) > 5
    assert np.all(np.diff(objective) <= 16 * np.finfo(dtype).eps * objective[0])
    assert_array_equal(model.predict(sp.csr_array(X) if sparse else X), model.labels_)


@pytest.mark.parametrize("given", [np.array, np.asfortranarray, sp.csr_array, lambda x: x.astype(np.float32)])
def test_results_are_the_same_bits_for_any_number_of_threads(given):
    X = given(blobs(6000))
    one, *others = (quiet(gf.KMeans(30, random_state=0, max_iter=8, n_threads=n), X) for n in (1, 2, 5))
    for other in others:
        for name in ("cluster_centers_", "labels_", "inertia_"):
            assert_array_equal(getattr(one, name), getattr(other, name))
        assert_array_equal(one.history_["objective"], other.history_["objective"])


def test_a_ridge_draws_each_centroid_to_the_prior_mean(X):
    prior = np.arange(6.0)
    init = np.concatenate([X[:4], np.full((1, 6), 1e4)])
    model = gf.KMeans(5, init=init, ridge=3.0, prior_mean=prior, tol=0, max_iter=500).fit(X)
    for j in range(5):
        own = X[model.labels_ == j]
        assert_allclose(model.cluster_centers_[j], (3 * prior + own.sum(axis=0)) / (3 + len(own)), rtol=1e-10)
    assert model.converged_
    penalty = 3 * np.square(model.cluster_centers_ - prior).sum()
    assert_allclose(model.objective_, model.inertia_ + penalty)
    assert_allclose(model.inertia_, np.square(X - model.cluster_centers_[model.labels_]).sum())


def test_an_empty_cluster_with_a_ridge_sits_at_the_prior_mean():
    X = np.array([[0.0], [1.0], [10.0], [11.0]])
    model = gf.KMeans(3, init=[[0.0], [10.0], [1e6]], ridge=1.0, prior_mean=[-50.0]).fit(X)
    assert_array_equal(model.cluster_centers_[2], -50.0)


def test_frozen_centroids_stay_and_the_others_are_seeded_apart_from_them(X):
    frozen = X[:3] + 0.25
    for init in ("k-means++", "k-means||", "random", X[10:13]):
        model = gf.KMeans(6, init=init, frozen=frozen, random_state=0).fit(X)
        assert_array_equal(model.cluster_centers_[:3], frozen)
        assert not np.any(model.cluster_centers_[3:] == X[10:13])
    assert_array_equal(gf.KMeans(3, frozen=frozen).fit(X).cluster_centers_, frozen)


def test_the_cosine_metric_is_spherical_kmeans():
    rng = np.random.default_rng(0)
    directions = np.eye(4, 9)
    X = (directions[rng.integers(4, size=500)] + 0.1 * rng.standard_normal((500, 9))) * rng.exponential(
        1, (500, 1)
    )
    for form in (np.array, sp.csr_array):
        model = gf.KMeans(4, metric="cosine", random_state=0, tol=0).fit(form(X))
        assert_allclose(np.linalg.norm(model.cluster_centers_, axis=1), 1)
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        assert_array_equal(model.labels_, np.argmax(unit @ model.cluster_centers_.T, axis=1))
        assert_allclose(model.inertia_, 2 * np.sum(1 - np.max(unit @ model.cluster_centers_.T, axis=1)))
        assert_array_equal(model.predict(form(5 * X)), model.labels_)


def test_fewer_distinct_rows_than_clusters_are_warned_about(dtype):
    X = np.repeat(np.arange(6, dtype=dtype).reshape(3, 2), 4, axis=0)
    for form in (np.array, sp.csr_array):
        for init in ("k-means++", "k-means||", "random"):
            with pytest.warns(ConvergenceWarning, match=r"distinct clusters \(3\) found smaller"):
                model = gf.KMeans(5, init=init, random_state=0, n_init=3).fit(form(X))
            assert model.inertia_ == 0
            assert np.isfinite(model.cluster_centers_).all()


def test_no_convergence_is_warned_about(X):
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 2 reached"):
        model = gf.KMeans(30, random_state=0, max_iter=2).fit(X)
    assert not model.converged_
    assert model.n_iter_ == 2


def test_k_equal_to_n_and_a_single_row_are_fitted_exactly(dtype):
    X = np.random.default_rng(0).standard_normal((7, 3)).astype(dtype)
    model = gf.KMeans(7, random_state=0).fit(X)
    assert sorted(model.labels_) == list(range(7))
    assert model.inertia_ == 0
    assert_array_equal(gf.KMeans(1).fit(X[:1]).cluster_centers_, X[:1])


def test_mean_variance_holds_far_from_the_origin_and_from_its_first_row(dtype):
    X = blobs(1000, dtype=dtype, offset=1e3)
    X[0] = 1e6
    expected = X.astype(np.float64)
    for given in (X, np.asfortranarray(X)):
        assert_allclose(mean_variance(Source(given, 2)), expected.var(axis=0).mean(), rtol=1e-4)
        assert_allclose(mean_variance(Source(given[1:], 2)), expected[1:].var(axis=0).mean(), rtol=1e-4)


def test_callback_and_time_stop_a_fit(X):
    seen = []
    model = gf.KMeans(30, random_state=0, n_init=2, callback=lambda info: seen.append(info) or len(seen) == 3)
    model.fit(X)
    assert [info.iteration for info in seen] == [1, 2, 3]
    assert model.n_iter_ == 3 == len(model.history_["objective"])
    assert not model.converged_
    assert gf.KMeans(30, random_state=0, max_time=0.0).fit(X).n_iter_ == 1


def test_labels_belong_to_the_centroids_that_are_returned(dtype):
    X = blobs(dtype=dtype, offset=1e4)
    for max_iter in (1, 2, 7, 300):
        model = quiet(gf.KMeans(40, random_state=0, max_iter=max_iter, tol=0), X)
        exact = np.square(X.astype(float)[:, None] - model.cluster_centers_.astype(float)).sum(axis=2)
        assert_array_equal(model.labels_, exact.argmin(axis=1))
        assert_allclose(model.inertia_, exact.min(axis=1).sum(), rtol=1e-5)


def test_x_is_not_modified(X):
    kept = X.copy()
    X.flags.writeable = False
    gf.KMeans(3, random_state=0, copy_x=False).fit(X).predict(X)
    assert_array_equal(X, kept)


WRONG = {
    "n_clusters": [0, -1, 2.5, "many", None, True], "init": ["best", 3, None], "n_init": [0, "all", 1.5],
    "max_iter": [0, -5, 1.5], "tol": [-1e-4, np.nan, None], "verbose": ["loud", -1],
    "random_state": ["seed", -1, 1.5], "copy_x": [1, None], "algorithm": ["auto", "full", None],
    "ridge": [-1, np.nan, None], "prior_mean": [[1.0], "zero", np.full(6, np.nan)], "metric": ["l1", None],
    "frozen": [np.ones((9, 6)), [[1.0]], np.full((1, 6), np.nan)], "n_threads": [0, -1, 1.5, True],
    "callback": [3], "max_time": [-1, "1 min"],
}  # fmt: skip


def test_every_parameter_has_wrong_values_here():
    assert set(WRONG) == set(gf.KMeans().get_params())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_parameter_is_named_and_nothing_is_fitted(X, name):
    match = {"frozen": "frozen|number of features", "random_state": "random_state|seed|Seed"}.get(name, name)
    for value in WRONG[name]:
        model = gf.KMeans(3).set_params(**{name: value})
        before = dict(vars(model))
        with pytest.raises(ValueError, match=match):
            model.fit(X)
        assert vars(model) == before


@pytest.mark.parametrize(("weights", "match"), [
    (-np.ones(2000), "sample_weight must be at least 0"), (np.zeros(2000), "0 everywhere|non-zero"),
    (np.ones(3), "sample_weight"), (np.full(2000, np.nan), "NaN"),
])  # fmt: skip
def test_wrong_weights_are_refused(X, weights, match):
    with pytest.raises(ValueError, match=match):
        gf.KMeans(3).fit(X, sample_weight=weights)


def test_too_few_rows_and_wrong_centers_are_refused(X):
    with pytest.raises(ValueError, match="n_samples=2 should be >= n_clusters=3"):
        gf.KMeans(3).fit(X[:2])
    with pytest.raises(ValueError, match="does not match the number of clusters 3"):
        gf.KMeans(3, init=X[:2]).fit(X)
    with pytest.raises(ValueError, match="does not match the number of features"):
        gf.KMeans(3, init=X[:3, :2]).fit(X)
    with pytest.raises(ValueError, match="does not match the number of clusters 3"):
        gf.KMeans(3, init=lambda X, k, random_state: X[:2]).fit(X)


def test_an_inertia_that_overflows_is_refused():
    X = np.random.default_rng(0).standard_normal((50, 3)) * 1e160
    for model in (gf.KMeans(3, random_state=0), gf.MiniBatchKMeans(3, random_state=0)):
        with pytest.raises(ValueError, match="X is too large for float64"):
            model.fit(X)


def test_an_explicit_start_runs_once_and_says_so(X):
    with pytest.warns(RuntimeWarning, match="performing only one init"):
        gf.KMeans(3, init=X[:3], n_init=4).fit(X)
