"""Sums, Gram matrices, residuals and the check of sparse indices at every level, against NumPy."""

import numpy as np
import pytest
from kernel_cases import LAYOUTS, SHAPES, as64, close
from numpy.testing import assert_allclose

from gramfold._core import reference

DENSE = [lay for name, lay in LAYOUTS.items() if not name.startswith("csr")]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (257, 600), (3000, 17)], ids=str)
def test_scan_gives_sum_squares_least_and_most(kernels, dtype, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    # Signed sums cancel: the rounding is that of the sum of magnitudes; short sums are in x's own type.
    # Across them in float64, one after the other.
    eps = max(8 * np.finfo(dtype).eps, 1e-13)
    for lay in DENSE:
        total, squares, least, most = kernels.scan(x=lay(x), n_threads=2)
        assert_allclose(total, x.sum(dtype=np.float64), rtol=0, atol=eps * np.abs(x).sum(dtype=float))
        assert_allclose(squares, np.square(x, dtype=np.float64).sum(), rtol=eps)
        assert (least, most) == (x.min(), x.max())


def test_a_scan_of_nothing_is_zero_and_infinite(kernels, dtype):
    assert kernels.scan(x=np.empty((1, 0), dtype), n_threads=1) == (0.0, 0.0, np.inf, -np.inf)
    assert kernels.scan(x=np.empty((0, 3), dtype), n_threads=1) == (0.0, 0.0, np.inf, -np.inf)


@pytest.mark.parametrize("shape", [*[(n, k) for n, _, k in SHAPES], (2000, 17)], ids=str)
def test_gram_is_ftf_for_every_layout(kernels, dtype, shape):
    f = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    expected = as64(f).T @ as64(f)
    for lay in DENSE:
        got = kernels.gram(f=lay(f), n_threads=2)
        assert got.dtype == np.float64
        close(got, expected, dtype)


@pytest.mark.parametrize("shape", [*SHAPES, (300, 513, 3)], ids=str)
def test_squared_residual_does_not_cancel(kernels, dtype, shape):
    rows, cols, k = shape
    rng = np.random.default_rng(0)
    w, h = rng.random((rows, k)).astype(dtype), rng.random((k, cols)).astype(dtype)
    # A residual a hundredth of X keeps two digits less than X has.
    x = (as64(w) @ as64(h) + 0.01 * rng.standard_normal((rows, cols))).astype(dtype)
    expected = np.square(as64(x) - as64(w) @ as64(h)).sum()
    for lay in DENSE:
        got = kernels.squared_residual(x=lay(x), w=w, h=h, n_threads=2)
        assert_allclose(got, expected, rtol=200 * np.finfo(dtype).eps * k)


@pytest.mark.parametrize(
    ("kernel", "arguments"),
    [
        ("scan", (np.ones(3), 1)), ("scan", (np.ones((3, 3), complex), 1)), ("scan", (np.ones((3, 3)), 0)),
        ("gram", (np.ones(3), 1)), ("gram", (np.ones((3, 3), complex), 1)), ("gram", (np.ones((3, 3)), 0)),
        ("squared_residual", (np.ones((3, 4)), np.ones((3, 2)), np.ones((3, 4)), 1)),
        ("squared_residual", (np.ones((3, 4)), np.ones((2, 2)), np.ones((2, 4)), 1)),
        ("squared_residual", (np.ones((3, 4)), np.ones((3, 2)), np.ones((2, 3)), 1)),
        ("squared_residual", (np.ones((3, 4)), np.ones((3, 2), np.float32), np.ones((2, 4)), 1)),
        ("squared_residual", (np.ones((3, 4)), np.ones((3, 2)), np.ones(4), 1)),
        ("squared_residual", (np.ones(3), np.ones((3, 2)), np.ones((2, 4)), 1)),
    ],
)  # fmt: skip
def test_a_compiled_measure_refuses_what_does_not_fit(compiled, kernel, arguments):
    with pytest.raises((ValueError, TypeError)):
        getattr(compiled, kernel)(*arguments)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (500, 40), (3000, 7)], ids=str)
def test_repeated_columns_of_a_row_are_found(kernels, shape, index):
    rng = np.random.default_rng(0)
    rows, cols = shape
    counts = rng.integers(0, cols + 1, size=rows)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(index)
    columns = np.concatenate([np.zeros(0, int)] + [rng.permutation(cols)[:n] for n in counts]).astype(index)
    assert not kernels.repeats(columns=columns, starts=starts, cols=cols, n_threads=2)
    assert kernels.repeats(columns=columns, starts=starts, cols=cols, n_threads=2) == reference.repeats(
        columns=columns, starts=starts, cols=cols, n_threads=2
    )
    for row in np.flatnonzero(counts > 1)[[0, -1]] if np.any(counts > 1) else []:
        doubled = columns.copy()
        doubled[starts[row]] = doubled[starts[row + 1] - 1]
        assert kernels.repeats(columns=doubled, starts=starts, cols=cols, n_threads=3)
        assert reference.repeats(columns=doubled, starts=starts, cols=cols, n_threads=3)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("wrong", [-1, 40, 2**31 - 1])
@pytest.mark.parametrize("at", [0, 17_000, -1])
def test_columns_out_of_range_are_refused(kernels, index, wrong, at):
    starts = np.arange(0, 20_001 * 10, 10, dtype=index)
    columns = np.tile(np.arange(10, dtype=index), 20_000)
    columns[at] = wrong
    with pytest.raises(ValueError, match=r"X\.indices must be at least 0 and less than 40"):
        kernels.repeats(columns=columns, starts=starts, cols=40, n_threads=2)
    assert not kernels.repeats(columns=columns[:0], starts=starts[:1], cols=40, n_threads=2)
