"""Rows coded for beta divergences: their minimisers, each row for itself."""

import numpy as np
import pytest
import scipy.sparse as sp
from nmf.beta_solvers import NONE, make
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition._nmf import _beta_divergence

from gramfold._core import level
from gramfold.fold.source import Source
from gramfold.least_squares.rows import Penalty
from gramfold.nmf.beta import multiplicative_rows
from gramfold.nmf.divergence import BetaDivergence
from gramfold.nmf.kl import kl_rows
from gramfold.nmf.row_units import level_rows

BETAS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0]


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
