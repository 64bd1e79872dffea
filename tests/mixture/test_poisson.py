"""Poisson mixtures against formulas and SciPy: bounds, steps, scores, standard errors, samples."""

import numpy as np
import pytest
import scipy.sparse as sp
from mixture.cases import fitted_poisson as fitted
from mixture.cases import overlapping
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import poisson

import gramfold as gf


@pytest.fixture
def data():
    return overlapping()


@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize("prior", [(1, 0), (1, 1), (2.5, 0.3)], ids=str)
@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random", "random_from_data"])
def test_the_lower_bound_never_falls(data, accelerate, prior, init, dtype):
    X, s = data
    shape, rate = prior
    model = fitted(
        X.astype(dtype), n_components=5, exposure=s, tol=0, max_iter=80, random_state=0, init_params=init,
        accelerate=accelerate, prior_shape=shape, prior_rate=rate,
    )  # fmt: skip
    assert np.diff(model.lower_bounds_).min() > -8 * np.finfo(dtype).eps * abs(model.lower_bound_)
    assert model.rates_.dtype == model.weights_.dtype == dtype


def test_a_step_is_the_formula_of_the_prior(data):
    X, s = data
    start = {"weights_init": [0.3, 0.7], "rates_init": np.array([[1.0], [2.0]]) * (1 + np.arange(6)) / 3}
    model = fitted(X, exposure=s, prior_shape=3, prior_rate=2, max_iter=1, tol=0, accelerate=False, **start)
    rates = start["rates_init"]
    joint = np.log([0.3, 0.7]) + poisson.logpmf(X[:, None], s[:, None, None] * rates).sum(axis=2)
    r = np.exp(joint - joint.max(axis=1, keepdims=True))
    r /= r.sum(axis=1, keepdims=True)
    assert_allclose(model.rates_, (2 + r.T @ X) / (2 + r.T @ s)[:, None], rtol=1e-12)
    assert_allclose(model.weights_, r.mean(axis=0), rtol=1e-12)
    prior = np.sum(2 * np.log(rates) - 2 * rates)
    likelihood = np.logaddexp.reduce(joint, axis=1).sum()
    assert_allclose(model.lower_bound_, (likelihood + prior) / len(X), rtol=1e-12)


def test_scores_are_those_of_scipy(data):
    X, s = data
    model = fitted(X, n_components=3, exposure=s, random_state=0)
    means = s[:, None, None] * model.rates_
    joint = np.log(model.weights_) + poisson.logpmf(X[:, None], means).sum(axis=2)
    score = np.logaddexp.reduce(joint, axis=1)
    assert_allclose(model.score_samples(X, s), score, rtol=1e-11)
    assert_allclose(model.predict_proba(X, s), np.exp(joint - score[:, None]), atol=1e-12)
    assert_array_equal(model.predict(X, s), joint.argmax(axis=1))
    assert_allclose(model.score(X, exposure=s), score.mean(), rtol=1e-12)
    assert_allclose(model.aic(X, exposure=s), 2 * (3 * 6 + 2) - 2 * score.sum(), rtol=1e-12)


def test_exposure_is_known_and_the_rates_are_per_unit(data):
    X, s = data
    halved, plain = (fitted(X, n_components=3, exposure=e, random_state=0, tol=1e-9) for e in (2 * s, s))
    assert_allclose(2 * halved.rates_, plain.rates_, rtol=1e-2)


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_matrix, np.asfortranarray])
def test_csr_csc_and_fortran_agree_with_the_dense_fit(data, form, dtype):
    X, s = data
    X = X.astype(dtype)
    options = {"n_components": 3, "exposure": s, "random_state": 0, "tol": 0, "max_iter": 15}
    start = {"weights_init": [0.3, 0.3, 0.4], "rates_init": 1 + np.arange(18.0).reshape(3, 6) / 9}
    plain, other = fitted(X, **options, **start), fitted(form(X), **options, **start)
    assert_allclose(other.rates_, plain.rates_, rtol=2e4 * np.finfo(dtype).eps)
    assert_allclose(
        other.predict_proba(form(X), s), plain.predict_proba(X, s), atol=2e4 * np.finfo(dtype).eps
    )
    seeded = fitted(form(X), **options)
    assert np.isfinite(seeded.lower_bound_)


def test_float32_agrees_with_float64(data):
    X, s = data
    options = {"n_components": 3, "exposure": s, "tol": 0, "max_iter": 15, "accelerate": False}
    start = {"weights_init": [0.3, 0.3, 0.4], "rates_init": 1 + np.arange(18.0).reshape(3, 6) / 9}
    single, double = (fitted(X.astype(t), **options, **start) for t in (np.float32, np.float64))
    assert_allclose(single.lower_bounds_, double.lower_bounds_, rtol=1e-6)
    assert_allclose(single.rates_, double.rates_, rtol=1e-3)


