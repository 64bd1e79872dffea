"""PoissonMixture as an estimator: scikit-learn's battery, how a fit ends, what is refused."""

import logging

import numpy as np
import pytest
import scipy.sparse as sp
from mixture.cases import fitted_poisson as fitted
from mixture.cases import overlapping
from numpy.testing import assert_allclose, assert_array_equal
from peer import VERSION
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf


@pytest.fixture
def data():
    return overlapping()


NO_CLASSIFIER = "the check asks any estimator with predict_proba for its classifier tags"


FRACTIONS = "the check's numbers are no counts"


EXPECTED_FAILURES = {
    "check_estimator_sparse_array": NO_CLASSIFIER,
    "check_estimator_sparse_matrix": NO_CLASSIFIER,
    "check_sample_weight_equivalence_on_dense_data": FRACTIONS,
    "check_sample_weight_equivalence_on_sparse_data": FRACTIONS,
}


if VERSION < (1, 7):
    EXPECTED_FAILURES["check_positive_only_tag_during_fit"] = FRACTIONS


@parametrize_with_checks(
    [gf.PoissonMixture(), gf.PoissonMixture(2, max_iter=1000)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


def test_warm_start_goes_on_where_the_last_fit_ended(data):
    X, _ = data
    options = {"n_components": 3, "accelerate": False, "tol": 0, "random_state": 0}
    whole = fitted(X, max_iter=12, **options)
    parts = fitted(X, max_iter=5, warm_start=True, **options)
    parts.set_params(max_iter=7)
    parts.fit(X)
    assert_allclose(parts.rates_, whole.rates_, rtol=1e-12)
    assert_allclose(parts.lower_bounds_, whole.lower_bounds_[5:], rtol=1e-13)


def test_more_starts_are_never_worse(data):
    X, _ = data
    bounds = [
        fitted(X, n_components=4, init_params="random", n_init=n, random_state=0).lower_bound_ for n in (1, 4)
    ]
    assert bounds[1] >= bounds[0]


def test_not_converged_is_a_warning_unless_tol_is_0_and_history_says_how_it_went(data):
    X, _ = data
    with pytest.warns(ConvergenceWarning, match=r"did not converge.*max_iter=3"):
        model = gf.PoissonMixture(3, max_iter=3, tol=1e-9, random_state=0).fit(X)
    gf.PoissonMixture(3, max_iter=3, tol=0, random_state=0).fit(X)
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
