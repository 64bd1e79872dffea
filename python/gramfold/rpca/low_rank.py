"""A matrix of low rank as its factors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.extmath import svd_flip

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class LowRank:
    """U @ diag(s) @ V.T, made dense only on demand.

    Attributes
    ----------
    U : ndarray of shape (n_samples, rank)
        Orthonormal columns.
    s : ndarray of shape (rank,)
        Singular values, the largest first.
    V : ndarray of shape (n_features, rank)
        Orthonormal columns.

    Examples
    --------
    >>> import numpy as np
    >>> from gramfold.rpca.low_rank import LowRank
    >>> low = LowRank.of(np.array([[1.0], [2.0]]), np.array([[3.0], [0.0], [4.0]]))
    >>> low.dense()
    array([[3., 0., 4.],
           [6., 0., 8.]])
    >>> low.entries([1], [2])
    array([8.])
    """

    U: Array
    s: Array
    V: Array

    @classmethod
    def of(cls, left: Array, right: Array) -> "LowRank":
        """The singular value decomposition of left @ right.T; the signs are fixed by V."""
        if not left.shape[1]:  # SciPy 1.11 has no decompositions of nothing
            return cls(left.copy(), np.empty(0, left.dtype), np.ascontiguousarray(right, left.dtype))
        q, r = scipy.linalg.qr(left.astype(np.float64), mode="economic", check_finite=False)
        p, t = scipy.linalg.qr(right.astype(np.float64), mode="economic", check_finite=False)
        u, s, vt = scipy.linalg.svd(r @ t.T, full_matrices=False, check_finite=False)
        U, Vt = svd_flip(q @ u, vt @ p.T, u_based_decision=False)
        return cls(U.astype(left.dtype), s.astype(left.dtype), np.ascontiguousarray(Vt.T, left.dtype))

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features)."""
        return len(self.U), len(self.V)

    @property
    def rank(self) -> int:
        """Number of singular values."""
        return len(self.s)

    @property
    def T(self) -> "LowRank":
        """The transpose."""
        return LowRank(self.V, self.s, self.U)

    def times_power(self, exponent: int) -> "LowRank":
        """The matrix times 2^exponent."""
        return LowRank(self.U, np.ldexp(self.s, exponent), self.V)

    def dense(self) -> Array:
        """The matrix as an array."""
        product: Array = (self.U * self.s) @ self.V.T
        return product

    def rows(self, some: slice) -> Array:
        """Some of its rows, as an array."""
        product: Array = (self.U[some] * self.s) @ self.V.T
        return product

    def entries(self, rows: ArrayLike, columns: ArrayLike) -> Array:
        """Single entries, such as the ratings of some pairs of user and item."""
        left, right = (self.U * self.s)[np.asarray(rows)], self.V[np.asarray(columns)]
        products: Array = np.sum(left * right, axis=-1)
        return products
