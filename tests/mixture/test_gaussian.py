"""Gaussian mixtures where they do more: weights, far data, no negative variances."""

import numpy as np
import pytest
from mixture.cases import ATTRIBUTES, KINDS, overlapping_points
from mixture.cases import fitted_gaussian as fitted
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal

import gramfold as gf
from gramfold.fold.source import Source
from gramfold.mixture.gaussian_model import GaussianModel
from gramfold.mixture.gaussian_parameters import GaussianParameters, factors_of, in_units, out_of_units
from gramfold.mixture.gaussian_points import Frame, Points


@pytest.fixture
def X():
    return overlapping_points()


INITS = ["kmeans", "k-means++", "random", "random_from_data"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_never_falls(X, kind, dtype):
    # reg_covar is no part of the likelihood that EM raises.
    model = fitted(
        X.astype(dtype), covariance_type=kind, init_params="random", tol=0, max_iter=60, reg_covar=0
    )
    assert np.diff(model.lower_bounds_).min() > -20 * np.finfo(dtype).eps * abs(model.lower_bound_)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_scipy(X, kind):
    model = fitted(X, covariance_type=kind)
    spread = model.covariances_
    full = {"full": spread, "tied": [spread] * 5}.get(kind)
    if full is None:
        full = [np.eye(4) * variances for variances in spread]
    joint = [
        np.log(w) + multivariate_normal(m, c).logpdf(X)
        for w, m, c in zip(model.weights_, model.means_, full, strict=True)
    ]
    assert_allclose(model.score_samples(X), np.logaddexp.reduce(joint), rtol=1e-10)
    assert_array_equal(model.predict(X), np.argmax(joint, axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_float32_agrees_with_float64(X, kind):
    single, double = (
        fitted(X.astype(dtype), covariance_type=kind, max_iter=8, tol=0) for dtype in (np.float32, np.float64)
    )
    for name in ATTRIBUTES:
        mine, their = getattr(single, name), getattr(double, name)
        assert mine.dtype == np.float32
        assert_allclose(mine, their, atol=2e-4 * np.abs(their).max(), err_msg=name)
    assert_allclose(single.lower_bounds_, double.lower_bounds_, rtol=1e-6)
    assert single.predict_proba(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_integer_weights_are_rows_repeated(X, kind):
    weights = np.random.default_rng(1).integers(0, 4, len(X))
    end = fitted(X, covariance_type=kind, max_iter=3)
    start = {"means_init": end.means_, "weights_init": end.weights_, "precisions_init": end.precisions_}
    options = {"covariance_type": kind, "max_iter": 6, "tol": 0, **start}
    weighted = fitted(X, sample_weight=weights, **options)
    repeated = fitted(np.repeat(X, weights, axis=0), **options)
    assert_allclose(weighted.lower_bounds_, repeated.lower_bounds_, rtol=1e-11)
    for name in ATTRIBUTES:
        assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-8, atol=1e-10)
    assert_allclose(
        weighted.bic(X, sample_weight=weights), repeated.bic(np.repeat(X, weights, axis=0)), rtol=1e-11
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", INITS)
def test_weights_of_one_change_nothing_but_rounding(X, kind, init):
    plain = fitted(X, covariance_type=kind, init_params=init, max_iter=5, tol=0)
    weighted = fitted(
        X, sample_weight=np.ones(len(X)), covariance_type=kind, init_params=init, max_iter=5, tol=0
    )
    assert_allclose(weighted.lower_bounds_[1:], plain.lower_bounds_[1:], rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_results_do_not_depend_on_the_threads(X, kind, dtype):
    X = np.tile(X, (4, 1)).astype(dtype)
    options = {"covariance_type": kind, "init_params": "random_from_data", "max_iter": 5, "tol": 0}
    first = fitted(X, n_threads=1, **options)
    for n_threads in (2, 5):
        other = fitted(X, n_threads=n_threads, **options)
        assert other.lower_bounds_ == first.lower_bounds_
        for name in ATTRIBUTES:
            assert_array_equal(getattr(other, name), getattr(first, name))


@pytest.mark.parametrize("k", [1, 21])
@pytest.mark.parametrize("d", [1, 4, 70, 130])
def test_factors_are_triangles_that_invert_the_covariances(k, d):
    roots = np.random.default_rng(0).normal(size=(k, 2 * d, d))
    covariances = np.swapaxes(roots, 1, 2) @ roots
    factors = factors_of(covariances, "full")
    assert_array_equal(factors, np.triu(factors))
    unit = np.swapaxes(factors, 1, 2) @ covariances @ factors
    assert_allclose(unit, np.broadcast_to(np.eye(d), unit.shape), atol=1e-12)
    assert_allclose(factors_of(covariances[0], "tied"), factors[0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [1e4, 1e7])
def test_variances_of_far_data_are_positive_and_right(X, kind, offset):
    near = fitted(X, covariance_type=kind, init_params="random", max_iter=6, tol=0)
    far = fitted(X + offset, covariance_type=kind, init_params="random", max_iter=6, tol=0)
    # The offset costs X itself some digits.
    assert_allclose(far.covariances_, near.covariances_, rtol=1e-13 * offset, atol=1e-13 * offset)
    assert_allclose(far.lower_bounds_, near.lower_bounds_, rtol=1e-14 * offset)


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
def test_moments_are_taken_again_where_a_mean_moves_far(kind, dtype):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(200, 3)), 1e4 + 1e-2 * rng.normal(size=(200, 3))]).astype(dtype)
    x = Source(X, 2)
    frame = Frame.of_rows(x, None, 0.0, common=kind == "spherical")
    model = GaussianModel(Points(x, None, frame), 2, kind, 0.0, "random", None, None, None)
    means = model.points.scaled(np.array([[0.0] * 3, [9000.0] * 3]))
    covariances = np.stack([np.eye(3), 1e6 * np.eye(3)])
    if kind != "full":
        covariances = np.array([[1.0] * 3, [1e6] * 3]) if kind == "diag" else np.array([1.0, 1e6])
    factors = 1 / np.sqrt(covariances) if kind != "full" else np.stack([np.eye(3), 1e-3 * np.eye(3)])
    covariances = out_of_units(covariances, kind, 1 / frame.scale)
    factors = in_units(factors, kind, 1 / frame.scale)
    new, _ = model.step(GaussianParameters(kind, np.array([0.5, 0.5]), means, covariances, factors))
    exact = np.cov(X[200:].astype(float).T, bias=True)
    expected = {"full": exact, "diag": np.diag(exact), "spherical": np.diag(exact).mean()}[kind]
    found = out_of_units(new.covariances, kind, frame.scale)[1]
    assert_allclose(found, expected, rtol=1e-4, atol=1e-9)


def test_constant_columns_and_repeated_rows_keep_the_least_variance(dtype):
    X = np.ones((30, 3), dtype)
    X[:, 1] = np.repeat([1e3, 2e3], 15)
    for kind in KINDS:
        model = fitted(X, n_components=2, covariance_type=kind)
        spread = model.covariances_
        if kind in ("full", "tied"):
            spread = np.diagonal(spread, axis1=-2, axis2=-1)
        assert spread.min() >= 0.99e-6
        assert np.isfinite(model.lower_bound_)
        assert len(np.unique(model.predict(X))) == 2


def test_a_covariance_that_cannot_be_inverted_is_an_error_and_changes_nothing(X):
    model = fitted(X)
    before = dict(vars(model))
    model.set_params(reg_covar=0)
    flat = np.column_stack([X[:, 0], X[:, 0], np.zeros(len(X)), X[:, 1]])
    with pytest.raises(ValueError, match=r"ill-defined empirical covariance.*increase reg_covar"):
        model.fit(flat)
    assert vars(model) == before | {"reg_covar": 0}


def test_as_many_components_as_rows(dtype):
    X = np.arange(12, dtype=dtype).reshape(6, 2) ** 2
    for kind in ("full", "diag", "spherical"):
        model = fitted(X, n_components=6, covariance_type=kind)
        assert_allclose(np.sort(model.means_[:, 0]), np.sort(X[:, 0]), rtol=1e-5, atol=1e-5)
        assert_array_equal(np.sort(model.predict(X)), np.arange(6))
    with pytest.raises(ValueError, match="n_components = 7, n_samples = 6"):
        gf.GaussianMixture(7).fit(X)


def test_warm_start_goes_on_where_the_last_fit_ended(X):
    whole = fitted(X, max_iter=9, tol=0)
    parts = fitted(X, max_iter=4, tol=0, warm_start=True)
    parts.set_params(max_iter=5).fit(X)
    assert_allclose(parts.lower_bounds_, whole.lower_bounds_[4:], rtol=1e-10)
    assert_allclose(parts.means_, whole.means_, rtol=1e-8)


def test_callback_and_time_limit_stop_the_fit(X):
    seen = []

    def stop(info):
        seen.append(info.objective)
        return len(seen) == 3

    model = gf.GaussianMixture(5, tol=0, callback=stop, random_state=0).fit(X)
    assert model.n_iter_ == 3
    assert_array_equal(model.history_["objective"], seen)
    assert model.lower_bounds_ == seen
    assert gf.GaussianMixture(5, tol=0, max_time=0, random_state=0).fit(X).n_iter_ == 1


@pytest.mark.parametrize(
    "form", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2], lambda x: x[::-1][::-1]]
)
def test_the_layout_of_x_does_not_change_the_result(X, form):
    start = {"init_params": "random_from_data", "max_iter": 4, "tol": 0}
    assert_allclose(fitted(form(X), **start).means_, fitted(X, **start).means_, rtol=1e-12)
