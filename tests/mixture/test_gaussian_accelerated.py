"""Gaussian mixtures whose steps are extrapolated: fewer steps, the same maximum, never a worse one."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from mixture.cases import ATTRIBUTES, KINDS
from mixture.cases import fitted_gaussian as fitted
from numpy.testing import assert_allclose, assert_array_equal
from segment_cases import cut
from sklearn.base import clone

import gramfold as gf
from gramfold.mixture import em
from gramfold.mixture.gaussian_parameters import GaussianParameters, factors_of


@pytest.fixture
def X():
    """1200 rows of three Gaussians in three columns that overlap so much that EM is slow."""
    rng = np.random.default_rng(1)
    spreads = np.array([[1.0, 1, 1], [2.0, 0.5, 1], [0.7, 1.5, 2]])
    parts = [rng.normal(size=(400, 3)) * s + 1.2 * rng.normal(size=3) for s in spreads]
    return rng.permutation(np.vstack(parts)) + 50


def start(kind):
    """Means and precisions to start from, so that both ways lead to one maximum."""
    precisions = {
        "full": np.stack([np.eye(3)] * 3), "tied": np.eye(3), "diag": np.ones((3, 3)), "spherical": np.ones(3)
    }  # fmt: skip
    means = 50 + np.array([[-1.0, 0, 0], [0.0, 0, 1], [1.0, 0, -1]])
    return {
        "n_components": 3, "covariance_type": kind, "means_init": means,
        "weights_init": np.full(3, 1 / 3), "precisions_init": precisions[kind],
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random", "random_from_data"])
def test_the_likelihood_never_falls(X, kind, init, dtype):
    # reg_covar is no part of the likelihood that EM raises.
    model = fitted(
        X.astype(dtype), covariance_type=kind, init_params=init, accelerate=True, tol=0, max_iter=90,
        reg_covar=0 if init == "random" else 1e-9,
    )  # fmt: skip
    assert np.diff(model.lower_bounds_).min() > -20 * np.finfo(dtype).eps * abs(model.lower_bound_)


@pytest.mark.parametrize("kind", KINDS)
def test_the_maximum_is_that_of_plain_steps_in_less_than_half_of_them(X, kind):
    plain, fast = (
        fitted(X, accelerate=accelerate, tol=1e-11, max_iter=20000, **start(kind))
        for accelerate in (False, True)
    )
    assert plain.converged_
    assert fast.converged_
    assert fast.n_iter_ < plain.n_iter_ / 2
    assert_allclose(fast.lower_bound_, plain.lower_bound_, atol=1e-7)
    assert_allclose(fast.means_, plain.means_, atol=0.02)
    assert_allclose(fast.score(X), fast.lower_bound_, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reads", [20, 60, 200])
def test_as_many_reads_never_lead_to_a_lower_likelihood(X, kind, reads):
    plain, fast = (
        fitted(X, accelerate=accelerate, tol=0, max_iter=reads, **start(kind)).lower_bound_
        for accelerate in (False, True)
    )
    assert fast >= plain - 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_rows_repeated(X, kind):
    weights = np.random.default_rng(1).integers(0, 4, len(X))
    options = {"accelerate": True, "max_iter": 15, "tol": 0, **start(kind)}
    weighted = fitted(X, sample_weight=weights, **options)
    repeated = fitted(np.repeat(X, weights, axis=0), **options)
    assert_allclose(weighted.lower_bounds_, repeated.lower_bounds_, rtol=1e-9)
    for name in ATTRIBUTES:
        assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_segments_give_what_the_whole_gives_and_threads_change_no_bit(X, kind):
    options = {"accelerate": True, "max_iter": 20, "tol": 0, **start(kind)}
    whole, parts = fitted(X, **options), fitted(cut(X, "unequal"), n_threads=1, **options)
    assert_allclose(parts.lower_bounds_, whole.lower_bounds_, rtol=1e-9)
    assert_allclose(parts.means_, whole.means_, rtol=1e-6)
    assert_array_equal(fitted(cut(X, "unequal"), n_threads=3, **options).means_, parts.means_)


@pytest.mark.parametrize("kind", KINDS)
def test_a_warm_start_goes_on_from_no_lower_a_bound(X, kind):
    model = fitted(X, accelerate=True, warm_start=True, tol=1e-12, max_iter=8, **start(kind))
    before = model.lower_bound_
    model.set_params(max_iter=3000).fit(X)
    assert model.lower_bounds_[0] >= before
    assert model.converged_


def test_clones_and_pickles_are_accelerated_too(X):
    model = fitted(X, accelerate=True, **start("full"))
    assert clone(model).accelerate
    again = fitted(X, **clone(model).get_params())
    assert_array_equal(again.means_, model.means_)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))
    assert not gf.GaussianMixture().accelerate


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_step_leaves_a_tenth_of_every_variance(kind):
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(2, 4, 3))
    squares = np.swapaxes(roots, 1, 2) @ roots
    covariances = {
        "full": squares, "tied": squares[0], "diag": squares[:, 0] ** 2, "spherical": squares[:, 0, 0]
    }[kind]  # fmt: skip
    theta = GaussianParameters(
        kind, np.array([0.9, 0.1]), rng.normal(size=(2, 3)), covariances, factors_of(covariances, kind)
    )
    vector = theta.vector()
    assert_allclose(theta.moved(vector).vector(), vector, rtol=1e-12)
    there = theta.moved(-30 * vector)
    assert_allclose(there.vector(), np.concatenate([[0.9, 0.1], -30 * vector[2:8], 0.1 * vector[8:]]))
    assert_allclose(there.factors, factors_of(there.covariances, kind))


def test_where_the_extrapolated_covariance_cannot_be_inverted_nothing_moves():
    flat = np.ones((2, 2))
    theta = GaussianParameters("tied", np.ones(1), np.zeros((1, 2)), flat, np.diag([1.0, 1e7]))
    assert theta.moved(theta.vector()) is theta


@dataclass
class Number:
    """Parameters of `Shrinking`."""

    at: float

    def vector(self):
        return np.array([self.at])

    def moved(self, vector):
        return Number(float(vector[0]))


class Shrinking:
    """A model of one number, which a step shrinks by a tenth, and which cannot be stepped from about 0."""

    def __init__(self):
        self.refused = 0

    def step(self, theta):
        if abs(theta.at) < 1e-9:
            self.refused += 1
            raise em.Degenerate("no step leads on from 0")
        return Number(0.9 * theta.at), -abs(theta.at)


def test_where_an_extrapolated_point_cannot_be_stepped_from_plain_steps_go_on():
    model = Shrinking()
    steps = em.Squarem(Number(8.0))
    bounds = [steps.next(model)[1] for _ in range(30)]
    assert model.refused > 0
    assert np.diff(bounds).min() >= 0
    assert bounds[-1] > -8 * 0.9**30
    with pytest.raises(em.Degenerate, match="no step leads on"):
        em.Squarem(Number(0.0)).next(model)
