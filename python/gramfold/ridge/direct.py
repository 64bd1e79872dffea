"""Ridge regression in one step: Cholesky or eigenvalues of X'X or XX'."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp

from .._core import kernels
from ..fold.source import Array, Source
from ..linalg.blas import one_thread
from .centred_rows import CentredRows
from .data import Double

EPS = float(np.finfo(np.float64).eps)
# Rows of a matrix whose eigenvalues, or Cholesky factor, one thread finds about as fast as several, which on
# a busy machine wait for each other; of up to TINY LAPACK uses but one.
TINY, SMALL, SMALL_FACTOR = 32, 1024, 2048

Solve = Callable[[Double], Double]


def small(size: int) -> AbstractContextManager[Any]:
    """A block of products and solutions with so many rows, in one thread where that is fast enough.

    The threads of a BLAS that is done with a product go on to look for more, beside those of the next kernel.
    """
    return one_thread(TINY < size <= SMALL_FACTOR)


class Singular(ValueError):
    """X'X + alpha I is singular to rounding."""


def positive_definite(matrix: Double, alpha: Double) -> tuple[Solve, float]:
    """Solve (matrix + alpha_t I) b_t = rhs_t, by Cholesky for one alpha, by eigenvalues for several.

    Also gives the condition number, about.

    Raises
    ------
    Singular
        If Cholesky fails, or the condition number is that of rounding.
    """
    if np.ptp(alpha) > 0:
        eigen = Eigen(matrix, alpha)
        if not eigen.kept.all():
            raise Singular
        return eigen, eigen.condition
    ridge = matrix + alpha[0] * np.eye(len(matrix))
    # Columns of one size, by powers of two: the factor is as exact for any, the condition number is not.
    unit = np.ldexp(1.0, -(np.frexp(ridge.diagonal())[1] // 2))
    ridge *= unit
    ridge *= unit[:, None]
    size = la.norm(ridge, 1)
    try:
        with small(len(matrix)):
            factor = la.cho_factor(ridge, lower=True, overwrite_a=True, check_finite=False)
    except la.LinAlgError:
        raise Singular from None
    reciprocal, _ = la.lapack.dpocon(factor[0], size, uplo="L")
    if not reciprocal > len(matrix) * EPS:
        raise Singular

    def solve(rhs: Double) -> Double:
        scale = unit if rhs.ndim == 1 else unit[:, None]
        with small(len(matrix)):
            return np.asarray(scale * la.cho_solve(factor, scale * rhs, check_finite=False))

    return solve, 1 / reciprocal


class Eigen:
    """The same from eigenvalues; those that are 0 to rounding count as 0, for the least norm."""

    def __init__(self, matrix: Double, alpha: Double) -> None:
        with one_thread(TINY < len(matrix) <= SMALL):
            self.values, self.vectors = la.eigh(matrix, check_finite=False)
        self.shifted = self.values[:, None] + alpha
        top = np.maximum(self.shifted.max(axis=0), 0)
        self.kept = self.shifted > len(matrix) * EPS * top
        least = np.min(self.shifted, axis=0, where=self.kept, initial=np.inf)
        self.condition = float(np.max(top / least, initial=1.0))

    def __call__(self, rhs: Double) -> Double:
        """Solve for rhs."""
        along = self.vectors.T @ rhs
        return self.vectors @ np.divide(along, self.shifted, out=np.zeros_like(along), where=self.kept)

    def drops_nothing(self, squares: Callable[[Double], Double], size: int) -> bool:
        """Whether X takes the vectors of what counts as 0 to 0 up to rounding, so that nothing was lost.

        `squares` gives the squared lengths of what it takes them to; `size` is the longer side of X.
        """
        null, most = self.vectors[:, ~self.kept.all(axis=1)], (size * EPS) ** 2 * self.values.max()
        pieces = range(0, null.shape[1], 64)
        return all(squares(null[:, first : first + 64]).max() <= most for first in pieces)


def definite_or_not(matrix: Double, alpha: Double) -> tuple[Solve, float]:
    """The same by eigenvalues where it is singular."""
    if np.ptp(alpha) == 0:
        try:
            return positive_definite(matrix, alpha)
        except Singular:
            pass
    eigen = Eigen(matrix, alpha)
    return eigen, eigen.condition


def dual(rows: CentredRows, alpha: Double) -> tuple[Solve, Solve, float]:
    """What gives b = X'(K + alpha I)^-1 y, K = XX' of the centred and weighted rows, and what refines it.

    The latter solves (X'X + alpha I) d = g. Also gives the condition number of K + alpha I, about: infinite
    where what rounding hides in K is not all 0.
    """
    roots = rows.roots()
    K, times, pulled = products_of_rows(rows, roots)
    inverse, condition = definite_or_not(K, alpha)
    if isinstance(inverse, Eigen) and not inverse.drops_nothing(
        lambda null: np.sum(pulled(null) ** 2, axis=0), max(rows.x.rows, rows.x.cols)
    ):
        condition = np.inf

    divides = alpha > 100 * len(K) * EPS * np.trace(K)  # without loss of all digits

    def correct(g: Double) -> Double:
        within = inverse(times(g))
        pull = pulled(np.where(divides, within, inverse(within)))
        return np.divide(g - pull, alpha, out=pull, where=divides)

    return lambda y: pulled(inverse(roots * y)), correct, condition


def products_of_rows(rows: CentredRows, roots: Double) -> tuple[Double, Solve, Solve]:
    """XX', and products with X and with X', of rows that are weighted by the roots.

    Centred rows add up to 0, weighted by the roots: the roots are an eigenvector of XX', of eigenvalue 0, of
    which rounding would make any small number. X' takes them to 0 whatever it is: it is made an ordinary one.
    """
    K, times, pulled = _products_of_rows(rows, roots)
    if rows.centered and len(K):
        K += np.trace(K) / len(K) / np.sum(roots**2) * (roots @ roots.T)
    return K, times, pulled


def _products_of_rows(rows: CentredRows, roots: Double) -> tuple[Double, Solve, Solve]:
    if not rows.x.sparse:
        x = np.empty((rows.x.rows, rows.x.cols), rows.x.dtype)
        for some in rows.slices():
            x[some] = rows.dense(some) * roots[some]
        K = _products(Source(x.T, rows.x.n_threads))
        return K, lambda b: _double(x @ b.astype(x.dtype)), lambda a: _double(x.T @ a.astype(x.dtype))
    # All rows at once, for their products with each other; they are few.
    far, mean, scale = rows.about.far, rows.about.near_mean, rows.about.scale
    near = _without(rows.x.x, far)
    K = _products(Source(near, rows.x.n_threads).transposed, scale)
    toward = (near @ mean)[:, None] * scale
    K += mean @ mean - toward - toward.T
    beside = np.empty((rows.x.rows, 0)) if rows.beside is None else rows.beside
    K += beside @ beside.T
    K *= roots * roots.T

    def times(b: Double) -> Double:
        return roots * ((near @ b) * scale - mean @ b + beside @ b[far])

    def pulled(a: Double) -> Double:
        a = roots * a
        b = (near.T @ a) * scale - np.outer(mean, a.sum(axis=0))
        b[far] += beside.T @ a
        return b

    return K, times, pulled


def _without(x: Any, columns: Array) -> Any:
    """A CSR matrix of the same shape without the entries of some columns; itself if these are none."""
    if not columns.size:
        return x
    stays = np.ones(x.shape[1], bool)
    stays[columns] = False
    stays = stays[x.indices]
    ends = np.concatenate([[0], np.cumsum(stays)])[x.indptr].astype(x.indptr.dtype)
    return sp.csr_array((x.data[stays], x.indices[stays], ends), shape=x.shape)


def _double(x: Array) -> Double:
    return x.astype(np.float64)


def _products(x: Source, scale: float = 1.0) -> Double:
    nothing = np.zeros((x.rows, 0), x.dtype)
    return (
        kernels.moments(x=x.kernel, y=nothing, shift=None, weights=None, n_threads=x.n_threads, scale=scale)
        .products[:-1, :-1]
        .copy()
    )
