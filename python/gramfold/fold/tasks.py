"""What runs on the workers of a cluster: a pass over some segments, as one task."""

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from joblib import cpu_count

from ..extras import require
from ..fit.block_rows import named_rows
from ..fit.cached import cached_property
from ..io.partitions import Partitions
from ..io.parts import BESIDE, Parts, Piece, given_rows, later
from ..io.reader import Held
from .given import Blank, Draw, Packed
from .kept import part_of
from .settled import settled
from .sums import Pass, added, state_at


class Sealed:
    """What Dask does not look into: pickled once, its arrays inside, and opened by the task that needs it."""

    def __init__(self, what: Any) -> None:
        self.what = what

    @cached_property
    def pickled(self) -> bytes:
        """As it is sent."""
        made: bytes = require("cloudpickle", extra="dask").dumps(self.what)
        return made

    def opened(self) -> Any:
        """What is inside."""
        return self.what

    def __reduce__(self) -> Any:
        return Pickled, (self.pickled,)


class Pickled:
    """`Sealed`, where it was sent."""

    def __init__(self, pickled: bytes) -> None:
        self.pickled = pickled

    def opened(self) -> Any:
        """What is inside: a copy."""
        return pickle.loads(self.pickled)

    def __sizeof__(self) -> int:
        """So that Dask knows what it would have to move."""
        return len(self.pickled)


class Of(NamedTuple):
    """State of rows that a task is given by others, in the place of it."""

    number: int  # among what the task is given
    name: str | None = None  # of what is kept
    column: int | None = None

    def among(self, given: tuple[Any, ...]) -> Any:
        """What it stands for."""
        found = given[self.number]
        return found if self.name is None else (found, self.name, self.column)


class Common:
    """What all tasks of a pass are given.

    Parameters
    ----------
    pass_, shared
        As `engine.run` takes them.
    change : callable or None
        Of the segments, see `Parts`; the arrays that it takes rows of are among the state of the tasks.
    writes : tuple of str
        Which of the state of rows the pass writes to stay with the workers.
    looked : dict of ndarray
        Of these the rows that go to the client.
    reads : bool
        Whether the pass is given rows of X, and not the state of rows alone.
    """

    def __init__(
        self, pass_: Pass, shared: Any, change: Any, writes: tuple[str, ...], looked: dict[str, Any],
        *, reads: bool,
    ) -> None:  # fmt: skip
        self.pass_, self.shared, self.change, self.reads = pass_, shared, change, reads
        self.writes, self.looked, self.errors = writes, looked, np.geterr()

    def of(self, group: "Group") -> "Group":
        """A group as the pass needs it."""
        return group if self.reads else group.without_rows


class Group:
    """Segments next to each other, and how many threads a task of theirs may use.

    Parameters
    ----------
    parts : Parts
    first, last : int
        Which of its segments.
    busy : int
        How many tasks a worker may have at a time.
    """

    def __init__(self, parts: Parts, first: int, last: int, busy: int) -> None:
        self.spans, self.busy = parts.spans[first:last], busy
        self.rows = slice(self.spans[0].start, self.spans[-1].stop)
        self.tasks: list[Any] = []
        self.keys: list[Any] = []
        self.pieces: list[tuple[Any, Any]] = []
        for reader, start, stop in parts.pieces[first:last]:
            if isinstance(reader, Partitions):
                task, at = reader.task(start, stop)
                self.tasks.append(task)
                self.keys.append(task.key)
                self.pieces.append((reader, at))
            else:
                self.pieces.append((reader, slice(start, stop)))

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"tasks": []}

    @property
    def without_rows(self) -> "Group":
        """The same for a pass over the state of rows alone."""
        found = copy.copy(self)
        found.tasks, found.keys, found.pieces = [], [], []
        return found

    def parts(self, given: tuple[Any, ...], change: Any) -> Parts:
        """The segments where the task runs; `given` begins with what the tasks of the partitions gave."""
        left, pieces = iter(given), []
        for reader, at in self.pieces:
            if isinstance(reader, Partitions):
                reader = Held(reader.of_partition(next(left)))
            pieces.append(Piece(reader, at.start, at.stop))
        return Parts(pieces, later(change, self.rows.start))


