"""What is observed of X: read and checked, and one look at all of it."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fit.blocks import Blocks, each_part, gathered
from ..fit.inputs import dimensions, read_rows, refuse_mask
from ..fit.warn import warn
from ..fold.engine import State, run
from ..fold.observe import observe
from ..fold.segments import source_of
from ..fold.source import Source
from ..io.parts import Beside
from .pieces import Largest, pieces, squares_of

Array = NDArray[Any]


class Seen(NamedTuple):
    """What one look at X tells of its observed entries.

    counts: how many there are in each column; empty_rows: rows without any; largest: the largest magnitude,
    NaN if a sparse X stores one; squares: the sum of theirs.
    """

    counts: Array
    empty_rows: int
    largest: Largest
    squares: float

    @property
    def observed(self) -> int:
        """How many there are."""
        return int(self.counts.sum())

    def unit(self, dtype: Any) -> int:
        """The power of two to divide X by where squares of its entries would leave the range; else 0."""
        exponent = int(np.frexp(self.largest.value)[1])
        return exponent if abs(exponent) > np.finfo(dtype).maxexp // 4 else 0


@np.errstate(over="ignore")
def look(rows: Source, shared: None, state: Any) -> Seen:
    """A pass that gives `Seen`."""
    if rows.sparse:
        counts = np.bincount(rows.x.indices, minlength=rows.cols)
        empty = int(np.count_nonzero(np.diff(rows.x.indptr) == 0))
        return Seen(counts, empty, Largest(rows.largest), squares_of(rows.x.data))
    counts, empty, most, squares = np.zeros(rows.cols, np.int64), 0, 0.0, 0.0
    for some in pieces(rows.rows, rows.cols):
        x = np.asarray(rows.x[some])
        seen = ~np.isnan(x)
        counts += np.count_nonzero(seen, axis=0)
        empty += int(np.count_nonzero(~seen.any(axis=1)))
        most = max(most, float(np.fmax.reduce(np.abs(x), axis=None, initial=0)))
        squares += float(np.nansum(np.square(x, dtype=np.float64)))
    return Seen(counts, empty, Largest(most), squares)


def validated(model: Any, X: Any, *, reset: bool, sparse: bool = True) -> Any:
    """X as scikit-learn checks it for `model`, masked entries as NaN; blocks stay so."""
    return read_rows(X, model, sparse=sparse, gaps=True, segments=True, reset=reset)


def masked(X: Any, mask: Any) -> Any:
    """Give X with NaN where `mask` hides it, a copy; X itself without a mask."""
    if mask is None:
        return X
    if X.sparse if isinstance(X, Blocks) else sp.issparse(X):
        raise ValueError("mask goes with a dense X; the stored entries of a sparse one are what is observed")
    mask = gathered(mask)
    dimensions(mask, "mask")
    given = np.asarray(refuse_mask(mask, "mask"))
    if given.shape != X.shape:
        raise ValueError(f"mask must have the shape of X, {X.shape}, got {given.shape}")
    return each_part(X, Beside(_without_hidden, {"mask": given}))


def _without_hidden(x: Array, state: State) -> Array:
    given = observe(x, state["mask"], some=False)
    if given.weights is not None:
        raise ValueError("mask must be boolean, or 0 and 1; weights of single entries belong in lam")
    return given.x


def looked_at(X: Any, n_threads: int) -> tuple[Source, Seen]:
    """The source of an X in which NaN is not observed, and what a look at it tells; infinity is refused."""
    x = source_of(X, n_threads)
    seen = run(look, x)
    if not np.isfinite(seen.largest.value):
        if x.sparse:
            raise ValueError("X contains NaN or infinity; the stored entries of a sparse X are observed")
        raise ValueError("X contains infinity in an observed entry")
    return x, seen


def check_enough(seen: Seen, sparse: bool) -> None:
    """Refuse an X of which nothing is observed, and warn of the rows and columns of a dense one."""
    if not seen.observed:
        why = "it stores none" if sparse else "all are NaN or masked"
        raise ValueError(f"X has no observed entry: {why}")
    if sparse:
        return
    for name, count in ("row", seen.empty_rows), ("column", int(np.count_nonzero(seen.counts == 0))):
        if count:
            warn(f"{count} {name}(s) of X have no observed entry: L is 0 there", UserWarning)
