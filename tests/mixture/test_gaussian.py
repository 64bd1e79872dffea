"""GaussianMixture beside scikit-learn's, and where it does more: weights, far data, no negative variances."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf
from gramfold.fold.source import Source
from gramfold.mixture.gaussian_model import GaussianModel
from gramfold.mixture.gaussian_parameters import GaussianParameters, in_units, out_of_units
from gramfold.mixture.gaussian_points import Frame, Points

KINDS = ["full", "tied", "diag", "spherical"]
INITS = ["kmeans", "k-means++", "random", "random_from_data"]
ATTRIBUTES = ["weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"]
RANDOM_START = {
    "check_sample_weight_equivalence_on_dense_data": "k-means starts at rows drawn by their order"
}


@pytest.fixture
def X():
    """900 rows of five overlapping Gaussians with their own covariances, not at the origin."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(180, 4)) @ rng.normal(size=(4, 4)) + 4 * rng.normal(size=4) for _ in range(5)]
    return rng.permutation(np.vstack(parts)) + 10


def fitted(X, mixture=gf.GaussianMixture, sample_weight=None, **options):
    """A fit of five components for as many iterations as asked for, converged or not."""
    model = mixture(**{"n_components": 5, "random_state": 3, **options})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X) if sample_weight is None else model.fit(X, sample_weight=sample_weight)


@parametrize_with_checks(
    [gf.GaussianMixture(covariance_type=kind) for kind in KINDS]
    + [gf.GaussianMixture(2, covariance_type=kind) for kind in KINDS[1:]],
    expected_failed_checks=lambda estimator: RANDOM_START if estimator.n_components > 1 else {},
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", INITS)
def test_the_fit_is_scikit_learns(X, kind, init):
    ours, theirs = (
        fitted(X, mixture, covariance_type=kind, init_params=init)
        for mixture in (gf.GaussianMixture, SklearnMixture)
    )
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.converged_ == theirs.converged_
    assert_allclose(ours.lower_bound_, theirs.lower_bound_, rtol=1e-9)
    # The first bounds of a start from single rows are those of variances that are rounding and reg_covar.
    assert_allclose(ours.lower_bounds_[1:], theirs.lower_bounds_[1:], rtol=1e-8)
    for name in ATTRIBUTES:
        mine, their = getattr(ours, name), getattr(theirs, name)
        assert_allclose(mine, their, rtol=1e-7, atol=1e-7 * np.abs(their).max(), err_msg=name)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-7)
    assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-8)
    for name in ("score", "aic", "bic"):
        assert_allclose(getattr(ours, name)(X), getattr(theirs, name)(X), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "known", [("means",), ("weights", "precisions"), ("weights", "means", "precisions")], ids=str
)
def test_a_given_start_is_taken_as_scikit_learn_takes_it(X, kind, known):
    end = fitted(X, SklearnMixture, covariance_type=kind, max_iter=3)
    start = {f"{name}_init": getattr(end, f"{name}_") for name in known}
    ours, theirs = (
        fitted(X, mixture, covariance_type=kind, init_params="random_from_data", max_iter=5, tol=0, **start)
        for mixture in (gf.GaussianMixture, SklearnMixture)
    )
    bounds = np.array(theirs.lower_bounds_)
    if known == ("means",):  # scikit-learn's first weights sum to k / n
        bounds[0] += np.log(len(X) / 5)
    assert_allclose(ours.lower_bounds_, bounds, rtol=1e-6)
    assert_allclose(ours.means_, theirs.means_, rtol=1e-6)
    assert fitted(X, covariance_type=kind, max_iter=0, **start).n_iter_ == 0


@pytest.mark.parametrize("kind", KINDS)
def test_several_starts_draw_as_scikit_learn_does(X, kind):
    options = {"covariance_type": kind, "init_params": "random", "n_init": 3, "max_iter": 15}
    ours, theirs = (fitted(X, mixture, **options) for mixture in (gf.GaussianMixture, SklearnMixture))
    assert_allclose(ours.lower_bounds_, theirs.lower_bounds_, rtol=1e-9)
    assert_allclose(ours.means_, theirs.means_, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_scikit_learns(X, kind):
    ours, theirs = (
        fitted(X, mixture, covariance_type=kind) for mixture in (gf.GaussianMixture, SklearnMixture)
    )
    for mine, their in zip(ours.sample(50), theirs.sample(50), strict=True):
        assert_allclose(mine, their, rtol=1e-6)


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
    new, _ = model.step(GaussianParameters(np.array([0.5, 0.5]), means, covariances, factors))
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
    with pytest.warns(ConvergenceWarning):
        parts.set_params(max_iter=5).fit(X)
    assert_allclose(parts.lower_bounds_, whole.lower_bounds_[4:], rtol=1e-10)
    assert_allclose(parts.means_, whole.means_, rtol=1e-8)


def test_attributes_set_by_hand_are_used(X):
    model = gf.GaussianMixture(2, covariance_type="diag")
    model.weights_, model.means_ = np.array([0.25, 0.75]), np.array([[10.0] * 4, [12.0] * 4])
    model.precisions_cholesky_ = np.ones((2, 4))
    squares = ((X[:, None] - model.means_) ** 2).sum(axis=2)
    joint = np.log(model.weights_) - 2 * np.log(2 * np.pi) - squares / 2
    assert_allclose(model.score_samples(X), np.logaddexp.reduce(joint, axis=1), rtol=1e-12)


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariance_type": "round"}, "covariance_type must be one of"),
        ({"reg_covar": -1}, "reg_covar must be"), ({"n_components": 0}, "n_components must be"),
        ({"init_params": "none"}, "init_params must be one of"),
        ({"means_init": np.ones((2, 3))}, "'means' should have the shape"),
        ({"means_init": np.full((2, 2), np.nan)}, "NaN"),
        ({"weights_init": [0.4, 0.4]}, "'weights' should be normalized"),
        ({"precisions_init": np.ones((2, 2))}, "precision' should have the shape"),
        ({"precisions_init": -np.ones((2, 2, 2))}, "should be symmetric, positive-definite"),
        ({"precisions_init": [1, -1], "covariance_type": "spherical"}, "precision' should be positive"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        gf.GaussianMixture(**{"n_components": 2, **options}).fit(np.random.default_rng(0).normal(size=(9, 2)))
