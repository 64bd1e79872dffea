"""Ridge is exact: at any scale, with small penalties, ill-conditioned, in float32, non-negative."""

import numpy as np
import pytest
import scipy.linalg as la
from numpy.testing import assert_allclose, assert_array_equal
from ridge.cases import FORMS, WAYS, Exact, far_away, fitted
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf
from gramfold.ridge.centred_rows import CentredRows


def scales(dtype):
    """Exponents of X, of y and of the weights, even where roots are drawn."""
    far = 60 if dtype == np.float32 else 498
    x, y = (10, -far, far, 0, 60 - far, 0, 0), (3, 0, far, -far, far, 0, 0)
    return zip(x, y, (6, 0, 0, 0, 0, 900, -900), strict=True)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
def test_a_scaled_problem_has_the_scaled_solution_bit_for_bit(way, form, dtype):
    if way == "svd" and form is not np.asarray:
        return
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((60, 6)) * (rng.random((60, 6)) < 0.7)).astype(dtype)
    y, weights = (X @ np.arange(1.0, 7) + rng.standard_normal(60) + 3).astype(dtype), rng.random(60)
    expected = fitted(way, form(X), y, weights, sgd_tol=0.05)
    for ex, ey, ew in scales(dtype):
        alpha = float(np.ldexp(0.5, 2 * ex + ew))
        scaled = form(np.ldexp(X, ex)), np.ldexp(y, ey), np.ldexp(weights, ew)
        found = fitted(way, *scaled, alpha, sgd_tol=0.05)
        assert_array_equal(np.ldexp(found.coef_, ex - ey), expected.coef_)
        assert np.ldexp(found.intercept_, -ey) == expected.intercept_
        if way != "path":
            assert found.duality_gap_ == np.ldexp(expected.duality_gap_, 2 * ey + ew)
            assert found.kkt_residual_ == expected.kkt_residual_


@pytest.mark.parametrize("size", [1e300, 1e-300])
@pytest.mark.parametrize("way", WAYS)
def test_weights_of_any_size_are_weights(way, size, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4)).astype(dtype)
    y, weights = (X @ [1, 2, 3, 4] + rng.standard_normal(60)).astype(dtype), 1 + rng.random(60)
    model = fitted(way, X, y, size * weights, 1.0)
    if size > 1:
        expected = Exact(X, y, 0.0, weights)
        tight = 0.05 if way == "sgd" else 4e-6 if dtype == np.float32 else 1e-10
        assert expected.error(model) < tight
    else:
        root = weights * size
        z, t = (a - np.average(a, axis=0, weights=weights) for a in (X.astype(float), y.astype(float)))
        assert_allclose(model.coef_, z.T @ (root * t), rtol=0.01 if way == "sgd" else 1e-6, atol=1e-37)


def test_scales_that_a_dtype_cannot_hold_are_refused():
    X, y = np.random.default_rng(0).standard_normal((2, 30, 3)).astype(np.float32)
    y = y[:, 0]
    with pytest.raises(ValueError, match="coefficients leave the range of float32"):
        gf.Ridge(0).fit(X * np.float32(1e-30), y * np.float32(1e15))
    with pytest.raises(ValueError, match="alpha=1e-10 is too large beside the squares of X"):
        gf.Ridge(1e-10).fit(X.astype(float) * 1e-170, y)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("alpha", [0.0, 1e-12, 1e-10, 1e-6])
@pytest.mark.parametrize(("n", "p"), [(40, 50), (50, 50), (200, 50)])
def test_a_small_penalty_loses_no_digits(n, p, alpha, form, intercept):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, p)), rng.standard_normal(n)
    z, t = (X - X.mean(axis=0), y - y.mean()) if intercept else (X, y)
    U, s, Vt = la.svd(z, full_matrices=False)
    kept = s > 1e-10 * s[0]
    expected = Vt[kept].T @ (s[kept] / (s[kept] ** 2 + alpha) * (U.T @ t)[kept])
    for solver in ("auto", "cholesky", "dual"):
        model = gf.Ridge(alpha, solver=solver, fit_intercept=intercept).fit(form(X), y)
        assert la.norm(model.coef_ - expected) < 1e-10 * la.norm(expected)
    coefs, _ = gf.ridge_path(form(X), y, [alpha, 1.0], fit_intercept=intercept)
    assert la.norm(coefs[0] - expected) < 1e-10 * la.norm(expected)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("condition", [1e4, 1e6, 1e7, 1e8, 1e10])
def test_an_ill_conditioned_system_is_solved_as_well_as_by_orthogonal_factors(condition, form, intercept):
    rng = np.random.default_rng(0)
    U, V = la.qr(rng.standard_normal((200, 12)), mode="economic")[0], la.qr(rng.standard_normal((12, 12)))[0]
    X, b = U * np.geomspace(1, 1 / condition, 12) @ V.T, rng.standard_normal(12)
    y = X @ b + (rng.standard_normal(200) / condition)
    exact = Exact(X, y, 0.0, None, intercept)
    assert exact.error(gf.Ridge(0, fit_intercept=intercept).fit(form(X), y)) < 100 * condition * 2.2e-16
    path = gf.Ridge()
    coefs, intercepts = gf.ridge_path(form(X), y, [0.0, 1.0], fit_intercept=intercept)
    path.coef_, path.intercept_ = coefs[0], intercepts[0]
    assert exact.error(path) < 100 * condition * 2.2e-16


