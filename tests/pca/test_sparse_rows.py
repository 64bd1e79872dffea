"""Sums over rows of a CSR matrix are those of the dense one, whichever columns are nearly full."""

import numpy as np
import pytest
import scipy.sparse as sp
from file_cases import in_file
from numpy.testing import assert_allclose

from gramfold.fit.row_weights import RowWeights
from gramfold.fold.segments import Segments
from gramfold.fold.source import Source
from gramfold.pca.sparse_rows import SparseRows


def case(weighted, n=700, m=30):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, m)) * (rng.random((n, m)) < 0.3)
    X[:, 4], X[:-9, 5] = 70 + rng.random(n), 3
    w = rng.integers(0, 4, n) if weighted else np.ones(n)
    return X.astype(np.float32), w


@pytest.mark.parametrize("most", [4, 2048])
@pytest.mark.parametrize("where", ["memory", "segments", "file"])
@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_over_sparse_rows_are_those_of_dense_ones(weighted, centre, where, most, tmp_path, monkeypatch):
    monkeypatch.setattr("gramfold.pca.passes.MOST_COLS", most)
    monkeypatch.setattr("gramfold.fit.floats.PIECE", 1000)
    X, w = case(weighted)
    given = sp.csr_array(X)
    x = Segments([given[:40], given[40:500], given[500:]], 2) if where == "segments" else None
    x = x or Source(in_file(given, tmp_path) if where == "file" else given, 2)
    weights = RowWeights(w if weighted else None, given)
    mean = np.average(X.astype(float), axis=0, weights=w) * centre
    A = (X - mean) * np.sqrt(np.ldexp(w, -2 * weights.exponent))[:, None]
    q = np.random.default_rng(1).standard_normal((X.shape[1], 3))
    for first in ("gram", "measure"):
        rows = SparseRows(x, weights, centre, None)
        getattr(rows, first)()
        assert_allclose(rows.squares, np.sum(A**2), rtol=1e-8)
        assert_allclose(rows.gram(), A.T @ A, atol=1e-8 * np.sum(A**2))
        assert (rows.mean is None) is not centre
        if centre:
            assert_allclose(rows.mean, mean, rtol=1e-8, atol=1e-8)
        assert_allclose(rows.image(q, exact=True), A.T @ (A @ q), atol=1e-8 * np.sum(A**2))
        assert_allclose(rows.image(q), A.T @ (A @ q), atol=1e-5 * np.sum(A**2))
        assert_allclose(rows.projected_gram(q), (A @ q).T @ (A @ q), atol=1e-8 * np.sum(A**2))