def test_results_do_not_depend_on_the_threads(data):
    X = np.tile(data[0], (4, 1))
    options = {"n_components": 4, "max_iter": 20, "tol": 0, "random_state": 0, "init_params": "random"}
    for form in (np.asarray, sp.csr_array):
        first = fitted(form(X), n_threads=1, **options)
        for n_threads in (2, 5):
            other = fitted(form(X), n_threads=n_threads, **options)
            assert_array_equal(other.rates_, first.rates_)
            assert other.lower_bounds_ == first.lower_bounds_


def test_a_rate_of_zero_stays_and_gives_no_nan():
    X = np.array([[0.0, 3], [0, 5], [2, 0], [3, 0]])
    model = fitted(X, weights_init=[0.5, 0.5], rates_init=[[0, 4.0], [2.5, 0]], tol=1e-8)
    assert_array_equal(model.rates_, [[0, 4], [2.5, 0]])
    assert_array_equal(model.predict_proba(X), [[1, 0], [1, 0], [0, 1], [0, 1]])
    assert_array_equal(model.score_samples([[1, 1]]), -np.inf)
    assert_array_equal(model.predict_proba([[1, 1]]), [model.weights_])
    assert np.isfinite(model.lower_bounds_).all()


def test_a_start_that_makes_a_row_impossible_is_refused():
    with pytest.raises(ValueError, match="rates_init makes a row of X impossible"):
        gf.PoissonMixture(1, weights_init=[1], rates_init=[[0.0, 1]]).fit([[1, 1], [0, 2]])


@pytest.mark.parametrize("X", [np.zeros((6, 3)), np.full((6, 3), 4.0), np.eye(6), np.eye(6) * 1e8])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_degenerate_counts_give_finite_fits(X, dtype):
    for k in (1, 2, 6):
        model = gf.PoissonMixture(k, random_state=0).fit(X.astype(dtype))
        assert np.isfinite(model.rates_).all()
        assert np.isfinite(model.lower_bounds_).all()
        assert_allclose(model.weights_.sum(), 1, rtol=1e-6)


def test_one_row_is_its_own_rate():
    model = gf.PoissonMixture(1).fit([[3, 0, 5]])
    assert_array_equal(model.rates_, [[3, 0, 5]])


def hessian(f, at, step=1e-4):
    """Second derivatives by central differences."""
    moves = step * np.eye(len(at))

    def second(a, b):
        return (f(at + a + b) - f(at + a - b) - f(at - a + b) + f(at - a - b)) / (4 * step**2)

    return np.array([[second(a, b) for a in moves] for b in moves])


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("shape", [1, 3])
def test_standard_errors_are_those_of_the_curvature_of_the_likelihood(form, shape):
    rng = np.random.default_rng(0)
    s, w = 0.5 + rng.random(400), rng.integers(0, 3, 400)
    rates = np.array([[1.0, 4], [3, 0.5], [6, 6]])
    X = rng.poisson(rates[rng.integers(3, size=400)] * s[:, None]).astype(float)
    start = {"weights_init": [0.3, 0.3, 0.4], "rates_init": rates}
    options = {"n_components": 3, "tol": 0, "max_iter": 300, "prior_shape": shape, **start}
    model = fitted(form(X), sample_weight=w, exposure=s, **options)

    def log_posterior(vector):
        shares, means = np.append(vector[:2], 1 - vector[:2].sum()), vector[2:].reshape(3, 2)
        joint = np.log(shares) + poisson.logpmf(X[:, None], s[:, None, None] * means).sum(axis=2)
        return w @ np.logaddexp.reduce(joint, axis=1) + (shape - 1) * np.log(means).sum()

    curvature = hessian(log_posterior, np.append(model.weights_[:2], model.rates_))
    covariance = np.linalg.inv(-curvature)
    weight_errors, rate_errors = model.standard_errors(form(X), sample_weight=w, exposure=s)
    assert_allclose(np.append(weight_errors[:2], rate_errors), np.sqrt(np.diag(covariance)), rtol=1e-4)
    assert_allclose(weight_errors[2], np.sqrt(covariance[:2, :2].sum()), rtol=1e-4)


def test_standard_errors_of_one_component_are_those_of_a_mean():
    X = np.array([[1.0, 0], [3, 0], [5, 0]])
    weights, rates = gf.PoissonMixture().fit(X).standard_errors(X)
    assert_array_equal(weights, [0])
    assert_allclose(rates, [[1, np.nan]])


def test_samples_are_counts_of_the_right_means(data):
    X, s = data
    model = fitted(X, n_components=3, exposure=s, random_state=0)
    drawn, labels = model.sample(20_000)
    assert_array_equal(drawn, np.round(drawn))
    assert_allclose(np.bincount(labels) / 20_000, model.weights_, atol=0.02)
    for k in range(3):
        assert_allclose(drawn[labels == k].mean(axis=0), model.rates_[k], atol=0.15)
    doubled, _ = model.sample(20_000, exposure=np.full(20_000, 2.0))
    assert_allclose(doubled.mean(axis=0), 2 * drawn.mean(axis=0), atol=0.2)
