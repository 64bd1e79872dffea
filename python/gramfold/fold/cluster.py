"""Passes over segments as tasks of Dask.

A task takes a group of segments that lie next to each other, so many that they make one node of the tree by
which `added` adds; further tasks add up the rest of that tree. So sums are the bits of this process,
whatever the groups and whoever computes them. A task keeps nothing: it may run twice, and anywhere.
"""

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import numpy as np

from ..extras import require
from ..fit.block_rows import named_rows
from ..io.partitions import Partitions, current_client, sealed
from ..io.parts import Parts, Piece, later
from ..io.reader import Held
from .sums import Pass, State, added, state_at

LARGE = 2 << 30  # bytes of a group
TASKS = 4  # for each thread of the workers, if there are so many segments
FAN = 8  # sums that one task adds up
SCATTERED = 1 << 20  # bytes from which on arrays travel beside the graph, not in it
TRIES = 5


def goes_to(parts: Any) -> tuple[bool, Any]:
    """Whether passes over segments are tasks, and of which client: None is Dask's default scheduler."""
    if not isinstance(parts, Parts):
        return False, None
    readers = [piece.reader for piece in parts.pieces]
    if isinstance(readers[0], Partitions):
        return True, readers[0].client
    client = current_client() if all(reader.paths for reader in readers) else None
    return client is not None, client


class Common:
    """What all tasks of a pass are given, as one thing that Dask does not look into."""

    def __init__(self, pass_: Pass, shared: Any, change: Any) -> None:
        self.pass_, self.shared, self.change, self.errors = pass_, shared, change, np.geterr()

    __reduce__ = sealed


class Group:
    """Segments next to each other, and how many threads a task of theirs may use."""

    def __init__(self, parts: Parts, first: int, last: int, busy: int) -> None:
        self.spans, self.busy = parts.spans[first:last], busy
        self.rows = slice(self.spans[0].start, self.spans[-1].stop)
        self.tasks: list[Any] = []
        self.pieces: list[tuple[Any, Any]] = []
        for reader, start, stop in parts.pieces[first:last]:
            if isinstance(reader, Partitions):
                task, at = reader.task(start, stop)
                self.tasks.append(task)
                self.pieces.append((reader, at))
            else:
                self.pieces.append((reader, slice(start, stop)))

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"tasks": []}

    def parts(self, given: list[Any], change: Any) -> Parts:
        """The segments where the task runs; `given` is what the tasks of the partitions gave."""
        left, pieces = iter(given), []
        for reader, at in self.pieces:
            if isinstance(reader, Partitions):
                reader = Held(reader.of_partition(next(left)))
            pieces.append(Piece(reader, at.start, at.stop))
        return Parts(pieces, later(change, self.rows.start))


class Done:
    """What a task gives: sums, and the state of its rows that it overwrote, by name."""

    def __init__(self, sums: Any, state: dict[str, Any]) -> None:
        self.sums, self.state = sums, state


def run(pass_: Pass, parts: Parts, shared: Any, state: State, client: Any) -> Any:
    """Run a pass over segments as `engine.run` does; of state, what is overwritten is written back."""
    name = f"{parts.passes.next()}-{uuid4().hex}"
    common = Common(pass_, shared, parts.change)
    cluster = Cluster(client)
    groups = grouped(parts, cluster.threads)
    for left in reversed(range(TRIES)):
        try:
            sums, overwritten = _sums(cluster, name, common, groups, state)
            break
        except cluster.lost:
            if not left:
                raise
            name += "-again"
    for group, new in zip(groups, overwritten, strict=True):
        for key, value in new.items():
            state[key][group.rows] = value
    parts.looked_at()
    return sums


def _sums(
    cluster: "Cluster", name: str, common: Common, groups: list[Group], state: State
) -> tuple[Any, list[dict[str, Any]]]:
    """The sums, and of each group what of the state of its rows was overwritten."""
    sent = cluster.sent(common, f"{name}-shared")
    found = [
        cluster.task(work, sent, group, group.tasks, cluster.rows_of(state, group.rows), key=f"{name}-{i}")
        for i, group in enumerate(groups)
    ]
    if not _has_rows(state):
        return cluster.result([_tree(cluster, name, found)])[0], [{}] * len(groups)
    sums = [cluster.task(getattr, done, "sums", key=f"{name}-sums-{i}") for i, done in enumerate(found)]
    rows = [cluster.task(getattr, done, "state", key=f"{name}-state-{i}") for i, done in enumerate(found)]
    total, *overwritten = cluster.result([_tree(cluster, name, sums), *rows])
    return total, overwritten


