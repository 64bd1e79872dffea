"""The parts that a fit has split X into: L, S and the feasible multipliers."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fold.engine import run, state_at
from ..fold.source import Source
from .dense import DenseState
from .low_rank import LowRank
from .packing import Packing
from .pieces import Stacked, pieces
from .pursuit import Pursuit
from .solve import Outcome
from .sparse import SparseState

Array = NDArray[Any]


class Unpacking(NamedTuple):
    """What the passes are given: `scale` makes Y feasible, `right` is that of L; others as of `Outcome`."""

    packing: Packing
    right: Array
    scale: float
    excess: float
    spreads: bool

    def taken_up(self, rest: Array, support: Any) -> Array:
        """What S takes up of the rest X - L - S."""
        share = rest.dtype.type(self.excess)
        return rest * share if self.spreads else np.where(support, rest * share, 0)


def dense_parts(rows: Source, shared: Unpacking, state: Any, *, few: bool) -> Stacked:
    """Give S, as CSR if it has few entries; Y overwrites z."""
    made = (_dense_part(rows, shared, state_at(state, some), some) for some in pieces(rows.rows, rows.cols))
    return Stacked.of(sp.csr_array(s) if few else s for s in made)


def _dense_part(rows: Source, shared: Unpacking, state: Any, some: slice) -> Array:
    """S of some rows."""
    packing, x, z, weights = shared.packing, np.asarray(rows.x[some]), state["z"], state["weights"]
    seen = ~np.isnan(x)
    squares = None
    if packing.by_row:
        squares = np.sum(np.square(z, where=seen, out=np.zeros_like(z)), axis=1, keepdims=True)
    y = np.where(seen, packing.multipliers(z, weights, squares), 0)
    s: Array = np.where(seen, packing.outliers(z, y), 0).astype(z.dtype)
    support = s.any(axis=1, keepdims=True) if packing.by_row else s != 0
    rest = x - s - state["left"] @ shared.right.T
    s += np.where(seen, shared.taken_up(rest, support), 0)
    z[:] = y * shared.scale
    return s


def sparse_parts(rows: Source, shared: Unpacking, state: Any) -> tuple[Stacked, Stacked]:
    """Give S and Y, both with the pattern of X."""
    entries, x = state["entries"].only, rows.x
    values = x.data
    y = entries.multipliers(shared.packing)
    s = shared.packing.outliers(entries.z, y)
    support = s != 0
    if shared.packing.by_row:
        support = np.bincount(entries.row, support)[entries.row] > 0
    rest = values - s - entries.low(x.indices, state["left"], shared.right)
    s += shared.taken_up(rest, support)
    both = s, (y * shared.scale).astype(s.dtype)
    S, Y = (sp.csr_array((part, x.indices, x.indptr), shape=x.shape, copy=True) for part in both)
    return Stacked([S]), Stacked([Y])


def nothing(pursuit: Pursuit) -> tuple[LowRank, Any, Any]:
    """L, S and the multipliers of an X that is 0."""
    n, m, dtype = pursuit.x.rows, pursuit.x.cols, pursuit.x.dtype
    low = LowRank(np.zeros((n, 0), dtype), np.zeros(0, dtype), np.zeros((m, 0), dtype))
    sparse = sp.csr_array((n, m), dtype=dtype)
    return low, sparse, sparse.copy() if pursuit.x.sparse else np.zeros((n, m), dtype)


def split(pursuit: Pursuit, state: DenseState | SparseState, outcome: Outcome) -> tuple[LowRank, Any, Any]:
    """L, S and the feasible multipliers of what a fit ended with; the latter take the place of z."""
    low = LowRank.of(np.asarray(state.left), state.right)
    packing, scale = Packing.of(outcome.numbers, pursuit.by_row), 1 / outcome.infeasible
    shared = Unpacking(packing, low.V, scale, outcome.excess, outcome.spreads)
    left = low.U * low.s
    if isinstance(state, SparseState):
        made = run(sparse_parts, state.x, shared, {"entries": state.entries, "left": left})
        sparse, dual = (stacked.whole() for stacked in made)
        sparse.eliminate_zeros()
        return low, sparse, dual
    few = not outcome.spreads and outcome.outliers < state.z.size / 3
    pass_, own = partial(dense_parts, few=few), {"z": state.z, "left": state.x.given(left)}
    made = run(pass_, state.x, shared, own, fixed={"weights": state.weights}, writes=("z",))
    sparse, dual = made.whole(), np.asarray(state.z)
    if not pursuit.turned:
        return low, sparse, dual
    return low.T, sparse.T.tocsr() if few else sparse.T, dual.T