class Done:
    """What a task gives: sums, and the state of its rows that it wrote, by name.

    Parameters
    ----------
    sums : object
    changed : dict of ndarray
        What goes back to the client.
    kept : dict of ndarray
        What stays here, see `Kept`.
    """

    def __init__(self, sums: Any, changed: dict[str, Any], kept: dict[str, Any]) -> None:
        self.sums, self.changed, self.kept = sums, changed, kept

    def __sizeof__(self) -> int:
        """So that Dask knows what it would have to move."""
        return sum(a.nbytes for a in (*self.changed.values(), *self.kept.values()))


def of_kind(name: str, kind: str) -> str:
    """The name of a pass for those of its tasks that run no segment.

    The scheduler reckons how long a task takes by what its name begins with.
    """
    whose, rest = name.split("-", 1)
    return f"{whose}-{kind}-{rest}"


def returns(a: Any) -> bool:
    """Whether state of rows goes to a task and back, as it may have been changed."""
    return isinstance(a, np.ndarray)


def work(shared: Any, of_group: Any, *given: Any) -> Any:
    """Run a pass over a group of segments: a task.

    Parameters
    ----------
    shared : Sealed
        A `Common`.
    of_group : Sealed
        A `Group`, and the state of its rows.
    *given : object
        What the tasks of its partitions gave, and those that the state is of.
    """
    common, (group, state) = shared.opened(), of_group.opened()
    state = {key: a.among(given) if isinstance(a, Of) else a for key, a in state.items()}
    own = {key: _of_its_own(a, key in common.writes) for key, a in state.items()}
    with np.errstate(**common.errors):
        total = added(_each(common, group, given, own), len(group.spans))
    if common.looked:
        total = total, {key: [_looked(own[key], group.rows, at)] for key, at in common.looked.items()}
    if not common.writes and not any(map(returns, state.values())):
        return total
    changed = {key: own[key] for key, a in state.items() if returns(a) and not np.array_equal(own[key], a)}
    return Done(total, changed, {key: own[key] for key in common.writes})


def _of_its_own(a: Any, written: bool) -> Any:
    """State of rows as a pass is given it: what is not read alone is a copy."""
    if isinstance(a, Blank | Draw):
        return a if isinstance(a, Draw) and a.by_blocks else a.made()
    if isinstance(a, tuple | Packed):
        rows = a.rows if isinstance(a, Packed) else part_of(*a)
        return np.array(rows) if written else rows
    return np.array(a) if isinstance(a, np.ndarray) else copy.copy(a)


def _looked(rows: Any, at: slice, index: Any) -> Any:
    """Those rows of a group that the client looks at."""
    first, last = np.searchsorted(index, (at.start, at.stop))
    return rows[index[first:last] - at.start]


def _each(common: Common, group: Group, given: tuple[Any, ...], state: dict[str, Any]) -> Iterator[Any]:
    """What a pass gives for each segment."""
    if not group.pieces:  # a pass over the state alone
        start = group.rows.start
        for at in group.spans:
            yield common.pass_(None, common.shared, state_at(state, slice(at.start - start, at.stop - start)))
        return
    beside = {key: state.pop(key) for key in [*state] if key.startswith(BESIDE)}
    parts = group.parts(settled(group.keys, given), given_rows(common.change, beside, group.rows.start))
    threads = _threads(group.busy)
    held = all(isinstance(piece.reader, Held) for piece in parts.pieces)  # there is nothing to read ahead
    segments = (parts[i] for i in range(len(parts))) if held else iter(parts)
    for segment, at in zip(segments, parts.spans, strict=True):
        if isinstance(getattr(segment, "n_threads", None), int):
            segment.n_threads = threads
        with said_of(slice(group.rows.start + at.start, group.rows.start + at.stop)):
            yield common.pass_(segment, common.shared, state_at(state, at))


@contextmanager
def said_of(at: slice) -> Iterator[None]:
    """Say in which rows an exception was raised."""
    try:
        with named_rows(at):
            yield
    except (TypeError, ValueError, MemoryError, OSError):
        raise
    except Exception as error:
        said = f"rows {at.start} to {at.stop - 1} of X: {type(error).__name__}: {error}"
        raise RuntimeError(said) from error


def _threads(busy: int) -> int:
    """Threads of a task: those of the worker, or of this process, shared by as many tasks as it may have."""
    try:
        threads = require("distributed", extra="dask").get_worker().state.nthreads
    except (ImportError, ValueError):
        threads = cpu_count()
    return max(1, int(threads) // busy)
