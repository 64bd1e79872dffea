"""GaussianMixture beside scikit-learn's: its battery, fits, starts, samples, parameters."""

import numpy as np
import pytest
from mixture.cases import ATTRIBUTES, KINDS, overlapping_points
from mixture.cases import fitted_gaussian as fitted
from numpy.testing import assert_allclose, assert_array_equal
from peer import VERSION
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf


@pytest.fixture
def X():
    return overlapping_points()


INITS = ["kmeans", "k-means++", "random", "random_from_data"]


RANDOM_START = {
    "check_sample_weight_equivalence_on_dense_data": "k-means starts at rows drawn by their order"
}


@parametrize_with_checks(
    [gf.GaussianMixture(covariance_type=kind) for kind in KINDS]
    + [gf.GaussianMixture(2, covariance_type=kind) for kind in KINDS[1:]],
    expected_failed_checks=lambda estimator: RANDOM_START if estimator.n_components > 1 else {},
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


def bounds_of(theirs, ours):
    """All bounds of scikit-learn's fit, which 1.6 does not keep: there ours, but for the last one."""
    if VERSION >= (1, 7):
        return np.array(theirs.lower_bounds_)
    return np.array([*ours.lower_bounds_[:-1], theirs.lower_bound_])


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
    assert_allclose(ours.lower_bounds_[1:], bounds_of(theirs, ours)[1:], rtol=1e-8)
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
    bounds = bounds_of(theirs, ours)
    if known == ("means",):  # scikit-learn's first weights sum to k / n
        bounds[0] += np.log(len(X) / 5) if VERSION >= (1, 7) else 0
    assert_allclose(ours.lower_bounds_, bounds, rtol=1e-6)
    assert_allclose(ours.means_, theirs.means_, rtol=1e-6)
    assert fitted(X, covariance_type=kind, max_iter=0, **start).n_iter_ == 0


@pytest.mark.parametrize("kind", KINDS)
def test_several_starts_draw_as_scikit_learn_does(X, kind):
    options = {"covariance_type": kind, "init_params": "random", "n_init": 3, "max_iter": 15}
    ours, theirs = (fitted(X, mixture, **options) for mixture in (gf.GaussianMixture, SklearnMixture))
    assert_allclose(ours.lower_bounds_, bounds_of(theirs, ours), rtol=1e-9)
    assert_allclose(ours.means_, theirs.means_, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_scikit_learns(X, kind):
    ours, theirs = (
        fitted(X, mixture, covariance_type=kind) for mixture in (gf.GaussianMixture, SklearnMixture)
    )
    for mine, their in zip(ours.sample(50), theirs.sample(50), strict=True):
        assert_allclose(mine, their, rtol=1e-6)


def test_attributes_set_by_hand_are_used(X):
    model = gf.GaussianMixture(2, covariance_type="diag")
    model.weights_, model.means_ = np.array([0.25, 0.75]), np.array([[10.0] * 4, [12.0] * 4])
    model.precisions_cholesky_ = np.ones((2, 4))
    squares = ((X[:, None] - model.means_) ** 2).sum(axis=2)
    joint = np.log(model.weights_) - 2 * np.log(2 * np.pi) - squares / 2
    assert_allclose(model.score_samples(X), np.logaddexp.reduce(joint, axis=1), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariance_type": "round"}, "covariance_type must be one of"),
        ({"accelerate": None}, "accelerate must be"),
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
