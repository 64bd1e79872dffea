"""PoissonMixture: the deaths in The Times, EM and its acceleration, priors, exposures, zeros, bad input."""

import logging
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import poisson
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf

# Deaths a day of women of 80 and over in The Times: Hasselblad (1969); Titterington, Smith & Makov (1985).
DAYS = np.array([162.0, 267, 271, 185, 111, 61, 27, 8, 3, 1])
DEATHS = np.arange(10.0)[:, None]
START = {"weights_init": [0.3, 0.7], "rates_init": [[1.0], [2.5]]}
NO_CLASSIFIER = "the check asks any estimator with predict_proba for its classifier tags"
FRACTIONS = "the check's numbers are no counts"
EXPECTED_FAILURES = {
    "check_estimator_sparse_array": NO_CLASSIFIER,
    "check_estimator_sparse_matrix": NO_CLASSIFIER,
    "check_sample_weight_equivalence_on_dense_data": FRACTIONS,
    "check_sample_weight_equivalence_on_sparse_data": FRACTIONS,
}


def fitted(X, *arguments, n_components=2, sample_weight=None, exposure=None, **options):
    """A fit of as many iterations as asked for, converged or not."""
    model = gf.PoissonMixture(n_components, *arguments, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, sample_weight=sample_weight, exposure=exposure)


def times(**options):
    return fitted(DEATHS, sample_weight=DAYS, tol=0, **START, **options)


