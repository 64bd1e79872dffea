"""Segments of rows of which something is observed."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..fit.blocks import mapped
from ..fit.cached import cached_property
from ..io.parts import Beside, Parts
from .cluster import goes_to
from .columns import Columns, gathered_columns
from .engine import State, added, each, run
from .observed import Counted, Observed
from .segments import Segments
from .source import Array


class ObservedSegments(Observed):
    """Segments of rows of which something is observed, as one.

    What reads all at once (`x`, `weights`, `seen`) copies it; passes do not.

    Parameters
    ----------
    parts : sequence of Observed, or Parts of such
    """

    def __init__(self, parts: Any) -> None:
        self.parts: Any
        if isinstance(parts, Parts):
            self.parts, self.starts, first = parts, parts.starts, parts.empty
        else:
            self.parts = [part for part in parts if part.rows] or list(parts[:1])
            self.starts, first = np.cumsum([0, *(part.rows for part in self.parts)]), self.parts[0]
        self.cols, self.dtype, self.n_threads = first.cols, first.dtype, first.n_threads
        self.rows = int(self.starts[-1])

    @property
    def held(self) -> bool:  # type: ignore[override]
        """Whether the segments are in memory."""
        return not isinstance(self.parts, Parts)

    @property
    def client(self) -> Any:
        """The client of the workers that run passes; None is this process."""
        return goes_to(self.parts)[1]

    @property
    def segments(self) -> Any:
        """What a pass runs over one after the other."""
        return self.parts

    @property
    def spans(self) -> list[slice]:
        """Which rows each segment has."""
        return [slice(int(a), int(b)) for a, b in pairwise(self.starts)]

    @cached_property
    def x(self) -> Array:
        """All rows in one array: a copy."""
        return gathered_columns(self, slice(0, self.cols), self.dtype)

    @cached_property
    def weights(self) -> Array | None:
        """The weights of all rows: a copy; None if all are 1."""
        return self._gathered(slice(0, self.cols))[1]

    @property
    def transposed(self) -> Columns:
        """The same entries with rows and columns swapped; a pass gathers some at a time."""
        return Columns(self)

    def columns(self, at: slice) -> Observed:
        """Some columns as rows; a copy."""
        x, weights = self._gathered(at)
        return Observed(x.T, None if weights is None else weights.T, self.n_threads)

    def _gathered(self, columns: slice) -> tuple[Array, Array | None]:
        """Some columns of all segments, and their weights."""
        if goes_to(self.parts)[0]:
            weighted = any(self._asked("weights", given=True))
            parts = [self._columns(columns, name) for name in (("x", "weights") if weighted else ("x",))]
            return parts[0], parts[1] if weighted else None
        x = np.empty((self.rows, columns.stop - columns.start), self.dtype)
        weights: list[Array] = []

        def put(part: Observed, at: slice) -> None:
            x[at] = part.x[:, columns]
            if part.weights is not None:
                if not weights:
                    weights.append(np.ones_like(x))
                weights[0][at] = part.weights[:, columns]

        for _ in each(self, put):
            pass
        return x, weights[0] if weights else None

    def _columns(self, columns: slice, name: str) -> Array:
        """Some columns of x or of the weights, which workers take out."""
        out = self.kept(columns.stop - columns.start)
        run(partial(_columns_of, name=name), self, columns, {"out": out})
        return np.asarray(out)

    def _asked(self, name: str, *, given: bool = False) -> list[Any]:
        """What each segment has by a name, or whether it has it."""
        return list(run(partial(_attribute, name=name, given=given), self))

    def some(self, rows: Any, *, once: bool = False) -> Observed:
        """Some rows, of a slice as views, of rising indices as one array."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self.rows)
            return ObservedSegments(self._cut(start, max(start, stop)))
        index = np.arange(self.rows)[rows]
        if self.held:
            inside = (index[(index >= at.start) & (index < at.stop)] - at.start for at in self.spans)
            some = [part.some(rows) for part, rows in zip(self.parts, inside, strict=True)]
        else:
            some = [part for _, part in self.parts.some(index)] or [self.parts.empty]
        return Observed(*ObservedSegments(some)._gathered(slice(0, self.cols)), self.n_threads)

    def _cut(self, start: int, stop: int) -> Any:
        if isinstance(self.parts, Parts):
            return self.parts.cut(start, stop)
        return [
            part.some(slice(max(0, start - at.start), max(0, stop - at.start)))
            for part, at in zip(self.parts, self.spans, strict=True)
        ]

    def _changed(self, change: Callable[[Observed, Any], Observed]) -> "ObservedSegments":
        """Other rows, which change(segment, at) makes; of those in files, when they are read."""
        return ObservedSegments(mapped(self.parts, self.spans, change))

    def scaled_rows(self, scale: Array) -> Observed:
        """Each row times its number of `scale` (rows,); a copy of x."""
        return self._changed(Beside(_scaled, {"scale": scale}))

    @property
    def something_seen(self) -> list[bool]:
        """Whether something is observed in each segment."""
        return self._asked("something_seen")

    @cached_property
    def mean(self) -> float:
        """Weighted mean over the observed entries."""
        sums, total = self._column_sums
        return float(sums.sum() / total.sum())

    @cached_property
    def largest(self) -> float:
        """The largest magnitude of an observed entry."""
        return max(self._asked("largest"))

    @cached_property
    def least(self) -> float:
        """The least observed entry."""
        return min(self._asked("least"))

    @cached_property
    def squared_norm(self) -> float:
        """Weighted sum of the squared observed entries."""
        return sum(self._asked("squared_norm"))

    def without(self, left: Array, right: Array) -> Observed:
        """X - left right', observed where X is."""
        return self._changed(Beside(partial(_without, right=right), {"left": left}))

    @cached_property
    def counted(self) -> Counted:
        """Copies in which what is not observed is 0."""
        return counted_segments(self.parts, self.n_threads)

    def times_powers(self, exponent: int, of_weights: int) -> Observed:
        """The same rows times 2^exponent, with weights times 2^of_weights: copies, but for 0 and 0 this."""
        if not exponent and not of_weights:
            return self
        return self._changed(lambda part, at: part.times_powers(exponent, of_weights))

    @property
    def heaviest(self) -> float:
        """The largest weight."""
        return max(self._asked("heaviest"))

    @cached_property
    def _column_sums(self) -> tuple[Any, Any]:
        sums = self._asked("_column_sums")
        return added(iter(sums), len(sums))


