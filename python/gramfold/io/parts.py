"""Segments of rows that are read when a pass comes to them, the next one while it works on one."""

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..fit.cached import cached_property
from .reader import Reader

Change = Callable[[Any, Any], Any]
PATIENCE = 1.0  # seconds until it is asked whether a thread is still there


class Piece(NamedTuple):
    """Some rows of a reader."""

    reader: Reader
    start: int
    stop: int


class Passes:
    """How many passes went over segments, for whom, and how many segments a task takes together."""

    def __init__(self, whose: str) -> None:
        self.whose, self.count, self.together = whose, 0, 0

    def next(self) -> str:
        """What to call the next one."""
        self.count += 1
        return f"{self.whose}-pass-{self.count}"


class Parts:
    """Segments that are read again each time.

    Who iterates has one in memory, and the next is being read.

    Parameters
    ----------
    pieces : sequence of Piece
        Those without rows count for nothing.
    change : callable, optional
        What is made of rows that were read: change(rows, at), with `at` a slice or the indices of all rows.
    passes : Passes, optional
    """

    def __init__(
        self, pieces: Sequence[Piece], change: Change | None = None, passes: Passes | None = None
    ) -> None:  # fmt: skip
        self.pieces = [piece for piece in pieces if piece.stop > piece.start] or list(pieces[:1])
        self.change, self.passes = change, passes or Passes("gramfold")
        self.starts = np.cumsum([0, *(piece.stop - piece.start for piece in self.pieces)])

    @property
    def spans(self) -> list[slice]:
        """Which rows each segment has."""
        return [slice(int(a), int(b)) for a, b in pairwise(self.starts)]

    @cached_property
    def empty(self) -> Any:
        """What a segment without rows would be."""
        return self._changed(self.pieces[0].reader.empty, slice(0, 0))

    def map(self, change: Change, passes: Passes | None = None) -> "Parts":
        """What change(segment, at) makes of each, whenever it is read; `at` may be indices too."""
        both = change if self.change is None else _Both(self.change, change)
        return Parts(self.pieces, both, passes or self.passes)

    def cut(self, start: int, stop: int) -> "Parts":
        """The rows start to stop, exclusive."""
        pieces = []
        for (reader, first, last), at in zip(self.pieces, self.spans, strict=True):
            begin, end = (min(last, first + max(0, row - at.start)) for row in (start, stop))
            pieces.append(Piece(reader, begin, end))
        return Parts(pieces, self.change and later(self.change, start), self.passes)

    def some(self, index: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], Any]]:
        """Yield for each segment that has some of these rows where in `index`, and a segment of them."""
        self.check()
        which = np.searchsorted(self.starts, index, side="right") - 1
        for i in np.unique(which):
            at = np.flatnonzero(which == i)
            piece = self.pieces[i]
            rows = piece.reader.rows(piece.start + index[at] - self.starts[i])
            yield at, self._changed(rows, index[at])

    def looked_at(self) -> None:
        """Say that every segment was read once: what is checked but once need not be again."""
        said = getattr(self.change, "looked_at", None)
        if said is not None:
            said(self.spans)

    def check(self) -> None:
        """Refuse files that are not what they were."""
        for reader in {id(piece.reader): piece.reader for piece in self.pieces}.values():
            reader.check()

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, i: int) -> Any:
        return self._changed(self._read(i), self.spans[i])

    def __iter__(self) -> Iterator[Any]:
        return self._in(range(len(self)))

    def __reversed__(self) -> Iterator[Any]:
        return self._in(range(len(self))[::-1])

    @property
    def backwards(self) -> bool:
        """Whether a pass should begin with the last rows: those read last may still be cached."""
        reader, _, stop = self.pieces[-1]
        return reader.last == stop and not any(piece.reader.forward for piece in self.pieces)

    def _in(self, order: Sequence[int]) -> Iterator[Any]:
        """Yield segments in some order."""

        def read(i: int) -> Any:
            rows = self._read(i)
            if i == order[-1]:
                self.check()
            return rows

        self.check()
        ahead, spans = Ahead(read, order), self.spans
        try:
            for i in order:
                yield self._changed(ahead.next(), spans[i])
        finally:
            ahead.close()

    def _read(self, i: int) -> Any:
        piece = self.pieces[i]
        return piece.reader.read(piece.start, piece.stop)

    def _changed(self, rows: Any, at: Any) -> Any:
        return rows if self.change is None else self.change(rows, at)


def later(change: Change, start: int) -> Change:
    """The change of rows that are counted from a later one."""
    return _Later(change, start) if start else change


class _Both:
    """One change after the other."""

    def __init__(self, first: Change, second: Change) -> None:
        self.first, self.second = first, second

    def __call__(self, rows: Any, at: Any) -> Any:
        return self.second(self.first(rows, at), at)

    def looked_at(self, spans: list[slice]) -> None:
        """Tell those that want to know."""
        for change in (self.first, self.second):
            if hasattr(change, "looked_at"):
                change.looked_at(spans)


class _Later:
    """The change of rows that are counted from a later one."""

    def __init__(self, change: Change, start: int) -> None:
        self.change, self.start = change, start

    def __call__(self, rows: Any, at: Any) -> Any:
        if isinstance(at, slice):
            return self.change(rows, slice(at.start + self.start, at.stop + self.start))
        return self.change(rows, at + self.start)

    def looked_at(self, spans: list[slice]) -> None:
        """Tell the change, if it wants to know."""
        if hasattr(self.change, "looked_at"):
            self.change.looked_at([slice(at.start + self.start, at.stop + self.start) for at in spans])


class Ahead:
    """Reads one after the other, by a thread that is one ahead and ends with the last."""

    def __init__(self, read: Callable[[int], Any], order: Sequence[int]) -> None:
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._found: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(read, order), name="gramfold-read")
        self._wanted.put(True)
        self._thread.start()

    def _run(self, read: Callable[[int], Any], order: Sequence[int]) -> None:
        for i in order:
            if not self._wanted.get():
                return
            try:
                self._found.put((read(i), None))
            except BaseException as error:
                self._found.put((None, error))
                return

    def next(self) -> Any:
        """Wait for the next, and begin with the one after it.

        Raises
        ------
        MemoryError
            If the thread has ended without a word, for which it had no memory.
        """
        while True:
            alive = self._thread.is_alive()
            try:
                rows, error = self._found.get(timeout=PATIENCE if alive else 0)
                break
            except Empty:
                if not alive:
                    raise MemoryError("the thread that reads ahead has ended: out of memory") from None
        if error is not None:
            raise error
        self._wanted.put(True)
        return rows

    def close(self) -> None:
        """End the thread, when nothing is being read."""
        self._wanted.put(False)
        if self._thread is not threading.current_thread():  # where a collector comes by
            self._thread.join()
