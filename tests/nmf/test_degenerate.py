"""NMF of zeros, constants, rank one and dead components."""

import warnings

import numpy as np
import pytest
from nmf.cases import (
    FORMATS,
    fit,
    random_start,
    random_x,
)
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("init", [None, "random", "nndsvd", "nndsvda", "nndsvdar"])
def test_zero_and_constant_matrices_are_factorised(form, init, dtype):
    for X in (np.zeros((12, 9), dtype), np.full((12, 9), 3, dtype)):
        model, W = fit(FORMATS[form](X), 3, init=init, tol=1e-4)
        eps = np.finfo(dtype).eps
        assert np.linalg.norm(X - W @ model.components_) <= 100 * np.sqrt(eps) * np.linalg.norm(X)
        assert model.converged_
        assert np.isfinite([model.reconstruction_err_, model.kkt_residual_]).all()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("shape", "k"), [((5, 4), 9), ((30, 3), 8), ((1, 1), 1), ((1, 7), 1), ((7, 1), 3)])
def test_more_components_than_sides_reproduce_x(form, shape, k):
    X = random_x(shape, density=0.8) + 0.01
    model, W = fit(FORMATS[form](X), k, tol=1e-8)
    assert_allclose(W @ model.components_, X, atol=1e-3)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("init", ["random", "nndsvda", "nndsvdar"])
@pytest.mark.parametrize("seed", range(5))
def test_a_matrix_of_rank_one_is_reproduced_with_three_components(form, init, seed, dtype):
    rng = np.random.default_rng(seed)
    X = np.outer(rng.random(30) + 0.1, rng.random(8) + 0.1).astype(dtype)
    model = gf.NMF(3, init=init, tol=0, max_iter=40, random_state=seed)
    W = model.fit_transform(FORMATS[form](X))
    root = np.sqrt(np.finfo(dtype).eps)
    assert np.linalg.norm(X - W.astype(float) @ model.components_) <= root * np.linalg.norm(X)
    assert model.reconstruction_err_ <= 4 * root * np.linalg.norm(X)
    assert model.kkt_residual_ <= root


@pytest.mark.parametrize("form", FORMATS)
def test_zero_rows_get_zero_weights_and_zero_columns_zero_atoms(form):
    X = random_x((40, 20))
    X[[3, 17, 39]], X[:, [0, 11]] = 0, 0
    model, W = fit(FORMATS[form](X), 4, tol=1e-6)
    assert_array_equal(W[[3, 17, 39]], 0)
    assert_array_equal(model.components_[:, [0, 11]], 0)


@pytest.mark.parametrize("form", FORMATS)
def test_a_dead_component_stays_dead_and_the_others_go_on(form):
    X = random_x((40, 20))
    W, H = random_start(X.shape, 4)
    W[:, 2], H[2] = 0, 0
    model = gf.NMF(4, init="custom", tol=1e-6, max_iter=5000)
    found = model.fit_transform(FORMATS[form](X), W=W, H=H)
    assert_array_equal(found[:, 2], 0)
    assert_array_equal(model.components_[2], 0)
    others, _ = fit(X, 3, tol=1e-6)
    assert model.reconstruction_err_ <= 1.05 * others.reconstruction_err_


def test_overwhelming_penalties_drive_everything_to_zero_without_a_warning():
    X = random_x((40, 20))
    model, W = fit(X, 4, alpha_W=1e6, l1_ratio=1.0)
    assert_array_equal(W, 0)
    assert_array_equal(model.components_, 0)
    assert_allclose(model.reconstruction_err_, np.linalg.norm(X), rtol=1e-12)


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda", "nndsvdar"])
def test_a_start_from_a_matrix_of_rank_one_has_no_nan(init, dtype):
    X = np.ones((60, 1), dtype) * np.array([5, 0, 0, 5, 0, 0, 7, 0, 0], dtype)
    model = gf.NMF(3, init=init, random_state=0, tol=0, max_iter=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        W = model.fit_transform(X)
    np.testing.assert_allclose(W @ model.components_, X, atol=1e-3)
