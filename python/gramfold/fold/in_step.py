"""X in files for several threads that pass over it side by side, so that it is read once for all of them.

Passes begin together. Of a flat file each reads for itself what one of them has brought into the system's
cache. Of other files a segment is read once, and given to all. A pass that is not at the segment of others
reads alone; results never depend on it.
"""

import copy
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import scipy.sparse as sp

from ..fit.blocks import Blocks
from ..fit.floats import as_floats, csr_on_disk, stored
from ..fit.on_disk import OpenFile, in_file
from ..io.parts import Ahead, Change, Parts, Passes
from .cluster import goes_to
from .source import Source


class Ended(Exception):
    """Another thread has failed, or nobody waits for this one any more."""


class Meeting:
    """Threads that wait for each other, as long as they are at work.

    Parameters
    ----------
    count : int
        How many there are.
    """

    def __init__(self, count: int) -> None:
        self.live, self.closing = count, list[Any]()
        self._all = threading.Condition()
        self._waiting, self._turn, self._ended = 0, 0, False

    def meet(self) -> int:
        """Wait until all who are at work have come here; gives how often they have.

        Raises
        ------
        Ended
        """
        with self._all:
            turn = self._turn
            self._waiting += 1
            self._go_on()
            while self._turn == turn and not self._ended:
                self._all.wait()
            if self._ended:
                raise Ended
            return self._turn

    def leave(self) -> None:
        """End the work of a thread; the last one closes what is open."""
        with self._all:
            self.live -= 1
            self._go_on()
        if not self.live:
            for close in self.closing:
                close()

    def end(self) -> None:
        """Let all fail who come here, or wait."""
        with self._all:
            self._ended = True
            self._all.notify_all()

    def _go_on(self) -> None:
        if self._waiting >= self.live:
            self._waiting, self._turn = 0, self._turn + 1
            self._all.notify_all()


class Together(OpenFile):
    """An open file, over which each pass begins together with the others': kernels ask for `passes` then."""

    def __init__(self, file: OpenFile, meeting: Meeting) -> None:
        vars(self).update({name: value for name, value in vars(file).items() if name != "passes"})
        self.file, self.meeting = file, meeting

    def __del__(self) -> None:
        """Leave the descriptor to `file`."""

    @property
    def passes(self) -> int:
        """In which direction to read: the same for all."""
        return self.meeting.meet()

    @passes.setter
    def passes(self, count: int) -> None:
        """Are counted by the meeting."""


class SharedReads:
    """Parts that several threads come to together.

    Attributes
    ----------
    forwards : bool
        Whether the last pass was from the first segment to the last one.
    """

    def __init__(self, parts: Parts, meeting: Meeting) -> None:
        self.parts, self.meeting, self._lock = parts, meeting, threading.Lock()
        self._turn, self._taken = -1, 0
        self._found: dict[int, Any] = {}
        self._ahead: Ahead | None = None
        self._coming: list[int] = []  # what is read ahead, the next one last
        self.forwards = False
        meeting.closing.append(self.close)

    def at(self, turn: int, i: int, order: Sequence[int]) -> Any:
        """A segment in a turn; who comes first reads it, and the last one drops it here."""
        with self._lock:
            if turn != self._turn:
                self._turn, self._taken, self._found = turn, 0, {}
            if i not in self._found:
                self._found[i] = self._read(i, order)
            found = self._found[i]
            self._taken += 1
            if self._taken == self.meeting.live:
                self._found = {}
            return found

    def _read(self, i: int, order: Sequence[int]) -> Any:
        if i == order[0]:
            self.close()
            self._ahead, self._coming = Ahead(self.parts._read, order), list(order)[::-1]
            self.forwards = order[0] < order[-1]
        if self._ahead is not None and self._coming and self._coming[-1] == i:
            self._coming.pop()
            return self._ahead.next()
        return self.parts._read(i)

    def close(self) -> None:
        """End reading ahead."""
        if self._ahead is not None:
            self._ahead.close()
        self._ahead = None


class SharedParts(Parts):
    """Parts as one of the threads has them."""

    def __init__(self, reads: SharedReads, change: Change | None, passes: Passes | None = None) -> None:
        super().__init__(reads.parts.pieces, change, passes)
        self.reads = reads

    def map(self, change: Change, passes: Passes | None = None) -> "SharedParts":
        """What change(segment, at) makes of each."""
        return SharedParts(self.reads, super().map(change).change, passes or self.passes)

    @property
    def backwards(self) -> bool:
        """Whether a pass should begin with the last rows: the same for all."""
        return self.reads.forwards and not any(piece.reader.forward for piece in self.pieces)

    def _in(self, order: Sequence[int]) -> Iterator[Any]:
        """Yield segments in some order, each when all have come to it."""
        self.check()
        for i in order:
            rows = self.reads.at(self.reads.meeting.meet(), i, order)
            yield self._changed(rows, self.spans[i])
        self.check()


def in_files(x: Any) -> bool:
    """Whether each pass over a source, an array, a CSR matrix or Blocks reads files in this process."""
    if isinstance(x, Source) and x.held:
        return x.flat
    if isinstance(x, Source | Blocks):
        parts: Any = x.parts  # type: ignore[union-attr]
        return isinstance(parts, Parts) and not goes_to(parts)[0]
    return in_file(stored(x))


def shared(x: Any, meeting: Meeting) -> list[Any]:
    """Give x, which lies in files, once for each thread of a meeting, to be passed over by it alone."""
    if isinstance(x, Source):
        return _sources(x, meeting)
    if isinstance(x, Blocks):
        parts: Any = x.parts
        reads = SharedReads(parts, meeting)
        return [Blocks(SharedParts(reads, parts.change), x.header) for _ in range(meeting.live)]
    return [_array(x, meeting) for _ in range(meeting.live)]


def _sources(x: Source, meeting: Meeting) -> list[Source]:
    reads = None if x.held else SharedReads(x.parts, meeting)  # type: ignore[attr-defined]
    found: list[Any] = [copy.copy(x) for _ in range(meeting.live)]
    for one in found:
        one.n_threads, one._transposed, one._origin = -(-x.n_threads // meeting.live), None, None
        if reads is None:
            one.x = _array(x.x, meeting)
            vars(one).pop("kernel", None)
        else:
            one.parts = SharedParts(
                reads, partial(_in_threads, change=reads.parts.change, n_threads=one.n_threads)
            )
    return found


def _in_threads(rows: Any, at: Any, *, change: Any, n_threads: int) -> Source:
    """The source of a segment, with as many threads as one of several fits has."""
    found = change(rows, at)
    found.n_threads = n_threads
    return found


def _array(x: Any, meeting: Meeting) -> Any:
    """An array or CSR matrix in a file."""
    numbers: Any = stored(x)
    mine = numbers.view()
    mine.gramfold_file = Together(numbers.gramfold_file, meeting)
    if not sp.issparse(x):
        found = as_floats(mine)
    else:
        found = csr_on_disk(mine, x.places, x.indptr, x.shape)
        found.gramfold_sound = True  # as x is
    found.scan = x.scan
    return found
