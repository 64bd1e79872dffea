"""Rows in several segments, each an array or CSR."""

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fit.blocks import Blocks
from .columns import Columns
from .source import Array, Source


class Segments(Source):
    """Segments of rows as one source; empty ones count for nothing.

    What reads all of X at once (`x`, `kernel`, `values`) copies it, once; passes do not.

    Parameters
    ----------
    parts : sequence of ndarray or of sparse matrices, all with as many columns and of one dtype
    n_threads : int
    once : bool
        As in `Source`.
    """

    kind = Source

    def __init__(self, parts: Any, n_threads: int, *, once: bool = False) -> None:
        rows = [part for part in parts if part.shape[0]] or parts[:1]
        self.parts: list[Any] = [self.kind(part, n_threads, once=once) for part in rows]
        first = self.parts[0]
        self.sparse, self.cols, self.dtype, self.n_threads = first.sparse, first.cols, first.dtype, n_threads
        self.starts = np.cumsum([0, *(part.rows for part in self.parts)])
        self.rows = int(self.starts[-1])
        self.once = once
        self._transposed, self._origin = None, None

    @property
    def segments(self) -> list[Source]:
        """The sources that a pass runs over one after the other."""
        return self.parts

    @property
    def spans(self) -> list[slice]:
        """Which rows each segment has."""
        return [slice(int(a), int(b)) for a, b in pairwise(self.starts)]

    @cached_property
    def x(self) -> Any:
        """All rows in one matrix: a copy."""
        parts = [part.x for part in self.parts]
        if not self.sparse:
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        return Source(sp.vstack([sp.csr_array(part) for part in parts], format="csr"), self.n_threads).x

    @cached_property
    def _scan(self) -> tuple[float, float, float]:
        scans = np.array([part._scan for part in self.parts])
        return float(scans[:, 0].sum()), float(scans[:, 1].sum()), float(scans[:, 2].min())

    @property
    def largest(self) -> float:
        """The largest magnitude of a stored entry."""
        return max(part.largest for part in self.parts)

    @property
    def entries(self) -> int:
        """How many entries are stored."""
        return sum(part.entries for part in self.parts)

    def product(self, factor: Array, out: Array | None = None) -> Array:
        """X F for F (cols, k); `out` is overwritten with it, a new array by default."""
        if out is None:
            out = np.empty((self.rows, factor.shape[1]), self.dtype)
        for part, at in zip(self.parts, self.spans, strict=True):
            part.product(factor, out[at])
        return out

    def gram_product(self, factor: Array) -> Array:
        """X'X F for F (cols, k)."""
        image = self.parts[0].gram_product(factor)
        for part in self.parts[1:]:
            image += part.gram_product(factor)
        return image

    def take(self, rows: Any) -> Array:
        """Some rows as a new C-ordered array, in the order of `rows`."""
        index = np.arange(self.rows)[rows] if isinstance(rows, slice) else np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index
        found = np.empty((len(index), self.cols), self.dtype)
        for at, part, inside in self._where(index):
            found[at] = part.take(inside)
        return found

    def some(self, rows: Any, *, once: bool = False) -> Source:
        """Some rows as a source of their own; those of a slice are views."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self.rows)
            if step == 1:
                parts = [
                    part.x[max(0, start - at.start) : max(0, stop - at.start)]
                    for part, at in zip(self.parts, self.spans, strict=True)
                ]
                return type(self)(parts, self.n_threads, once=once)
            rows = np.arange(start, stop, step)
        if not self.sparse:
            return self.kind(self.take(rows), self.n_threads, once=once)
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index
        order, parts = [], []
        for at, part, inside in self._where(index):
            order.append(at)
            parts.append(sp.csr_array(part.x[inside]))
        stacked = sp.vstack(parts, format="csr") if parts else sp.csr_array((0, self.cols), dtype=self.dtype)
        stacked = stacked[np.argsort(np.concatenate([*order, []]).astype(np.intp))]
        return self.kind(stacked, self.n_threads, once=once)

    def check_finite(self, estimator: Any = None) -> None:
        """Refuse NaN and infinities, segment by segment."""
        for part in self.parts:
            part.check_finite(estimator)

    def _where(self, index: NDArray[Any]) -> Iterator[tuple[NDArray[np.intp], Source, NDArray[np.intp]]]:
        """For each segment that has some of the rows: where in `index`, the segment, and where in it."""
        index = np.where(index < 0, index + self.rows, index)
        which = np.searchsorted(self.starts, index, side="right") - 1
        for i in np.unique(which):
            at = np.flatnonzero(which == i)
            yield at, self.parts[i], index[at] - self.starts[i]

    def times_power(self, exponent: int) -> Source:
        """The same rows times 2^exponent: a copy, but for 0 this itself."""
        if exponent == 0:
            return self
        return Segments([part.times_power(exponent).x for part in self.parts], self.n_threads)

    def columns(self, at: slice) -> Source:
        """Some columns of dense segments as rows; a copy."""
        return Source(np.concatenate([part.x[:, at] for part in self.parts]).T, self.n_threads)

    @property
    def transposed(self) -> Any:
        """The same entries with rows and columns swapped: for CSR a copy, made once."""
        if self._transposed is None and not self.sparse:
            return Columns(self)
        if self._transposed is None:
            self._transposed = self.kind(self._across(), self.n_threads)
        return self._transposed

    def _across(self) -> Any:
        """X' of CSR segments."""
        return sp.hstack([sp.csr_array(part.x).T for part in self.parts], format="csr")

    def scaled_rows(self, scale: Array) -> Source:
        """Each row times its number of `scale` (rows,); a copy."""
        scaled = [part.scaled_rows(scale[at]).x for part, at in zip(self.parts, self.spans, strict=True)]
        return type(self)(scaled, self.n_threads)


def source_of(x: Any, n_threads: int, *, once: bool = False) -> Source:
    """The source of rows that an estimator was given: an array, a sparse matrix, or blocks of either."""
    if isinstance(x, Blocks):
        return Segments(x.parts, n_threads, once=once)
    return Source(x, n_threads, once=once)