@pytest.mark.parametrize("form", FORMS)
def test_columns_of_unlike_sizes_need_no_svd(form, dtype):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((300, 5)) * [1e-4, 1, 1e3, 1e6, 1e-2]).astype(dtype)
    y = (X @ [1e4, 2, 3e-3, 4e-6, 5e2] + rng.standard_normal(300)).astype(dtype)
    exact, model = Exact(X, y, 1e-12), gf.Ridge(1e-12).fit(form(X), y)
    assert model.solver_ == "cholesky"
    assert_allclose(model.coef_, exact.coef[0], rtol=1e-6 if dtype == np.float32 else 1e-11)


def test_float32_data_give_the_coefficients_nearest_to_their_solution():
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((500, 20)) @ rng.standard_normal((20, 20)) + 5).astype(np.float32)
    y = rng.standard_normal(500).astype(np.float32)
    exact = Exact(X, y, 1e-3)
    for form in FORMS:
        model = gf.Ridge(1e-3).fit(form(X), y)
        assert exact.error(model) < 1e-7
        assert exact.above(model) <= model.duality_gap_ * (1 + 1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
def test_at_most_one_read_beside_that_of_the_moments_certifies(monkeypatch, condition, form, dtype):
    rng = np.random.default_rng(0)
    mixed = np.eye(8) if condition == 1 else rng.standard_normal((8, 8))
    X = (rng.standard_normal((600, 8)) * np.geomspace(1, condition, 8) @ mixed + 3).astype(dtype)
    Y = (X @ rng.standard_normal((8, 3)) + rng.standard_normal((600, 3))).astype(dtype)
    reads, misfit = [], CentredRows.misfit

    def counted(*arguments):
        reads.append(1)
        return misfit(*arguments)

    monkeypatch.setattr(CentredRows, "misfit", counted)
    model, exact = gf.Ridge(0.5).fit(form(X), Y), Exact(X, Y, 0.5)
    if condition == 1:
        assert not reads  # sums in double are as exact as one
    assert exact.error(model) < (1e-7 if dtype == np.float32 else 1e-11)
    room = 1e-17 * exact.best.astype(float)  # of long double
    assert (exact.above(model) <= model.duality_gap_ * (1 + 1e-6) + room).all()
    B = model.coef_.astype(np.longdouble).T
    X = exact.X - exact.X.mean(axis=0)
    gradient = X.T @ (exact.y - exact.y.mean(axis=0) - X @ B) - 0.5 * B
    rounding = 1e-13 * la.norm((X.T @ X).astype(float)) * la.norm(B.astype(float), axis=0)
    gaps = (la.norm(gradient.astype(float), axis=0) * 1.2 + rounding) ** 2 / 2 / 0.5
    assert (model.duality_gap_ <= 1.3 * gaps + 1e-12 * exact.best.astype(float)).all()


def test_float32_targets_of_little_noise_need_no_second_read(monkeypatch):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((3000, 40)) + 3).astype(np.float32)
    Y = X @ rng.standard_normal((40, 30)) + 0.1 * rng.standard_normal((3000, 30))
    Y = Y.astype(np.float32)

    def refuse(*arguments):
        raise AssertionError("rows were read again")

    monkeypatch.setattr(CentredRows, "misfit", refuse)
    model, exact = gf.Ridge(0.5).fit(X, Y), Exact(X, Y, 0.5)
    assert exact.error(model) < 1e-7
    assert_allclose(
        model.history_["objective"][-1], float((exact.best + exact.above(model)).sum()), rtol=1e-7
    )
    assert (exact.above(model) <= model.duality_gap_ * (1 + 1e-6)).all()


# A shell that starts the tests in the background has them ignore SIGINT.
INTERRUPTED = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import numpy as np, gramfold as gf
from gramfold.ridge import faces as ridge_faces
solve, faces = ridge_faces.positive_definite, []
def counted(*arguments):
    faces.append(1)
    if len(faces) == 2:
        os.kill(os.getpid(), signal.SIGINT)
    return solve(*arguments)
ridge_faces.positive_definite = counted
X = np.random.default_rng(0).standard_normal((700, 600))
model = gf.Ridge(positive=True)
try:
    model.fit(X, X @ np.arange(-300, 300.0) + np.random.default_rng(1).standard_normal(700))
except KeyboardInterrupt:
    print("interrupted", len(faces), hasattr(model, "coef_"))
"""


def test_an_interrupt_ends_a_nonnegative_fit_after_one_factorisation(run_python):
    assert run_python(INTERRUPTED) == "interrupted 2 False\n"


@pytest.mark.parametrize("rank", [600, 40])
def test_many_nonnegative_coefficients_are_the_nnls_solution(rank):
    from scipy.optimize import nnls

    rng = np.random.default_rng(0)
    X = rng.random((620, rank)) @ (np.eye(600) if rank == 600 else rng.standard_normal((rank, 600)))
    y = X @ np.maximum(rng.standard_normal(600), 0) + 20 * rng.standard_normal(620)
    model = gf.Ridge(0.5, positive=True, fit_intercept=False).fit(X, y)
    expected = nnls(np.vstack([X, np.sqrt(0.5) * np.eye(600)]), np.append(y, np.zeros(600)))[0]
    assert la.norm(model.coef_ - expected) < 1e-10 * la.norm(expected)
    assert model.converged_ is True
    assert model.duality_gap_ < 1e-16 * la.norm(y) ** 2


def test_an_iteration_that_rounding_ends_says_so():
    X, y, _ = far_away(1e3, 1, np.float32)
    rng = np.random.default_rng(0)
    X = np.hstack([X, rng.standard_normal((len(X), 16)).astype(np.float32)])  # so many that sums are float32
    with pytest.warns(ConvergenceWarning, match="sums over float32 are no more exact"):
        model = gf.Ridge(solver="cg", tol=1e-11).fit(X, y)
    assert model.converged_ is False
