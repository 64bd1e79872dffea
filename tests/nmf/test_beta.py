"""Multiplicative updates against scikit-learn's; coordinates for Kullback-Leibler against optimality."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import non_negative_factorization
from sklearn.decomposition._nmf import _beta_divergence

from gramfold._core import level
from gramfold.fit.monitor import Monitor
from gramfold.fold.source import Source
from gramfold.least_squares.rows import Penalty
from gramfold.nmf.beta import Multiplicative, multiplicative_rows
from gramfold.nmf.divergence import BetaDivergence
from gramfold.nmf.kl import KullbackLeibler, kl_rows
from gramfold.nmf.row_units import level_rows
from gramfold.nmf.start import Start

BETAS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0]
NONE = (Penalty(), Penalty())


def make(n, m, k, seed=0, *, positive=False, density=0.4, dtype=np.float64):
    """X >= 0 and a positive start."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(1.0, 2.0, (n, m)) * (rng.random((n, m)) < density) + 0.1 * positive
    W, H = 0.1 + rng.random((n, k)), 0.1 + rng.random((m, k))
    return X.astype(dtype), W.astype(dtype), H.astype(dtype)


def run(solver, max_iter, tol=0.0):
    monitor = Monitor(max_iter, 0, None, None)
    W, H, n_iter, converged = solver.run(monitor, tol)
    return W, H, n_iter, converged, monitor.history


def multiplicative(X, W, H, beta, penalties=NONE, n_threads=2):
    return Multiplicative(Start(Source(X, n_threads), W, H, *penalties), beta=beta)


def kullback_leibler(X, W, H, penalties=NONE, n_threads=2, max_sweeps=None, extrapolate=True):
    start = Start(Source(X, n_threads), W, H, *penalties)
    return KullbackLeibler(start, max_sweeps=max_sweeps, extrapolate=extrapolate)


def peer(X, W, H, beta, max_iter, tol=0.0, alpha_W=0.0, alpha_H=0.0, l1_ratio=0.0):
    """Scikit-learn's W, H (m, k) and number of iterations from the same start."""
    W, H, n_iter = non_negative_factorization(
        X, W.copy(), H.T.copy(), n_components=W.shape[1], init="custom", solver="mu", beta_loss=beta,
        tol=tol, max_iter=max_iter, alpha_W=alpha_W, alpha_H=alpha_H, l1_ratio=l1_ratio,
    )  # fmt: skip
    return W, H.T, n_iter


def scaled(shape, alpha_W, alpha_H, l1_ratio):
    """Scikit-learn's penalties."""
    W, H = shape[1] * alpha_W, shape[0] * alpha_H
    return Penalty(W * l1_ratio, W * (1 - l1_ratio)), Penalty(H * l1_ratio, H * (1 - l1_ratio))


