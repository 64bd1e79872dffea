"""Kept state that is lost is computed again; and Dask need not remember how for long.

The scheduler remembers each task on whose result another one rests, so that a chain of passes would fill its
memory. Now and then what was kept is therefore taken for a result that rests on nothing (`rooted`): the
scheduler forgets the chain, and when such a result is lost, says so (`Lost`). The passes that led there, with
the factors that they shared, are remembered here, and run again for the groups that were lost (`again`).
"""

from typing import Any
from uuid import uuid4

from ..extras import require
from .given import Drawn, Given, is_lost
from .graph import Graph, check
from .kept import Kept, Lost
from .sums import State
from .tasks import Common, of_kind

DEPTH = 16  # passes that the scheduler remembers


class Step:
    """A pass that wrote kept state, and what it was given; arrays among that must stay as they are."""

    def __init__(self, common: Common, state: State) -> None:
        self.common, self.state = common, {key: _known(a) for key, a in state.items()}
        before = [a[0] for a in self.state.values() if isinstance(a, tuple)]
        self.number = 1 + max((step.number for step in before), default=0)
        self.depth = 1 + max((step.depth for step in before), default=0)

    def before(self) -> "list[Step]":
        """The steps that led here, and this one, each after those that it rests on."""
        found, left = {self.number: self}, [self]
        while left:
            for a in left.pop().state.values():
                if isinstance(a, tuple) and a[0].number not in found:
                    found[a[0].number] = a[0]
                    left.append(a[0])
        return [found[number] for number in sorted(found)]


def _known(a: Any) -> Any:
    if not isinstance(a, Kept):
        return a
    return (a.step, a.name, a.column) if a.parts else Kept(a.client, a.shape, a.dtype, a.start)


def again(graph: Graph, groups: list[Any], i: int, step: Step, key: str) -> Any:
    """The task that gives a group of what a step wrote, after those of all steps before."""
    tasks: dict[int, Any] = {}
    for one in step.before():
        name, group = f"{key}-{one.number}", one.common.of(groups[i])
        rows = {part: _again(a, tasks, i, group.rows) for part, a in one.state.items()}
        shared = graph.shared(one.common, 1, of_kind(name, "shared"))
        tasks[one.number] = graph.work(name, shared, group, rows)
    return tasks[step.number]


def _again(a: Any, tasks: dict[int, Any], i: int, rows: slice) -> Any:
    """What a task was given of some state."""
    if isinstance(a, tuple):
        return tasks[a[0].number], *a[1:]
    for given in (a, getattr(a, "start", None)):
        if isinstance(given, Given):
            given.send()
    if isinstance(a, Given):
        return a.parts[i]
    if isinstance(a, Kept):
        return a.of(i, rows)
    if isinstance(a, Drawn):
        return a.of(i)
    return None if a is None else a[rows]


def mended(client: Any, groups: list[Any], key: str, a: Kept) -> None:
    """Compute again what of a kept array was lost."""
    check(client)
    graph, lost = Graph(client), [i for i, part in enumerate(a.parts) if is_lost(part)]
    tasks = [again(graph, groups, i, a.step, f"{key}-{uuid4().hex}-{i}") for i in lost]
    for i, future in zip(lost, graph.futures(tasks), strict=True):
        a.parts[i] = future


def rooted(client: Any, parts: list[Any], step: Step, key: str) -> list[Any]:
    """The same results, of tasks that rest on nothing, if the passes before are too many to be remembered."""
    if step.depth < DEPTH:
        return parts
    graph, name = Graph(client), of_kind(key, "root")
    tasks = [graph.add(f"{name}-{i}", _root, part.key) for i, part in enumerate(parts)]
    where = client.who_has(parts)
    graph.prefer({task.key: where[part.key] for task, part in zip(tasks, parts, strict=True)})
    new = graph.futures(tasks)
    require("distributed", extra="dask").wait(new)
    if any(one.status != "finished" for one in new):
        return parts
    # Else what is lost with all workers would wait for one at the old address.
    client.sync(client.scheduler.set_restrictions, worker={one.key: [] for one in new})
    step.depth = 0
    return new


def _root(key: str) -> Any:
    worker = require("distributed", extra="dask").get_worker()
    if key not in worker.data:
        raise Lost(key)
    return worker.data[key]