def _tree(cluster: "Cluster", name: str, sums: list[Any]) -> Any:
    """Add up sums, some at a time."""
    while len(sums) > 1:
        parts = [sums[i : i + FAN] for i in range(0, len(sums), FAN)]
        sums = [
            cluster.task(_added, some, key=f"{name}-added-{len(parts)}-{i}") for i, some in enumerate(parts)
        ]
    return sums[0]


def _added(sums: list[Any]) -> Any:
    return added(iter(sums), len(sums))


def work(common: Common, group: Group, given: list[Any], state: dict[str, Any]) -> Any:
    """Run a pass over a group of segments: a task."""
    own = {key: np.array(a) if isinstance(a, np.ndarray) else copy.copy(a) for key, a in state.items()}
    with np.errstate(**common.errors):
        total = added(_each(common, group, given, own), len(group.spans))
    if not _has_rows(state):
        return total
    changed = {
        key: a for key, a in own.items()
        if isinstance(a, np.ndarray) and not np.array_equal(a, state[key])
    }  # fmt: skip
    return Done(total, changed)


def _has_rows(state: State) -> bool:
    return any(a is not None for a in state.values())


def _each(common: Common, group: Group, given: list[Any], state: dict[str, Any]) -> Iterator[Any]:
    """What a pass gives for each segment."""
    parts, threads = group.parts(given, common.change), _threads(group.busy)
    for segment, at in zip(parts, parts.spans, strict=True):
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
        from joblib import cpu_count

        threads = cpu_count()
    return max(1, int(threads) // busy)


def grouped(parts: Parts, workers: list[int]) -> list[Group]:
    """Groups of 2^i segments, of about as many bytes as a task should have."""
    count, size = len(parts), sum((last - first) * reader.row_bytes for reader, first, last in parts.pieces)
    most = min(LARGE, size / (TASKS * sum(workers)))
    together = 1
    while 2 * together * size / count <= most:
        together *= 2
    starts = range(0, count, together)
    busy = min(max(workers), -(-len(starts) // len(workers)))
    return [Group(parts, first, min(first + together, count), busy) for first in starts]


class Cluster:
    """Where tasks run: the workers of a client, or Dask's default scheduler in this process."""

    def __init__(self, client: Any) -> None:
        self.client, self.dask = client, require("dask", extra="dask")
        self.lost: tuple[type[BaseException], ...] = ()
        if client is None:
            from joblib import cpu_count

            self.threads = [cpu_count()]
            return
        distributed = require("distributed", extra="dask")
        self.lost = (distributed.CancelledError,)
        self._check()
        client.wait_for_workers(1)
        self.threads = list(client.nthreads().values())

    def _check(self) -> None:
        if self.client is not None and self.client.status != "running":
            raise RuntimeError(
                f"the Dask client was closed during the fit (its status is {self.client.status!r}): "
                "keep it open until the fit has ended"
            )

    def task(self, function: Any, *arguments: Any, key: str) -> Any:
        """A task that is run with what others give."""
        return self.dask.delayed(function, pure=False, traverse=False)(*arguments, dask_key_name=key)

    def sent(self, value: Any, key: str) -> Any:
        """What all tasks share: of moderate size a task of its own, which is run again if its worker dies."""
        if self.client is None:
            return self.dask.delayed(value, name=key, traverse=False)
        return self.task(_itself, self.dask.delayed(value, name=f"{key}-given", traverse=False), key=key)

    def rows_of(self, state: State, at: slice) -> dict[str, Any]:
        """The state of some rows, that of much memory where workers fetch it."""
        some = state_at(state, at)
        if self.client is None:
            return dict(some)
        return {
            key: self.client.scatter(a, hash=False) if getattr(a, "nbytes", 0) > SCATTERED else a
            for key, a in some.items()
        }

    def result(self, tasks: list[Any]) -> list[Any]:
        """Compute tasks, and wait for them; where that ends early, they are cancelled."""
        if self.client is None:
            return list(self.dask.compute(*tasks))
        self._check()
        futures = self.client.compute(tasks)
        try:
            found = self.client.gather(futures)
            return [pickle.loads(pickle.dumps(one)) for one in found]  # aligned, as kernels ask
        except BaseException:
            self._check()
            self.client.cancel(futures)
            raise


def _itself(value: Any) -> Any:
    return value
