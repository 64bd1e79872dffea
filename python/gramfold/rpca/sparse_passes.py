"""The passes of robust PCA over a CSR X whose stored entries are the observed ones; nothing is made dense.

The input of the threshold is left @ right.T + E, with E as sparse as X.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .._core import kernels
from .._core.results import ShrinkSums
from ..fold.source import Source
from .dense_passes import Measured
from .numbers import Numbers
from .packing import Packing
from .pieces import Largest, Stacked, pieces, squares_of

Array = NDArray[Any]


class Entries:
    """What the stored entries of one segment have: z, lam, and E both ways.

    Parameters
    ----------
    rows : Source
    first : int
        Which row of X is its first.
    z : ndarray of shape (nnz,)
    weights : ndarray of shape (nnz,), or None
        lam of each.
    """

    def __init__(self, rows: Source, first: int, z: Array, weights: Array | None) -> None:
        x = rows.x
        self.first, self.z, self.weights = first, z, weights
        self.row = np.repeat(np.arange(rows.rows), np.diff(x.indptr))
        numbered = sp.csr_array((np.arange(1, x.nnz + 1), x.indices, x.indptr), shape=x.shape).T.tocsr()
        self._order = numbered.data - 1
        self._forth, self._back = np.zeros_like(z), np.zeros_like(z)  # the sources are over these
        forth, back = (self._forth, x.indices, x.indptr), (self._back, numbered.indices, numbered.indptr)
        self._source = Source(sp.csr_array(forth, shape=x.shape), rows.n_threads)
        self._transposed = Source(sp.csr_array(back, shape=x.shape[::-1]), rows.n_threads)
        self._kept: Array | None = None

    def put(self, values: Array) -> None:
        """Make these E."""
        self._forth[:] = values
        self._back[:] = self._forth[self._order]

    @property
    def kept(self) -> tuple[Array, Array]:
        """What a checkpoint needs: z and E."""
        return self.z, self._forth

    def take(self, z: Array, values: Array) -> None:
        """Go on from these z and E."""
        self.z[:] = z
        self.put(values)

    def keep(self) -> None:
        """Remember E for `restore`."""
        self._kept = self._forth.copy()

    def restore(self) -> None:
        """Make E what it was."""
        assert self._kept is not None
        self.put(self._kept)
        self._kept = None

    def times(self, factor: Array) -> Array:
        """E @ factor, in float64."""
        return self._source.product(factor).astype(np.float64)

    def transposed_times(self, factor: Array) -> Array:
        """E.T @ factor, in float64."""
        return self._transposed.product(factor).astype(np.float64)

    def multipliers(self, packing: Packing) -> Array:
        """Y."""
        squares = None
        if packing.by_row:
            squares = np.bincount(self.row, self.z.astype(np.float64) ** 2)[self.row]
        return packing.multipliers(self.z, self.weights, squares)

    def low(self, columns: Array, left: Array, right: Array) -> Array:
        """Left @ right.T where there is an entry."""
        low = np.zeros_like(self.z)
        for some in pieces(len(low)):
            low[some] = np.sum(left[self.row[some]] * right[columns[some]], axis=1)
        return low


class EntryState:
    """The entries of all segments, as state of rows: an engine asks for those of a segment by its rows."""

    def __init__(self, parts: list[Entries]) -> None:
        self.parts = parts

    def __getitem__(self, rows: slice) -> "EntryState":
        return EntryState([part for part in self.parts if part.first == rows.start])

    @property
    def only(self) -> Entries:
        """The entries of the one segment that a pass is given."""
        (part,) = self.parts
        return part


def prices(rows: Source, shared: None, state: Any) -> Stacked:
    """Give what `lam`, an array of X's shape, has where an entry is stored."""
    row = np.repeat(np.arange(rows.rows), np.diff(rows.x.indptr))
    return Stacked([state["lam"][row, rows.x.indices]])


