"""NMF beside scikit-learn: the same iterates, stops and starts."""

import numpy as np
import pytest
from nmf.cases import BOTH_OR_NONE, FORMATS, PARITY, PENALTIES, SHAPES, both, planted, random_x
from numpy.testing import assert_allclose
from sklearn import decomposition
from sklearn.decomposition import _nmf
from sklearn.utils.extmath import randomized_svd, svd_flip

import gramfold as gf
from gramfold.fold.leading import leading
from gramfold.fold.source import Source
from gramfold.nmf.start import initialize


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_one_sweep_without_extrapolation_makes_sklearns_iterates(shape, form, penalty):
    X = FORMATS[form](planted(SHAPES[shape]))
    mine, theirs = both(X, 5, tol=0, max_iter=20, **penalty)
    for a, b in zip(mine[:2], theirs[:2], strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-10 * b.max())
    assert mine[2] == theirs[2] == 20


@pytest.mark.parametrize("shape", SHAPES)
def test_shuffled_coordinates_are_drawn_as_sklearn_draws_them(shape):
    mine, theirs = both(planted(SHAPES[shape]), 5, tol=0, max_iter=20, shuffle=True)
    for a, b in zip(mine[:2], theirs[:2], strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-10 * b.max())


@pytest.mark.parametrize("penalty", BOTH_OR_NONE, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_parity_mode_stops_at_sklearns_iteration(shape, penalty):
    X = planted(SHAPES[shape])
    mine, theirs = both(X, 4, tol=1e-3, max_iter=2000, **penalty)
    assert mine[2] == theirs[2] < 2000
    model = gf.NMF(4, tol=1e-3, max_iter=2000, init="random", random_state=3, **PARITY, **penalty)
    twin = decomposition.NMF(4, tol=1e-3, max_iter=2000, init="random", random_state=3, **penalty)
    assert model.fit(X).n_iter_ == twin.fit(X).n_iter_ < 2000
    assert_allclose(model.components_, twin.components_, rtol=1e-8, atol=1e-10)
    assert_allclose(model.reconstruction_err_, twin.reconstruction_err_, rtol=1e-2)


@pytest.mark.parametrize("init", [None, "random", "nndsvd", "nndsvda", "nndsvdar"])
@pytest.mark.parametrize("form", FORMATS)
def test_starts_are_sklearns_with_an_exact_svd(init, form, dtype, monkeypatch):
    monkeypatch.setattr(_nmf, SKLEARNS_SVD, exact_svd)
    for shape, k in (((30, 20), 4), ((20, 30), 4), ((6, 5), 1), ((6, 5), 5)):
        X = FORMATS[form](random_x(shape, dtype=dtype))
        mine = initialize(Source(X, 1), k, init, 0, (True, True))
        theirs = _nmf._initialize_nmf(X, k, init, random_state=0)
        for a, b in zip(mine, theirs, strict=True):
            assert a.dtype == dtype
            if dtype == np.float64:
                assert_allclose(a, b, rtol=1e-11, atol=0)
            else:  # an entry may be a difference of larger ones, with their rounding
                assert_allclose(a, b, rtol=1e-4, atol=np.finfo(dtype).eps * np.abs(b).max())


SKLEARNS_SVD = "_randomized_svd" if hasattr(_nmf, "_randomized_svd") else "randomized_svd"


def exact_svd(X, k, **_):
    dense = X.toarray() if hasattr(X, "toarray") else X
    U, s, V = np.linalg.svd(dense.astype(np.float64), full_matrices=False)
    U, V = svd_flip(U[:, :k], V[:k])
    return U.astype(X.dtype), s[:k].astype(X.dtype), V.astype(X.dtype)


@pytest.mark.parametrize("shape", [(3000, 300), (300, 3000)])
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_the_svd_of_a_start_is_as_good_as_sklearns(form, shape, dtype):
    X = FORMATS[form](planted(shape, 12).astype(dtype))
    dense = X.toarray() if form == "csr" else X
    for k in (1, 12, 20):
        left = []
        for U, s, V in (
            leading(Source(X, 2), k, np.random.RandomState(0)),
            randomized_svd(X, k, random_state=0),
        ):
            assert_allclose(U.T @ U, np.eye(k), atol=200 * np.finfo(dtype).eps)
            assert np.all(U[np.abs(U).argmax(axis=0), np.arange(k)] > 0)
            left.append(np.linalg.norm(dense - (U * s).astype(np.float64) @ V))
        assert left[0] <= (1 + 1e-4) * left[1]


def test_more_components_than_sides_start_at_random_as_sklearns_do():
    X = random_x((6, 5))
    mine = initialize(Source(X, 1), 9, None, 0, (True, True))
    for a, b in zip(mine, _nmf._initialize_nmf(X, 9, None, random_state=0), strict=True):
        assert_allclose(a, b, rtol=1e-14)
