"""Multiplicative updates against scikit-learn's."""

import pytest
import scipy.sparse as sp
from nmf.beta_solvers import kullback_leibler, make, multiplicative, run
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import non_negative_factorization
from sklearn.decomposition._nmf import _beta_divergence

from gramfold.least_squares.rows import Penalty

BETAS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0]


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