def differing(rows: Source, shared: None, state: Any) -> int:
    """Count segments in which the CSR matrix `dual` does not store what X does."""
    same = np.array_equal(state["dual"].indptr, rows.x.indptr)
    return int(not (same and np.array_equal(state["dual"].indices, rows.x.indices)))


def measure(rows: Source, lam: float, state: Any, *, by_row: bool) -> Measured:
    """Give `Measured`."""
    entries, values, most = state["entries"].only, rows.x.data, 0.0
    for some in [] if by_row else pieces(len(values)):
        bound = lam if entries.weights is None else entries.weights[some]
        most = max(most, float(np.max(np.abs(values[some]) / bound)))
    if by_row:
        most = float(
            np.sqrt(np.bincount(entries.row, np.square(values, dtype=np.float64)).max(initial=0)) / lam
        )
    return Measured(squares_of(values), Largest(most))


def start(rows: Source, scale: float, state: Any) -> None:
    """Overwrite z: Y = X / scale, S = 0."""
    state["entries"].only.z[:] = rows.x.data / scale


def resume(rows: Source, packing: Packing, state: Any) -> None:
    """Overwrite z: dual and sparse are Y and S."""
    entries = state["entries"].only
    outlying = np.asarray(state["sparse"][entries.row, rows.x.indices]).ravel()
    entries.z[:] = packing.pack(outlying, state["dual"].data)


def prepare(rows: Source, shared: tuple[Packing, float, Array], state: Any) -> int:
    """Overwrite E from z, left and the `right` that is shared; gives how many of its entries are not 0."""
    packing, mu, right = shared
    entries = state["entries"].only
    y = entries.multipliers(packing)
    low = entries.low(rows.x.indices, state["left"], right)
    rest = rows.x.data - (entries.z - y) / packing.mu + y / mu - low
    entries.put(rest)
    return int(np.count_nonzero(rest))


def shrink(rows: Source, shared: tuple[Numbers, Array], state: Any, *, by_row: bool) -> ShrinkSums:
    """Shrink and update the multipliers for L = left @ right.T, and make the next E."""
    numbers, right = shared
    entries = state["entries"].only
    rest = np.empty_like(entries.z)
    sums = kernels.shrink_sparse(
        x=rows.kernel,
        weights=entries.weights,
        z=entries.z,
        left=state["left"],
        right=right,
        by_row=by_row,
        out=rest,
        n_threads=rows.n_threads,
        **numbers._asdict(),
    )
    entries.put(rest)
    return sums


def _times(state: Any, right: Array, q: Array) -> Array:
    """(left @ right.T + E) @ q."""
    return state["entries"].only.times(q) + state["left"] @ (right.T @ q)


def gram_product(rows: Source, shared: tuple[Array, Array], state: Any) -> tuple[Array, Array]:
    """Give E'P and left'P for P = (left @ right.T + E) @ q."""
    p = _times(state, *shared)
    return state["entries"].only.transposed_times(p), state["left"].T @ p


def take_left(rows: Source, shared: tuple[Array, Array, Array], state: Any) -> Array:
    """Overwrite `new` with P times `factors`; gives the Gram matrix of [left, -new]."""
    right, q, factors = shared
    np.copyto(state["new"], _times(state, right, q) * factors, casting="same_kind")
    both = np.hstack([state["left"], -state["new"]])
    return both.T @ both


def entries_product(rows: Source, q: Array, state: Any) -> Array:
    """Give E'E q."""
    entries = state["entries"].only
    return entries.transposed_times(entries.times(q))


def show_multipliers(rows: Source, packing: Packing, state: Any) -> int:
    """Make Y take the place of E; gives how many of its entries are not 0."""
    entries = state["entries"].only
    y = entries.multipliers(packing)
    entries.keep()
    entries.put(y)
    return int(np.count_nonzero(y))


def restore(rows: Source, shared: None, state: Any) -> None:
    """Make E what it was before `show_multipliers`."""
    state["entries"].only.restore()
