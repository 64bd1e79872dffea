"""Robust PCA recovers what Candes, Li, Ma & Wright (2011) say: table 1, masks, the phase transition."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from rpca.cases import dense, error, planted

import gramfold as gf


@pytest.mark.parametrize("share", [0.05, 0.1])
@pytest.mark.parametrize("n", [500, 1000])
def test_table_1_of_candes_rank_support_and_error(n, share):
    X, L, S = planted(n, n, n // 20, share)
    model = gf.RobustPCA().fit(X)
    assert model.converged_
    assert model.dual_gap_ <= 1e-6
    assert model.rank_ == n // 20
    assert model.sparse_.nnz == np.count_nonzero(S)
    assert error(model, L) <= 1e-5


@pytest.mark.parametrize(("observed", "rank"), [(1.0, 10), (0.8, 10), (0.5, 10), (0.3, 5)])
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_masked_recovery(observed, rank, form):
    X, L, S = planted(500, 400, rank, 0.05, observed=observed)
    seen = ~np.isnan(X)
    given = sp.coo_array((X[seen], np.nonzero(seen)), shape=X.shape).tocsr() if form == "csr" else X
    model = gf.RobustPCA().fit(given)
    assert model.dual_gap_ <= 1e-6
    assert_allclose(model.lam_, 1 / np.sqrt(seen.mean() * 500), rtol=1e-12)
    assert model.rank_ == rank
    assert error(model, L) <= 1e-4
    assert_array_equal(np.abs(dense(model.sparse_)) > 0.5, S != 0)


def test_few_observed_entries_are_completed_with_a_bounded_rank():
    rng = np.random.default_rng(0)
    L = rng.standard_normal((1500, 4)) @ rng.standard_normal((4, 400))
    row, column = np.nonzero(rng.random(L.shape) < 0.15)
    values = L[row, column] + np.where(rng.random(len(row)) < 0.02, rng.choice([-20.0, 20.0], len(row)), 0)
    given = sp.coo_array((values, (row, column)), shape=L.shape).tocsr()
    model = gf.RobustPCA(max_rank=4, tol=1e-4).fit(given)
    assert model.converged_
    assert error(model, L) <= 1e-3


@pytest.mark.parametrize(("rank", "share", "recovered"), [(4, 0.05, True), (10, 0.2, True), (60, 0.4, False)])
def test_the_phase_transition_is_where_candes_found_it(rank, share, recovered):
    X, L, _ = planted(200, 200, rank, share)
    assert (error(gf.RobustPCA(tol=1e-5).fit(X), L) <= 1e-3) == recovered


# Candes et al. 2011, figure 1, at 400 x 400: (rank / n, corrupted share) deep in the white of each panel, and
# deep in its black.
RECOVERED = [(0.05, 0.05), (0.05, 0.2), (0.1, 0.1), (0.2, 0.05)]
LOST = [(0.05, 0.5), (0.2, 0.3), (0.3, 0.2), (0.4, 0.1), (0.4, 0.4)]


@pytest.mark.slow
@pytest.mark.parametrize("signs", ["random", "coherent"])
@pytest.mark.parametrize(("rank", "share"), RECOVERED + LOST, ids=str)
def test_the_phase_transition_grid_of_candes(rank, share, signs):
    recovered = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        L = rng.standard_normal((2, 400, int(400 * rank))) / 20
        L = L[0] @ L[1].T
        wrong = rng.random(L.shape) < share
        sign = np.sign(L) if signs == "coherent" else rng.choice([-1, 1], L.shape)
        model = gf.RobustPCA(tol=1e-6).fit(L + wrong * sign)
        recovered += error(model, L) <= 1e-3
    assert recovered == (3 if (rank, share) in RECOVERED else 0)
