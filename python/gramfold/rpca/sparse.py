"""The state of robust PCA for a CSR X whose stored entries are the observed ones; nothing is made dense.

Unobserved, the input W of the threshold is L itself, so W = left @ right.T + E with E as sparse as X, and its
singular vectors come from a subspace that is kept from one iteration to the next.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .._core import kernels
from ..fold.source import Source
from ..linalg.spectrum import Leading, largest
from .decode import multipliers, row_scale
from .numbers import Numbers, Totals

Array = NDArray[Any]

PIECE, LOOSE, ROUGH = 1 << 18, 10.0, 0.1


class SparseState:
    """See `rpca_dense.DenseState`, whose methods these are.

    Parameters
    ----------
    x : CSR matrix of shape (rows, cols), float32 or float64
    weights : ndarray of shape (nnz,), or None
        lam of each entry.
    by_row : bool
    n_threads : int
    """

    relaxes = False

    def __init__(self, x: Any, weights: Array | None, by_row: bool, n_threads: int) -> None:
        self.x, self.weights, self.by_row, self.n_threads = x, weights, by_row, n_threads
        self.rows, self.cols = x.shape
        self.z = np.zeros(x.nnz, x.dtype)
        self.left, self.right = np.zeros((self.rows, 0), x.dtype), np.zeros((self.cols, 0), x.dtype)
        self.row = np.repeat(np.arange(self.rows), np.diff(x.indptr))
        self._numbers = Numbers(1.0, 1.0, 1.0, 1.0)
        self._leading, self._change = Leading(self.cols), 0.0
        numbered = sp.csr_array((np.arange(1, x.nnz + 1), x.indices, x.indptr), shape=x.shape).T.tocsr()
        self._order = numbered.data - 1
        # What the threshold is given, and its transpose: written here, read by the sources over them.
        self._entries, self._entries_back = x.data.copy(), x.data[self._order]
        rest, back = (
            (self._entries, x.indices, x.indptr),
            (self._entries_back, numbered.indices, numbered.indptr),
        )
        self._rest = Source(sp.csr_array(rest, shape=x.shape), n_threads)
        self._rest_back = Source(sp.csr_array(back, shape=x.shape[::-1]), n_threads)

    def open(self, numbers: Numbers) -> None:
        """Make the input of the first threshold from z, `left` and `right`."""
        y = self.multipliers(numbers)
        low = self.low(self.left, self.right)
        self._set(self.x.data - (self.z - y) / numbers.mu_old + y / numbers.mu - low)
        self._numbers = numbers

    def low(self, left: Array, right: Array) -> Array:
        """The entries of left @ right.T where X stores one."""
        low = np.zeros_like(self.z)
        for first in range(0, len(low), PIECE):
            some = slice(first, first + PIECE)
            low[some] = np.sum(left[self.row[some]] * right[self.x.indices[some]], axis=1)
        return low

    def norm(self) -> float:
        """The spectral norm of the input that was opened, without its low-rank part."""
        return self._norm_of_rest(ROUGH)

    def threshold(self, tau: float, accuracy: float, most: int) -> Array:
        """The singular values of the input above tau; `left` and `right` become L for `advance`."""
        pairs = self._leading.iterate(self._gram_product, tau * tau, LOOSE * accuracy, most, self.cols, 2)
        assert pairs is not None
        values, before = np.sqrt(pairs[0]), (self.left, self.right)
        left = self._product(pairs[1]) * (1 - tau / values)
        self.left = np.ascontiguousarray(left, self.x.dtype)
        self.right = np.ascontiguousarray(pairs[1], self.x.dtype)
        self._change = _squared_distance(*before, self.left, self.right)
        return values

    def advance(self, numbers: Numbers) -> Totals:
        """Shrink and update the multipliers, for the L that `threshold` made."""
        rest = np.empty_like(self.z)
        sums = kernels.shrink_sparse(
            x=(self.x.data, self.x.indices, self.x.indptr, self.cols),
            weights=self.weights,
            z=self.z,
            left=self.left,
            right=self.right,
            numbers=numbers.as_tuple(),
            by_row=self.by_row,
            out=rest,
            n_threads=self.n_threads,
        )
        self._set(rest)
        self._numbers = replace(numbers.after(), mu=numbers.mu_next)
        totals = Totals(*sums)
        unobserved = 1 - len(self.z) / (self.rows * self.cols)  # what L moved by there, as by its share
        return replace(totals, moved=totals.moved + unobserved * self._change)

    def dual_norm(self, accuracy: float) -> float:
        """The spectral norm of the multipliers, off by at most `accuracy` of itself."""
        kept = self._entries.copy()
        self._set(self.multipliers(self._numbers))
        norm = self._norm_of_rest(accuracy)
        self._set(kept)
        return norm

    def _norm_of_rest(self, accuracy: float) -> float:
        if not self._entries.any():
            return 0.0
        self._leading.keep(self._leading.basis, self._leading.found)
        return float(np.sqrt(largest(self._rest_product, self._leading.basis, accuracy)[0]))

    def _rest_product(self, q: Array) -> Array:
        return _times(self._rest_back, _times(self._rest, q))

    def multipliers(self, numbers: Numbers) -> Array:
        """Y on the stored entries."""
        scale = None
        if self.by_row:
            squares = np.bincount(self.row, self.z.astype(np.float64) ** 2, self.rows)
            scale = row_scale(squares, numbers)[self.row].astype(self.z.dtype)
        return multipliers(self.z, numbers, numbers.lam if self.weights is None else self.weights, scale)

    def _set(self, rest: Array) -> None:
        self._entries[:] = rest
        self._entries_back[:] = self._entries[self._order]

    def _product(self, q: Array) -> Array:
        return _times(self._rest, q) + self.left @ (self.right.T @ q)

    def _gram_product(self, q: Array) -> Array:
        p = self._product(q)
        return _times(self._rest_back, p) + self.right @ (self.left.T @ p)


def _times(x: Source, factor: Array) -> Array:
    """X @ factor, in float64."""
    return x.product(factor).astype(np.float64)


def _squared_distance(left: Array, right: Array, other_left: Array, other_right: Array) -> float:
    """|left right' - other_left other_right'|_F^2, without the products."""
    both, signed = np.hstack([right, other_right]), np.hstack([left, -other_left])
    return max(0.0, float(np.sum((both.T @ both) * (signed.T @ signed))))
