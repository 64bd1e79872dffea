"""NMF beside scikit-learn: the same iterates, stops and starts."""

import numpy as np
import pytest
from nmf.cases import BOTH_OR_NONE, FORMATS, PARITY, PENALTIES, SHAPES, both, planted, random_x
from numpy.testing import assert_allclose
from sklearn import decomposition
from sklearn.decomposition._nmf import _initialize_nmf

import gramfold as gf
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
def test_starts_are_sklearns(init, form, dtype):
    for shape, k in (((30, 20), 4), ((20, 30), 4), ((6, 5), 1), ((6, 5), 5)):
        X = FORMATS[form](random_x(shape, dtype=dtype))
        mine = initialize(Source(X, 1), k, init, 0, (True, True))
        theirs = _initialize_nmf(X, k, init, random_state=0)
        for a, b in zip(mine, theirs, strict=True):
            assert a.dtype == dtype
            assert_allclose(a, b, rtol=8 * np.finfo(dtype).eps, atol=0)


def test_more_components_than_sides_start_at_random_as_sklearns_do():
    X = random_x((6, 5))
    mine = initialize(Source(X, 1), 9, None, 0, (True, True))
    for a, b in zip(mine, _initialize_nmf(X, 9, None, random_state=0), strict=True):
        assert_allclose(a, b, rtol=1e-14)
