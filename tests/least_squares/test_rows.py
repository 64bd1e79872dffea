"""Rows solved by one call, by passes over segments, and in another order of the components."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gramfold.fold.segments import Segments
from gramfold.fold.source import Source
from gramfold.least_squares.rows import Penalty, Sweeps, solve_all, solve_rows

K = 5


def problem(rows=40, cols=9):
    rng = np.random.default_rng(0)
    X, F = rng.random((rows, cols)), rng.random((cols, K))
    return X, F, F.T @ F, rng.random((rows, K)), rng.random((rows, K))


@pytest.mark.parametrize("known", [False, True], ids=["from X", "from products"])
def test_components_in_another_order_are_columns_in_another_order(known):
    """Whatever else is asked for: steps that move on, products, sums, the room for the result."""
    X, F, gram, start, previous = problem()
    order = np.array([3, 0, 4, 1, 2])
    given = {"beta": 0.4, "cross": True, "n_threads": 1}

    def solved(by, order):
        products = np.ascontiguousarray((X @ F)[:, by]) if known else None
        out, sums = np.empty_like(start), None if known else np.empty_like(F)
        done = solve_rows(
            None if known else Source(X, 1), np.ascontiguousarray(F[:, by]), gram[np.ix_(by, by)],
            Penalty(0.1, 0.2), Sweeps(2), products=products, start=np.ascontiguousarray(start[:, by]),
            previous=np.ascontiguousarray(previous[:, by]), out=out, sums=sums, order=order, **given,
        )  # fmt: skip
        assert done.factor is out
        assert done.sums is sums
        return done

    ours, permuted = solved(np.arange(K), order), solved(order, None)
    assert_array_equal(ours.factor[:, order], permuted.factor)
    assert_allclose(ours.gram[np.ix_(order, order)], permuted.gram, rtol=1e-14)
    assert_allclose(ours.cross[np.ix_(order, order)], permuted.cross, rtol=1e-14)
    if not known:
        assert_array_equal(ours.sums[:, order], permuted.sums)
    for name in ("violation", "step", "objective", "residual", "unconverged"):
        assert getattr(ours, name) == getattr(permuted, name)


def test_sums_that_are_not_wanted_are_not_given_in_any_order():
    X, F, gram, start, _ = problem()
    for order in (None, np.arange(K)[::-1]):
        done = solve_all(Source(X, 1), F, gram, Penalty(), Sweeps(1), start=start, squares=False, order=order)
        assert (done.sums, done.cross, done.gram.size) == (None, None, 0)


def test_rows_of_segments_are_those_of_the_whole_and_their_sums_add_up():
    X, F, gram, start, previous = problem()
    options = {"start": start, "previous": previous, "beta": 0.4, "sums": True, "cross": True}
    whole, parts = (
        solve_all(x, F, gram, Penalty(0.1, 0.2), Sweeps(2), **options)
        for x in (Source(X, 1), Segments(np.split(X, [1, 1, 20]), 1))
    )
    assert_array_equal(parts.factor, whole.factor)
    for name in ("sums", "gram", "cross", "violation", "step", "objective", "residual", "unconverged"):
        assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-13)
