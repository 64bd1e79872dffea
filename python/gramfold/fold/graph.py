"""Tasks that go to Dask together, under names by which they refer to one another."""

import pickle
from typing import Any

from ..extras import require
from .tasks import Group, Of, Sealed, work

SHARED = 1 << 20  # bytes of what all tasks share that may go into each of them, all together


class Graph:
    """Tasks that are sent at once.

    Parameters
    ----------
    client : distributed.Client or None
        None is Dask's default scheduler, in this process.
    """

    def __init__(self, client: Any) -> None:
        self.client, self.dask = client, require("dask", extra="dask")
        self.spec = require("dask.task_spec", extra="dask")
        self.highlevel = require("dask.highlevelgraph", extra="dask")
        self.tasks: dict[str, Any] = {}
        self.annotations: dict[str, Any] = {}
        self.sizes: list[int] = []  # bytes of what was wanted, once it is here
        self._known: dict[Any, Any] = {}

    def add(self, key: str, function: Any, *arguments: Any) -> Any:
        """A task; gives what it is referred to by: in the arguments of others it stands for the result."""
        self.tasks[key] = self.spec.Task(key, function, *arguments)
        return self.spec.TaskRef(key)

    def known(self, task: Any) -> Any:
        """What a task of another graph, or a future, is referred to by."""
        self._known[task.key] = task
        return self.spec.TaskRef(task.key)

    def work(self, key: str, shared: Any, group: Group, state: dict[str, Any]) -> Any:
        """The task of a group, whose state may be futures or, of what is kept, (task, name, column)."""
        given, own = [self.known(task) for task in group.tasks], dict(state)
        for name, a in state.items():
            of = a if isinstance(a, tuple) else (a,)
            if hasattr(of[0], "key"):
                own[name] = Of(len(given), *of[1:])
                given.append(self.known(of[0]))
        return self.add(key, work, shared, Sealed((group, own)), *given)

    def prefer(self, where: dict[str, Any]) -> None:
        """Say at which worker, or which of some, tasks had best be run."""
        self.annotations = {"workers": where.get, "allow_other_workers": True}

    def shared(self, value: Any, tasks: int, key: str) -> Any:
        """What so many tasks are given: inside each of them, or if that is much by a task of its own."""
        sealed = Sealed(value)
        if self.client is None or len(sealed.pickled) * tasks <= SHARED:
            return sealed
        return self.add(key, _itself, sealed)

    def futures(self, wanted: list[Any]) -> list[Any]:
        """Send all tasks to the workers; what is wanted of them."""
        # In this form Dask does not look into the tasks to call the graph by what they are.
        layer = self.highlevel.MaterializedLayer(self._all(), self.annotations)
        graph = self.highlevel.HighLevelGraph({"gramfold": layer}, {"gramfold": set()})
        with self.dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            found: list[Any] = self.client.get(graph, [one.key for one in wanted], sync=False)
        return found

    def result(
        self, wanted: list[Any], kept: list[Any], before: list[Any]
    ) -> tuple[list[Any], list[Any]]:  # fmt: skip
        """Run all tasks, and wait for them; where that ends early, those that are left are not begun.

        What `kept` give stays with the workers: their futures come second. What this graph holds on to takes
        the place of what is in `before`. A word to the scheduler that it is not needed any more would hold up
        the tasks by the 10 ms that Dask's client waits between two messages: so tasks are sent first.
        """
        if self.client is None:
            keys = [one.key for one in wanted]
            run = self.dask.base.get_scheduler() or require("dask.threaded", extra="dask").get
            return list(run(require("dask.optimization", extra="dask").cull(self._all(), keys)[0], keys)), []
        check(self.client)
        futures = self.futures([*wanted, *kept])
        before[:] = self, futures[: len(wanted)]
        try:
            found = self.client.gather(futures[: len(wanted)])
        except BaseException:
            for future in futures:
                future.release()
            check(self.client)
            raise
        copies = [pickle.dumps(one) for one in found]  # which are aligned, as kernels ask
        self.sizes = [len(copy) for copy in copies]
        return [pickle.loads(copy) for copy in copies], futures[len(wanted) :]

    def _all(self) -> dict[Any, Any]:
        """The tasks, and those of other graphs but what the scheduler has."""
        graphs = {id(task.dask): task.dask for task in self._known.values() if hasattr(task, "dask")}
        known = {key: task for graph in graphs.values() for key, task in graph.items()}
        return {key: task for key, task in known.items() if _future(key, task) is None} | self.tasks


def check(client: Any) -> None:
    """Refuse a client that was closed."""
    if client is not None and client.status != "running":
        raise RuntimeError(
            f"the Dask client was closed during the fit (its status is {client.status!r}): "
            "keep it open until the fit has ended"
        )


def future_of(task: Any) -> Any:
    """The future that a delayed task is, if it is one."""
    return _future(task.key, task.dask[task.key])


def _future(key: Any, task: Any) -> Any:
    return task if hasattr(task, "client") and task.key == key else None


def _itself(value: Any) -> Any:
    return value
