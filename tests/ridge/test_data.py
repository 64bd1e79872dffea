"""Ridge on the data that people have: sparse matrices of any structure, columns and blocks far from 0."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from ridge.cases import FORMS, WAYS, Exact, far_away, fitted, parts

import gramfold as gf
from gramfold.ridge import ways


def shuffled(X):
    s = sp.csr_array(X)
    rng = np.random.default_rng(3)
    order = np.concatenate([rng.permutation(np.arange(*ends)) for ends in pairwise(s.indptr)])
    return sp.csr_array((s.data[order], s.indices[order], s.indptr), shape=s.shape)


def with_zeros(X):
    s = sp.csr_array(np.where(X == 0, 9, X))
    s.data[s.data == 9] = 0
    return s


def doubled(X):
    s = sp.csr_array(X)
    return sp.csr_array((np.repeat(s.data / 2, 2), np.repeat(s.indices, 2), 2 * s.indptr), shape=s.shape)


def wide_indices(X):
    s = shuffled(X)
    s.indices, s.indptr = s.indices.astype(np.int64), s.indptr.astype(np.int64)
    return s


STRUCTURES = {
    "sorted": sp.csr_array, "unsorted": shuffled,
    "columns permuted": lambda X: sp.csr_array(X[:, ::-1])[:, ::-1],
    "duplicates": doubled, "explicit zeros": with_zeros, "64-bit indices": wide_indices, "CSC": sp.csc_array,
    "COO": sp.coo_array, "BSR": lambda X: sp.bsr_array(X, blocksize=(5, 3)),
    "a slice": lambda X: sp.csr_array(np.pad(X, 2, constant_values=7.0))[2:-2, 2:-2],
}  # fmt: skip


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("way", [way for way in WAYS if way != "svd"])
def test_every_structure_of_a_sparse_matrix_is_read_as_what_it_means(way, structure):
    rng = np.random.default_rng(0)
    X = rng.random((30, 6)) * (rng.random((30, 6)) < 0.6)
    X[4], X[:, 2] = 0, 0
    y, weights = X @ [1, 2, 0, 4, 5, 6] + 0.1 * rng.standard_normal(30), rng.random(30)
    given = STRUCTURES[structure](X)
    if way == "blocks" and given.format not in ("csr", "csc"):
        return
    before = [a.copy() for a in parts(given)]
    expected, model = (fitted(way, x, y, weights, sgd_tol=0.05) for x in (X, given))
    assert_allclose(model.coef_, expected.coef_, rtol=1e-9, atol=1e-10)
    assert_allclose(model.intercept_, expected.intercept_, rtol=1e-9)
    for old, new in zip(before, parts(given), strict=True):
        assert_array_equal(new, old)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("where", "spread", "dtype"),
    [(1e7, 1, np.float64), (1e8, 1, np.float64), (1.7e9, 86400, np.float64), (1e4, 1, np.float32)],
)
def test_columns_far_from_the_origin_lose_nothing(where, spread, dtype, way, form):
    slow = spread > 1 and way in ("sgd", "gd")
    if (way == "svd" and form is not np.asarray) or slow:
        return
    X, y, weights = far_away(where, spread, dtype)
    exact = Exact(X, y, 0.5, weights)
    model = fitted(way, form(X), y, weights)
    if way == "sgd":
        assert exact.error(model) < 0.05
    elif spread == 1 or "admm" not in way:
        assert exact.error(model) < (4e-6 if dtype == np.float32 else 1e-11)
    if way != "path":
        assert exact.above(model).sum() <= model.duality_gap_ * (1 + 1e-6) + 1e-15 * exact.best.sum()


@pytest.mark.parametrize("way", ["cg", "gd", "dual"])
@pytest.mark.parametrize("form", FORMS)
def test_columns_far_from_the_origin_lose_nothing_in_passes_over_rows(monkeypatch, form, way):
    monkeypatch.setattr(ways, "MOST_COLUMNS", 2)
    X, y, weights = far_away(1e8, 1, np.float64)
    exact = Exact(X, y, 0.5, weights)
    assert exact.error(fitted(way, form(X), y, weights)) < 1e-11


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", [1e4, 1e8])
def test_blocks_far_from_each_other_are_not_lost_between_their_means(way, form):
    rng = np.random.default_rng(0)
    X, start = rng.standard_normal((400, 4)), np.repeat([0.0, way, -3 * way, way / 2], 100)
    X[:, :2] += start[:, None]  # what tells the first two columns apart is within the blocks alone
    y = X @ [1, 2, 3, 4] - 3 * start + rng.standard_normal(400)
    exact, model = Exact(X, y, 0.5), gf.Ridge(0.5)
    for rows in np.array_split(np.arange(400), 4):
        model.partial_fit(form(X[rows]), y[rows])
    assert exact.error(model) < 1e-11 + 1e-16 * way
    assert exact.above(model) <= model.duality_gap_ + 1e-12 * exact.best
    assert exact.error(gf.Ridge(0.5).fit(form(X), y)) < 1e-11 + 1e-16 * way
