"""Rows with unobserved entries and weights: kernel against twin."""

import numpy as np
import pytest
from least_squares.cases import METHODS, SHAPES, data
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference
from gramfold.fold.observe import observe

LAYOUTS = {
    "C": np.ascontiguousarray,
    "transposed": np.asfortranarray,
    "every other row and third column": lambda a: spread(a, 2, 3),
    "backwards": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
}


def spread(a, down, across):
    wide = np.full((a.shape[0] * down, a.shape[1] * across), np.nan, a.dtype)
    wide[::down, ::across] = a
    return wide[::down, ::across]


def random_weights(shape, dtype, zeros=0.2, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.random(shape) * (rng.random(shape) >= zeros)).astype(dtype)


def run(
    kernels, x, weights, f, start=None, *, l1=0.0, l2=0.0, nonneg=True, max_sweeps=2, polish=0,
    shrink=0.0, tol=0.0, n_threads=2,
):  # fmt: skip
    """One call; returns the rows and the six numbers."""
    out = np.full((len(x), f.shape[1]), np.nan, f.dtype)
    numbers = kernels.masked_hals(
        x=x,
        weights=weights,
        f=f,
        start=start,
        out=out,
        l1=l1,
        l2=l2,
        nonneg=nonneg,
        max_sweeps=max_sweeps,
        polish=polish,
        shrink=shrink,
        tol=tol,
        n_threads=n_threads,
    )
    return out, np.array(numbers)


def check(kernels, x, weights, f, start, growth=1.0, **options):
    """Equal to the twin in float64 up to roundings of the largest entry and number; returns both.

    How many are open is not compared: without shrink and tol that is whether a step is 0 exactly.
    """
    wide = [None if a is None else a.astype(np.float64) for a in (x, weights, f, start)]
    expected, numbers = run(reference, *wide, **options)
    actual, actual_numbers = run(kernels, x, weights, f, start, **options)
    eps = np.finfo(f.dtype).eps * growth
    assert_allclose(actual, expected, rtol=0, atol=32 * eps * max(1, np.abs(expected).max(initial=0)))
    compared = [0, 1, 2, 3, 5]
    assert_allclose(
        actual_numbers[compared], numbers[compared], rtol=0, atol=64 * eps * numbers[compared].max()
    )
    return actual, actual_numbers[4], numbers[4]


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_kernel_agrees_with_the_twin_on_every_shape(compiled, dtype, shape, method, weighted):
    x, f, start = data(*shape, dtype)
    weights = random_weights(x.shape, dtype) if weighted else None
    # Signed rows of few observed entries have an ill-conditioned Gram: l2 is 1/2 beside cols.
    check(compiled, x, weights, f, start, growth=shape[2], **METHODS[method])


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_of_x_and_weights_changes_no_bit(compiled, dtype, layout, weighted):
    x, f, start = data(53, 1030, 9, dtype)
    weights = random_weights(x.shape, dtype) if weighted else None
    plain, numbers = run(compiled, x, weights, f, start)
    there = LAYOUTS[layout]
    again, numbers_again = run(
        compiled, there(x), there(weights) if weighted else None, np.asfortranarray(f), start
    )
    assert_array_equal(plain, again)
    assert_array_equal(numbers, numbers_again)


@pytest.mark.parametrize("missing", [0.0, 0.01, 0.5, 0.9, 1.0])
def test_kernel_agrees_with_the_twin_at_every_share_of_missing_entries(compiled, dtype, missing):
    x, f, start = data(30, 1100, 12, dtype, missing)
    check(compiled, x, None, f, start, growth=12)


@pytest.mark.parametrize("max_sweeps", [0, 1, 7])
def test_zero_sweeps_only_judge_the_start_and_more_go_on(compiled, dtype, max_sweeps):
    x, f, start = data(40, 70, 6, dtype)
    out, *_ = check(compiled, x, None, f, start, growth=6, max_sweeps=max_sweeps)
    assert np.array_equal(out, start) == (max_sweeps == 0)


def test_rows_end_by_shrink_and_by_tol_as_in_the_twin(compiled):
    x, f, start = data(60, 80, 6, np.float64)
    for rule in ({"shrink": 0.03}, {"tol": 0.1}):
        _, still_open, expected = check(compiled, x, None, f, start, growth=6, max_sweeps=3, **rule)
        assert still_open == expected
        assert 0 < expected < len(x)


def test_component_seen_only_in_missing_columns_has_curvature_zero_exactly(compiled, dtype):
    """Its Gram entry is a difference of equal sums unless summed anew; it is left at its start."""
    x, f, start = data(30, 200, 4, dtype, missing=0.05)
    f[:, 2] = 0
    f[:3, 2] = 1e3
    x[:, :3] = np.nan
    out, _ = run(compiled, x, None, f, start)
    seen = ~np.isnan(x).all(axis=1)
    assert_array_equal(out[seen, 2], start[seen, 2])


