"""The same answer from every solver of Ridge, certified."""

import warnings

import numpy as np
import pytest
import scipy.linalg as la
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from ridge.cases import EXACT, SOLVERS, problem
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf
from gramfold.ridge import ways

SHAPES = [(60, 5), (7, 30), (1, 1), (2, 1), (1, 4), (100, 33)]
MATRICES = [np.array, sp.csr_array, sp.csc_array]


def exact(X, Y, alpha, weights, intercept):
    """Coefficients and intercepts by least squares on the penalty written as further rows."""
    root = np.sqrt(weights)[:, None]
    mean_x, mean_y = ((weights @ a / weights.sum() if intercept else np.zeros(a.shape[1])) for a in (X, Y))
    rows = np.vstack([root * (X - mean_x), np.sqrt(alpha) * np.eye(X.shape[1])])
    right = np.vstack([root * (Y - mean_y), np.zeros((X.shape[1], Y.shape[1]))])
    B = la.lstsq(rows, right)[0]
    return B.T, mean_y - mean_x @ B


@pytest.mark.parametrize("form", MATRICES)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_every_solver_finds_the_minimum(n, p, solver, form):
    if solver == "svd" and form is not np.array:
        return
    # Weights or none, an intercept or none: each beside every shape, form and solver.
    turn = SHAPES.index((n, p)) + MATRICES.index(form) + SOLVERS.index(solver)
    weighted, intercept = turn % 2 == 0, turn // 2 % 2 == 0
    X, Y, weights = problem(n, p, offset=0.5)
    coef, offset = exact(X, Y, 2.0, weights if weighted else np.ones(n), intercept)
    model = gf.Ridge(2.0, solver=solver, fit_intercept=intercept, tol=1e-12, max_iter=100_000)
    model.fit(form(X), Y, weights if weighted else None)
    tight = 1e-11 if solver in (*EXACT, "cg") else 1e-9
    assert_allclose(model.coef_, coef, rtol=0, atol=tight * max(1, np.abs(coef).max()))
    assert_allclose(model.intercept_, offset, rtol=0, atol=tight * max(1, np.abs(offset).max()) * 10)
    shorter = "cholesky" if p <= n else "dual"
    assert model.solver_ == (shorter if solver in ("cholesky", "dual") else solver)
    assert model.converged_
    assert len(model.history_["gap"]) == len(model.history_["objective"]) == model.n_iter_


@pytest.mark.parametrize("solver", [*SOLVERS, "sgd"])
def test_the_gap_bounds_what_is_left(solver):
    X, Y, _ = problem(50, 12, 1)
    y = Y[:, 0]
    best = gf.Ridge(0.7, solver="svd").fit(X, y)

    def objective(model):
        return 0.5 * np.sum((y - model.predict(X)) ** 2) + 0.35 * np.sum(model.coef_**2)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        rough = gf.Ridge(0.7, solver=solver, max_iter=2, tol=1e-15, random_state=0).fit(X, y)
    left = objective(rough) - objective(best)
    assert left <= rough.duality_gap_ * (1 + 1e-9) + 1e-12 * objective(best)
    assert_allclose(rough.history_["objective"][-1], objective(rough), rtol=1e-12)
    assert rough.history_["gap"][-1] == rough.duality_gap_
    assert best.duality_gap_ < 1e-18 * objective(best)


@pytest.mark.parametrize("solver", ["cd", "admm"])
def test_nonnegative_coefficients_are_the_nnls_solution(solver):
    from scipy.optimize import nnls

    X, Y, _ = problem(40, 15, 3, offset=0)
    alpha = np.array([0.5, 0.0, 2.0])
    options = {"tol": 1e-12, "max_iter": 1_000_000}
    model = gf.Ridge(alpha, solver=solver, positive=True, fit_intercept=False, **options).fit(X, Y)
    for t in range(3):
        rows = np.vstack([X, np.sqrt(alpha[t]) * np.eye(15)])
        expected = nnls(rows, np.append(Y[:, t], np.zeros(15)))[0]
        assert_allclose(model.coef_[t], expected, atol=1e-10)
    assert (model.coef_ >= 0).all()
    assert (model.coef_ == 0).any()
    assert (model.duality_gap_[[0, 2]] < 1e-15).all()


def test_the_gap_of_nonnegative_coefficients_bounds_what_is_left():
    X, Y, _ = problem(40, 15, 1, offset=0)
    y = Y[:, 0]
    best = gf.Ridge(0.5, positive=True, fit_intercept=False).fit(X, y)
    rough = gf.Ridge(0.5, positive=True, solver="admm", fit_intercept=False, callback=lambda info: True).fit(
        X, y
    )
    values = [0.5 * np.sum((y - X @ m.coef_) ** 2) + 0.25 * np.sum(m.coef_**2) for m in (rough, best)]
    assert 1e-6 < values[0] - values[1] <= rough.duality_gap_
    assert best.duality_gap_ < 1e-15 * values[1]