@pytest.mark.parametrize("shape", [(60, 37), (37, 60), (270, 41)], ids=["tall", "wide", "blocks"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("beta", BETAS)
def test_twenty_iterations_are_those_of_scikit_learn(shape, beta, sparse):
    X, W, H = make(*shape, 5, positive=beta <= 0)
    X = sp.csr_array(X) if sparse else X
    mine, theirs = run(multiplicative(X, W, H, beta), 20), peer(X, W, H, beta, 20)
    for got, expected in zip(mine[:2], theirs[:2], strict=True):
        assert_allclose(got, expected, rtol=1e-10, atol=1e-10 * expected.max())


@pytest.mark.parametrize("shape", [(60, 37), (37, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("beta", BETAS)
def test_penalised_iterations_are_those_of_scikit_learn(shape, beta, l1_ratio):
    X, W, H = make(*shape, 5, positive=beta <= 0)
    alphas = {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": l1_ratio}
    mine = run(multiplicative(X, W, H, beta, scaled(shape, **alphas)), 20)
    theirs = peer(X, W, H, beta, 20, **alphas)
    for got, expected in zip(mine[:2], theirs[:2], strict=True):
        assert_allclose(got, expected, rtol=1e-10, atol=1e-10 * expected.max())


@pytest.mark.parametrize("shape", [(60, 37), (37, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("beta", BETAS)
def test_it_stops_where_scikit_learn_stops(shape, beta):
    X, W, H = make(*shape, 5, positive=beta <= 0)
    theirs = peer(X, W, H, beta, 300, tol=1e-3)
    mine = run(multiplicative(X, W, H, beta), 300, tol=1e-3)
    assert mine[2] == theirs[2] < 300
    assert mine[3]
    assert len(mine[4]["objective"]) == mine[2]
    for got, expected in zip(mine[:2], theirs[:2], strict=True):
        assert_allclose(got, expected, rtol=1e-9, atol=1e-9 * expected.max())


@pytest.mark.parametrize("shape", [(60, 37), (37, 60)], ids=["tall", "wide"])
def test_converged_is_known_when_iterations_run_out_at_a_check(shape):
    X, W, H = make(*shape, 5)
    n_iter = run(multiplicative(X, W, H, 1.0), 300, tol=1e-3)[2]
    assert run(multiplicative(X, W, H, 1.0), n_iter, tol=1e-3)[2:4] == (n_iter, True)
    assert run(multiplicative(X, W, H, 1.0), n_iter - 1, tol=1e-3)[2:4] == (n_iter - 1, False)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("beta", BETAS)
def test_the_divergence_is_scikit_learns(beta, sparse):
    X, W, H = make(60, 37, 5, positive=beta <= 0)
    X = sp.csr_array(X) if sparse else X
    loss, _ = multiplicative(X, W, H, beta).evaluate()
    assert_allclose(loss, _beta_divergence(X, W, H.T, beta), rtol=1e-12)
    if beta == 1:
        assert_allclose(kullback_leibler(X, W, H).evaluate()[0], loss, rtol=1e-12)


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


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_fits_have_the_same_bits_for_any_number_of_threads(sparse, dtype):
    X, W, H = make(1500, 61, 5, dtype=dtype)
    X = sp.csr_array(X) if sparse else X
    for build in (
        lambda n: multiplicative(X, W, H, 1.0, n_threads=n),
        lambda n: multiplicative(X, W, H, 1.5, n_threads=n),
        lambda n: multiplicative(X, W, H, 2.0, n_threads=n),
        lambda n: kullback_leibler(X, W, H, n_threads=n),
    ):
        first = run(build(1), 4)
        for n_threads in (2, 3, 7):
            other = run(build(n_threads), 4)
            assert_array_equal(other[0], first[0])
            assert_array_equal(other[1], first[1])
            for name in ("objective", "kkt"):
                assert_array_equal(other[4][name], first[4][name])


@pytest.mark.parametrize("build", [lambda *a: multiplicative(*a, 1.0), kullback_leibler], ids=["mu", "kl"])
def test_the_start_and_x_are_not_modified(build):
    X, W, H = make(60, 37, 5)
    copies = X.copy(), W.copy(), H.copy()
    for a in (X, W, H):
        a.flags.writeable = False
    run(build(X, W, H), 5)
    for a, b in zip((X, W, H), copies, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_both_encoders_find_the_minimiser_of_every_row(sparse):
    X, _, H = make(80, 60, 4)
    X[7] = 0
    laid = sp.csr_array(X) if sparse else X
    W, still_open = kl_rows(Source(laid, 2), H, Penalty(0.1, 0.2), max_sweeps=1000, tol=1e-9)
    assert still_open == 0
    assert_array_equal(W[7], 0)
    Q = np.divide(X, W @ H.T, out=np.zeros_like(X), where=X > 0)
    g = (1 - Q) @ H + 0.1 + 0.2 * W
    assert (g >= -1e-6).all()
    assert_allclose(W * g, 0, atol=1e-6)
    slow, still_open = multiplicative_rows(
        Source(laid, 2), H, Penalty(0.1, 0.2), beta=1.0, max_sweeps=100_000, tol=1e-9
    )
    assert still_open == 0
    assert_allclose(slow, W, atol=1e-4)


@pytest.mark.skipif(level == "numpy", reason="NumPy's products sum in an order that depends on the shape")
@pytest.mark.parametrize("layout", ["C", "F", "csr"])
@pytest.mark.parametrize("coordinates", [False, True], ids=["mu", "coordinates"])
def test_the_code_of_a_row_does_not_depend_on_the_other_rows(layout, coordinates, dtype):
    X, _, H = make(200, 300, 5, dtype=dtype)
    X[3], X[4] = 0, 1
    laid = {"C": np.ascontiguousarray, "F": np.asfortranarray, "csr": sp.csr_array}[layout](X)

    def encode(rows):
        return BetaDivergence(Source(rows, 2), *NONE, beta=1.0, coordinates=coordinates).encode(H)

    together = encode(laid)
    for r in (0, 3, 4, 150, 199):
        assert_array_equal(encode(laid[r : r + 1])[0], together[r])


def test_level_rows_sum_up_to_those_of_x():
    X, _, H = make(300, 37, 5)
    for laid in (X, np.asfortranarray(X), sp.csr_array(X)):
        W = level_rows(Source(laid, 1), H)
        assert_allclose((W @ H.T).sum(axis=1), X.sum(axis=1), rtol=1e-12)
    assert_array_equal(level_rows(Source(X, 1), 0 * H), 0)


@pytest.mark.parametrize("beta", BETAS)
def test_finish_gives_the_error_and_optimality_of_the_best_rows(beta):
    X, _, H = make(40, 30, 3, positive=True)
    for coordinates in {False, beta == 1}:
        loss = BetaDivergence(Source(X, 2), *NONE, beta=beta, coordinates=coordinates)
        W, error, kkt = loss.finish(H)
        assert_allclose(error, _beta_divergence(X, W, H.T, beta, square_root=True), rtol=1e-10)
        assert kkt > 0


def test_rows_that_do_not_converge_are_a_warning(monkeypatch):
    monkeypatch.setattr("gramfold.nmf.divergence.MOST_SWEEPS", 1)
    X, _, H = make(40, 30, 3)
    for coordinates in (False, True):
        with pytest.warns(UserWarning, match="40 of 40 rows did not converge in 1 sweeps"):
            BetaDivergence(Source(X, 1), *NONE, beta=1.0, coordinates=coordinates).encode(H)
