"""Poisson mixtures of the deaths in The Times, whose maximum and criteria are published."""

import numpy as np
import pytest
from mixture.cases import fitted_poisson as fitted
from numpy.testing import assert_allclose, assert_array_equal

# Deaths a day of women of 80 and over in The Times: Hasselblad (1969); Titterington, Smith & Makov (1985).
DAYS = np.array([162.0, 267, 271, 185, 111, 61, 27, 8, 3, 1])


DEATHS = np.arange(10.0)[:, None]


START = {"weights_init": [0.3, 0.7], "rates_init": [[1.0], [2.5]]}


def times(**options):
    return fitted(DEATHS, sample_weight=DAYS, tol=0, **START, **options)


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


@pytest.mark.parametrize(("steps", "moved"), [(1986, 1e-7), (3577, 1e-10)])
def test_em_takes_as_many_iterations_as_in_its_definition(steps, moved):
    """Until no parameter moves by as much; counted by a loop of the two formulas of EM."""

    def parameters(max_iter):
        model = times(accelerate=False, max_iter=max_iter)
        return np.r_[model.weights_, model.rates_[:, 0]]

    before, at_last, after = (parameters(n) for n in (steps - 2, steps - 1, steps))
    assert np.abs(after - at_last).max() < moved <= np.abs(at_last - before).max()


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
