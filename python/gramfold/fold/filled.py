"""X without gaps, those filled with the means of their columns: products, and some rows and columns of it."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..fit.floats import Floats, Piecewise, piecewise
from .engine import State, run
from .observed import Observed
from .source import Array, Source, dense_rows


def filled(x: Source | Observed) -> Any:
    """X without gaps, with `shape`, `dtype`, `T` and `@`; of several segments without a copy."""
    if len(x.segments) > 1:
        return Filled(x)
    whole = x.filled
    return Piecewise(whole) if isinstance(whole, np.ndarray | Floats) or sp.issparse(whole) else whole


class Filled:
    """X without gaps for products by passes, F and G being dense: X @ F and X.T @ G.

    Parameters
    ----------
    x : Source or Observed
    means : ndarray of shape (cols,) or None
        What gaps are filled with; by default the means of the columns.
    flipped : bool
        Whether this is X'.
    """

    def __init__(self, x: Source | Observed, means: Array | None = None, flipped: bool = False) -> None:
        self.x, self.means, self.flipped = x, x.column_means if means is None else means, flipped
        self.shape = x.shape[::-1] if flipped else x.shape
        self.dtype = x.dtype

    @property
    def T(self) -> "Filled":
        """The transpose."""
        return Filled(self.x, self.means, not self.flipped)

    def __matmul__(self, factor: Array) -> Array:
        if self.flipped:
            return np.asarray(run(image_back, self.x, self.means, {"factor": factor}))
        out = np.empty((self.x.rows, factor.shape[1]), np.result_type(self.dtype, factor))
        run(image, self.x, (self.means, factor), {"out": out})
        return out


def image(rows: Any, shared: tuple[Array | None, Array], state: State) -> None:
    """A pass: X F into `out`."""
    means, factor = shared
    state["out"][:] = piecewise(rows.filled_with(means)) @ factor


def image_back(rows: Any, shared: Array | None, state: State) -> Array:
    """A pass: X'G of the rows of `factor`."""
    return np.asarray(piecewise(rows.filled_with(shared)).T @ state["factor"])


def rows_of(x: Any, which: Array) -> Array:
    """Some rows of X, filled."""
    rising, at = np.unique(which, return_inverse=True)
    return dense_rows(x.some(rising).filled_with(x.column_means), at)


def columns_of(x: Any, which: Array) -> Array:
    """Some columns of X, filled, as rows."""
    out = np.empty((x.rows, len(which)), x.dtype)
    run(choose, x, (which, x.column_means), {"out": out})
    return np.ascontiguousarray(out.T)


def choose(rows: Any, shared: tuple[Array, Array | None], state: State) -> None:
    """A pass: some columns of X into `out`."""
    which, means = shared
    state["out"][:] = dense_rows(rows.filled_with(means).T, which).T
