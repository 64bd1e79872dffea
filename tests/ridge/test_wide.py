"""Ridge with fewer rows than columns, or more: every solver goes through the shorter side of X."""

import tracemalloc

import numpy as np
import pytest
import scipy.linalg as la
import scipy.sparse as sp
from numpy.testing import assert_allclose
from ridge.cases import FORMS
from scipy.optimize import nnls

import gramfold as gf
from gramfold.ridge.centred_rows import CentredRows
from gramfold.ridge.data import read
from gramfold.ridge.forms import FewRowsForm, GramForm, rows_about_means
from gramfold.ridge.moments import moments


def wide(kind, n=60, p=620, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    if kind == "twice":
        X[:, p // 2 :] = X[:, : p // 2]
    elif kind == "sparse":
        X *= rng.random((n, p)) < 0.1
    elif kind == "far":
        X[:, ::7] += 1e6
    elif kind == "low rank":
        X = rng.random((n, 8)) @ rng.standard_normal((8, p))
    y = X[:, 1:7] @ [1, 2, 3, -4, 5, 6] + 20 * rng.standard_normal(n)
    return X, y, rng.integers(0, 4, n) + 0.5


def centred(X, y, weights):
    X, y = X - np.average(X, axis=0, weights=weights), y - np.average(y, weights=weights)
    return np.sqrt(weights)[:, None] * X, np.sqrt(weights) * y


def bytes_of(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(3000, 20), (20, 3000)], ids=["tall", "wide"])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_no_solver_holds_the_square_of_the_longer_side(shape, form, positive, alpha):
    X, y, _ = wide("sparse", *shape)
    X = form(X)
    for solver in ("admm", "cd") if positive else ("auto", "cholesky", "dual", "admm"):
        model = gf.Ridge(alpha, solver=solver, positive=positive, max_iter=3, tol=0)
        assert bytes_of(lambda model=model: model.fit(X, y)) < 3000**2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("alpha", [0.0, 1e-8, 0.5, 100.0])
@pytest.mark.parametrize("kind", ["any", "twice", "sparse", "far", "low rank"])
def test_nonnegative_coefficients_of_few_rows_are_the_nnls_solution(kind, alpha, form):
    X, y, weights = wide(kind)
    model = gf.Ridge(alpha, positive=True).fit(form(X), y, weights)
    assert model.solver_ == "cd"
    assert model.converged_ is True
    Z, t = centred(X, y, weights)
    best = nnls(np.vstack([Z, np.sqrt(alpha) * np.eye(620)]), np.append(t, np.zeros(620)))[0]

    def objective(b):
        return 0.5 * np.sum((t - Z @ b) ** 2) + 0.5 * alpha * (b @ b)

    assert (model.coef_ >= 0).all()
    assert objective(model.coef_) <= objective(best) + 1e-13 * (t @ t)
    gradient = Z.T @ (t - Z @ model.coef_) - alpha * model.coef_
    off = np.where(model.coef_ > 0, gradient, np.maximum(gradient, 0))
    # Of columns at 1e6 the rounding of Z itself is seen.
    assert la.norm(off) < (1e-8 if kind == "far" else 1e-12) * la.norm(Z.T @ t)
    if alpha >= 0.5 and kind != "far":
        assert_allclose(model.coef_, best, rtol=0, atol=1e-9 * best.max())


def test_nonnegative_coefficients_of_several_targets_have_alphas_of_their_own(dtype):
    X, y, _ = wide("any")
    Y = np.stack([y, X[:, 3] + y, -y], axis=1).astype(dtype)
    alphas = [0.5, 1e-3, 7.0]
    together = gf.Ridge(alphas, positive=True).fit(X.astype(dtype), Y)
    for t, alpha in enumerate(alphas):
        Z, target = centred(X.astype(dtype).astype(float), Y[:, t].astype(float), np.ones(60))
        rows = np.vstack([Z, np.sqrt(alpha) * np.eye(620)])
        best = nnls(rows, np.append(target, np.zeros(620)))[0]
        assert_allclose(together.coef_[t], best, rtol=0, atol=2000 * np.finfo(dtype).eps * best.max())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["any", "sparse"])
def test_the_minimum_near_given_coefficients_is_the_same_by_either_side(kind, weighted, form):
    X, y, weights = wide(kind, 20, 70)
    data = read(gf.Ridge(), form(X), y, weights if weighted else None, reset=True)
    rows = rows_about_means(data)
    assert isinstance(rows, CentredRows)
    Z, t = centred(X, y, weights if weighted else np.ones(20))
    C = np.random.default_rng(1).standard_normal((70, 1))
    gram, few = GramForm(moments(data)), FewRowsForm(rows, data.units)
    for rho in (1e-6, 1.0, 1e6):
        above, below = np.vstack([Z, np.sqrt(rho) * np.eye(70)]), np.sqrt(rho) * C
        expected = la.lstsq(above, np.vstack([t[:, None], below]))[0]
        assert_allclose(few.nearest(rho)(C), expected, rtol=0, atol=1e-11 * np.abs(expected).max())
        assert_allclose(gram.nearest(rho)(C), expected, rtol=0, atol=1e-6 if rho < 1 else 1e-11)
    assert_allclose(few.extremes()[1], gram.extremes()[1], rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("positive", [False, True])
def test_admm_of_few_rows_finds_the_minimum(positive, form, dtype):
    X, y, weights = wide("any", 40, 300)
    X, y = X.astype(dtype), y.astype(dtype)
    tol = 1e-11 if dtype == np.float64 else 1e-5
    model = gf.Ridge(2.0, solver="admm", positive=positive, tol=tol).fit(form(X), y, weights)
    assert model.converged_
    Z, t = centred(X.astype(float), y.astype(float), weights)
    rows, right = np.vstack([Z, np.sqrt(2) * np.eye(300)]), np.append(t, np.zeros(300))
    best = nnls(rows, right)[0] if positive else la.lstsq(rows, right)[0]
    assert_allclose(model.coef_, best, rtol=0, atol=(1e-9 if dtype == np.float64 else 1e-3) * best.max())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("options", [{"positive": True}, {"solver": "admm"}, {"solver": "cholesky"}])
def test_entries_that_are_not_finite_are_refused(options, bad):
    X, y, _ = wide("any")
    X[17, 300] = bad
    for form in (np.asarray, sp.csr_array):
        with pytest.raises(ValueError, match="contains"):
            gf.Ridge(**options).fit(form(X), y)


@pytest.mark.parametrize("form", [np.ascontiguousarray, np.asfortranarray, sp.csr_array])
def test_nonnegative_coefficients_of_few_rows_do_not_depend_on_the_threads(form):
    X, y, weights = wide("sparse")
    fits = [gf.Ridge(positive=True, n_threads=n).fit(form(X), y, weights).coef_ for n in (1, 2, 5)]
    assert (fits[1] == fits[0]).all()
    assert (fits[2] == fits[0]).all()
