"""Multiplicative updates and coordinates descend, and to optimality."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from nmf.beta_solvers import NONE, kullback_leibler, make, multiplicative, run
from numpy.testing import assert_allclose
from sklearn.decomposition._nmf import _beta_divergence

from gramfold.least_squares.rows import Penalty

cases = st.fixed_dictionaries(
    {
        "n": st.integers(1, 60), "m": st.integers(1, 60), "k": st.integers(1, 8), "seed": st.integers(0, 99),
        "density": st.floats(0.05, 1), "sparse": st.booleans(),
        "dtype": st.sampled_from([np.float32, np.float64]),
        "l1": st.sampled_from([0.0, 0.5]), "l2": st.sampled_from([0.0, 0.3]),
    }
)  # fmt: skip


def never_rises(history, dtype, X):
    """Up to the rounding of the sums, whose terms are as large as X is."""
    objective = history["objective"]
    noise = 16 * np.finfo(dtype).eps * (abs(objective[0]) + X.sum())
    return np.all(np.diff(objective) <= noise)


@given(case=cases, beta=st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0]))
def test_the_objective_never_rises_by_multiplicative_updates(case, beta):
    # With penalties it can outside Kullback-Leibler: scikit-learn's step is not a majoriser's there.
    X, W, H = make(case["n"], case["m"], case["k"], case["seed"], positive=beta <= 0,
                   density=case["density"], dtype=case["dtype"])  # fmt: skip
    laid = sp.csr_array(X) if case["sparse"] else X
    assert never_rises(run(multiplicative(laid, W, H, beta), 12)[4], case["dtype"], X)


@given(case=cases, extrapolate=st.booleans(), max_sweeps=st.sampled_from([None, 1, 40]))
def test_the_objective_never_rises_by_coordinates(case, extrapolate, max_sweeps):
    X, W, H = make(
        case["n"], case["m"], case["k"], case["seed"], density=case["density"], dtype=case["dtype"]
    )
    laid = sp.csr_array(X) if case["sparse"] else X
    penalties = Penalty(case["l1"], case["l2"]), Penalty(0.0, case["l2"])
    solver = kullback_leibler(laid, W, H, penalties, max_sweeps=max_sweeps, extrapolate=extrapolate)
    W, H, _, _, history = run(solver, 12)
    assert never_rises(history, case["dtype"], X)
    assert (W >= 0).all()
    assert (H >= 0).all()


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize(
    "penalties", [NONE, (Penalty(0.1, 0.2), Penalty(0.3, 0.05))], ids=["plain", "penalised"]
)
@pytest.mark.parametrize("shape", [(60, 37), (37, 60), (300, 41)], ids=str)
def test_as_many_iterations_of_coordinates_reach_a_lower_objective_than_updates(shape, penalties, sparse):
    X, W, H = make(*shape, 5)
    X = sp.csr_array(X) if sparse else X
    for n_iter in (3, 25):
        reached = []
        for solver in (kullback_leibler(X, W, H, penalties), multiplicative(X, W, H, 1.0, penalties)):
            W1, H1, *_ = run(solver, n_iter)
            reached.append(_beta_divergence(X, W1, H1.T, 1) + penalties[0](W1) + penalties[1](H1))
        assert reached[0] < reached[1]


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("shape", [(60, 37), (37, 60)], ids=str)
def test_coordinates_converge_to_optimality(shape, sparse):
    X, W, H = make(*shape, 4)
    laid = sp.csr_array(X) if sparse else X
    penalty = Penalty(0.05, 0.1)
    W, H, _, converged, history = run(kullback_leibler(laid, W, H, (penalty, penalty)), 500, tol=1e-8)
    assert converged
    assert history["kkt"][-1] <= 1e-8 * history["kkt"][0]
    WH = W @ H.T
    Q = np.divide(X, WH, out=np.zeros_like(X), where=X > 0)
    for z, g in ((W, (1 - Q) @ H + 0.05 + 0.1 * W), (H, (1 - Q).T @ W + 0.05 + 0.1 * H)):
        assert (g >= -1e-4).all()
        assert_allclose(z * g, 0, atol=1e-5)


def test_coordinates_stop_at_rounding_in_float32():
    X, W, H = make(60, 37, 4, dtype=np.float32)
    W, H, n_iter, _, history = run(kullback_leibler(X, W, H, extrapolate=False), 400, tol=1e-12)
    assert W.dtype == H.dtype == np.float32
    assert n_iter == 400 or history["kkt"][-1] <= np.finfo(np.float32).eps


@pytest.mark.parametrize("solver", ["mu", "coordinates"])
def test_the_kkt_residual_does_not_depend_on_scale(solver):
    X, W, H = make(60, 37, 5)
    d = np.geomspace(0.1, 10, 5)
    build = kullback_leibler if solver == "coordinates" else lambda *a: multiplicative(*a, 1.0)
    _, kkt = build(X, W, H).evaluate()
    for other in ((1e3 * X, 1e3 * W, H), (X, W * d, H / d)):
        assert_allclose(build(*other).evaluate()[1], kkt, rtol=1e-10)


def test_the_kkt_residual_of_mu_sees_an_entry_at_zero_that_ought_to_grow():
    X, W, H = make(60, 37, 3, density=1.0)
    W, H, *_ = run(kullback_leibler(X, W, H), 300, tol=1e-10)
    assert multiplicative(X, W, H, 1.0).evaluate()[1] < 1e-4
    W = W.copy()
    W[np.argmax(W[:, 0]), 0] = 0
    assert multiplicative(X, W, H, 1.0).evaluate()[1] > 1e-2


def test_the_kkt_residual_of_mu_falls_to_zero():
    X, W, H = make(30, 20, 2, density=1.0)
    for beta in (0.5, 1.0, 1.5, 2.0, 3.0):
        history = run(multiplicative(X + 0.1, W, H, beta), 3000)[4]
        assert history["kkt"][-1] < 1e-4 * history["kkt"][0]


@pytest.mark.parametrize("solver", ["mu", "coordinates"])
@pytest.mark.parametrize("shape", [(60, 37), (37, 60)], ids=["tall", "wide"])
def test_the_last_objective_recorded_is_not_below_what_is_returned(shape, solver):
    X, W, H = make(*shape, 5)
    penalties = Penalty(0.3, 0.2), Penalty(0.1, 0.4)
    make_solver = (
        kullback_leibler if solver == "coordinates" else lambda *a: multiplicative(*a[:3], 1.0, a[3])
    )
    W, H, _, _, history = run(make_solver(X, W, H, penalties), 7)
    objective = _beta_divergence(X, W, H.T, 1) + penalties[0](W) + penalties[1](H)
    assert objective <= history["objective"][-1] * (1 + 1e-14)
