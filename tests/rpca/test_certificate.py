"""Robust PCA: what is proven is proven of the very L, S and Y that a fit gives back."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from rpca.cases import dense, planted
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf

X_PLANTED = planted(60, 40, 3, 0.05, observed=0.8, noise=0.01)[0]
GIVEN = {
    "planted": np.nan_to_num(X_PLANTED),
    "masked": X_PLANTED,
    "wide": np.ascontiguousarray(X_PLANTED.T),
    "csr": sp.csr_array(np.nan_to_num(X_PLANTED)),
    "diagonal": np.diag(np.arange(1.0, 21)),
    "diagonal csr": sp.csr_array(np.diag(np.arange(1.0, 21))),
    "constant": np.ones((12, 7)),
    "one entry": np.pad([[3.0]], ((4, 5), (2, 6))),
    "column": np.arange(9.0)[:, None],
    "zero": np.zeros((6, 4)),
    "zero csr": sp.csr_array((np.zeros(3), ([0, 1, 2], [0, 1, 2])), shape=(6, 4)),
}
OPTIONS = [
    {}, {"lam": 0.01}, {"lam": 0.9, "max_iter": 100}, {"penalty": "l21"}, {"penalty": "l21", "lam": 0.05},
    {"noise": "sqrt"}, {"noise": 0.05}, {"max_rank": 1}, {"tol": 1e-2}, {"max_iter": 1},
    {"max_iter": 3, "noise": 0.05}, {"max_iter": 4, "penalty": "l21"}, {"tol": 0, "max_iter": 5},
]  # fmt: skip


def prices(X, lam, l21, part):
    """Sum of lam |part|."""
    return np.sum(lam * (np.linalg.norm(part, axis=1) if l21 else np.abs(part)))


def check(model, given, rounding):
    """Feasible, of the objective and with the gap that are claimed, all of it in float64."""
    x, L, S = (np.asarray(dense(a), np.float64) for a in (given, model.complete(), model.sparse_))
    Y = np.asarray(dense(model.dual_), np.float64)
    seen = ~np.isnan(x)
    if sp.issparse(given):
        seen[:] = False
        stored = given.tocoo()
        seen[given.nonzero() if given.data.any() else (stored.row, stored.col)] = True
    n, size, l21 = seen.sum(), np.linalg.norm(x[seen]), model.penalty == "l21"
    rest = np.where(seen, np.nan_to_num(x) - L - S, 0)
    allowed = model.noise * np.sqrt(n) if isinstance(model.noise, float) else 0.0
    if model.noise != "sqrt":
        left = max(model.tol if model.converged_ else 0, 1e-6, rounding) * size
        assert np.linalg.norm(rest) <= allowed * (1 + rounding) + left
    assert not S[~seen].any()
    assert not Y[~seen].any()
    # The dual point is feasible, and what it proves is what is claimed.
    weight = np.sqrt(n / max(x.shape) / 2)
    assert np.linalg.norm(Y, 2) <= 1 + rounding
    assert np.all((np.linalg.norm(Y, axis=1) if l21 else np.abs(Y)) <= model.lam_ * (1 + rounding))
    if model.noise == "sqrt":
        assert np.linalg.norm(Y) <= weight * (1 + rounding)
    lower = np.sum(Y[seen] * x[seen]) - allowed * np.linalg.norm(Y)
    upper = np.sum(np.linalg.svd(L, compute_uv=False)) + prices(x, model.lam_, l21, S)
    upper += weight * np.linalg.norm(rest) if model.noise == "sqrt" else 0
    slack = rounding * max(upper, model.objective_)
    assert upper <= model.objective_ + slack
    assert model.objective_ - lower <= model.dual_gap_ * model.objective_ + slack
    assert lower <= model.objective_ + slack
    assert type(model.converged_) is bool
    if model.converged_ and model.max_rank is None:
        assert model.dual_gap_ <= model.tol
        assert model.objective_ - upper <= 100 * model.tol * upper + slack


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", GIVEN)
def test_the_certificate_covers_what_is_given_back(name, options, dtype):
    given = GIVEN[name].astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = gf.RobustPCA(**{"max_iter": 400, "tol": 1e-5} | options).fit(given)
    check(model, given, 1e-9 if dtype == np.float64 else 1e-4)


def test_outliers_alone_are_given_back_as_they_are():
    X = np.diag(np.arange(1.0, 21))
    model = gf.RobustPCA().fit(X)
    assert model.rank_ == 0
    assert_array_equal(dense(model.sparse_), X)


@pytest.mark.parametrize(
    "changed", [{"lam": 0.2}, {"noise": "sqrt"}, {"noise": 0.1}, {"penalty": "l21"}], ids=str
)
@pytest.mark.parametrize("name", ["planted", "masked", "csr", "diagonal"])
def test_the_certificate_covers_what_a_warm_start_ends_with(name, changed, dtype):
    given = GIVEN[name].astype(dtype)
    model = gf.RobustPCA(warm_start=True, tol=1e-5).fit(given)
    model.set_params(**changed).fit(given)
    assert model.converged_
    check(model, given, 1e-9 if dtype == np.float64 else 1e-4)
    cold = gf.RobustPCA(tol=1e-5, **changed).fit(given)
    assert_allclose(model.objective_, cold.objective_, rtol=2e-5)


def test_prices_of_single_entries_are_in_the_certificate(dtype):
    lam = np.random.default_rng(0).uniform(0.1, 0.3, X_PLANTED.shape)
    for X in (GIVEN["planted"].astype(dtype), GIVEN["masked"].astype(dtype)):
        check(gf.RobustPCA(lam=lam, tol=1e-5).fit(X), X, 1e-9 if dtype == np.float64 else 1e-4)
