"""What a pass asks of the scheduler, and which tasks it is made of."""

import pytest
from cluster_cases import check_same, collection, learned, parted, rows

import gramfold as gf

pytest.importorskip("dask", reason="dask is of the extra dask")
distributed = pytest.importorskip("distributed", reason="distributed is of the extra dask")


def model(max_iter):
    return gf.KMeans(9, init="random", n_init=1, max_iter=max_iter, tol=0, random_state=0)


@pytest.fixture
def graphs(monkeypatch):
    """The names of the tasks of each graph that is sent."""
    from gramfold.fold.graph import Graph

    found, result = [], Graph.result

    def of_graph(self, *given):
        found.append(list(self.tasks))
        return result(self, *given)

    monkeypatch.setattr(Graph, "result", of_graph)
    return found


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_workers_are_asked_for_once_for_many_passes(client, monkeypatch):
    monkeypatch.setattr("gramfold.fold.cluster.AGAIN", 1e9)
    asked, nthreads = [], distributed.Client.nthreads
    monkeypatch.setattr(distributed.Client, "nthreads", lambda self: asked.append(1) or nthreads(self))
    X, counts = collection(parted(rows(), 100)), []
    for max_iter in (2, 6):
        model(max_iter).fit(X)
        counts.append(len(asked))
    assert counts[1] == 2 * counts[0]


def test_workers_are_asked_for_again_after_a_while(client, monkeypatch):
    from gramfold.fold.cluster import AGAIN, Cluster

    now, known = [0.0], {}
    monkeypatch.setattr("gramfold.fold.cluster.monotonic", lambda: now[0])
    assert Cluster(client, known).threads == [1, 1]
    known["threads"] = ["stale"]
    assert Cluster(client, known).threads == ["stale"]
    now[0] = AGAIN
    assert Cluster(client, known).threads == [1, 1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("most", "tasks"), [(1 << 20, False), (0, True)])
def test_few_small_sums_are_added_up_here(client, monkeypatch, graphs, most, tasks):
    monkeypatch.setattr("gramfold.fold.cluster.SHARED", most)
    parts = parted(rows(), 100)
    found = model(6).fit(collection(parts))
    passes = [names for names in graphs if any("-sums-" in name for name in names)]
    assert len(passes) > 4
    added = [any("-added-" in name for name in names) for names in passes]
    assert added[0]  # before it is known how large they are
    assert not any(added[3:]) or tasks
    assert all(added) == tasks
    check_same(learned(found), learned(model(6).fit(gf.blocks(parts))))


def test_sums_of_many_tasks_are_added_up_by_workers(client, graphs):
    from gramfold.fit.inputs import read_rows
    from gramfold.fold.cluster import FAN
    from gramfold.fold.engine import run
    from gramfold.fold.segments import source_of

    x = source_of(read_rows(collection(parted(rows(), 20)), segments=True), 1)
    x.parts.passes.together = 1
    assert len(x.spans) > FAN
    for _ in range(3):
        assert run(_count, x) == 600
    assert all(any("-added-" in name for name in names) for names in graphs)


def _count(rows, shared, state):
    return rows.rows
