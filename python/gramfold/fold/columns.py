"""Columns of row segments as rows: what passes over the transpose run over."""

from collections.abc import Sequence
from typing import Any, overload

from .source import Array, Source

# Entries of X that are gathered together, and the fewest columns: a cache line of each row.
ENTRIES, FEWEST = 1 << 21, 16


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
    def _scan(self) -> tuple[float, float, float]:
        return self.origin._scan

    def product(self, factor: Array, out: Array | None = None) -> Array:
        """X'F for F (cols, k), added up over the segments of X."""
        parts, spans = self.origin.segments, self.origin.spans
        image = parts[0].transposed.product(factor[spans[0]], out)
        for part, at in zip(parts[1:], spans[1:], strict=True):
            image += part.transposed.product(factor[at])
        return image

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
