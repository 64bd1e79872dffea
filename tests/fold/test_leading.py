"""Leading singular vectors for starts, where X has fewer than are asked for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf
from gramfold.fold.leading import leading
from gramfold.fold.segments import source_of


@pytest.mark.parametrize("shape", [(60, 9), (9, 60), (300, 200), (200, 300)], ids=str)
@pytest.mark.parametrize("rank", [0, 1, 3])
def test_directions_that_rounding_alone_has_are_0(shape, rank, dtype):
    rng = np.random.default_rng(0)
    X = (rng.random((shape[0], rank)) @ rng.random((rank, shape[1]))).astype(dtype)
    U, s, V = leading(source_of(X, n_threads=1), 5, np.random.RandomState(0))
    assert_array_equal(s[rank:], 0)
    eps = np.finfo(dtype).eps
    assert_allclose((U * s) @ V, X, atol=1e3 * eps * np.abs(X).max(initial=0))
    long = V.T if shape[0] < shape[1] else U
    assert_allclose(long[:, :rank].T @ long[:, :rank], np.eye(rank), atol=1e3 * eps)
    assert_array_equal(long[:, rank:], 0)


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda", "nndsvdar"])
@pytest.mark.parametrize("turned", [False, True])
def test_nmf_of_equal_rows_is_these_rows(init, turned, dtype):
    row = np.array([5, 0, 0, 5, 0, 0, 7, 0, 0], dtype)
    X = np.repeat(row[None], 60, axis=0)
    X = X.T.copy() if turned else X
    model = gf.NMF(3, init=init, random_state=0, tol=1e-6, max_iter=500)
    W = model.fit_transform(X)
    assert_allclose(W @ model.components_, X, atol=1e-3)
