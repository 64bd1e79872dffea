"""Leading singular vectors, as exact as a start needs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..linalg.blas import one_thread
from ..linalg.krylov import Space
from ..linalg.powers import exponent_of
from ..linalg.spectrum import eigenpairs, refine
from .row_state import gram_of_rows, largest_of_columns, scaled_columns, turned_rows

Array = NDArray[Any]

BLOCKS, OVERSAMPLES = 4, 10


def leading(x: Any, k: int, rng: np.random.RandomState) -> tuple[Array, Array, Array]:
    """The truncated SVD U, s, V of X from a block Krylov space (Musco & Musco 2015), in five reads of X.

    Parameters
    ----------
    x : Source, or what `filled` gives
    k : int
    rng : RandomState

    Returns
    -------
    ndarrays of shape (rows, k), (k,) and (k, cols)
        The first one is `Kept` where workers run the passes over X, and X is not wide. The largest entry of
        each left vector is positive. A value that is rounding beside the largest one is 0, and so is its
        vector along the longer side.
    """
    wide = x.rows < x.cols
    tall = x.transposed if wide else x
    with one_thread():
        vectors = _subspace(tall, x.squared_norm, k, rng)
        products = tall.product(vectors, None if tall.client is None else tall.room(vectors.shape[1], []))
        s, turn, _ = refine(gram_of_rows(tall, products), np.eye(vectors.shape[1]))
        turn = turn[:, :k]
        s = np.where(s[:k] > np.finfo(x.dtype).eps * s[0], s[:k], 0)
        scaled = np.divide(turn, s, out=np.zeros_like(turn), where=s > 0)
        if x.dtype == np.float64:  # columns of small values are not yet orthogonal to the last digits
            within = gram_of_rows(tall, turned_rows(tall, products, scaled))
            scaled = scaled @ (3 * np.eye(k) - within) / 2  # a step of Newton's method
        long = turned_rows(tall, products, scaled.astype(x.dtype))
        short = (vectors @ turn).astype(x.dtype)
    s = s.astype(x.dtype)
    if wide:
        signs = _signs(short[np.abs(short).argmax(axis=0), np.arange(k)], x.dtype)
        return short * signs, s, np.ascontiguousarray((long * signs).T)
    signs = _signs(largest_of_columns(x, long), x.dtype)
    return scaled_columns(x, long, signs), s, np.ascontiguousarray((short * signs).T)


def _signs(largest: Array, dtype: Any) -> Array:
    return np.where(largest < 0, -1, 1).astype(dtype)


def _subspace(tall: Any, squared_norm: float, k: int, rng: np.random.RandomState) -> Array:
    """Orthonormal columns in whose span the leading right singular vectors nearly are."""
    side = tall.cols
    size = min(k + OVERSAMPLES, side)
    unit = -exponent_of(np.sqrt(squared_norm))  # so that X'X q has the size of X

    def apply(q: Array) -> Array:
        return np.asarray(tall.gram_product(np.ldexp(q, unit)))

    if side <= BLOCKS * size:
        gram = apply(np.eye(side)).astype(np.float64)
        return np.ascontiguousarray(eigenpairs((gram + gram.T) / 2)[1][:, :size])
    space = Space(apply, side, size, BLOCKS)
    space.grow(rng.standard_normal((side, size)))
    for _ in range(BLOCKS - 1):
        space.grow()
    return space.vectors()[1]
