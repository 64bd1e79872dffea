"""Robust PCA recovers low rank where entries are missing."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from rpca.cases import dense, error, planted

import gramfold as gf


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
