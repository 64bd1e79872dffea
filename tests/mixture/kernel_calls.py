"""Calls of the kernels of the mixtures, and what is compared of what they give."""

import numpy as np
import pytest
import scipy.sparse as sp
from kernel_cases import by_name
from numpy.testing import assert_allclose, assert_array_equal

# Rows, columns, components: single ones; one past a strip of rows (48 or 96), one past a block (192); columns
# and k around the widths of the vectors; several chunks.
SHAPES = [
    (1, 1, 1), (1, 9, 3), (9, 1, 2), (49, 5, 1), (97, 4, 3), (193, 31, 5), (50, 33, 8), (1100, 7, 17),
    (20, 6, 30),
]  # fmt: skip
KINDS = ["full", "tied", "diag", "spherical"]
LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "backwards, every other column": lambda x: np.repeat(x, 2, axis=1)[::-1].copy()[::-1, ::2],
}
SPARSE = {
    "csr, 32-bit indices": lambda x: csr(x, np.int32),
    "csr, 64-bit indices": lambda x: csr(x, np.int64),
    "csr, every zero stored": lambda x: csr(x, np.int32, stored=True),
}


def csr(x, index, stored=False):
    if stored:
        rows, cols = x.shape
        return (
            x.ravel(),
            np.tile(np.arange(cols, dtype=index), rows),
            np.arange(rows + 1, dtype=index) * cols,
            cols,
        )
    s = sp.csr_array(x)
    return s.data, s.indices.astype(index), s.indptr.astype(index), x.shape[1]


def counts(n, d, k, dtype, seed=0):
    """Counts with a row and a column of zeros, log rates with a rate of 0, the rest of the arguments."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(2.0, 1.0, (k, d))
    x = rng.poisson(rates[rng.integers(k, size=n)]).astype(dtype)
    x[n // 2], x[:, d // 2] = 0, 0
    f = np.log(rates.T)
    f[d // 2, -1] = -1e200
    shares = rng.dirichlet(np.ones(k))
    return x, f, np.log(shares), rates.sum(axis=1), 0.5 + rng.random(n), rng.integers(0, 3, n).astype(float)


def poisson(kernels, x, f, bias, slope, exposure=None, weights=None, given=None, n_threads=2):
    n = len(x[2]) - 1 if isinstance(x, tuple) else len(x)
    k = f.shape[1]
    sums, resp = np.full(f.shape, np.nan), np.full((n, k), np.nan)
    score, labels = np.full(n, np.nan), np.full(n, -1)
    found = kernels.poisson_mixture(
        x=x,
        f=f,
        bias=bias,
        slope=slope,
        exposure=exposure,
        weights=weights,
        given=given,
        sums=sums,
        resp=resp,
        score=score,
        labels=labels,
        n_threads=n_threads,
    )
    return [*found, sums, resp, score, labels]


def points(n, d, k, kind, dtype, seed=0):
    """Points, and the arguments of the kernel from shift to about."""
    rng = np.random.default_rng(seed)
    centers = 2 * rng.normal(size=(k, d))
    x = (centers[rng.integers(k, size=n)] + rng.normal(size=(n, d)) + 5).astype(dtype)
    factor = {
        "full": np.eye(d) + 0.2 * np.triu(rng.normal(size=(k, d, d))),
        "tied": np.eye(d) + 0.2 * np.triu(rng.normal(size=(d, d))),
        "diag": 0.5 + rng.random((k, d)),
        "spherical": 0.5 + rng.random(k),
    }[kind].astype(dtype)
    shift, scale = np.full(d, 5, dtype), np.ldexp(1.0, rng.integers(-1, 2, d)).astype(dtype)
    centers, about = (((centers + more) * scale).astype(dtype) for more in (0, 0.1))
    constants = np.log(rng.dirichlet(np.ones(k))) - d
    return x, (kind, shift, scale, centers, factor, constants, about)


def gaussian(kernels, x, arguments, second="full", weights=None, given=None, n_threads=2):
    n, d = x.shape
    k, dtype = len(arguments[3]), arguments[3].dtype
    shapes = {"full": (k, d, d), "diagonal": (k, d), "pooled": (1, d, d)}
    squares = None if second is None else np.full(shapes[second], np.nan)
    first, resp = np.full((k, d), np.nan), np.full((n, k), np.nan, dtype)
    score, labels = np.full(n, np.nan), np.full(n, -1)
    found = by_name(
        kernels.gaussian_mixture,
        x,
        *arguments,
        weights,
        given,
        first,
        squares,
        resp,
        score,
        labels,
        n_threads,
    )
    return [*found, first, np.zeros(1) if squares is None else squares, resp, score, labels]


def double(arguments):
    return [np.asarray(a, float) if isinstance(a, np.ndarray) else a for a in arguments]


def agree(got, expected, dtype, growth):
    """Equal up to `growth` roundings of the largest entry; labels where the best two logits differ."""
    eps = np.finfo(dtype).eps
    for mine, theirs in zip(got[:-1], expected[:-1], strict=True):
        mine, theirs = np.asarray(mine), np.asarray(theirs)
        assert mine.shape == theirs.shape
        assert_allclose(mine, theirs, rtol=0, atol=growth * eps * np.abs(theirs).max(initial=1))
    resp = np.sort(expected[-3], axis=1)
    clear = np.ones(len(resp), bool) if resp.shape[1] == 1 else resp[:, -1] > resp[:, -2] * (1 + 1e-3)
    assert_array_equal(got[-1][clear], expected[-1][clear])


def refuses(kernel, arguments, wrong):
    for name, values in wrong.items():
        for value in values:
            with pytest.raises((ValueError, TypeError)):
                kernel(**arguments | {name: value})
