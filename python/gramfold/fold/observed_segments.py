"""Segments of rows of which something is observed."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from .columns import Columns
from .engine import added
from .observed import Counted, Observed
from .segments import Segments
from .source import Array


class ObservedSegments(Observed):
    """Segments of rows of which something is observed, as one.

    What reads all at once (`x`, `weights`, `seen`) copies it; passes do not.

    Parameters
    ----------
    parts : sequence of Observed
    """

    def __init__(self, parts: Any) -> None:
        self.parts: list[Observed] = [part for part in parts if part.rows] or list(parts[:1])
        first = self.parts[0]
        self.cols, self.dtype, self.n_threads = first.cols, first.dtype, first.n_threads
        self.starts = np.cumsum([0, *(part.rows for part in self.parts)])
        self.rows = int(self.starts[-1])

    @property
    def segments(self) -> list[Observed]:
        """What a pass runs over one after the other."""
        return self.parts

    @property
    def spans(self) -> list[slice]:
        """Which rows each segment has."""
        return [slice(int(a), int(b)) for a, b in zip(self.starts, self.starts[1:], strict=False)]

    @cached_property
    def x(self) -> Array:  # type: ignore[override]
        """All rows in one array: a copy."""
        return np.concatenate([part.x for part in self.parts])

    @cached_property
    def weights(self) -> Array | None:  # type: ignore[override]
        """The weights of all rows: a copy."""
        return _stacked_weights(self.parts, slice(None))

    @property
    def transposed(self) -> Columns:
        """The same entries with rows and columns swapped; a pass gathers some at a time."""
        return Columns(self)

    def columns(self, at: slice) -> Observed:
        """Some columns as rows; a copy."""
        weights = _stacked_weights(self.parts, at)
        x = np.concatenate([part.x[:, at] for part in self.parts])
        return Observed(x.T, None if weights is None else weights.T, self.n_threads)

    def some(self, rows: Any, *, once: bool = False) -> Observed:
        """Some rows, of a slice as views, of rising indices as one array."""
        rows = np.arange(self.rows)[rows] if not isinstance(rows, slice) else rows

        def inside(at: slice) -> Any:
            if isinstance(rows, slice):
                start, stop, _ = rows.indices(self.rows)
                return slice(max(0, start - at.start), max(0, stop - at.start))
            return rows[(rows >= at.start) & (rows < at.stop)] - at.start

        some = ObservedSegments(
            [part.some(inside(at)) for part, at in zip(self.parts, self.spans, strict=True)]
        )
        if isinstance(rows, slice):
            return some
        x = np.concatenate([part.x for part in some.parts])
        return Observed(x, _stacked_weights(some.parts, slice(None)), self.n_threads)

    def scaled_rows(self, scale: Array) -> Observed:
        """Each row times its number of `scale` (rows,); a copy of x."""
        return ObservedSegments(
            [part.scaled_rows(scale[at]) for part, at in zip(self.parts, self.spans, strict=True)]
        )

    @cached_property
    def mean(self) -> float:
        """Weighted mean over the observed entries."""
        sums, total = self._column_sums
        return float(sums.sum() / total.sum())

    @property
    def largest(self) -> float:
        """The largest magnitude of an observed entry."""
        return max(part.largest for part in self.parts)

    @cached_property
    def least(self) -> float:
        """The least observed entry."""
        return min(part.least for part in self.parts)

    @cached_property
    def squared_norm(self) -> float:
        """Weighted sum of the squared observed entries."""
        return sum(part.squared_norm for part in self.parts)

    def without(self, left: Array, right: Array) -> Observed:
        """X - left right', observed where X is."""
        return ObservedSegments(
            [part.without(left[at], right) for part, at in zip(self.parts, self.spans, strict=True)]
        )

    @cached_property
    def counted(self) -> Counted:
        """Copies in which what is not observed is 0."""
        return counted_segments(part.counted for part in self.parts)

    def times_powers(self, exponent: int, of_weights: int) -> Observed:
        """The same rows times 2^exponent, with weights times 2^of_weights: copies, but for 0 and 0 this."""
        if not exponent and not of_weights:
            return self
        return ObservedSegments([part.times_powers(exponent, of_weights) for part in self.parts])

    @property
    def heaviest(self) -> float:
        """The largest weight."""
        return max(part.heaviest for part in self.parts)

    @property
    def _column_sums(self) -> tuple[Any, Any]:
        return added(part._column_sums for part in self.parts)


def _stacked_weights(parts: list[Observed], columns: slice) -> Array | None:
    """The weights of all segments, of some columns; None if all are 1."""
    if all(part.weights is None for part in parts):
        return None
    return np.concatenate(
        [
            np.ones_like(part.x[:, columns]) if part.weights is None else part.weights[:, columns]
            for part in parts
        ]
    )


def counted_segments(parts: Iterable[Counted]) -> Counted:
    """Segments of counted entries as one."""
    x, weights, constants = zip(*((part.x, part.weights, part.constant) for part in parts), strict=True)
    n_threads = x[0].n_threads
    return Counted(
        Segments([part.x for part in x], n_threads),
        Segments([part.x for part in weights], n_threads),
        sum(constants),
    )