@pytest.mark.parametrize("shape", [(80, 9), (9, 80)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_alphas_of_their_own_are_fits_of_their_own(shape, solver):
    X, Y, _ = problem(*shape, 3)
    alphas = [3.0, 7.0, 50.0]
    options = {"solver": solver, "tol": 1e-12, "max_iter": 1_000_000}
    together = gf.Ridge(alphas, **options).fit(X, Y)
    for t, alpha in enumerate(alphas):
        alone = gf.Ridge(alpha, **options).fit(X, Y[:, t])
        assert_allclose(together.coef_[t], alone.coef_, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(80, 9), (9, 80)])
@pytest.mark.parametrize("form", [np.array, sp.csr_array])
def test_a_path_holds_the_fit_of_every_alpha(shape, form, dtype):
    X, Y, weights = problem(*shape, 2)
    X, Y = form(X.astype(dtype)), Y.astype(dtype)
    alphas = np.array([0.1, 1.0, 30.0])
    coefs, intercepts = gf.ridge_path(X, Y, alphas, sample_weight=weights)
    assert coefs.shape == (3, 2, shape[1])
    assert coefs.dtype == intercepts.dtype == dtype
    single, _ = gf.ridge_path(X, Y[:, 0], alphas, sample_weight=weights)
    assert_allclose(single, coefs[:, 0], rtol=0, atol=1e3 * np.finfo(dtype).eps)
    for a, alpha in enumerate(alphas):
        model = gf.Ridge(alpha).fit(X, Y, weights)
        assert_allclose(coefs[a], model.coef_, rtol=0, atol=1e3 * np.finfo(dtype).eps)
        assert_allclose(intercepts[a], model.intercept_, rtol=0, atol=1e4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("form", [np.array, sp.csr_array])
@pytest.mark.parametrize("solver", ["auto", "cholesky", "svd", "dual"])
def test_without_a_penalty_dependent_columns_give_the_least_norm(solver, form):
    if solver == "svd" and form is not np.array:
        return
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 6))
    X = np.hstack([X, X[:, :2] + X[:, 2:4]])
    y = rng.standard_normal(30)
    model = gf.Ridge(0.0, solver=solver, fit_intercept=False).fit(form(X), y)
    assert_allclose(model.coef_, la.lstsq(X, y)[0], atol=1e-10)
    assert model.solver_ == ("svd" if form is np.array else "eigen")


@pytest.mark.parametrize("solver", ["auto", "cg", "gd", "admm", "sgd", "dual", "cholesky"])
def test_results_do_not_depend_on_the_number_of_threads(solver, dtype):
    X, Y, weights = problem(200 if solver == "dual" else 3000, 23)
    for form in (np.ascontiguousarray, np.asfortranarray, sp.csr_array):
        fits = [
            gf.Ridge(solver=solver, tol=0.05, random_state=0, n_threads=n).fit(
                form(X).astype(dtype), Y.astype(dtype), weights
            )
            for n in (1, 2, 5)
        ]
        for other in fits[1:]:
            assert_array_equal(other.coef_, fits[0].coef_)
            assert_array_equal(other.intercept_, fits[0].intercept_)
            assert other.coef_.dtype == dtype


@pytest.mark.parametrize("form", [np.array, sp.csr_array])
def test_blocks_of_rows_give_the_fit_of_all_rows(form):
    X, Y, weights = problem(200, 7)
    whole = gf.Ridge(0.5).fit(form(X), Y, weights)
    model = gf.Ridge(0.5)
    for rows in np.split(np.arange(200), [1, 40, 43, 150]):
        model.partial_fit(form(X)[rows], Y[rows], weights[rows])
    assert_allclose(model.coef_, whole.coef_, rtol=1e-11, atol=1e-12)
    assert_allclose(model.intercept_, whole.intercept_, rtol=1e-11)
    fresh = gf.Ridge(0.5).fit(form(X)[:50], Y[:50])
    assert_array_equal(model.fit(form(X)[:50], Y[:50]).coef_, fresh.coef_)
    assert_array_equal(model.partial_fit(form(X)[:50], Y[:50]).coef_, fresh.coef_)


@pytest.mark.parametrize("solver", ["cg", "gd", "sgd"])
@pytest.mark.parametrize("form", [np.array, sp.csr_array])
def test_many_columns_are_streamed_to_the_same_solution(monkeypatch, solver, form):
    X, Y, weights = problem(60, 40, offset=0.5)
    options = {"solver": solver, "max_iter": 20_000, "tol": 1e-2 if solver == "sgd" else 1e-11}
    expected = gf.Ridge(5.0).fit(X, Y, weights).coef_
    monkeypatch.setattr(ways, "MOST_COLUMNS", 10)
    monkeypatch.setattr(ways.RidgeProblem, "gram_form", None)
    model = gf.Ridge(5.0, random_state=0, **options).fit(form(X), Y, weights)
    assert model.converged_
    assert_allclose(model.coef_, expected, atol=0.1 if solver == "sgd" else 1e-9)


def test_a_mean_far_from_the_spread_loses_no_digits(dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20_000, 3))
    y = x @ [1.0, -2.0, 0.5] + 4
    # Rows that a sample of every 78th sees at 0 only, so that the first guess of the mean is far off.
    far = np.where(np.arange(20_000) % 78 == 0, 0, 1000.0)[:, None] * [1, 0, 0]
    for shift in (1000.0, far):
        X = (x + shift).astype(dtype)
        spread = X.astype(float) - X.mean(axis=0, dtype=float)
        expected = la.lstsq(spread, y - y.mean())[0]
        model = gf.Ridge(0.0).fit(X, y.astype(dtype))
        assert_allclose(model.coef_, expected, rtol=0, atol=2e-5 if dtype == np.float32 else 1e-11)


def test_the_residual_of_float32_passes_over_x_is_the_true_one():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4200), dtype=np.float32)
    y = X @ rng.standard_normal(4200, dtype=np.float32)
    model = gf.Ridge(solver="cg", tol=1e-9, max_iter=60, fit_intercept=False).fit(X, y)
    X, y, b = X.astype(float), y.astype(float), model.coef_.astype(float)
    true = np.linalg.norm(X.T @ (X @ b - y) + b) / np.linalg.norm(X.T @ y)
    assert true > 1e-9  # single precision cannot reach tol
    assert true / 4 < model.kkt_residual_ < 4 * true