def _scaled(part: Observed, state: State) -> Observed:
    return part.scaled_rows(state["scale"])


def _without(part: Observed, state: State, *, right: Array) -> Observed:
    return part.without(state["left"], right)


def counted_segments(parts: Any, n_threads: int) -> Counted:
    """Segments of counted entries as one."""
    if isinstance(parts, Parts):
        x, weights = (parts.map(part_of) for part_of in (_counted_x, _counted_weights))
        constant = sum(run(_constant, _Segmented(parts)))
        return Counted(Segments(x, n_threads), Segments(weights, n_threads), constant)
    counted = [part.counted for part in parts]
    return Counted(
        Segments([part.x.x for part in counted], n_threads),
        Segments([part.weights.x for part in counted], n_threads),
        sum(part.constant for part in counted),
    )


class _Segmented:
    """Segments as a pass runs over them."""

    def __init__(self, parts: Parts) -> None:
        self.segments, self.spans = parts, parts.spans


def _constant(rows: Any, shared: None, state: State) -> list[float]:
    """A pass: what is taken off the divergence."""
    return [rows.counted.constant]


def _attribute(rows: Any, shared: None, state: State, *, name: str, given: bool) -> list[Any]:
    """A pass: what a segment has by a name, or whether that is anything."""
    value = getattr(rows, name)
    return [value is not None] if given else [value]


def _columns_of(rows: Observed, shared: slice, state: State, *, name: str) -> None:
    """A pass: some columns of x or of the weights into `out`."""
    value = getattr(rows, name)
    state["out"][:] = 1 if value is None else value[:, shared]


def _counted_x(part: Any, at: Any) -> Any:
    return part.counted.x.x


def _counted_weights(part: Any, at: Any) -> Any:
    return part.counted.weights.x
