"""Passes over segments as tasks of Dask.

A task takes a group of segments that lie next to each other, so many that they make one node of the tree by
which `added` adds; further tasks add up the rest of that tree. So sums are the bits of this process,
whatever the groups and whoever computes them. A task keeps nothing: it may run twice, and anywhere.
"""

from functools import partial
from time import monotonic
from typing import Any
from uuid import uuid4

import numpy as np
from joblib import cpu_count

from ..io.partitions import Partitions, current_client
from ..io.parts import Parts, Passes, bare
from .given import Drawn, Given
from .graph import SHARED, Graph, check
from .groups import grouped, places, where_they_lie
from .kept import TRIES, Kept, lost_with_workers
from .steps import Step, mended, rooted
from .sums import Pass, State, added
from .tasks import Common, Group, of_kind, returns

FAN = 8  # sums that one task adds up
MOST_GIVEN = 32  # arguments whose rows stay with the workers
SCATTERED = 1 << 20  # bytes from which on arrays travel beside the graph, not in it
AGAIN = 10.0  # seconds after which it is asked again which workers there are


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
    """Where tasks run: the workers of a client, or Dask's default scheduler in this process.

    Parameters
    ----------
    client : distributed.Client or None
    known : dict, optional
        Of the passes before, what they asked of the scheduler, which takes milliseconds.
    """

    def __init__(self, client: Any, known: dict[str, Any] | None = None) -> None:
        self.client = client
        self.lost = lost_with_workers() if client is not None else ()
        self.places: list[str] | None = None
        if client is None:
            self.threads = [cpu_count()]
            return
        check(client)
        known = {} if known is None else known
        now = monotonic()
        if now >= known.get("until", now):
            client.wait_for_workers(1)
            known |= {"threads": list(client.nthreads().values()), "until": monotonic() + AGAIN}
        self.threads = known["threads"]

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


def run(
    pass_: Pass, parts: Parts, shared: Any, state: State, client: Any, *, fixed: State | None = None,
    writes: tuple[str, ...] = (), reads: bool = True,
) -> Any:  # fmt: skip
    """Run a pass over segments as `engine.run` does; what it overwrites of the state is written back."""
    cluster, name = Cluster(client, parts.passes.cluster), f"{parts.passes.next()}-{uuid4().hex}"
    change, beside = bare(parts.change) if reads else (None, {})
    has_state = any(a is not None for a in (*state.values(), *(fixed or {}).values(), *beside))
    once = reads and parts.passes.count == 1 and not has_state
    groups = grouped(parts, client, cluster.threads, once=once)
    spans = [group.rows for group in groups]
    if reads and client is not None and not parts.passes.placed:
        held, parts.passes.placed = where_they_lie(groups, client), not once
        cluster.places = None if held is None else places(held, client.nthreads())
    own = {key: _near(a, spans) for key, a in state.items()}
    for key, (a, base) in ({key: (a, 0) for key, a in (fixed or {}).items()} | beside).items():
        plain = a is None or isinstance(a, Kept)
        own[key] = _near(a, spans) if plain else _given(parts, client, a, base, spans)
    kept = {key: a for key, a in own.items() if isinstance(a, Kept) and (not a.parts or key in writes)}
    looked = {key: a.looked for key, a in kept.items() if a.looked is not None}
    common = Common(pass_, shared, change, tuple(kept), looked, reads=reads)
    for left in reversed(range(TRIES)):
        try:
            if left < TRIES - 1:
                name += "-again"
                for key, a in own.items():
                    if isinstance(a, Kept) and a.parts:
                        mended(client, groups, f"{name}-{key}", a)
            _send(own, spans)
            sums, changed, done = _sums(cluster, name, common, groups, own, parts.passes, keeps=bool(kept))
            break
        except cluster.lost:
            check(client)
            if not left:
                raise
    for at, new in zip(spans, changed, strict=True):
        for key, value in new.items():
            state[key][at] = value
    if kept:
        step = Step(common, own)
        done = rooted(client, done, step, name)
        for key, a in kept.items():
            a.is_written(done, spans, key, step, partial(mended, client, groups, f"{name}-{key}"))
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
    cluster: Cluster, name: str, common: Common, groups: list[Group], own: State, passes: Passes, *,
    keeps: bool,
) -> tuple[Any, list[dict[str, Any]], list[Any]]:  # fmt: skip
    """The sums; of each group the state that was changed; and what its task gave, if that is to be kept."""
    graph = Graph(cluster.client)
    shared = graph.shared(common, len(groups), of_kind(name, "shared"))
    if cluster.places is not None:
        graph.prefer({f"{name}-{i}": at for i, at in enumerate(cluster.places)})
    done = [
        graph.work(f"{name}-{i}", shared, common.of(group), cluster.rows_of(own, i, group.rows, keeps))
        for i, group in enumerate(groups)
    ]
    returned = any(map(returns, own.values()))

    def parts(kind: str, attribute: str) -> list[Any]:
        named = of_kind(name, kind)
        return [graph.add(f"{named}-{i}", getattr, one, attribute) for i, one in enumerate(done)]

    sums = parts("sums", "sums") if keeps or returned else done
    # Few small sums are added up here, which spares a task that comes after all others.
    function = getattr(common.pass_, "func", common.pass_)
    kind = getattr(function, "__qualname__", type(function).__qualname__)
    if len(sums) > FAN or len(sums) * passes.sizes.get(kind, SHARED) >= SHARED:
        sums = [_tree(graph, name, sums)]
    wanted = [*sums, *(parts("rows", "changed") if returned else [])]
    found, futures = graph.result(wanted, done if keeps else [], passes.before)
    passes.sizes[kind] = max(graph.sizes[: len(sums)], default=SHARED)
    changed: list[dict[str, Any]] = found[len(sums) :] if returned else [{} for _ in groups]
    return _added(*found[: len(sums)]), changed, futures


def _tree(graph: Graph, name: str, sums: list[Any]) -> Any:
    """Add up sums, some at a time."""
    while len(sums) > 1:
        parts = [sums[i : i + FAN] for i in range(0, len(sums), FAN)]
        named = f"{of_kind(name, 'added')}-{len(parts)}"
        sums = [graph.add(f"{named}-{i}", _added, *some) for i, some in enumerate(parts)]
    return sums[0]


def _added(*sums: Any) -> Any:
    return added(iter(sums), len(sums))
