"""A sparse X of which the stored entries are what is observed, without the memory of all entries."""

from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..fit.blocks import Blocks
from ..fit.cached import cached_property
from ..fit.floats import pieces
from ..io.parts import Beside
from .engine import State, added, each
from .observed import Counted
from .observed_segments import counted_segments
from .segments import Segments
from .source import Array, Source, dense_rows


class Stored(Source):
    """A CSR X of which the stored entries are observed, zeros among them, and the others are not.

    Parameters
    ----------
    x : sparse matrix of shape (rows, cols), float32 or float64
    n_threads : int
    """

    weights = None

    @property
    def mean(self) -> float:
        """Mean over the observed entries."""
        return self._scan[0] / self.values.size

    def without(self, left: Array, right: Array) -> "Stored":
        """X - left right', observed where X is."""
        data, columns = self.x.data.copy(), self.x.indices
        rows = np.repeat(np.arange(self.rows), np.diff(self.x.indptr))
        for u, v in zip(left.T, right.T, strict=True):
            data -= u[rows] * v[columns]
        return Stored(sp.csr_array((data, columns, self.x.indptr), self.x.shape), self.n_threads)

    @cached_property
    def counted(self) -> Counted:
        """The entries, and ones where they are."""
        ones = sp.csr_array((np.ones_like(self.x.data), self.x.indices, self.x.indptr), self.x.shape)
        return Counted(Source(self.x, self.n_threads), Source(ones, self.n_threads))

    @property
    def filled(self) -> "Completed":
        """What `Observed.filled` is, as a sparse matrix and one of rank 1."""
        return self.filled_with(self.column_means)

    def filled_with(self, means: Array) -> "Completed":
        """Unobserved entries replaced by those of `means` (cols,)."""
        left = self.x.data - means[self.x.indices]
        centred = sp.csr_array((left, self.x.indices, self.x.indptr), self.x.shape)
        return Completed(centred, np.ones(self.rows, self.dtype), means)

    @property
    def column_means(self) -> Array:
        """The mean of each column's observed entries, (cols,); where there is none, that of all."""
        sums, counts = self._column_sums
        return np.divide(sums, counts, out=np.full(self.cols, self.mean), where=counts > 0).astype(self.dtype)

    @property
    def _column_sums(self) -> tuple[Any, Any]:
        """Of each column the sum and the number of its entries."""
        sums, counts = np.zeros(self.cols), np.zeros(self.cols, np.intp)
        for _, some in pieces(self.x):
            sums += np.bincount(some.indices, some.data, self.cols)
            counts += np.bincount(some.indices, minlength=self.cols)
        return sums, counts


class StoredSegments(Segments, Stored):
    """Segments of CSR rows of which the stored entries are observed, as one."""

    kind = Stored

    @property
    def mean(self) -> float:
        """Mean over the observed entries."""
        return self._scan[0] / self.entries

    def without(self, left: Array, right: Array) -> Stored:
        """X - left right', observed where X is."""
        rest = self.changed(Beside(partial(_without, right=right), {"left": left}))
        return StoredSegments(rest, self.n_threads)

    @cached_property
    def counted(self) -> Counted:
        """The entries, and ones where they are."""
        return counted_segments(self.parts, self.n_threads)

    @cached_property
    def _column_sums(self) -> tuple[Any, Any]:
        return added(each(self, lambda part, at: part._column_sums), len(self.segments))


def stored_of(x: Any, n_threads: int) -> Stored:
    """What a sparse X, or blocks of it, stores."""
    return StoredSegments(x.parts, n_threads) if isinstance(x, Blocks) else Stored(x, n_threads)


def _without(part: Stored, state: State, *, right: Array) -> Any:
    return part.without(state["left"], right).x


class Completed:
    """S + u v' for a sparse S, without the memory of all its entries.

    Parameters
    ----------
    sparse : sparse array of shape (rows, cols)
    u, v : ndarray of shape (rows,) and (cols,)
    """

    def __init__(self, sparse: Any, u: Array, v: Array) -> None:
        self.sparse, self.u, self.v, self.shape, self.dtype = sparse, u, v, sparse.shape, v.dtype

    @property
    def T(self) -> "Completed":
        """The transpose."""
        return Completed(self.sparse.T, self.v, self.u)

    def __matmul__(self, factor: Array) -> Array:
        return np.asarray(self.sparse @ factor + np.outer(self.u, self.v @ factor))

    def __getitem__(self, rows: Any) -> Array:
        return dense_rows(self.sparse.tocsr(), rows) + np.outer(self.u[rows], self.v)
