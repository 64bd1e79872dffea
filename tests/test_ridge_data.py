"""Ridge on the data that people have: sparse in any order, far from 0, of any scale, ill-conditioned."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg as la
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from ridge_cases import Exact, parts
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf
from gramfold import ridge_fit

DIRECT = ("auto", "svd", "dual")
ITERATIVE = ("cg", "gd", "admm")
WAYS = (*DIRECT, *ITERATIVE, "sgd", "positive", "positive admm", "blocks", "path")
FORMS = [np.asarray, sp.csr_array]


def fitted(way, X, y, weights=None, alpha=0.5, **options):
    """A model with coefficients; those of `ridge_path` too."""
    if way == "path":
        model = gf.Ridge()
        coefs, intercepts = gf.ridge_path(X, y, [alpha, 2 * alpha], sample_weight=weights, **options)
        model.coef_, model.intercept_ = coefs[0], intercepts[0]
        return model
    solver = {"positive": "cd", "positive admm": "admm", "blocks": "auto"}.get(way, way)
    tol = 1e-3 if way == "sgd" else 3e-6 if X.dtype == np.float32 else 1e-12
    model = gf.Ridge(
        alpha, solver=solver, positive=way.startswith("positive"), tol=tol, max_iter=100_000, random_state=0,
        **options,
    )  # fmt: skip
    if way != "blocks":
        return model.fit(X, y, weights)
    for rows in np.array_split(np.arange(len(y)), 3):
        model.partial_fit(X[rows], y[rows], None if weights is None else weights[rows])
    return model


def shuffled(X):
    s = sp.csr_array(X)
    rng = np.random.default_rng(3)
    order = np.concatenate([rng.permutation(np.arange(*ends)) for ends in pairwise(s.indptr)])
    return sp.csr_array((s.data[order], s.indices[order], s.indptr), shape=s.shape)


def with_zeros(X):
    s = sp.csr_array(np.where(X == 0, 9, X))
    s.data[s.data == 9] = 0
    return s


def doubled(X):
    s = sp.csr_array(X)
    return sp.csr_array((np.repeat(s.data / 2, 2), np.repeat(s.indices, 2), 2 * s.indptr), shape=s.shape)


def wide_indices(X):
    s = shuffled(X)
    s.indices, s.indptr = s.indices.astype(np.int64), s.indptr.astype(np.int64)
    return s


STRUCTURES = {
    "sorted": sp.csr_array, "unsorted": shuffled,
    "columns permuted": lambda X: sp.csr_array(X[:, ::-1])[:, ::-1],
    "duplicates": doubled, "explicit zeros": with_zeros, "64-bit indices": wide_indices, "CSC": sp.csc_array,
    "COO": sp.coo_array, "BSR": lambda X: sp.bsr_array(X, blocksize=(5, 3)),
    "a slice": lambda X: sp.csr_array(np.pad(X, 2, constant_values=7.0))[2:-2, 2:-2],
}  # fmt: skip


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("way", [way for way in WAYS if way != "svd"])
def test_every_structure_of_a_sparse_matrix_is_read_as_what_it_means(way, structure):
    rng = np.random.default_rng(0)
    X = rng.random((30, 6)) * (rng.random((30, 6)) < 0.6)
    X[4], X[:, 2] = 0, 0
    y, weights = X @ [1, 2, 0, 4, 5, 6] + 0.1 * rng.standard_normal(30), rng.random(30)
    given = STRUCTURES[structure](X)
    if way == "blocks" and given.format not in ("csr", "csc"):
        return
    before = [a.copy() for a in parts(given)]
    expected, model = fitted(way, X, y, weights), fitted(way, given, y, weights)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-9, atol=1e-10)
    assert_allclose(model.intercept_, expected.intercept_, rtol=1e-9)
    for old, new in zip(before, parts(given), strict=True):
        assert_array_equal(new, old)


def far_away(where, spread, dtype, n=300):
    """One column far from 0, a sparse one, one of a single value, and a target that is far away too."""
    rng = np.random.default_rng(1)
    z = rng.standard_normal((n, 5))
    z[:, 3] *= rng.random(n) < 0.3
    X = z.copy()
    X[:, 1], X[:, 4] = where + spread * z[:, 1], where
    y = z @ [1, 2 * spread, 3, 4, 0] + where / 10 + 0.1 * rng.standard_normal(n)
    return X.astype(dtype), y.astype(dtype), rng.random(n)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("where", "spread", "dtype"),
    [(1e7, 1, np.float64), (1e8, 1, np.float64), (1.7e9, 86400, np.float64), (1e4, 1, np.float32)],
)
def test_columns_far_from_the_origin_lose_nothing(where, spread, dtype, way, form):
    slow = spread > 1 and way in ("sgd", "gd")
    if (way == "svd" and form is not np.asarray) or slow:
        return
    X, y, weights = far_away(where, spread, dtype)
    exact = Exact(X, y, 0.5, weights)
    model = fitted(way, form(X), y, weights)
    if way == "sgd":
        assert exact.error(model) < 0.05
    elif spread == 1 or "admm" not in way:
        assert exact.error(model) < (4e-6 if dtype == np.float32 else 1e-11)
    if way != "path":
        assert exact.above(model).sum() <= model.duality_gap_ * (1 + 1e-6) + 1e-15 * exact.best.sum()


@pytest.mark.parametrize("way", ["cg", "gd", "dual"])
@pytest.mark.parametrize("form", FORMS)
def test_columns_far_from_the_origin_lose_nothing_in_passes_over_rows(monkeypatch, form, way):
    monkeypatch.setattr(ridge_fit, "MOST_COLUMNS", 2)
    X, y, weights = far_away(1e8, 1, np.float64)
    exact = Exact(X, y, 0.5, weights)
    assert exact.error(fitted(way, form(X), y, weights)) < 1e-11


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
    expected = fitted(way, form(X), y, weights)
    for ex, ey, ew in scales(dtype):
        alpha = float(np.ldexp(0.5, 2 * ex + ew))
        found = fitted(way, form(np.ldexp(X, ex)), np.ldexp(y, ey), np.ldexp(weights, ew), alpha)
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


INTERRUPTED = """
import os, signal
import numpy as np, gramfold as gf
from gramfold import ridge_nonnegative
solve, faces = ridge_nonnegative.positive_definite, []
def counted(*arguments):
    faces.append(1)
    if len(faces) == 2:
        os.kill(os.getpid(), signal.SIGINT)
    return solve(*arguments)
ridge_nonnegative.positive_definite = counted
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
    with pytest.warns(ConvergenceWarning, match="sums over float32 are no more exact"):
        model = gf.Ridge(solver="cg", tol=1e-11).fit(X, y)
    assert model.converged_ is False


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", [1e4, 1e8])
def test_blocks_far_from_each_other_are_not_lost_between_their_means(way, form):
    rng = np.random.default_rng(0)
    X, start = rng.standard_normal((400, 4)), np.repeat([0.0, way, -3 * way, way / 2], 100)
    X[:, :2] += start[:, None]  # what tells the first two columns apart is within the blocks alone
    y = X @ [1, 2, 3, 4] - 3 * start + rng.standard_normal(400)
    exact, model = Exact(X, y, 0.5), gf.Ridge(0.5)
    for rows in np.array_split(np.arange(400), 4):
        model.partial_fit(form(X[rows]), y[rows])
    assert exact.error(model) < 1e-11 + 1e-16 * way
    assert exact.above(model) <= model.duality_gap_ + 1e-12 * exact.best
    assert exact.error(gf.Ridge(0.5).fit(form(X), y)) < 1e-11 + 1e-16 * way
