"""Leading eigenpairs of a positive semidefinite matrix: by LAPACK, or by a filtered subspace that is kept warm."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[Any]

# Measured at n = 200 to 1000: LAPACK's whole spectrum costs about as much as 3 filters of n / 5 columns.
SMALL, DENSE_SHARE = 128, 0.2
GUARD, MOST_ROUNDS, DEGREE = 8, 40, 6


def eigenpairs(gram: Array) -> tuple[Array, Array]:
    """All eigenvalues, the largest first and none below 0, with their vectors as columns."""
    values, vectors = scipy.linalg.eigh(gram, driver="evd", check_finite=False)
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


class Leading:
    """Eigenpairs above a threshold, again and again for a matrix that changes little.

    Chebyshev-filtered subspace iteration (Zhou, Saad, Tiago & Chelikowsky 2006): what lies in
    [0, threshold] is damped, the last subspace is the start, and a few guard vectors more than are
    wanted tell whether all were found. Where many are wanted, LAPACK's full spectrum instead.

    Parameters
    ----------
    size : int
        Rows of the matrix.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.basis = np.empty((size, 0))
        self.found = 0
        self._random = np.random.default_rng(0)

    def above(
        self, gram: Array | None, apply: Callable[[Array], Array], threshold: float, accuracy: float, most: int
    ) -> tuple[Array, Array]:
        """Eigenvalues above `threshold`, the largest first, with their vectors as columns.

        Parameters
        ----------
        gram : ndarray of shape (size, size), or None
            The matrix, if it is at hand.
        apply : callable
            Q -> matrix @ Q, for Q of shape (size, k).
        threshold : float
        accuracy : float
            The root of the sum of |residual|^2 / eigenvalue may be this large.
        most : int
            Not more pairs than this.
        """
        few = self.size > SMALL and max(self.found, GUARD) <= DENSE_SHARE * self.size
        pairs = self._iterate(apply, threshold, accuracy, most, gram is not None) if few or gram is None else None
        if pairs is None:
            assert gram is not None
            values, vectors = eigenpairs(gram)
            wanted = min(most, int(np.count_nonzero(values > threshold)))
            self.basis = vectors[:, : min(self.size, wanted + max(GUARD, wanted // 8))]
            pairs = values[:wanted], vectors[:, :wanted]
        self.found = len(pairs[0])
        return pairs

    def _iterate(
        self, apply: Callable[[Array], Array], threshold: float, accuracy: float, most: int, may_stop: bool
    ) -> tuple[Array, Array] | None:
        basis, degree = self._guarded(self.basis, self.found), DEGREE
        image = apply(basis)
        for _ in range(MOST_ROUNDS):
            values, rotation = eigenpairs(basis.T @ image)
            basis, image = basis @ rotation, image @ rotation
            above = int(np.count_nonzero(values > threshold))
            wanted = min(most, above)
            if above == len(values) < self.size and above <= most:
                basis = self._guarded(basis, above)
                if may_stop and basis.shape[1] > DENSE_SHARE * self.size:
                    return None
            else:
                left = np.linalg.norm(image[:, :wanted] - basis[:, :wanted] * values[:wanted], axis=0)
                rounding = 8 * np.finfo(np.float64).eps * values[0] / np.sqrt(threshold)
                size = np.sqrt(np.sum(left**2 / np.maximum(values[:wanted], threshold)))
                if size <= max(accuracy, rounding):
                    break
            low = threshold if above <= most else max(threshold, float(values[min(most, len(values) - 1)]))
            basis = _orthonormal(_filter(apply, basis, low, degree))
            image = apply(basis)
        self.basis = basis
        return values[:wanted], basis[:, :wanted]

    def _guarded(self, basis: Array, wanted: int) -> Array:
        """The basis with random directions added: an eighth more than is wanted."""
        columns = min(self.size, wanted + max(GUARD, wanted // 8))
        if wanted == basis.shape[1] and wanted:
            columns = min(self.size, 2 * wanted + GUARD)
        more = columns - basis.shape[1]
        if more <= 0:
            return basis[:, : max(columns, wanted)]
        return _orthonormal(np.hstack([basis, self._random.standard_normal((self.size, more))]))


def _orthonormal(a: Array) -> Array:
    q: Array = scipy.linalg.qr(a, mode="economic", check_finite=False)[0]
    return q


def _filter(apply: Callable[[Array], Array], basis: Array, low: float, degree: int) -> Array:
    """T_degree((2 / low) matrix - 1) @ basis, with columns kept in range."""
    half = low / 2
    before, now = basis, apply(basis) / half - basis
    for _ in range(degree - 1):
        scale = np.linalg.norm(now, axis=0)
        scale[scale == 0] = 1
        before, now = before / scale, now / scale
        before, now = now, 2 * (apply(now) / half - now) - before
    return now
