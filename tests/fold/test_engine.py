"""The engine: sums of segments add up in a fixed order, and rows' own arrays are cut with the rows."""

from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from gramfold.fold.engine import add, added, run
from gramfold.fold.segments import Segments, source_of
from gramfold.fold.source import Source


class Sums(NamedTuple):
    total: np.ndarray
    rows: int
    largest: None


def column_sums(rows, shared, state, *, times):
    state["seen"][:] = rows.x[:, 0]
    return Sums(times * (rows.x * shared).sum(axis=0), rows.rows, None)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 13])
def test_sums_are_added_up_a_fixed_binary_tree(n):
    def tree(leaves):
        while len(leaves) > 1:
            leaves = [f"({a}{b})" for a, b in zip(leaves[::2], leaves[1::2], strict=False)] + (
                leaves[-1:] if len(leaves) % 2 else []
            )
        return leaves[0]

    class Word:
        def __init__(self, text):
            self.text = text

        def plus(self, other):
            return Word(f"({self.text}{other.text})")

    letters = [chr(97 + i) for i in range(n)]
    assert added(map(Word, letters), n).text == tree(letters)
    assert added(map(Word, letters[::-1]), n, backwards=True).text == tree(letters)


def test_a_pass_gets_the_rows_of_each_segment_and_their_own_arrays():
    X = np.random.default_rng(0).random((50, 3))
    x, seen = Segments([X[:0], X[:7], X[7:8], X[8:]], 1), np.zeros(50)
    found = run(partial(column_sums, times=2), x, np.ones(3), {"seen": seen, "none": None})
    np.testing.assert_allclose(found.total, 2 * X.sum(axis=0))
    assert (found.rows, found.largest) == (50, None)
    assert_array_equal(seen, X[:, 0])
    whole = run(partial(column_sums, times=2), Source(X, 1), np.ones(3), {"seen": seen})
    assert_array_equal(whole.total, 2 * (X * np.ones(3)).sum(axis=0))


def test_parts_of_sums_add_up_each_by_its_kind():
    one = {"a": np.ones(2), "b": (1, [1]), "c": None, "d": np.array([True, False])}
    both = add(one, one)
    assert_array_equal(both["a"], [2, 2])
    assert (both["b"], both["c"]) == ((2, [1, 1]), None)
    assert_array_equal(both["d"], [True, False])


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "CSR"])
def test_segments_answer_as_the_whole_does(form):
    rng = np.random.default_rng(1)
    X = np.where(rng.random((40, 5)) < 0.6, rng.normal(size=(40, 5)), 0)
    whole, parts = Source(form(X), 2), Segments([form(X[a:b]) for a, b in ((0, 9), (9, 9), (9, 40))], 2)
    for name in ("rows", "cols", "dtype", "sparse", "largest", "least"):
        assert getattr(parts, name) == getattr(whole, name), name
    for name in ("mean", "squared_norm"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-13)
    few = [30, 3, 3, 9, -1]
    for rows in (few, slice(5, 20), slice(None, None, 7), X[:, 0] > 0):
        index = np.arange(40)[rows]
        assert_array_equal(parts.take(rows), X[index])
        assert_array_equal(whole.take(rows), X[index])
        some = parts.some(rows)
        assert_array_equal(some.take(slice(None)), X[index])
        assert some.rows == len(index)
    F = rng.normal(size=(5, 2))
    np.testing.assert_allclose(parts.product(F), X @ F)
    np.testing.assert_allclose(parts.gram_product(F), X.T @ (X @ F))
    np.testing.assert_allclose(parts.transposed.product(rng.normal(size=(40, 2))).shape, (5, 2))
    assert source_of(form(X), 1).segments[0].rows == 40


def weighted(x, state):
    return x * state["weights"][:, None]


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "CSR"])
def test_rows_are_mapped_with_what_they_have_of_their_own(form):
    X, weights = np.arange(24.0).reshape(8, 3), np.arange(8.0)
    for source in (Source(form(X), 1), Segments([form(X[:3]), form(X[3:3]), form(X[3:])], 1)):
        found = source.mapped(weighted, {"weights": weights})
        assert_array_equal(found.take(slice(None)), weights[:, None] * X)
        assert len(found.segments) == len(source.segments)
