"""Kullback-Leibler loss over what is observed: kernel with slopes of each row's own, the fits."""

import numpy as np
import pytest
import scipy.sparse as sp
from nmf.cases import csr, make, ratings, stored
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

import gramfold as gf
from gramfold._core import reference

KL = {"beta_loss": "kullback-leibler"}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def divergence(X, WH, weights=None):
    w = np.where(np.isnan(X), 0, 1 if weights is None else weights)
    x = np.where(w > 0, X, 0)
    logs = np.log(np.divide(x, WH, out=np.ones_like(WH), where=x > 0))
    return np.sum(w * (x * logs - x + WH))


@pytest.mark.parametrize("l2", [0.0, 0.7])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("shape", [(1, 9, 3), (97, 61, 17), (193, 31, 5), (30, 900, 4)], ids=str)
def test_kernel_with_slopes_of_each_row_is_its_twin(compiled, dtype, shape, sparse, l2):
    x, f, start = make(*shape, dtype)
    slope = np.random.default_rng(5).random(start.shape) * f.sum(axis=0) + 0.1
    results = []
    for kernels, kind in ((reference, np.float64), (compiled, dtype)):
        given = csr(x.astype(kind), np.int32) if sparse else x.astype(kind)
        out = np.full(start.shape, np.nan, kind)
        numbers = kernels.kl_coordinate(
            x=given,
            f=f.astype(kind),
            slope=slope,
            start=start.astype(kind),
            out=out,
            l2=l2,
            max_sweeps=2,
            shrink=0.0,
            tol=0.0,
            measure_start=True,
            measure_end=True,
            n_threads=2,
        )
        results.append((out, *numbers[:-1]))
    eps = np.finfo(dtype).eps * 200
    for twin, found in zip(*results, strict=True):
        assert_allclose(found, twin, rtol=0, atol=eps * max(1, np.abs(twin).max()))


def test_slopes_of_a_wrong_shape_are_refused(compiled):
    x, f, start = make(9, 5, 3, np.float64)
    for slope in (np.ones((8, 3)), np.ones((9, 2)), np.ones(4)):
        with pytest.raises(ValueError, match="slope must have k entries, or be rows x k"):
            compiled.kl_coordinate(
                x=x,
                f=f,
                slope=slope,
                start=start,
                out=start.copy(),
                l2=0.0,
                max_sweeps=1,
                shrink=0,
                tol=0,
                measure_start=True,
                measure_end=True,
                n_threads=1,
            )


@pytest.mark.parametrize("options", [{}, {"alpha_W": 0.02, "alpha_H": 0.01, "l1_ratio": 0.4}], ids=str)
def test_with_everything_observed_the_fit_is_that_without_gaps(dtype, options):
    X = np.nan_to_num(ratings(dtype=dtype)) + dtype(0.1)
    settings = {**KL, "random_state": 0, "max_iter": 10, "tol": 0, **options}
    plain, masked = gf.NMF(3, **settings), gf.NMF(3, missing="mask", **settings)
    W, found = plain.fit_transform(X), masked.fit_transform(X)
    tol = 1e-9 if dtype == np.float64 else 1e-2
    assert_allclose(found, W, rtol=0, atol=tol * W.max())
    assert_allclose(masked.components_, plain.components_, rtol=0, atol=tol * plain.components_.max())
    assert_allclose(masked.reconstruction_err_, plain.reconstruction_err_, rtol=tol)
    assert_allclose(masked.history_["objective"], plain.history_["objective"], rtol=tol)


