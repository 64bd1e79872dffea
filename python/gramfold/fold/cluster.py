"""Passes over segments as tasks of Dask.

A task takes a group of segments that lie next to each other, so many that they make one node of the tree by
which `added` adds; further tasks add up the rest of that tree. So sums are the bits of this process,
whatever the groups and whoever computes them. A task keeps nothing: it may run twice, and anywhere.
"""

import pickle
from typing import Any
from uuid import uuid4

import numpy as np
from joblib import cpu_count

from ..extras import require
from ..io.partitions import Partitions, current_client, memory_of
from ..io.parts import Parts
from .kept import Kept
from .steps import Lost, Step, mended, rooted
from .sums import Pass, State, added
from .tasks import Blank, Common, Group, work

LARGE, ROOM = 4 << 30, 8  # bytes of a group; of an X that is not kept, its share of a thread's memory
TASKS, PAIR, MANY = 4, 2, 1024  # tasks for each thread, if that is not many; else for each worker
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


class Cluster:
    """Where tasks run: the workers of a client, or Dask's default scheduler in this process."""

    def __init__(self, client: Any) -> None:
        self.client, self.dask = client, require("dask", extra="dask")
        self.lost: tuple[type[BaseException], ...] = ()
        if client is None:
            self.threads = [cpu_count()]
            return
        distributed = require("distributed", extra="dask")
        self.lost = (distributed.CancelledError, Lost)
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

    def rows_of(self, state: State, i: int, at: slice, keeps: bool) -> dict[str, Any]:
        """The state of the rows of a group, where it is large as data that workers fetch.

        Not if what the task gives is kept: data that are lost with a worker are not computed again.
        """
        some: dict[str, Any] = {}
        for key, a in state.items():
            if isinstance(a, Kept):
                some[key] = (a.parts[i], a.name) if a.parts else Blank(a.shape, a.dtype).of(at)
            else:
                some[key] = None if a is None else a[at]
                if self.client is not None and not keeps and getattr(some[key], "nbytes", 0) > SCATTERED:
                    some[key] = self.client.scatter(some[key], hash=False)
        return some

    def result(self, tasks: list[Any], kept: list[Any]) -> tuple[list[Any], list[Any]]:
        """Compute tasks, and wait for them; where that ends early, those that are left are not begun.

        What `kept` give stays with the workers: their futures come second.
        """
        if self.client is None:
            return list(self.dask.compute(*tasks)), []
        self._check()
        with self.dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            futures = self.client.compute([*tasks, *kept])
        try:
            found = self.client.gather(futures[: len(tasks)])
        except BaseException:
            for future in futures:
                future.release()
            self._check()
            raise
        # Copies are aligned, as kernels ask.
        return [pickle.loads(pickle.dumps(one)) for one in found], futures[len(tasks) :]


def _itself(value: Any) -> Any:
    return value


def run(pass_: Pass, parts: Parts, shared: Any, state: State, client: Any) -> Any:
    """Run a pass over segments as `engine.run` does; what it overwrites of the state is written back."""
    cluster, name = Cluster(client), f"{parts.passes.next()}-{uuid4().hex}"
    groups = grouped(parts, cluster)
    spans = [group.rows for group in groups]
    own = {
        key: np.asarray(a) if isinstance(a, Kept) and a.parts and a.spans != spans else a
        for key, a in state.items()
    }
    blank = {key: a for key, a in own.items() if isinstance(a, Kept) and not a.parts}
    common = Common(pass_, shared, parts.change)
    for left in reversed(range(TRIES)):
        try:
            sums, changed, done = _sums(cluster, name, common, groups, own, bool(blank))
            break
        except cluster.lost:
            if not left:
                raise
            name += "-again"
            for key, a in own.items():
                if isinstance(a, Kept) and a.parts:
                    mended(cluster, groups, a, f"{name}-{key}")
    for at, new in zip(spans, changed, strict=True):
        for key, value in new.items():
            state[key][at] = value
    if blank:
        step = Step(common, own)
        done = rooted(client, done, step, name)
        for key, a in blank.items():
            a.is_written(done, spans, key, step)
    parts.looked_at()
    return sums


def _sums(
    cluster: Cluster, name: str, common: Common, groups: list[Group], own: State, keeps: bool
) -> tuple[Any, list[dict[str, Any]], list[Any]]:
    """The sums; of each group the state that was changed; and what its task gave, if that is to be kept."""
    sent = cluster.sent(common, f"{name}-shared")
    done = [
        cluster.task(
            work, sent, group, group.tasks, cluster.rows_of(own, i, group.rows, keeps), key=f"{name}-{i}"
        )
        for i, group in enumerate(groups)
    ]
    changed: list[dict[str, Any]] = [{} for _ in groups]
    if not any(a is not None for a in own.values()):
        found, _ = cluster.result([_tree(cluster, name, done)], [])
        return found[0], changed, []
    sums = [cluster.task(getattr, one, "sums", key=f"{name}-sums-{i}") for i, one in enumerate(done)]
    wanted = [_tree(cluster, name, sums)]
    if any(isinstance(a, np.ndarray) for a in own.values()):
        wanted += [
            cluster.task(getattr, one, "changed", key=f"{name}-rows-{i}") for i, one in enumerate(done)
        ]
    (total, *rows), futures = cluster.result(wanted, done if keeps else [])
    return total, rows or changed, futures


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


def grouped(parts: Parts, cluster: Cluster) -> list[Group]:
    """Groups of 2^i segments, of about as many bytes as a task should have."""
    workers, count = cluster.threads, len(parts)
    if not parts.passes.together:  # the same for all passes of a fit, whose state is kept by groups
        size = sum((last - first) * reader.row_bytes for reader, first, last in parts.pieces)
        most = min(LARGE, size / min(TASKS * sum(workers), max(MANY, PAIR * len(workers))))
        reader = parts.pieces[0].reader
        if isinstance(reader, Partitions) and reader.tasks is reader.given:
            most = min(most, memory_of(cluster.client) / (ROOM * sum(workers)))
        parts.passes.together = 1
        while 2 * parts.passes.together * size / count <= most:
            parts.passes.together *= 2
    together = parts.passes.together
    starts = range(0, count, together)
    busy = min(max(workers), -(-len(starts) // len(workers)))
    return [Group(parts, first, min(first + together, count), busy) for first in starts]
