"""X without gaps, those filled with the means of their columns: products, and some rows and columns of it."""

from typing import Any

import numpy as np

from ..fit.floats import piecewise
from .engine import State, run
from .observed import Observed
from .of_rows import OfRows
from .source import Array, Source, dense_rows
from .stored import Stored


def filled(x: Source | Observed) -> Any:
    """X without gaps, for products; without a copy of all of it."""
    return Filled(x) if isinstance(x, Observed | Stored) else x


class Filled(OfRows):
    """X without gaps for products by passes, as those of a `Source`.

    Parameters
    ----------
    x : Observed or Stored
    """

    def __init__(self, x: Observed | Stored) -> None:
        self.x, self.means = x, x.column_means
        self.rows, self.cols, self.dtype, self.n_threads = x.rows, x.cols, x.dtype, x.n_threads
        self.squared_norm = x.squared_norm  # of what is observed: its size is that of all

    @property
    def segments(self) -> Any:
        """Those of X."""
        return self.x.segments

    @property
    def spans(self) -> list[slice]:
        """Which rows each segment has."""
        return self.x.spans

    @property
    def client(self) -> Any:
        """That of X."""
        return self.x.client

    @property
    def transposed(self) -> "Flipped":
        """The transpose."""
        return Flipped(self)

    def product(self, factor: Array, out: Array | None = None) -> Array:
        """X F; `out` is overwritten with it, a new array by default."""
        to = self.room(factor.shape[1], []) if out is None else out
        run(image, self.x, (self.means, factor.astype(self.dtype)), {"out": to})
        return np.asarray(to) if out is None else to

    def gram_product(self, factor: Array) -> Array:
        """X'X F."""
        return self.back(self.product(factor))

    def back(self, factor: Array) -> Array:
        """X'G."""
        return np.asarray(
            run(image_back, self.x, self.means, {"factor": self.x.given(factor.astype(self.dtype))})
        )


class Flipped(OfRows):
    """Products of the transpose of a `Filled`."""

    def __init__(self, x: Filled) -> None:
        self.x, self.rows, self.cols, self.dtype, self.n_threads = x, x.cols, x.rows, x.dtype, x.n_threads

    @property
    def segments(self) -> "list[Flipped]":
        """One: all columns of X."""
        return [self]

    def product(self, factor: Array, out: None = None) -> Array:
        """X'G: a new array."""
        return self.x.back(factor)

    def gram_product(self, factor: Array) -> Array:
        """X X'G."""
        return self.x.product(self.x.back(factor))


def image(rows: Any, shared: tuple[Array, Array], state: State) -> None:
    """A pass: X F into `out`."""
    means, factor = shared
    state["out"][:] = piecewise(rows.filled_with(means)) @ factor


def image_back(rows: Any, shared: Array, state: State) -> Array:
    """A pass: X'G of the rows of `factor`."""
    return np.asarray(piecewise(rows.filled_with(shared)).T @ state["factor"])


def rows_of(x: Any, which: Array) -> Array:
    """Some rows of X, filled."""
    rising, at = np.unique(which, return_inverse=True)
    return dense_rows(x.some(rising).filled_with(x.column_means), at)


def columns_of(x: Any, which: Array) -> Array:
    """Some columns of X, filled, as rows."""
    out = x.room(len(which), [])
    run(choose, x, (which, x.column_means), {"out": out})
    return np.ascontiguousarray(np.asarray(out).T)


def choose(rows: Any, shared: tuple[Array, Array | None], state: State) -> None:
    """A pass: some columns of X into `out`."""
    which, means = shared
    state["out"][:] = dense_rows(rows.filled_with(means).T, which).T
