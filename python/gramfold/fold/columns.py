"""Columns of row segments as rows: what passes over the transpose run over."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from .._core.results import Scan
from .cluster import goes_to
from .engine import State, each, run
from .source import Array, Source

# Entries of X that are gathered together, and the fewest columns: a cache line of each row.
ENTRIES, FEWEST = 1 << 21, 16
TOGETHER = 1 << 24  # entries that are gathered in one read of segments in files


class Columns(Source):
    """X' of dense segments, gathered some columns at a time as a pass comes to them.

    Segments are such tiles. What reads all of X at once copies it, as in `Segments`.

    Parameters
    ----------
    origin : Segments or ObservedSegments
    """

    def __init__(self, origin: Any) -> None:
        self.origin, self.sparse, self.once = origin, False, origin.once
        self.rows, self.cols = origin.cols, origin.rows
        self.dtype, self.n_threads = origin.dtype, origin.n_threads

    @property
    def segments(self) -> Any:
        """Sources of some columns each; every use of one gathers it."""
        return Tiles(self.origin, self.spans)

    @property
    def spans(self) -> list[slice]:
        """Which columns of X each segment has."""
        width = max(FEWEST, ENTRIES // max(self.cols, 1))
        return [slice(a, min(a + width, self.rows)) for a in range(0, self.rows, width)]

    @property
    def x(self) -> Any:
        """X', of a copy of X."""
        return self.origin.x.T

    @property
    def transposed(self) -> Any:
        """X."""
        return self.origin

    @property
    def entries(self) -> int:
        """How many entries are stored."""
        return int(self.origin.entries)

    @property
    def largest(self) -> float:
        """The largest magnitude of an entry."""
        return float(self.origin.largest)

    @property
    def _scan(self) -> Scan:
        return self.origin._scan

    def product(self, factor: Array, out: Array | None = None) -> Array:
        """X'F for F (cols, k), added up over the segments of X."""
        found: Array = run(image, self.origin, None, {"factor": self.origin.given(factor)})
        if out is None:
            return found
        out[:] = found
        return out

    def gram_product(self, factor: Array) -> Array:
        """X X'F for F (cols, k)."""
        return self.origin.product(self.product(factor))


class Tiles(Sequence[Any]):
    """Some columns each of a source, as sources of rows."""

    def __init__(self, origin: Any, spans: list[slice]) -> None:
        self.origin, self.spans = origin, spans

    def __len__(self) -> int:
        return len(self.spans)

    @overload
    def __getitem__(self, i: int) -> Any: ...
    @overload
    def __getitem__(self, i: slice) -> Any: ...
    def __getitem__(self, i: Any) -> Any:
        return self.origin.columns(self.spans[i])

    def __iter__(self) -> Iterator[Any]:
        tile = self.origin.rows * (self.spans[0].stop - self.spans[0].start)
        together = 1 if self.origin.held else max(1, TOGETHER // max(1, tile))
        for first in range(0, len(self), together):
            spans = self.spans[first : first + together]
            gathered = self.origin.columns(slice(spans[0].start, spans[-1].stop))
            for at in spans:
                yield gathered.some(slice(at.start - spans[0].start, at.stop - spans[0].start))


def gathered_columns(origin: Any, at: slice, dtype: Any) -> Array:
    """Some columns of all segments, below each other."""
    if goes_to(origin.segments)[0]:
        found = origin.kept(at.stop - at.start, dtype=dtype)
        run(some_columns, origin, at, {"out": found})
        return np.asarray(found)
    out = np.empty((origin.rows, at.stop - at.start), dtype)

    def put(part: Any, rows: slice) -> None:
        out[rows] = part.x[:, at]

    for _ in each(origin, put):
        pass
    return out


def some_columns(rows: Any, shared: slice, state: State) -> None:
    """A pass: some columns into `out`."""
    state["out"][:] = rows.x[:, shared]


def image(rows: Any, shared: None, state: State) -> Array:
    """A pass: X'F of the rows of a factor."""
    found: Array = rows.transposed.product(np.ascontiguousarray(state["factor"]))
    return found
