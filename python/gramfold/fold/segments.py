"""Rows in several segments, each an array or CSR."""

import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain, pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .._core.results import Scan
from ..fit.block_rows import named_rows
from ..fit.blocks import Blocks, mapped
from ..fit.cached import cached_property
from ..fit.scratch_csr import csr_across
from ..io.matrix import csr_below, none_of
from ..io.parts import Beside, Parts
from . import cluster
from .columns import Columns, gathered_columns
from .engine import State, each, run
from .source import Array, Source


class Segments(Source):
    """Segments of rows as one source; empty ones count for nothing.

    What reads all of X at once (`x`, `kernel`, `values`) copies it, once; passes do not.

    Parameters
    ----------
    parts : sequence of ndarray or of sparse matrices, all with as many columns and of one dtype; or Parts
        Those of `Parts` are read each time they are come to, and never held.
    n_threads : int
    once : bool
        As in `Source`.
    """

    kind = Source

    def __init__(self, parts: Any, n_threads: int, *, once: bool = False) -> None:
        self.parts: Any
        if isinstance(parts, Parts):
            self.parts = parts.map(partial(_source, kind=self.kind, n_threads=n_threads, once=once))
            first, self.starts = self.parts.empty, parts.starts
        else:
            rows = [part for part in parts if part.shape[0]] or parts[:1]
            self.parts = [self.kind(part, n_threads, once=once) for part in rows]
            first, self.starts = self.parts[0], np.cumsum([0, *(part.rows for part in self.parts)])
        self.sparse, self.cols, self.dtype, self.n_threads = first.sparse, first.cols, first.dtype, n_threads
        self.rows = int(self.starts[-1])
        self.once = once
        self._transposed, self._origin = None, None

    @property
    def segments(self) -> Any:
        """The sources that a pass runs over one after the other."""
        return self.parts

    @property
    def held(self) -> bool:  # type: ignore[override]
        """Whether the segments are in memory."""
        return not isinstance(self.parts, Parts)

    @property
    def spans(self) -> list[slice]:
        """Which rows each segment has."""
        return [slice(int(a), int(b)) for a, b in pairwise(self.starts)]

    @cached_property
    def x(self) -> Any:
        """All rows in one matrix: a copy."""
        if self.sparse:
            return Source(self._stacked(sp.csr_array(part.x) for part in self.parts), self.n_threads).x
        if self.held:
            parts = [part.x for part in self.parts]
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        return self.take(slice(None))

    @cached_property
    def _scans(self) -> list[Scan]:
        return list(run(scan, self))

    @cached_property
    def _scan(self) -> Scan:
        total, squares, least, most = np.array(self._scans).T
        return Scan(float(total.sum()), float(squares.sum()), float(least.min()), float(most.max()))

    @cached_property
    def largest(self) -> float:
        """The largest magnitude of a stored entry."""
        if self.held:
            return max(part.largest for part in self.parts)
        return max(0.0, *(max(scan.most, -scan.least) for scan in self._scans))

    @cached_property
    def entries(self) -> int:
        """How many entries are stored."""
        return int(run(entries, self)) if self.sparse else self.rows * self.cols

    @property
    def client(self) -> Any:
        """The client of the workers that run passes; None is this process."""
        return cluster.goes_to(self.parts)[1]

    def product(self, factor: Array, out: Array | None = None) -> Array:
        """X F for F (cols, k); `out` is overwritten with it, a new array by default."""
        to = self.room(factor.shape[1], []) if out is None else out
        run(product, self, factor, {"out": to})
        return np.asarray(to) if out is None else to

    def gram_product(self, factor: Array) -> Array:
        """X'X F for F (cols, k)."""
        return np.asarray(run(gram_product, self, factor))

    def take(self, rows: Any) -> Array:
        """Some rows as a new C-ordered array, in the order of `rows`."""
        index = self._index(rows)
        found = np.empty((len(index), self.cols), self.dtype)
        for at, some in self._some(index):
            found[at] = some.take(slice(None))
        return found

    def some(self, rows: Any, *, once: bool = False) -> Source:
        """Some rows as a source of their own; those of a slice are views."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self.rows)
            if step == 1:
                return type(self)(self._cut(start, max(start, stop)), self.n_threads, once=once)
        if not self.sparse:
            return self.kind(self.take(rows), self.n_threads, once=once)
        order, parts = [], []
        for at, some in self._some(self._index(rows)):
            order.append(at)
            parts.append(sp.csr_array(some.x))
        stacked = self._stacked(parts)[np.argsort(np.concatenate([*order, []]).astype(np.intp))]
        return self.kind(stacked, self.n_threads, once=once)

    def check_finite(self, estimator: Any = None) -> None:
        """Refuse NaN and infinities, segment by segment."""
        if self.held:
            for part in self.parts:
                part.check_finite(estimator)
            return
        for i, scan in enumerate(self._scans):
            if not np.isfinite(scan.squares):
                with named_rows(self.spans[i]):
                    self.parts[i].check_finite(estimator)

    def _cut(self, start: int, stop: int) -> Any:
        if not self.held:
            return self.parts.map(_x_of).cut(start, stop)
        return [
            part.x[max(0, start - at.start) : max(0, stop - at.start)]
            for part, at in zip(self.parts, self.spans, strict=True)
        ]

    def _index(self, rows: Any) -> NDArray[np.intp]:
        """Rows by their numbers."""
        index = np.arange(self.rows)[rows] if isinstance(rows, slice) else np.asarray(rows)
        if index.dtype == bool:
            return np.flatnonzero(index)
        return np.where(index < 0, index + self.rows, index).astype(np.intp)

    def _some(self, index: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], Source]]:
        """For each segment that has some of the rows: where in `index`, and a source of them."""
        if not self.held:
            yield from self.parts.some(index)
            return
        which = np.searchsorted(self.starts, index, side="right") - 1
        for i in np.unique(which):
            at = np.flatnonzero(which == i)
            yield at, self.parts[i].some(index[at] - self.starts[i])

    def _stacked(self, parts: Any) -> Any:
        parts = list(parts)
        return csr_below(parts) if parts else none_of(self.cols, self.dtype, sparse=True)

    def changed(self, change: Callable[[Any, Any], Any]) -> Any:
        """What change(segment, at) makes of each segment; of those in files, when they are read."""
        return mapped(self.parts, self.spans, change)

    def times_power(self, exponent: int) -> Source:
        """The same rows times 2^exponent: a copy, but for 0 this itself."""
        if exponent == 0:
            return self
        return Segments(self.changed(lambda part, at: part.times_power(exponent).x), self.n_threads)

    def columns(self, at: slice) -> Source:
        """Some columns of dense segments as rows; a copy."""
        return Source(gathered_columns(self, at, self.dtype).T, self.n_threads)

    @property
    def transposed(self) -> Any:
        """The same entries with rows and columns swapped: for CSR a copy, made once."""
        if self._transposed is None and not self.sparse:
            return Columns(self)
        if self._transposed is None:
            self._transposed = self.kind(self._across(), self.n_threads)
            self._transposed._origin = weakref.ref(self)
        return self._transposed

    def _some_rows(self) -> Iterator[Any]:
        """All rows, some at a time."""
        return chain.from_iterable(each(self, lambda part, at: part._some_rows()))

    def _across(self) -> Any:
        """X' of CSR segments; of those in files in scratch files."""
        if not self.held or any(part.flat for part in self.parts):
            return csr_across(self._some_rows, self.shape, self.dtype)
        return sp.hstack([sp.csr_array(part.x).T for part in self.parts], format="csr")

    def scaled_rows(self, scale: Array) -> Source:
        """Each row times its number of `scale` (rows,); a copy."""
        return type(self)(self.changed(Beside(_scaled, {"scale": scale})), self.n_threads)

    def mapped(
        self, change: Callable[[Any, Mapping[str, Any]], Any], state: Mapping[str, Any] | None = None
    ) -> Source:  # fmt: skip
        """Other rows, which a picklable function makes of those of each segment and of their state."""
        return Segments(
            self.changed(Beside(partial(_mapped, change=change), dict(state or {}))), self.n_threads
        )