@pytest.mark.parametrize("shape", [(60, 45), (45, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_over_what_is_observed_falls_to_its_kkt_conditions(shape, weighted):
    X = ratings(*shape)
    weights = np.random.default_rng(3).random(shape) * 3 if weighted else None
    model = gf.NMF(3, missing="mask", **KL, random_state=0, tol=1e-7, max_iter=3000)
    W = model.fit_transform(X, mask=weights)
    H, seen = model.components_, ~np.isnan(X)
    w = seen if weights is None else np.where(seen, weights, 0)
    objective = model.history_["objective"]
    assert np.all(np.diff(objective) <= 1e-12 * objective[:-1])
    assert_allclose(0.5 * model.reconstruction_err_**2, divergence(X, W @ H, weights), rtol=1e-9)
    assert_allclose(objective[-1], divergence(X, W @ H, weights), rtol=1e-3)
    ratio = np.where(seen, X, 0) / np.maximum(W @ H, 1e-300)
    for factor, slope, pull in (
        (W, w @ H.T, (w * ratio) @ H.T), (H, W.T @ w, W.T @ (w * ratio))
    ):  # fmt: skip
        assert np.abs(factor * (slope - pull)).max() < 1e-3 * (factor * pull).max()
        assert (pull - slope).max() < 1e-2 * slope.max()
    assert_array_equal(W[~w.any(axis=1)], 0)
    assert_array_equal(H[:, ~w.any(axis=0)], 0)


def test_a_row_is_coded_by_the_minimiser_of_what_is_observed_of_it():
    X, rng = ratings(8, 20), np.random.default_rng(2)
    model = gf.NMF(3, missing="mask", **KL, alpha_W=0.01, l1_ratio=0.5, random_state=0).fit(ratings(60, 20))
    model.components_ = H = rng.random((3, 20)) + 0.05
    l1 = l2 = 20 * 0.01 * 0.5
    for x, z in zip(X, model.transform(X), strict=True):

        def f(v, x=x):
            return divergence(x, v @ H) + l1 * v.sum() + l2 / 2 * v @ v

        best = min(minimize(f, np.full(3, s), bounds=[(1e-12, None)] * 3, tol=1e-12).fun for s in (0.1, 1, 5))
        assert f(np.maximum(z, 1e-12)) <= best + 1e-7 * abs(best) + 1e-9


@pytest.mark.parametrize("init", ["random", "nndsvda"])
def test_stored_entries_are_the_observed_ones(dtype, init):
    X = ratings(dtype=dtype)
    settings = {**KL, "init": init, "random_state": 0, "max_iter": 8, "tol": 0, "alpha_H": 0.01}
    dense, sparse = gf.NMF(3, missing="mask", **settings), gf.NMF(3, missing="unstored", **settings)
    W, found = dense.fit_transform(X), sparse.fit_transform(stored(X))
    tol = 1e-7 if dtype == np.float64 else 2e-2
    assert_allclose(found, W, rtol=0, atol=tol * W.max())
    assert_allclose(sparse.components_, dense.components_, rtol=0, atol=tol * dense.components_.max())
    assert_allclose(sparse.history_["objective"], dense.history_["objective"], rtol=tol)
    again = sparse.transform(sp.csc_array(stored(X)))
    assert_allclose(again, found, rtol=0, atol=tol * W.max())


def test_weight_two_is_the_column_twice():
    X, rng = ratings(), np.random.default_rng(1)
    H, W = rng.random((3, 45)), rng.random((60, 3))
    weights = np.broadcast_to(rng.integers(1, 3, 45).astype(float), X.shape)
    often = np.repeat(np.arange(45), weights[0].astype(int))
    settings = {**KL, "init": "custom", "tol": 0, "max_iter": 6}
    once, twice = gf.NMF(3, missing="mask", **settings), gf.NMF(3, missing="mask", **settings)
    once.fit(X, mask=weights, W=W, H=H)
    twice.fit(X[:, often], W=W, H=H[:, often])
    assert_allclose(once.components_[:, often], twice.components_, rtol=0, atol=1e-8)
    assert_allclose(once.reconstruction_err_, twice.reconstruction_err_, rtol=1e-8)


def test_what_is_hidden_never_matters():
    X = ratings()
    seen = ~np.isnan(X)
    model = gf.NMF(3, missing="mask", **KL, random_state=0, max_iter=5, tol=0)
    W = model.fit_transform(X)
    assert_array_equal(model.fit_transform(np.where(seen, X, 7.0), mask=seen), W)


def test_multiplicative_updates_are_refused_by_name():
    with pytest.raises(ValueError, match="missing='mask' needs solver='cd'"):
        gf.NMF(3, missing="mask", solver="mu").fit(ratings())
