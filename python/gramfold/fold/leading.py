"""Leading singular vectors, as exact as a start needs."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.arguments import Seed, seeded
from ..fit.floats import stored
from ..linalg.blas import one_thread
from ..linalg.krylov import Space
from ..linalg.powers import exponent_of, scaled
from ..linalg.spectrum import eigenpairs, orthonormal, refine
from .row_state import gram_of_rows, largest_of_columns, scaled_columns, turned_rows

Array = NDArray[Any]

BLOCKS, OVERSAMPLES = 4, 10
SAMPLE, SPARED, APART = 1024, 64, 1 << 13  # rows that tell the size of X; and how far apart, in bytes too


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


def foresee(x: Any, k: int, random_state: Seed) -> None:
    """Read X, if it is long and flat in a file, for its scan and for the first product of `leading` in one.

    Which product that is depends on the unit of X, and so on its squared norm, which only the read tells:
    some rows do before. Where they mislead, `leading` makes that product anew. Draws from a copy of
    `random_state`.
    """
    if x.sparse or not (x.held and x.flat) or x.rows < x.cols or x.x.scan is not None:
        return
    down, across = (abs(step) for step in stored(x.x).strides)
    if down < across:
        return
    some = x.take(slice(None, None, max(-(-x.rows // SAMPLE), SPARED, -(-APART // down))))
    squares = float(np.square(some, dtype=np.float64).mean()) * x.rows * x.cols
    if np.isfinite(squares):
        with one_thread():
            block = _first_block(x.cols, k, copy.deepcopy(seeded(random_state)))
            first = block if block.shape[1] == x.cols else orthonormal(block)  # as `Space` makes it
            x.read_first(_in_unit(first, squares))


def _size(side: int, k: int) -> int:
    """Columns of a block."""
    return min(k + OVERSAMPLES, side)


def _first_block(side: int, k: int, rng: np.random.RandomState) -> Array:
    """Columns that the space begins with: drawn, or the unit vectors, if it would be nearly everything."""
    size = _size(side, k)
    return np.eye(side) if side <= BLOCKS * size else rng.standard_normal((side, size))


def _in_unit(q: Array, squared_norm: float) -> Array:
    """Columns times a power of two such that X'X q has the size of X."""
    return np.asarray(scaled(q, -exponent_of(np.sqrt(squared_norm))))


def _subspace(tall: Any, squared_norm: float, k: int, rng: np.random.RandomState) -> Array:
    """Orthonormal columns in whose span the leading right singular vectors nearly are."""
    side, size = tall.cols, _size(tall.cols, k)

    def apply(q: Array) -> Array:
        return np.asarray(tall.gram_product(_in_unit(q, squared_norm)))

    block = _first_block(side, k, rng)
    if block.shape[1] == side:
        gram = apply(block).astype(np.float64)
        return np.ascontiguousarray(eigenpairs((gram + gram.T) / 2)[1][:, :size])
    space = Space(apply, side, size, BLOCKS)
    space.grow(block)
    for _ in range(BLOCKS - 1):
        space.grow()
    return space.vectors()[1]