def product(rows: Source, shared: Array, state: State) -> None:
    """A pass: X F into `out`."""
    rows.product(shared, state["out"])


def gram_product(rows: Source, shared: Array, state: State) -> Array:
    """A pass: X'X F."""
    return rows.gram_product(shared)


def entries(rows: Source, shared: None, state: State) -> int:
    """A pass: how many entries are stored."""
    return rows.entries


def scan(rows: Source, shared: None, state: State) -> list[Scan]:
    """A pass: the sum, the squares, the least and the most of each segment."""
    found: Any = rows._scan
    return [found]


def _source(rows: Any, at: Any, *, kind: type[Source], n_threads: int, once: bool) -> Source:
    return kind(rows, n_threads, once=once)


def _scaled(part: Source, state: State) -> Any:
    return part.scaled_rows(state["scale"]).x


def _mapped(part: Source, state: State, *, change: Callable[[Any, State], Any]) -> Any:
    return change(part.x, state)


def _x_of(part: Source, at: Any) -> Any:
    return part.x


def source_of(x: Any, n_threads: int, *, once: bool = False) -> Source:
    """The source of rows that an estimator was given: an array, a sparse matrix, or blocks of either."""
    if isinstance(x, Blocks):
        return Segments(x.parts, n_threads, once=once)
    return Source(x, n_threads, once=once)
