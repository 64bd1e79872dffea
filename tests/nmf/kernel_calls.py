"""Calls of the kernels for beta divergences, and what the twin finds in double."""

import functools

import numpy as np
from nmf.cases import csr, make
from numpy.testing import assert_allclose

from gramfold._core import reference

# Rows, columns, components: single ones; one past a block of the dense pass (48) and of CSR (192), one past a
# panel of columns (256); k around the widths of the vectors; several chunks; wide.
SHAPES = [
    (1, 1, 1), (1, 9, 3), (9, 1, 2), (49, 5, 1), (193, 31, 5), (50, 257, 8), (600, 40, 17), (7, 530, 16),
    (20, 6, 30),
]  # fmt: skip
LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "backwards, every other column": lambda x: np.repeat(x, 2, axis=1)[::-1].copy()[::-1, ::2],
    "csr, 32-bit indices": lambda x: csr(x, np.int32),
    "csr, 64-bit indices": lambda x: csr(x, np.int64),
    "csr, unsorted, explicit zeros": lambda x: shuffled(x),
}
MULTIPLICATIVE = {
    "l1": 0.0, "l2": 0.0, "floor": 0.0, "max_sweeps": 1, "tol": 0.0, "loss_at_start": True,
    "measure_at_end": True, "n_threads": 2,
}  # fmt: skip
COORDINATE = {
    "l2": 0.0, "max_sweeps": 2, "shrink": 0.0, "tol": 0.0, "measure_start": True, "measure_end": True,
    "n_threads": 2,
}  # fmt: skip


def shuffled(x):
    """Every entry stored, the zeros as well, in backward order."""
    rows, cols = x.shape
    indices = np.tile(np.arange(cols, dtype=np.int32)[::-1], rows)
    return x[:, ::-1].ravel().copy(), indices, np.arange(rows + 1, dtype=np.int32) * np.int32(cols), cols


def as64(a):
    return (a[0].astype(float), *a[1:]) if isinstance(a, tuple) else np.asarray(a, float)


def multiplicative(kernels, x, f, start, beta, *, sums=True, **options):
    out, num, den = np.full_like(start, np.nan), np.full_like(f, np.nan), np.full_like(f, np.nan)
    total, *scalars = kernels.multiplicative(
        x=x, f=f, beta=beta, start=start, out=out, num=num if sums else None, den=den if sums else None,
        scale=np.linspace(0.5, 1.5, f.shape[1]), **MULTIPLICATIVE | options,
    )  # fmt: skip
    assert np.isnan(den).all() == (beta in (1, 2) or not sums)
    return [out, num, np.nan_to_num(den), total, *map(np.asarray, scalars)]


def coordinate(kernels, x, f, start, *, l1=0.0, **options):
    out = np.full_like(start, np.nan)
    total, *scalars = kernels.kl_coordinate(
        x=x, f=f, slope=f.sum(axis=0, dtype=float) + l1, start=start, out=out, **COORDINATE | options
    )
    return [out, total, *map(np.asarray, scalars)]


def agree(got, expected, dtype, growth):
    """Equal up to `growth` roundings of the largest entry; losses and residuals are sums of the same terms.

    The last result, rows still open, is left out: without limits rounding decides it.
    """
    eps = np.finfo(dtype).eps
    largest = max(abs(theirs) for theirs in expected[:-1] if theirs.ndim == 0)
    for mine, theirs in zip(got[:-1], expected[:-1], strict=True):
        assert mine.shape == theirs.shape
        scale = largest if theirs.ndim == 0 else np.abs(theirs).max(initial=0)
        assert_allclose(mine, theirs, rtol=0, atol=growth * eps * scale)


@functools.cache
def problem(shape, dtype, beta=1.0):
    return make(*shape, dtype, positive=beta <= 0)


@functools.cache
def multiplicative_twin(shape, dtype, beta, **options):
    return multiplicative(reference, *map(as64, problem(shape, dtype, beta)), beta, **options)


@functools.cache
def coordinate_twin(shape, dtype, **options):
    return coordinate(reference, *map(as64, problem(shape, dtype)), **options)


def check_multiplicative(kernels, dtype, shape, beta, lay=np.asarray, growth=1.0, **options):
    x, f, start = problem(shape, dtype, beta)
    got = multiplicative(kernels, lay(x), f, start, beta, **options)
    expected = multiplicative_twin(shape, dtype, beta, **options)
    # The loss sums terms that are larger than itself, and a power multiplies the rounding by its exponent.
    agree(got, expected, dtype, growth * 8 * (1 + abs(beta)) * np.sqrt(f.size))
    return got[-1], expected[-1]


def check_coordinate(kernels, dtype, shape, lay=np.asarray, growth=1.0, **options):
    x, f, start = problem(shape, dtype)
    got, expected = coordinate(kernels, lay(x), f, start, **options), coordinate_twin(shape, dtype, **options)
    agree(got, expected, dtype, growth * 16 * np.sqrt(f.size))
    return got[-1], expected[-1]
