"""Shapes, layouts and data that the tests of the kernels share."""

import inspect

import numpy as np
import scipy.sparse as sp
from numpy.testing import assert_allclose

from gramfold._core import reference

# rows, columns, components: single ones; one past a row group (48), a block (192) and a chunk (256); several
# chunks; k below, at and above the widths of the vectors, and their tails; k above both sides; wide; rows so
# long that blocks are short, or, with several tiles of components, long.
SHAPES = [
    (1, 1, 1), (1, 9, 3), (9, 1, 2), (49, 5, 1), (193, 31, 5), (257, 40, 8), (1100, 19, 4), (48, 33, 49),
    (7, 300, 33), (20, 6, 30), (23, 2060, 1), (17, 1037, 3), (65, 32, 4), (21, 67, 2), (49, 16, 1),
    (1100, 37, 2), (700, 40, 1), (61, 6000, 3), (200, 1300, 27),
]  # fmt: skip
TAILS = [(50, 23, k) for k in range(1, 18)]
LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "every other row and third column": lambda x: spread(x, 2, 3),
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "rows backwards": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "csr, 32-bit indices": lambda x: csr(x, np.int32),
    "csr, 64-bit indices": lambda x: csr(x, np.int64),
}


def spread(x, down, across):
    wide = np.full((x.shape[0] * down, x.shape[1] * across), np.nan, x.dtype)
    wide[::down, ::across] = x
    return wide[::down, ::across]


def csr(x, index):
    s = sp.csr_array(x)
    return s.data, s.indices.astype(index), s.indptr.astype(index), x.shape[1]


def close(actual, expected, dtype, growth=1.0):
    """Equal to the float64 reference up to `growth` roundings of the largest entry."""
    expected = np.asarray(expected, np.float64)
    assert np.shape(actual) == expected.shape
    atol = 16 * growth * np.finfo(dtype).eps * np.abs(expected).max(initial=0)
    assert_allclose(actual, expected, rtol=0, atol=atol)


def data(rows, cols, k, dtype, seed=0, density=0.6):
    """X with zeros, among them a row and a column, and a signed F of well-conditioned Gram matrix."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, cols)) * (rng.random((rows, cols)) < density)
    if rows > 2 and cols > 2:
        x[rows // 2], x[:, cols // 2] = 0, 0
    f = rng.standard_normal((cols, k))
    return x.astype(dtype), f.astype(dtype), rng.standard_normal((2, rows, k)).astype(dtype)


def as64(a):
    if isinstance(a, tuple):
        return a[0].astype(np.float64), *a[1:]
    return None if a is None else a.astype(np.float64)


def by_name(kernel, *arguments, **named):
    """Call a kernel with its arguments in the order of its twin's."""
    names = inspect.signature(getattr(reference, kernel.__name__)).parameters
    return kernel(**dict(zip(names, arguments, strict=False)), **named)
