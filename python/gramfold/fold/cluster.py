"""Passes over segments as tasks of Dask.

A task takes a group of segments that lie next to each other, so many that they make one node of the tree by
which `added` adds; further tasks add up the rest of that tree. So sums are the bits of this process,
whatever the groups and whoever computes them. A task keeps nothing: it may run twice, and anywhere.
"""

import pickle
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
from joblib import cpu_count

from ..extras import require
from ..io.partitions import Partitions, current_client, memory_of
from ..io.parts import Parts, bare
from .given import Drawn, Given
from .kept import TRIES, Kept, Lost
from .steps import Step, mended, rooted
from .sums import Pass, State, added
from .tasks import Common, Group, of_kind, returns, work

LARGE, ROOM = 4 << 30, 8  # bytes of a group; of an X that is not kept, its share of a thread's memory
TASKS, PAIR, MANY = 4, 2, 1024  # tasks for each thread, if that is not many; else for each worker
FAN = 8  # sums that one task adds up
MOST_GIVEN = 32  # arguments whose rows stay with the workers
SCATTERED = 1 << 20  # bytes from which on arrays travel beside the graph, not in it


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
        self.check()
        client.wait_for_workers(1)
        self.threads = list(client.nthreads().values())

    def check(self) -> None:
        """Refuse a client that was closed."""
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
                some[key] = a.of(i, at)
            elif isinstance(a, Given):
                some[key] = a.parts[i]
            elif isinstance(a, Drawn):
                some[key] = a.of(i)
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
        self.check()
        with self.dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            futures = self.client.compute([*tasks, *kept])
        try:
            found = self.client.gather(futures[: len(tasks)])
        except BaseException:
            for future in futures:
                future.release()
            self.check()
            raise
        # Copies are aligned, as kernels ask.
        return [pickle.loads(pickle.dumps(one)) for one in found], futures[len(tasks) :]


def _itself(value: Any) -> Any:
    return value


def run(
    pass_: Pass, parts: Parts, shared: Any, state: State, client: Any, *, fixed: State | None = None,
    writes: tuple[str, ...] = (), reads: bool = True,
) -> Any:  # fmt: skip
    """Run a pass over segments as `engine.run` does; what it overwrites of the state is written back."""
    cluster, name = Cluster(client), f"{parts.passes.next()}-{uuid4().hex}"
    groups = grouped(parts, cluster, reads)
    spans = [group.rows for group in groups]
    change, beside = bare(parts.change) if reads else (None, {})
    own = {key: _near(a, spans) for key, a in state.items()}
    for key, (a, base) in ({key: (a, 0) for key, a in (fixed or {}).items()} | beside).items():
        plain = a is None or isinstance(a, Kept)
        own[key] = _near(a, spans) if plain else _given(parts, client, a, base, spans)
    kept = {key: a for key, a in own.items() if isinstance(a, Kept) and (not a.parts or key in writes)}
    looked = {key: a.looked for key, a in kept.items() if a.looked is not None}
    common = Common(pass_, shared, change, tuple(kept), looked)
    for left in reversed(range(TRIES)):
        try:
            _send(own, spans)
            sums, changed, done = _sums(cluster, name, common, groups, own, bool(kept))
            break
        except cluster.lost:
            if not left:
                raise
            name += "-again"
            for key, a in own.items():
                if isinstance(a, Kept) and a.parts:
                    mended(cluster, groups, f"{name}-{key}", a)
    for at, new in zip(spans, changed, strict=True):
        for key, value in new.items():
            state[key][at] = value
    if kept:
        step = Step(common, own)
        done = rooted(client, done, step, name)
        for key, a in kept.items():
            a.is_written(done, spans, key, step, partial(mended, cluster, groups, f"{name}-{key}"))
    if looked:
        sums, seen = sums
        for key, rows in seen.items():
            kept[key].seen = np.concatenate(rows)
    if reads:
        parts.looked_at()
    return sums


def _near(a: Any, spans: list[slice]) -> Any:
    """State of rows that is kept, if by other groups, as an array."""
    return np.asarray(a) if isinstance(a, Kept) and a.parts and a.spans != spans else a


def _given(parts: Parts, client: Any, rows: Any, base: int, spans: list[slice]) -> Given:
    """Rows that no pass changes, as the workers have them since the first pass that was given them."""
    known = parts.passes.given
    key = id(rows), base, spans[0].start, spans[-1].stop, len(spans)
    if client is None:
        return Given(None, rows, base)
    if key not in known:
        if len(known) >= MOST_GIVEN:
            del known[next(iter(known))]
        known[key] = Given(client, rows, base)
    found: Given = known[key]
    return found


def _send(own: State, spans: list[slice]) -> None:
    """Send the workers what they do not have of rows that no pass changes."""
    for a in own.values():
        start = a.start if isinstance(a, Kept) and not a.parts else a
        if isinstance(start, Given):
            start.send(spans)


def _sums(
    cluster: Cluster, name: str, common: Common, groups: list[Group], own: State, keeps: bool
) -> tuple[Any, list[dict[str, Any]], list[Any]]:
    """The sums; of each group the state that was changed; and what its task gave, if that is to be kept."""
    sent = cluster.sent(common, of_kind(name, "shared"))
    done = [
        cluster.task(
            work, sent, group, group.tasks, cluster.rows_of(own, i, group.rows, keeps), key=f"{name}-{i}"
        )
        for i, group in enumerate(groups)
    ]
    changed: list[dict[str, Any]] = [{} for _ in groups]
    returned = any(map(returns, own.values()))
    if not keeps and not returned:
        found, _ = cluster.result([_tree(cluster, name, done)], [])
        return found[0], changed, []
    sums = [
        cluster.task(getattr, one, "sums", key=f"{of_kind(name, 'sums')}-{i}") for i, one in enumerate(done)
    ]
    wanted = [_tree(cluster, name, sums)]
    if returned:
        wanted += [
            cluster.task(getattr, one, "changed", key=f"{of_kind(name, 'rows')}-{i}")
            for i, one in enumerate(done)
        ]
    (total, *rows), futures = cluster.result(wanted, done if keeps else [])
    return total, rows or changed, futures


def _tree(cluster: "Cluster", name: str, sums: list[Any]) -> Any:
    """Add up sums, some at a time."""
    while len(sums) > 1:
        parts = [sums[i : i + FAN] for i in range(0, len(sums), FAN)]
        sums = [
            cluster.task(_added, some, key=f"{of_kind(name, 'added')}-{len(parts)}-{i}")
            for i, some in enumerate(parts)
        ]
    return sums[0]


def _added(sums: list[Any]) -> Any:
    return added(iter(sums), len(sums))


def grouped(parts: Parts, cluster: Cluster, reads: bool = True) -> list[Group]:
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
    return [Group(parts, first, min(first + together, count), busy, reads=reads) for first in starts]