def test_row_with_nothing_observed_is_zero(kernels, dtype):
    x, f, start = data(9, 12, 3, dtype)
    for method in METHODS.values():
        out, _ = run(kernels, x, None, f, start, **method)
        assert_array_equal(out[4], 0)


def test_signed_rows_without_l1_are_least_squares_over_what_is_observed(kernels, dtype):
    x, f, _ = data(30, 50, 6, dtype)
    weights = random_weights(x.shape, dtype)
    out, _ = run(kernels, x, weights, f, nonneg=False)
    for row, z, w in zip(x, out, weights, strict=True):
        root = np.sqrt(np.where(np.isnan(row), 0, w).astype(np.float64))
        best = np.linalg.lstsq(root[:, None] * f, root * np.nan_to_num(row), rcond=None)[0]
        assert_allclose(z, best, rtol=0, atol=200 * np.finfo(dtype).eps * max(1, np.abs(best).max()))


def test_fewer_observed_entries_than_components_are_fitted_by_the_least_norm(kernels):
    rng = np.random.default_rng(0)
    x, f = np.full((4, 20), np.nan), rng.standard_normal((20, 8))
    for row, n in zip(x, (1, 2, 5, 7), strict=True):
        row[:n] = rng.standard_normal(n)
    out, _ = run(kernels, x, None, f, nonneg=False)
    for row, z in zip(x, out, strict=True):
        seen = ~np.isnan(row)
        assert_allclose(z, np.linalg.pinv(f[seen]) @ row[seen], rtol=0, atol=1e-6)
        assert_allclose(f[seen] @ z, row[seen], rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", ["nonneg", "nonneg, penalties", "signed, l1"])
def test_steps_on_the_face_are_those_of_the_twin(compiled, dtype, method):
    x, f, start = data(60, 80, 7, dtype)
    check(compiled, x, None, f, start, growth=49, max_sweeps=4, polish=2, **METHODS[method])


def test_rows_with_hardly_more_observed_than_components_end_on_their_face(kernels, dtype):
    """Without steps on the face most of these would take thousands of sweeps."""
    rng = np.random.default_rng(0)
    f = rng.gamma(0.5, size=(150, 16))
    x = rng.gamma(0.3, size=(40, 16)) @ f.T + 0.05 * rng.random((40, 150))
    x[rng.random(x.shape) < 0.9] = np.nan
    x, f = x.astype(dtype), f.astype(dtype)
    tol = 1e-10 if dtype == np.float64 else 1e-5
    _, (_, _, _, residual, still_open, _) = run(kernels, x, None, f, max_sweeps=200, polish=8, tol=tol)
    assert still_open == 0
    assert np.sqrt(residual) <= 10 * tol * np.sqrt(np.nansum(x.astype(np.float64) ** 2))


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_bits_do_not_depend_on_the_number_of_threads(compiled, dtype, n_threads):
    x, f, start = data(1000, 40, 5, dtype)
    for weights in (None, random_weights(x.shape, dtype)):
        one, one_numbers = run(compiled, x, weights, f, start, n_threads=1)
        out, numbers = run(compiled, x, weights, f, start, n_threads=n_threads)
        assert_array_equal(one, out)
        assert_array_equal(one_numbers, numbers)


@pytest.mark.parametrize("garbage", [0.0, 1e30, np.inf, np.nan])
def test_what_x_holds_where_it_is_hidden_never_matters(compiled, dtype, garbage):
    x, f, start = data(30, 60, 4, dtype, missing=0.0)
    weights = random_weights(x.shape, dtype)
    other = np.where(weights > 0, x, dtype(garbage))
    assert_array_equal(run(compiled, x, weights, f, start)[0], run(compiled, other, weights, f, start)[0])
    masked, other = observe(x, weights > 0), observe(other, weights > 0)
    for a, b in ((masked.x, other.x), (masked.x.T, other.x.T)):
        factor = f if a.shape[1] == len(f) else start
        one, two = (run(compiled, each, None, factor) for each in (a, b))
        assert_array_equal(one[0], two[0])
        assert_array_equal(one[1], two[1])


def test_weight_two_equals_the_entry_twice(kernels, dtype):
    x, f, start = data(20, 30, 4, dtype)
    weights = np.random.default_rng(2).integers(0, 3, x.shape).astype(dtype)
    twice = np.concatenate([np.where(weights >= n, x, np.nan) for n in (1, 2)], axis=1).astype(dtype)
    a = run(kernels, x, weights, f, start, l2=0.5)[0]
    b = run(kernels, twice, None, np.concatenate([f, f]), start, l2=0.5)[0]
    assert_allclose(a, b, rtol=0, atol=64 * np.finfo(dtype).eps * np.abs(b).max())