@pytest.fixture
def data():
    """1500 rows of overlapping components, with their exposures."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(2.0, 1.0, (3, 6))
    labels = rng.integers(3, size=1500)
    s = 0.5 + rng.random(1500)
    return rng.poisson(rates[labels] * s[:, None]).astype(float), s


@parametrize_with_checks(
    [gf.PoissonMixture(), gf.PoissonMixture(2, max_iter=1000)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


METHODS = pytest.mark.parametrize(
    "method", [{"accelerate": False, "max_iter": 4000}, {"max_iter": 250}], ids=["EM", "SQUAREM"]
)


@METHODS
def test_the_times_data_give_the_published_maximum(method):
    model = times(**method)
    assert_array_equal(model.weights_.round(7), [0.3598854, 0.6401146])
    assert_array_equal(model.rates_.round(7), [[1.2560951], [2.6634044]])
    assert round(model.score(DEATHS, sample_weight=DAYS) * 1096, 6) == -1989.945860
    assert round(model.lower_bound_ * 1096, 6) == -1989.945860


@METHODS
def test_the_times_data_give_the_mode_under_a_gamma_prior(method):
    model = times(prior_shape=1, prior_rate=1, **method)
    # The stationary point of the posterior by Newton's method with 40 digits.
    assert_allclose(model.weights_, [0.261666151866, 0.738333848134], atol=2e-8)
    assert_allclose(model.rates_, [[1.052184333422], [2.544014584112]], atol=2e-8)
    assert round(model.score(DEATHS, sample_weight=DAYS) * 1096, 6) == -1990.105533
    assert round(model.lower_bound_ * 1096, 6) == -1993.701732


@METHODS
@pytest.mark.parametrize(
    ("rates", "aic", "bic"),
    [([2], 4004.796, 4009.795), ([1, 2.5], 3985.892, 4000.890), ([1, 2, 3], 3989.892, 4014.889)],
)
def test_criteria_of_the_times_data_are_the_published_ones(method, rates, aic, bic):
    k = len(rates)
    start = {"weights_init": np.full(k, 1 / k), "rates_init": np.array(rates)[:, None]}
    model = fitted(DEATHS, n_components=k, sample_weight=DAYS, tol=0, **start, **method)
    assert round(model.aic(DEATHS, sample_weight=DAYS), 3) == aic
    assert round(model.bic(DEATHS, sample_weight=DAYS), 3) == bic
    if k == 1:
        assert round(model.rates_[0, 0], 6) == 2.156934
        assert round(model.score(DEATHS, sample_weight=DAYS) * 1096, 6) == -2001.397847


def test_a_third_component_of_rate_zero_is_better_than_a_repeated_one():
    model = fitted(DEATHS, n_components=3, sample_weight=DAYS, tol=0, max_iter=500, random_state=0)
    assert model.rates_.min() < 1e-6
    assert round(model.score(DEATHS, sample_weight=DAYS) * 1096, 6) == -1989.927105


def test_weights_of_rows_are_rows_repeated():
    repeated = np.repeat(DEATHS, DAYS.astype(int), axis=0)
    options = {"tol": 0, "max_iter": 20, **START}
    weighted, plain = times(max_iter=20), fitted(repeated, **options)
    assert_allclose(weighted.rates_, plain.rates_, rtol=1e-10)
    assert_allclose(weighted.lower_bounds_, plain.lower_bounds_, rtol=1e-12)
    assert_allclose(weighted.bic(DEATHS, sample_weight=DAYS), plain.bic(repeated), rtol=1e-12)


def test_acceleration_needs_far_fewer_reads_of_the_data():
    goal = -1989.945860 - 1e-4
    reached = [
        next(
            i
            for i, bound in enumerate(times(accelerate=a, max_iter=900).lower_bounds_)
            if bound * 1096 > goal
        )
        for a in (False, True)
    ]
    assert reached[1] * 5 < reached[0]


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


def test_warm_start_goes_on_where_the_last_fit_ended(data):
    X, _ = data
    options = {"n_components": 3, "accelerate": False, "tol": 0, "random_state": 0}
    whole = fitted(X, max_iter=12, **options)
    parts = fitted(X, max_iter=5, warm_start=True, **options)
    parts.set_params(max_iter=7)
    with pytest.warns(ConvergenceWarning):
        parts.fit(X)
    assert_allclose(parts.rates_, whole.rates_, rtol=1e-12)
    assert_allclose(parts.lower_bounds_, whole.lower_bounds_[5:], rtol=1e-13)


def test_more_starts_are_never_worse(data):
    X, _ = data
    bounds = [
        fitted(X, n_components=4, init_params="random", n_init=n, random_state=0).lower_bound_ for n in (1, 4)
    ]
    assert bounds[1] >= bounds[0]


def test_not_converged_is_a_warning_and_history_says_how_it_went(data):
    X, _ = data
    with pytest.warns(ConvergenceWarning, match=r"did not converge.*max_iter=3"):
        model = gf.PoissonMixture(3, max_iter=3, tol=0, random_state=0).fit(X)
    assert not model.converged_
    assert model.n_iter_ == 3
    assert_array_equal(model.history_["objective"], model.lower_bounds_)
    assert (np.diff(model.history_["seconds"]) >= 0).all()
    assert gf.PoissonMixture(2, random_state=0).fit(X).converged_


def test_callback_and_time_limit_stop_the_fit_without_a_warning(data):
    X, _ = data
    seen = []

    def stop(info):
        seen.append(info.iteration)
        return info.iteration == 4

    model = gf.PoissonMixture(3, tol=0, callback=stop, n_init=3, random_state=0).fit(X)
    assert seen == [1, 2, 3, 4]
    assert model.n_iter_ == 4
    assert gf.PoissonMixture(3, tol=0, max_time=0, random_state=0).fit(X).n_iter_ == 1


def test_verbose_logs_every_so_many_iterations(data, caplog):
    with caplog.at_level(logging.INFO, "gramfold"):
        fitted(data[0], max_iter=7, tol=0, verbose=1, verbose_interval=3, random_state=0)
    assert [record.message.split(",")[0] for record in caplog.records] == ["Iteration 3", "Iteration 6"]


BAD_DATA = {
    "negative": ([[1.0, -2]], "Negative values in data passed to PoissonMixture: X holds -2"),
    "fraction": ([[1.0, 0.5]], "not whole numbers"),
    "NaN": ([[np.nan, 1]], "NaN"),
    "infinity": ([[np.inf, 1]], "infinity"),
    "negative in CSR": (sp.csr_array([[1.0, -2]]), "X holds -2"),
    "fraction in CSR": (sp.csr_array([[0.5, 0]]), "not whole numbers"),
}


@pytest.mark.parametrize("bad", BAD_DATA)
def test_what_is_no_count_is_refused_and_nothing_is_changed(bad):
    X, message = BAD_DATA[bad]
    model = gf.PoissonMixture().fit([[1, 2], [3, 4]])
    before = dict(vars(model))
    for call in (model.fit, model.predict, model.score_samples):
        with pytest.raises(ValueError, match=message):
            call(X)
    assert vars(model) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 0}, "n_components must be at least 1"), ({"n_components": 5}, "n_components = 5"),
        ({"tol": -1}, "tol must be"), ({"max_iter": -1}, "max_iter must"), ({"n_init": 0}, "n_init must be"),
        ({"init_params": "guess"}, "init_params must be one of"), ({"prior_shape": 0.5}, "prior_shape must"),
        ({"prior_rate": -1}, "prior_rate must be"), ({"accelerate": 1}, "accelerate must be"),
        ({"weights_init": [0.5, 0.6]}, "'weights' should be normalized"),
        ({"weights_init": [1]}, "'weights' should have the shape"),
        ({"weights_init": [2, -1]}, r"'weights' should be in the range \[0, 1\]"),
        ({"rates_init": [[1, 2]]}, "rates_init must have shape"),
        ({"rates_init": [[1, 2], [-1, 1]]}, "rates_init must not be negative"),
        ({"callback": 3}, "callback must be callable"), ({"max_time": -1}, "max_time must be"),
        ({"n_threads": 0}, "n_threads must be"), ({"warm_start": None}, "warm_start must be"),
        ({"verbose": -1}, "verbose must be"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        gf.PoissonMixture(**{"n_components": 2, **options}).fit([[1, 2], [3, 4], [0, 1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_weight": [1, 2]}, "sample_weight must have shape"),
        ({"sample_weight": [1, -2, 1]}, "sample_weight must not be negative"),
        ({"sample_weight": [0, 0, 0]}, "sample_weight must not be all zero"),
        ({"exposure": [1, 0, 1]}, "exposure must be positive"),
        ({"exposure": [1, np.nan, 1]}, "NaN"), ({"exposure": [1]}, "exposure must have shape"),
    ],
)  # fmt: skip
def test_bad_weights_and_exposures_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        gf.PoissonMixture().fit([[1, 2], [3, 4], [0, 1]], **arguments)
