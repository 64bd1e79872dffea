"""Unobserved entries and weights: the fit against what is known, the checks."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import non_negative_factorization

from gramfold.fit.monitor import Monitor
from gramfold.fold.observe import observe
from gramfold.fold.source import Source
from gramfold.least_squares.masked import solve_observed, solve_observed_to_convergence
from gramfold.least_squares.rows import Penalty, Sweeps
from gramfold.nmf.alternate import Alternating
from gramfold.nmf.masked import MaskedAlternating, MaskedFrobenius
from gramfold.nmf.start import Start

FREE = Penalty()


def problem(n=60, m=45, k=4, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, m)).astype(dtype)
    scale = np.sqrt(X.mean() / k)
    W, H = (scale * np.abs(rng.standard_normal((rows, k))).astype(dtype) for rows in (n, m))
    return X, W, H


def fit(
    x, W, H, penalty_W=FREE, penalty_H=FREE, *, n_iter=20, tol=0.0, max_sweeps=None, extrapolate=True,
    shuffle=None,
):  # fmt: skip
    """Returns W, H as rows, the iterations, whether converged, the history and the solver."""
    start = Start(x, W, H, penalty_W, penalty_H)
    solver = MaskedAlternating(start, max_sweeps=max_sweeps, extrapolate=extrapolate, shuffle=shuffle)
    monitor = Monitor(n_iter, 0, None, None)
    return *solver.run(monitor, tol), monitor.history, solver


def objective(X, weights, W, H, penalty_W=FREE, penalty_H=FREE):
    w = np.where(np.isnan(X), 0, 1 if weights is None else weights)
    squares = 0.5 * np.sum(w * (np.where(w > 0, X, 0) - W @ H.T) ** 2)
    return squares + penalty_W(W) + penalty_H(H)


@pytest.mark.parametrize("shape", [(60, 45), (45, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
def test_with_everything_observed_the_iterates_are_those_of_scikit_learn(shape, shuffle):
    X, W, H = problem(*shape)
    alpha, ratio = 0.01, 0.3
    l1, l2 = alpha * ratio, alpha * (1 - ratio)
    n, m = shape
    with pytest.warns(match="Maximum number of iterations"):
        W_sk, H_sk, _ = non_negative_factorization(
            X, W.copy(), np.ascontiguousarray(H.T), n_components=4, init="custom", max_iter=20,
            tol=1e-300, alpha_W=alpha, l1_ratio=ratio, shuffle=shuffle, random_state=5,
        )  # fmt: skip
    W_ours, H_ours, *_ = fit(
        observe(X), W, H, Penalty(m * l1, m * l2), Penalty(n * l1, n * l2), max_sweeps=1,
        extrapolate=False, shuffle=np.random.RandomState(5) if shuffle else None,
    )  # fmt: skip
    assert_allclose(W_ours, W_sk, rtol=0, atol=1e-10)
    assert_allclose(H_ours, H_sk.T, rtol=0, atol=1e-10)


def test_with_everything_observed_the_iterates_are_those_of_alternating():
    X, W, H = problem()
    plain = {"max_sweeps": 1, "extrapolate": False, "shuffle": None}
    W_whole, H_whole, *_ = Alternating(Start(Source(X, 1), W, H, FREE, FREE), **plain).run(
        Monitor(20, 0, None, None), 0.0
    )
    W_ours, H_ours, *_ = fit(observe(X), W, H, max_sweeps=1, extrapolate=False)
    assert_allclose(W_ours, W_whole, rtol=0, atol=1e-10)
    assert_allclose(H_ours, H_whole, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("dtype", "tol"), [(np.float64, 1e-12), (np.float32, 2e-5)], ids=["float64", "float32"]
)
def test_hidden_forty_percent_of_a_planted_matrix_are_completed(dtype, tol):
    rng = np.random.default_rng(0)
    k = 5
    W, H = (rng.random((n, k)) * (rng.random((n, k)) < 0.6) for n in (200, 150))
    X = W @ H.T
    hidden = rng.random(X.shape) < 0.4
    x = observe(np.where(hidden, np.nan, X).astype(dtype), n_threads=2)
    start = [np.abs(rng.standard_normal((n, k))).astype(dtype) * 0.3 for n in X.shape]
    W, H, *_ = fit(x, *start, n_iter=200)
    assert np.linalg.norm((X - W @ H.T)[hidden]) <= tol * np.linalg.norm(X[hidden])


@st.composite
def fits(draw):
    """Shape, rank, share missing, weighted, penalties, signs, sweeps, extrapolation, seed."""
    share = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9]))
    penalties = [
        Penalty(draw(st.sampled_from([0.0, 0.1])), draw(st.sampled_from([0.0, 0.3])), draw(st.booleans()))
        for _ in "WH"
    ]
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 6)))
    return shape, share, draw(st.booleans()), penalties, draw(st.integers(1, 5)), draw(st.integers(0, 99))


@given(fits(), st.booleans())
def test_objective_never_rises_and_is_what_it_says(settings, extrapolate):
    (n, m, k), share, weighted, (penalty_W, penalty_H), max_sweeps, seed = settings
    X, W, H = problem(n, m, k, seed=seed)
    rng = np.random.default_rng(seed)
    X[rng.random(X.shape) < share] = np.nan
    X[0, 0] = 1.0
    weights = rng.random(X.shape) + 0.1 if weighted else None
    x = observe(X, weights)
    W_end, H_end, _, _, history, solver = fit(
        x, W, H, penalty_W, penalty_H, n_iter=15, max_sweeps=max_sweeps, extrapolate=extrapolate
    )
    noise = 1e-12 * objective(X, weights, W, H, penalty_W, penalty_H)
    assert np.all(np.diff(history["objective"]) <= noise)
    end = objective(X, weights, W_end, H_end, penalty_W, penalty_H)
    assert end <= history["objective"][-1] + noise
    judged = solve_observed(x, H_end, penalty_W, Sweeps(0), start=W_end)
    assert_allclose(judged.objective + penalty_H(H_end), end, rtol=1e-10, atol=noise)
    assert np.isfinite(solver.kkt())
    assert np.isfinite(W_end).all()
    assert np.isfinite(H_end).all()


@pytest.mark.parametrize("extrapolate", [False, True])
def test_kkt_residual_goes_to_zero_and_is_that_of_the_pair(extrapolate):
    X, W, H = problem(k=3)
    X[np.random.default_rng(3).random(X.shape) < 0.2] = np.nan
    *_, history, solver = fit(observe(X), W, H, n_iter=800, extrapolate=extrapolate)
    assert history["kkt"][-1] < 1e-6
    assert solver.kkt() < 1e-6


def test_extrapolation_saves_iterations():
    X, W, H = problem(120, 90, 8)
    X[np.random.default_rng(3).random(X.shape) < 0.2] = np.nan
    plain, fast = (fit(observe(X), W, H, n_iter=60, extrapolate=e)[4]["objective"] for e in (False, True))
    assert fast[-1] < plain[-1]


def test_convex_half_is_solved_to_optimality_and_row_by_row():
    X, _, H = problem()
    X[np.random.default_rng(3).random(X.shape) < 0.3] = np.nan
    x = observe(X)
    whole = solve_observed_to_convergence(x, H, Penalty(0.1, 0.2))
    assert np.sqrt(whole.residual / x.squared_norm) < 1e-9
    for i in (0, 31):
        alone = solve_observed_to_convergence(observe(X[i : i + 1]), H, Penalty(0.1, 0.2))
        assert_array_equal(alone.factor[0], whole.factor[i])


def test_rows_that_do_not_converge_are_warned_of(monkeypatch):
    X, _, H = problem()
    monkeypatch.setattr("gramfold.least_squares.masked.MOST_SWEEPS", 1)
    with pytest.warns(match="rows did not converge in 1 sweeps"):
        solve_observed_to_convergence(observe(X), H, FREE)


def test_finish_gives_the_weighted_error_over_what_is_observed():
    X, _, H = problem()
    X[3, 4] = np.nan
    weights = np.random.default_rng(3).random(X.shape)
    penalty = Penalty(0.1, 0.2)
    loss = MaskedFrobenius(observe(X, weights), penalty, FREE)
    W, error, kkt = loss.finish(H)
    assert_array_equal(W, loss.encode(H))
    assert_allclose(0.5 * error**2, objective(X, weights, W, H), rtol=1e-12)
    assert 0 < kkt < 1


# The checks


def test_mask_weights_and_masked_arrays_say_the_same():
    X = np.arange(12.0).reshape(3, 4)
    seen = np.random.default_rng(0).random(X.shape) < 0.6
    there = [
        observe(X, seen),
        observe(X, seen.astype(int)),
        observe(np.ma.array(X, mask=~seen)),
        observe(np.where(seen, X, np.nan)),
    ]
    for each in there:
        assert each.weights is None
        assert_array_equal(each.x, np.where(seen, X, np.nan))
    both = observe(np.ma.array(X, mask=~seen), np.full(X.shape, 2.5))
    assert_array_equal(both.seen, seen)
    assert_array_equal(X, np.arange(12.0).reshape(3, 4))


def test_nothing_is_copied_where_nothing_is_hidden():
    X = np.ones((3, 4), np.float32)
    assert observe(X, np.ones(X.shape, bool)).x is X
    weighted = observe(X, np.full(X.shape, 0.5, np.float32))
    assert weighted.x is X
    assert np.shares_memory(weighted.transposed.weights, weighted.weights)


def test_numbers_for_a_start_are_over_what_is_observed():
    X = np.array([[1.0, np.nan, 5.0], [3.0, np.nan, -8.0]])
    weights = np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 0.0]])
    x = observe(X, weights)
    assert (x.mean, x.least, x.squared_norm) == (3.5, 1.0, 60.0)
    assert_array_equal(x.filled, [[1.0, 3.5, 5.0], [3.0, 3.5, 5.0]])
    plain = observe(X)
    assert (plain.mean, plain.least, plain.squared_norm) == (0.25, -8.0, 99.0)
    assert_array_equal(plain.filled, [[1.0, 0.25, 5.0], [3.0, 0.25, -8.0]])


@pytest.mark.parametrize(
    ("X", "mask", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), r"mask must have the shape of X, \(2, 3\), got \(3, 2\)"),
        (np.ones((2, 3)), np.full((2, 3), -0.5), "negative weights, the least is -0.5"),
        (np.ones((2, 3)), np.full((2, 3), np.nan), "weights that are not finite"),
        (np.ones((2, 3)), np.full((2, 3), np.inf), "weights that are not finite"),
        (np.ones((2, 3)), np.full((2, 3), "a"), "mask must be boolean or weights"),
        (np.full((2, 3), np.inf), None, "X contains infinity"),
        (np.full((2, 3), np.nan), None, "X has no observed entry"),
        (np.ones((2, 3)), np.zeros((2, 3)), "X has no observed entry"),
        (np.ones(3), None, "X must have two dimensions, got 1"),
    ],
)
def test_bad_input_is_refused_by_name(X, mask, message):
    with pytest.raises(ValueError, match=message):
        observe(X, mask)


@pytest.mark.parametrize("name", ["X", "mask"])
def test_sparse_input_is_refused_by_name(name):
    arguments = {"X": np.ones((2, 3)), "mask": np.ones((2, 3))}
    arguments[name] = sp.csr_array(arguments[name])
    with pytest.raises(TypeError, match=f"mask= need dense arrays, but {name} is sparse"):
        observe(**arguments)
