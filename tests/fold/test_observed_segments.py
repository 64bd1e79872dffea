"""What is observed of segments, against the same of the whole."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf
from gramfold.fold.engine import run
from gramfold.fold.observe import observe
from gramfold.fold.stored import Stored, stored_of

CUTS = [0, 5, 5, 6, 30]


def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 8))
    return X, np.where(rng.random(X.shape) < 0.7, rng.random(X.shape), 0)


def blocks(X):
    return gf.blocks([X[a:b] for a, b in itertools.pairwise(CUTS)])


def pair(kind):
    """The whole and segments."""
    X, weights = data()
    X[:, 3] = np.where(np.arange(30) < 6, X[:, 3], 0)
    if kind == "stored":
        S = sp.csr_array(X * (weights > 0))
        return Stored(S, 1), stored_of(blocks(S), 1)
    mask = {
        "weights": weights,
        "mask": weights > 0,
        "some weights": np.where(np.arange(30) < 5, 1, weights.T).T,
    }
    return observe(X, mask[kind]), observe(blocks(X), mask[kind])


KINDS = pytest.mark.parametrize("kind", ["weights", "mask", "some weights", "stored"])


@KINDS
def test_numbers_are_those_of_the_whole(kind):
    whole, parts = pair(kind)
    assert len(parts.segments) == 3  # an empty one is none
    assert (parts.shape, parts.least, parts.largest) == (whole.shape, whole.least, whole.largest)
    assert_allclose([parts.mean, parts.squared_norm], [whole.mean, whole.squared_norm], rtol=1e-14)
    assert_allclose(parts.column_means, whole.column_means, rtol=1e-14)


@KINDS
def test_some_rows_and_scaled_rows_are_those_of_the_whole(kind):
    whole, parts = pair(kind)
    scale = np.random.default_rng(1).random(30)
    for which in (slice(3, 17), np.array([0, 5, 6, 29])):
        assert_array_equal(entries(parts.some(which)), entries(whole.some(which)))
    assert_array_equal(entries(parts.scaled_rows(scale)), entries(whole.scaled_rows(scale)))


@KINDS
def test_what_is_counted_and_what_is_left_are_those_of_the_whole(kind):
    whole, parts = pair(kind)
    left, right = np.random.default_rng(1).random((30, 2)), np.random.default_rng(2).random((8, 2))
    assert_allclose(entries(parts.without(left, right)), entries(whole.without(left, right)), rtol=1e-14)
    if kind != "stored":
        positive = [observe(abs(x.x), x.weights) for x in (whole, parts)]
        whole, parts = (x.counted for x in positive)
        assert_allclose(parts.constant, whole.constant, rtol=1e-14)
    else:
        whole, parts = whole.counted, parts.counted
    assert_array_equal(entries(parts.x), entries(whole.x))
    assert_array_equal(entries(parts.weights), entries(whole.weights))


@KINDS
def test_columns_are_rows_of_the_transpose(kind, monkeypatch):
    monkeypatch.setattr("gramfold.fold.columns.FEWEST", 3)
    monkeypatch.setattr("gramfold.fold.columns.ENTRIES", 1)
    whole, parts = pair(kind)
    across = parts.transposed
    if kind != "stored":
        assert len(across.segments) == 3
    assert across.shape == (8, 30)
    assert_array_equal(entries(across), entries(whole.transposed))
    assert_array_equal(entries(across.transposed), entries(whole))


def copy(rows, shared, state):
    """A pass: the entries of rows into `out`, and their weights behind them."""
    x = rows.x.toarray() if sp.issparse(rows.x) else rows.x
    weights = getattr(rows, "weights", None)
    state["out"][:] = np.hstack([x, np.ones(x.shape) if weights is None else weights])


def entries(x):
    out = np.empty((x.rows, 2 * x.cols))
    run(copy, x, None, {"out": out})
    return out
