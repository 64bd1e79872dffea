"""Leading singular vectors, as exact as a start needs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from .blas import one_thread
from .krylov import Space
from .powers import exponent_of
from .spectrum import eigenpairs, refine

Array = NDArray[Any]

BLOCKS, OVERSAMPLES = 4, 10


def leading(x: Any, k: int, rng: np.random.RandomState) -> tuple[Array, Array, Array]:
    """The truncated SVD U, s, V of X from a block Krylov space (Musco & Musco 2015), in five reads of X.

    Parameters
    ----------
    x : Source, or what has its `rows`, `cols`, `dtype`, `n_threads`, `squared_norm`, `transposed`, `product`
        and `gram_product`
    k : int
    rng : RandomState

    Returns
    -------
    ndarrays of shape (rows, k), (k,) and (k, cols)
        The largest entry of each left vector is positive.
    """
    wide = x.rows < x.cols
    tall = x.transposed if wide else x
    with one_thread():
        vectors = _subspace(tall, x.squared_norm, k, rng)
        products = tall.product(vectors)
        s, turn, _ = refine(kernels.gram(f=products, n_threads=x.n_threads), np.eye(vectors.shape[1]))
        s, turn = s[:k], turn[:, :k]
        # Of a value below all rounding the inverse may overflow, and the vector is nothing.
        scaled = turn / np.where(s > np.finfo(x.dtype).eps ** 2 * s[0], s, 1)
        if x.dtype == np.float64:  # columns of small values are not yet orthogonal to the last digits
            within = kernels.gram(f=products @ scaled, n_threads=x.n_threads)
            scaled = scaled @ (3 * np.eye(k) - within) / 2  # a step of Newton's method
        long = products @ scaled.astype(x.dtype)
        short = (vectors @ turn).astype(x.dtype)
    left, right = (short, long) if wide else (long, short)
    signs = np.where(left[np.abs(left).argmax(axis=0), np.arange(k)] < 0, -1, 1).astype(x.dtype)
    return left * signs, s.astype(x.dtype), np.ascontiguousarray((right * signs).T)


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
