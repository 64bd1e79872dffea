"""Segments of rows that are read when a pass comes to them, the next one while it works on one."""

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count, pairwise
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..fit.apart import apart
from ..fit.cached import cached_property
from .reader import Reader

Change = Callable[[Any, Any], Any]
BESIDE = "beside "  # begins the names of arrays that a change takes rows of
AT_ONCE = 1 << 28  # bytes of rows that a reader is asked for in one go
PATIENCE = 1.0  # seconds until it is asked whether a thread is still there


class Piece(NamedTuple):
    """Some rows of a reader."""

    reader: Reader
    start: int
    stop: int


class Passes:
    """How many passes went over segments, for whom; on a cluster how many a task takes, if any ran."""

    def __init__(self, whose: str) -> None:
        self.whose, self.count, self.together, self.placed = whose, 0, 0, False
        self.given: dict[Any, Any] = {}  # what workers have of the rows of arguments; see fold/cluster.py
        self.before: list[Any] = []  # what the last pass holds on to, see fold/graph.py
        self.cluster: dict[str, Any] = {}  # what is known of the workers, see fold/cluster.py
        self.sizes: dict[str, int] = {}  # bytes of the last sums of each kind of pass

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
        for segments in self._asked_for(which):
            places = [np.flatnonzero(which == i) for i in segments]
            inside = [
                self.pieces[i].start + index[at] - self.starts[i]
                for i, at in zip(segments, places, strict=True)
            ]
            rows, first = self.pieces[segments[0]].reader.rows(np.concatenate(inside)), 0
            for at in places:
                yield at, self._changed(rows[first : first + len(at)], index[at])
                first += len(at)

    def _asked_for(self, which: NDArray[np.intp]) -> Iterator[list[int]]:
        """The segments among `which`; together those that a reader had best be asked for at once."""
        some, last, size = list[int](), None, 0.0
        for i, rows in zip(*np.unique(which, return_counts=True), strict=True):
            reader = self.pieces[i].reader
            size += rows * reader.row_bytes
            if some and not (reader.at_once and reader is last and size <= AT_ONCE):
                yield some
                some, size = [], rows * reader.row_bytes
            some, last = [*some, int(i)], reader
        if some:
            yield some

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


class Beside:
    """A change that takes rows of arrays beside those of a segment: function(rows, state of these rows).

    On a cluster workers are given such rows of the arrays as they need, see `bare`.

    Parameters
    ----------
    function : callable
    state : dict of ndarray or None
        With a row for each row.
    base : int
        Of which row the first one of the arrays is.
    """

    def __init__(self, function: Change, state: dict[str, Any], base: int = 0) -> None:
        self.function, self.state, self.base = function, state, base

    def __call__(self, rows: Any, at: Any) -> Any:
        if self.base:
            at = slice(at.start - self.base, at.stop - self.base) if isinstance(at, slice) else at - self.base
        return self.function(rows, {name: None if a is None else a[at] for name, a in self.state.items()})


def bare(change: Change | None) -> tuple[Change | None, dict[str, tuple[Any, int]]]:
    """A change without the arrays that it takes rows of; these, and which of their rows is the first of X."""
    beside: dict[str, tuple[Any, int]] = {}

    def taken(one: Beside, i: int, base: int) -> Beside:
        arrays = {name: a for name, a in one.state.items() if a is not None}
        beside.update({f"{BESIDE}{i} {name}": (a, base - one.base) for name, a in arrays.items()})
        return Beside(one.function, dict.fromkeys(one.state))

    return _replaced(change, taken, 0, count()), beside


def given_rows(change: Change | None, beside: dict[str, Any], start: int) -> Change | None:
    """What `bare` gave, with rows from `start` on of the arrays."""

    def given(one: Beside, i: int, base: int) -> Beside:
        rows = {name: beside.get(f"{BESIDE}{i} {name}") for name in one.state}
        return Beside(one.function, rows, start + base)

    return _replaced(change, given, 0, count())


def _replaced(
    change: Any, by: Callable[[Beside, int, int], Change], base: int, numbers: Iterator[int]
) -> Any:
    """A change with others in place of those that take rows of arrays."""
    if isinstance(change, _Both):
        return _Both(*(_replaced(one, by, base, numbers) for one in (change.first, change.second)))
    if isinstance(change, _Later):
        return _Later(_replaced(change.change, by, base + change.start, numbers), change.start)
    return by(change, next(numbers), base) if isinstance(change, Beside) else change


class Ahead:
    """Reads one after the other, by a thread that is one ahead and ends with the last."""

    def __init__(self, read: Callable[[int], Any], order: Sequence[int]) -> None:
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._found: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._apart = apart()
        self._thread = threading.Thread(target=self._run, args=(read, order), name="gramfold-read")
        self._wanted.put(True)
        self._thread.start()

    def _run(self, read: Callable[[int], Any], order: Sequence[int]) -> None:
        self._apart.begin()
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
        self._apart.trim()
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
