"""Ridge where columns or rows are dependent, or nearly so, or of one value: right, or with a warning."""

import numpy as np
import pytest
import scipy.linalg as la
from numpy.testing import assert_allclose, assert_array_equal
from ridge.cases import FORMS, fitted
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf

CONDITIONS = pytest.mark.parametrize("condition", [1e7, 1e9, 1e10])
EVERY_FORM = pytest.mark.parametrize("form", FORMS)


def graded(n, p, condition, seed=0):
    """A matrix whose singular values fall from 1 by equal factors, and those that are not 0."""
    rng = np.random.default_rng(seed)
    short = min(n, p)
    U, V = (la.qr(rng.standard_normal((side, short)), mode="economic")[0] for side in (n, p))
    s = np.geomspace(1, 1 / condition, short)
    return U * s @ V.T, (U, s, V)


def error(found, expected):
    return la.norm(found - expected) / la.norm(expected)


@EVERY_FORM
@CONDITIONS
def test_penalties_beside_each_other_do_as_well_as_each_alone(condition, form):
    X, (U, s, V) = graded(200, 12, condition)
    Y = X @ np.random.default_rng(1).standard_normal((12, 2))
    model = gf.Ridge([0.0, 1e-3], fit_intercept=False).fit(form(X), Y)
    for target, alpha in enumerate(model.alpha):
        expected = V @ (s / (s**2 + alpha) * (U.T @ Y[:, target]))
        assert error(model.coef_[target], expected) < 1000 * condition * 2.2e-16


@EVERY_FORM
@CONDITIONS
def test_nearly_dependent_rows_of_a_wide_matrix_are_all_met(condition, form):
    X, (U, s, V) = graded(12, 200, condition)
    y = X @ np.random.default_rng(1).standard_normal(200)
    expected = V @ (U.T @ y / s)
    assert error(gf.Ridge(0, fit_intercept=False).fit(form(X), y).coef_, expected) < 1e3 * condition * 2.2e-16
    coefs, _ = gf.ridge_path(form(X), y, [0.0, 1.0], fit_intercept=False)
    assert error(coefs[0], expected) < 1e3 * condition * 2.2e-16


@EVERY_FORM
@CONDITIONS
def test_nonnegative_coefficients_of_nearly_dependent_columns_are_right(condition, form):
    X, _ = graded(200, 12, condition)
    b = np.random.default_rng(1).random(12) * (np.arange(12) % 3 > 0)
    model = gf.Ridge(0, positive=True, fit_intercept=False).fit(form(X), X @ b)
    assert error(model.coef_, b) < 100 * condition * 2.2e-16


@EVERY_FORM
@pytest.mark.parametrize("way", ["auto", "svd", "positive", "blocks", "path"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_column_of_one_value_has_no_coefficient(way, weighted, form, dtype):
    """Nor one that has others where the weight is 0 alone."""
    if way == "svd" and form is not np.asarray:
        return
    for seed in range(6):
        rng = np.random.default_rng(seed)
        n, p = int(rng.integers(20, 300)), int(rng.integers(1, 5))
        X, weights = rng.standard_normal((n, p + 1)), rng.random(n) if weighted else None
        X[:, -1] = rng.standard_normal() * 10.0 ** rng.integers(-8, 9)
        if weighted:
            weights[::7] = 0
            X[::7, -1] *= rng.random(len(X[::7]))
        X, y = X.astype(dtype), rng.random(n).astype(dtype)
        model = fitted(way, form(X), y, weights, 0.0)
        expected = fitted(way, form(X[:, :-1]), y, weights, 0.0)
        rtol = 1e-5 if dtype == np.float32 else 1e-9
        assert_allclose(model.coef_[:-1], expected.coef_, rtol=rtol, atol=rtol)
        assert abs(model.coef_[-1] * X[1, -1]) <= rtol


@EVERY_FORM
@pytest.mark.parametrize("alpha", [0.0, 1e-30])
@pytest.mark.parametrize("exponent", [-30, 0, 30])
def test_a_column_beside_its_multiple_shares_the_coefficient_for_the_least_norm(exponent, alpha, form):
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((60, 5)), rng.standard_normal(5)
    times = 2.0**exponent
    X = np.column_stack([A, times * A[:, 0]])
    expected = np.append(b, times * b[0]) / np.where(np.arange(6) % 5 == 0, 1 + times**2, 1)
    found = gf.Ridge(alpha).fit(form(X), A @ b).coef_
    assert_allclose(found, expected, rtol=1e-9, atol=1e-8 if alpha else 1e-14)


@pytest.mark.parametrize("intercept", [True, False])
def test_the_units_of_columns_cost_no_digit(intercept):
    X, _ = graded(100, 6, 1e8)
    X += intercept
    y, unit = np.random.default_rng(1).standard_normal(100), np.ldexp(1.0, [0, 40, -40, 90, -90, 7])
    one, other = (gf.Ridge(0, fit_intercept=intercept).fit(x, y) for x in (X, X * unit))
    assert one.solver_ == other.solver_ == "svd"
    assert_array_equal(other.coef_ * unit, one.coef_)


@pytest.mark.parametrize("alpha", [1e-4, 1e-8])
def test_a_small_penalty_beside_a_long_column_counts_as_much_as_without_it(alpha):
    """The long column has nothing to do with the others, so that it changes nothing of theirs."""
    X, (U, s, V) = graded(100, 6, 1e8)
    far = la.null_space(U.T)[:, :1] * 1e12
    y = np.random.default_rng(1).standard_normal(100)
    expected = V @ (s / (s**2 + alpha) * (U.T @ y))
    found = gf.Ridge(alpha, fit_intercept=False, solver="svd").fit(np.hstack([X, far]), y).coef_
    assert error(found[:-1], expected) < 1e-6
    assert found[-1] == pytest.approx(far[:, 0] @ y / 1e24, rel=1e-9)


@EVERY_FORM
def test_sums_that_hide_what_columns_say_are_warned_of(form):
    X, _ = graded(200, 12, 1e9)
    y = X @ np.ones(12)
    model = gf.Ridge(0, fit_intercept=False)
    with pytest.warns(ConvergenceWarning, match="partial_fit keeps do not tell X .* or use fit"):
        model.partial_fit(form(X), y)
    assert not model.converged_
    assert gf.Ridge(1e-3, fit_intercept=False).partial_fit(form(X), y).converged_
    positive = gf.Ridge(0, fit_intercept=False, positive=True)
    with pytest.warns(ConvergenceWarning, match="partial_fit keeps do not tell X"):
        positive.partial_fit(form(X), y)


def test_a_column_of_zeros_is_nothing_to_warn_of():
    X = np.random.default_rng(0).standard_normal((50, 4))
    X[:, 1] = 0
    model = gf.Ridge(0).partial_fit(X[:25], X[:25, 0]).partial_fit(X[25:], X[25:, 0])
    assert_array_equal(model.coef_.round(12), [1, 0, 0, 0])
