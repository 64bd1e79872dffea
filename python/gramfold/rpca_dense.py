"""The state of robust PCA for a dense X: one array of its size, and the Gram matrix of the next input."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh

from ._core import kernels
from .rpca_numbers import Numbers, Totals
from .spectrum import SMALL, Leading, eigenpairs

Array = NDArray[Any]


class DenseState:
    """See cpp/rpca.hpp. X is taken tall: rows are those of X or, where it is wide, its columns.

    Parameters
    ----------
    x : ndarray of shape (rows, cols), float32 or float64
        NaN is unobserved.
    weights : ndarray of x's shape and dtype, or None
        lam of each entry.
    by_row : bool
        Whether outliers are rows of x.
    n_threads : int
    """

    relaxes = True

    def __init__(self, x: Array, weights: Array | None, by_row: bool, n_threads: int) -> None:
        self.x, self.weights, self.by_row, self.n_threads = x, weights, by_row, n_threads
        self.rows, self.cols = x.shape
        self.z = np.zeros(x.shape, x.dtype)
        self.gram = np.empty((self.cols, self.cols))
        self.left = np.empty((self.rows, 0), x.dtype)
        self.right = np.empty((self.cols, 0), x.dtype)
        self._leading = Leading(self.cols)

    def open(self, numbers: Numbers) -> None:
        """Make the input of the first threshold from z."""
        self._shrink(None, None, numbers, False, None, self.gram)

    def scale_input(self, factor: float) -> None:
        """Multiply that input by `factor`, where z is 0."""
        self.gram *= factor**2

    def threshold(self, tau: float, accuracy: float, most: int) -> Array:
        """Singular values above tau, with their right vectors at hand for `advance`."""
        values, vectors = self._leading.above(self.gram, self._apply, tau * tau, accuracy, most)
        self.right = np.ascontiguousarray(vectors, dtype=self.x.dtype)
        return np.sqrt(values)

    def advance(self, factors: Array, numbers: Numbers) -> Totals:
        """One pass; `left` and `right` hold L = left @ right.T afterwards."""
        if self.left.shape[1] != len(factors):
            self.left = np.empty((self.rows, len(factors)), self.x.dtype)
        return self._shrink(self.right, factors, numbers, False, self.left, self.gram)

    def dual_norm(self, numbers: Numbers) -> float:
        """The spectral norm of the multipliers."""
        gram = np.empty_like(self.gram)
        self._shrink(None, None, numbers, True, None, gram)
        return largest(gram)

    def norm(self) -> float:
        """The spectral norm of what is observed, while z is 0."""
        return largest(self.gram)

    def _apply(self, q: Array) -> Array:
        return self.gram @ q

    def _shrink(
        self, right: Array | None, factors: Array | None, numbers: Numbers, dual: bool,
        left: Array | None, gram: Array,
    ) -> Totals:  # fmt: skip
        sums = kernels.shrink(
            self.x, self.weights, self.z, right, factors, numbers.as_tuple(), self.by_row, dual, left, gram,
            self.n_threads,
        )  # fmt: skip
        return Totals(*sums)


def largest(gram: Array) -> float:
    """The root of the largest eigenvalue."""
    if len(gram) <= SMALL or not gram.any():
        return float(np.sqrt(eigenpairs(gram)[0][0]))
    start = np.random.default_rng(0).standard_normal(len(gram))
    value = eigsh(gram, k=1, which="LA", v0=start, tol=1e-11, ncv=min(len(gram), 48), return_eigenvectors=False)
    return float(np.sqrt(max(0.0, value[0])))
