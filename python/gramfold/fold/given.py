"""What workers are given of rows beside X: arguments that stay as they are, empty arrays, random numbers."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.partitions import sealed

DRAWN = 1 << 20  # numbers that are drawn at a time where only the generator is wanted


class Given:
    """Rows of an argument, such as weights, which no pass changes: they go to the workers once.

    Parameters
    ----------
    client : distributed.Client or None
        Without, tasks are given the rows themselves.
    rows : ndarray or CSR matrix
    base : int
        Which of them belongs to the first row of X.

    Attributes
    ----------
    parts : list of Future
        Those of each group, once they are sent.
    """

    def __init__(self, client: Any, rows: Any, base: int = 0) -> None:
        self.client, self.rows, self.base = client, rows, base
        self.spans: list[slice] = []
        self.parts: list[Any] = []

    @property
    def shape(self) -> tuple[int, ...]:
        """That of all rows."""
        shape: tuple[int, ...] = self.rows.shape
        return shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.rows, dtype)

    def send(self, spans: list[slice] | None = None) -> None:
        """Send the workers what they do not have, or not any more, of the groups of the first call."""
        if not self.parts:
            self.spans, self.parts = spans or [], [None] * len(spans or [])
        wanted = [i for i, part in enumerate(self.parts) if part is None or is_lost(part)]
        rows = [self._of(self.spans[i]) for i in wanted]
        sent = self.client.scatter(rows, hash=False) if self.client is not None and rows else rows
        for i, part in zip(wanted, sent, strict=True):
            self.parts[i] = part

    def _of(self, at: slice) -> "Packed":
        return Packed(self.rows[at.start + self.base : at.stop + self.base])


def is_lost(part: Any) -> bool:
    """Whether what a future stands for has to be made again."""
    return getattr(part, "status", "finished") not in ("finished", "pending")


class Packed:
    """Rows that are read alone; they arrive aligned, as kernels ask."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __sizeof__(self) -> int:
        """So that Dask knows what it would have to move."""
        return int(getattr(self.rows, "nbytes", 0) or self.rows.data.nbytes)

    __reduce__ = sealed


class Blank:
    """An array that a pass is to write, and what is in it before."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, start: Any = None) -> None:
        self.shape, self.dtype, self.start = shape, dtype, start

    def of(self, rows: slice) -> "Blank":
        """That of some rows."""
        return Blank((rows.stop - rows.start, *self.shape[1:]), self.dtype, self.start)

    def made(self) -> NDArray[Any]:
        """The array."""
        found = np.empty(self.shape, self.dtype)
        if self.start is not None:
            found[...] = self.start
        return found


class Drawn:
    """An array of random numbers with a row for each row of X: each group's are drawn by its task.

    The numbers are those of one draw of all. Here they are drawn too, for where the generator is at the first
    row of each group, and forgotten.

    Parameters
    ----------
    rng : RandomState
        Is left as by one draw of all.
    draw : str
        The name of its method.
    shape : tuple of int
    spans : list of slice
        Which rows each group has.
    by_blocks : bool
        Whether a pass is given a `Draw`, and not the numbers.
    """

    def __init__(
        self, rng: np.random.RandomState, draw: str, shape: tuple[int, ...], spans: list[slice], *,
        by_blocks: bool = False,
    ) -> None:  # fmt: skip
        self.draw, self.shape, self.spans, self.by_blocks = draw, shape, spans, by_blocks
        width = int(np.prod(shape[1:], dtype=int))
        self.generators = _run_through(rng, draw, [(at.stop - at.start) * width for at in spans])

    def of(self, i: int) -> "Draw":
        """What the task of a group draws."""
        at = self.spans[i]
        return Draw(self.generators[i], self.draw, (at.stop - at.start, *self.shape[1:]), self.by_blocks)

    def __getitem__(self, at: slice) -> "Draw":
        """What a segment draws."""
        return self.of(self.spans.index(at))


class DrawnFor(Drawn):
    """Random numbers of which some segments take more than others: see `Drawn`.

    Parameters
    ----------
    rng, draw
        As there.
    counts : list of int
        How many numbers each segment takes.
    segments, spans : list of slice
        Which rows each segment, and each group of them, has.
    """

    def __init__(
        self, rng: np.random.RandomState, draw: str, counts: list[int], segments: list[slice],
        spans: list[slice],
    ) -> None:  # fmt: skip
        self.draw, self.spans, self.segments, self.counts = draw, spans, segments, counts
        self.generators = _run_through(rng, draw, counts)

    def of(self, i: int) -> Any:
        """What the segments of a group draw."""
        group, found = self.spans[i], {}
        for at, generator, count in zip(self.segments, self.generators, self.counts, strict=True):
            if group.start <= at.start < group.stop:
                found[at.start - group.start] = Draw(generator, self.draw, (count,), False)
        return OfSegments(found)


class OfSegments:
    """What the segments of a group have, by their first rows."""

    def __init__(self, found: dict[int, Any]) -> None:
        self.found = found

    def __getitem__(self, at: slice) -> Any:
        """What a segment has."""
        return self.found[at.start]


def _run_through(
    rng: np.random.RandomState, draw: str, counts: list[int]
) -> list[np.random.RandomState]:  # fmt: skip
    """Where a generator is before each of so many numbers; it is left behind the last."""
    found = []
    for count in counts:
        found.append(copy.deepcopy(rng))
        while count:
            count -= len(getattr(rng, draw)(size=min(count, DRAWN)))
    return found


class Draw:
    """Random numbers that are yet to be drawn, a row for each row."""

    def __init__(
        self, generator: np.random.RandomState, draw: str, shape: tuple[int, ...], by_blocks: bool,
        first: int = 0,
    ) -> None:  # fmt: skip
        self.generator, self.draw, self.shape = generator, draw, shape
        self.by_blocks, self.first = by_blocks, first

    def __getitem__(self, at: slice) -> "Draw":
        """Those of some rows."""
        shape = (at.stop - at.start, *self.shape[1:])
        return Draw(self.generator, self.draw, shape, self.by_blocks, self.first + at.start)

    def blocks(self, size: int) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield so many rows at a time, which they are, and their numbers."""
        draw = getattr(copy.deepcopy(self.generator), self.draw)
        left = self.first * int(np.prod(self.shape[1:], dtype=int))
        while left:
            left -= len(draw(size=min(left, DRAWN)))
        for start in range(0, self.shape[0], size):
            at = slice(start, min(start + size, self.shape[0]))
            yield at, draw(size=(at.stop - at.start, *self.shape[1:]))

    def made(self) -> NDArray[Any]:
        """The numbers; the same ones each time."""
        drawn: NDArray[Any] = getattr(copy.deepcopy(self.generator), self.draw)(size=self.shape)
        return drawn
