"""Workers that end, clients that close, rows that are faulty: a fit goes on, or says why not."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from cluster_cases import check_same, collection, learned, parted, rows

import gramfold as gf
from gramfold.fit.inputs import read_rows
from gramfold.fold.engine import run
from gramfold.fold.segments import source_of
from gramfold.io.matrix import joins_arrays

dask = pytest.importorskip("dask", reason="dask is of the extra dask")
import dask.array as da  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
MODELS = {
    "NMF": lambda **options: gf.NMF(3, random_state=0, max_iter=12, tol=0, **options),
    "KMeans": lambda **options: gf.KMeans(
        9, random_state=0, max_iter=8, tol=0, init="random", n_init=1, **options
    ),
    "GaussianMixture": lambda **options: gf.GaussianMixture(
        2, covariance_type="diag", random_state=0, max_iter=8, tol=0, init_params="random", **options
    ),
}  # fmt: skip


def at(iteration, act):
    """A callback that acts once."""

    def callback(info):
        if info.iteration == iteration and callback.left:
            callback.left.pop()()

    callback.left = [act]

    return callback


def kill(client, count=1):
    """End worker processes at once."""
    pids = list(client.run(os.getpid).values())
    for pid in pids[:count]:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("name", "count"), [("NMF", 1), ("KMeans", 1), ("KMeans", 2), ("GaussianMixture", 2)]
)
def test_killed_workers_change_no_bit_of_a_fit(mortal, name, count):
    parts = parted(rows(), 100)
    expected = learned(MODELS[name]().fit(gf.blocks(parts)))
    callback = at(3, lambda: kill(mortal, count))
    found = MODELS[name](callback=callback).fit(collection(parts))
    assert not callback.left
    check_same(learned(found), expected)


def test_rows_of_arguments_that_are_lost_are_sent_again(mortal):
    parts, weights = parted(rows(), 100), np.random.default_rng(1).random(600)
    callback = at(3, lambda: kill(mortal, 2))
    found = MODELS["KMeans"](callback=callback).fit(collection(parts), sample_weight=weights)
    assert not callback.left
    check_same(learned(found), learned(MODELS["KMeans"]().fit(gf.blocks(parts), sample_weight=weights)))


@pytest.mark.parametrize("init", ["nndsvda", "nndsvdar"])
def test_what_all_workers_kept_is_computed_again_from_the_shared_factors(mortal, init):
    parts = parted(rows(), 100)
    callback = at(14, lambda: kill(mortal, 2))
    options = {"init": init, "random_state": 0, "max_iter": 16, "tol": 0}
    found = gf.NMF(3, callback=callback, **options).fit(collection(parts))
    assert not callback.left
    check_same(learned(found), learned(gf.NMF(3, **options).fit(gf.blocks(parts))))


def test_a_worker_that_is_added_changes_no_bit_of_a_fit(cluster, client):
    parts = parted(rows(), 50)
    expected = learned(MODELS["NMF"]().fit(gf.blocks(parts)))

    def add():
        cluster.scale(3)
        client.wait_for_workers(3, timeout=30)

    found = MODELS["NMF"](callback=at(3, add)).fit(collection(parts))
    cluster.scale(2)
    check_same(learned(found), expected)


def test_a_client_that_is_closed_ends_a_fit_with_a_clear_error(cluster):
    from distributed import Client

    client = Client(cluster)
    model = MODELS["NMF"](callback=at(3, client.close))
    with pytest.raises(RuntimeError, match="client was closed during the fit"):
        model.fit(collection(parted(rows(), 100)))
    assert not hasattr(model, "components_")


def test_two_fits_at_once_do_not_disturb_each_other(client):
    parts, found = parted(rows(), 100), {}
    expected = {name: learned(MODELS[name]().fit(gf.blocks(parts))) for name in ("NMF", "KMeans")}

    def fit(name):
        found[name] = learned(MODELS[name]().fit(collection(parts)))

    threads = [threading.Thread(target=fit, args=(name,)) for name in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for name, values in expected.items():
        check_same(found[name], values)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_named_by_its_rows(client, bad):
    parts = parted(rows(), 100)
    parts[3] = parts[3].copy()
    parts[3][7, 5] = bad
    for model in (gf.KMeans(3), gf.PCA(3), gf.NMF(3)):
        with pytest.raises(
            ValueError, match="rows 300 to 399 of X: .*" + ("NaN" if bad != bad else "infinity")
        ):
            model.fit(collection(parts))


def test_an_exception_in_a_partition_says_what_and_where(client):
    def fails(block):
        if block[0, 0] == -1:
            raise LookupError("no such sample")
        return block

    x = rows()
    x[200, 0] = -1
    X = da.from_array(x, chunks=(100, 20)).map_blocks(fails, meta=np.empty((0, 20)))
    with pytest.raises(LookupError, match="no such sample"):
        gf.PCA(3).fit(X)


def test_an_exception_in_a_pass_says_what_and_in_which_rows(client):
    def fails(rows, shared, state):
        if rows.x[0, 0] == -1:
            raise LookupError("no such sample")

    x = rows()
    x[200, 0] = -1
    source = source_of(read_rows(collection(parted(x, 100)), segments=True), 1)
    with pytest.raises(RuntimeError, match="rows 200 to 299 of X: LookupError: no such sample"):
        run(fails, source)
    assert client.submit(sum, [1, 2]).result(timeout=20) == 3


def test_partitions_that_do_not_fit_together_are_refused_by_number(client):
    x = rows()
    with pytest.raises(
        ValueError, match=r"partition 1 of .* is dense float32 of 20 .* 0 dense int64 of 20 col"
    ):
        gf.PCA(3).fit([dask.delayed(x[:9].astype(int)), dask.delayed(x[9:].astype("f4"))])
    with pytest.raises(ValueError, match="partition 1 of the delayed blocks is dense float64 of 19 columns"):
        gf.PCA(3).fit([dask.delayed(x[:9]), dask.delayed(x[9:, 1:])])
    told = da.from_array(x, chunks=(100, 20)).map_blocks(lambda b: b.astype("f4"), meta=np.empty((0, 20)))
    with pytest.raises(
        ValueError, match=r"a partition of the Dask array is dense float32 .* should be dense float64"
    ):
        gf.PCA(3).fit(told)
    with pytest.raises(ValueError, match="two dimensions"):
        gf.PCA(3).fit(da.ones((4, 4, 4)))


@pytest.mark.skipif(not joins_arrays(), reason="with SciPy 1.11 partitions are looked at before")
def test_sparse_partitions_that_dask_takes_for_dense_are_refused_with_what_to_do(client):
    block = dask.delayed(sp.csr_array(rows()))
    with pytest.raises(ValueError, match=r"is sparse float64 .* should be dense float64 .*: use CSR"):
        gf.PCA(3).fit(da.from_delayed(block, (600, 20), np.float64))


def test_columns_without_numbers_are_refused_by_name(client):
    frames = pytest.importorskip("dask.dataframe", reason="dask.dataframe needs pandas and pyarrow")
    pandas = pytest.importorskip("pandas", reason="pandas is of the extra test")
    frame = frames.from_pandas(pandas.DataFrame({"a": [1.0, 2], "b": ["x", "y"]}), npartitions=1)
    with pytest.raises(ValueError, match="columns of numbers, but 'b' is none"):
        gf.PCA(1).fit(frame)


def test_rows_beyond_the_memory_of_the_workers_are_computed_for_every_pass(client, monkeypatch):
    monkeypatch.setattr("gramfold.io.partitions.memory_of", lambda client: 1e5)
    parts = parted(rows(), 100)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = MODELS["KMeans"]().fit(collection(parts))
    assert len([one for one in said if "every pass" in str(one.message)]) == 1
    check_same(learned(found), learned(MODELS["KMeans"]().fit(gf.blocks(parts))))


def test_an_interrupt_cancels_the_tasks_and_leaves_the_cluster_usable(client):
    def slow(block):
        time.sleep(0.3)
        return block

    X = da.from_array(rows(), chunks=(50, 20)).map_blocks(slow, meta=np.empty((0, 20)))
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        gf.NMF(3, max_iter=1000, tol=0).fit(X)
    assert client.submit(sum, [1, 2]).result(timeout=20) == 3
    waiting(lambda: not any(client.processing().values()))


def waiting(holds, seconds=20):
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def sizes(monkeypatch):
    """The sizes of all tasks of passes, pickled, by pass."""
    from distributed.protocol import pickle

    from gramfold.fold.graph import Graph

    found, original = [], Graph.result

    def looked_at(self, *given):
        found.append([len(pickle.dumps(task)) for task in self.tasks.values()])
        return original(self, *given)

    monkeypatch.setattr(Graph, "result", looked_at)
    return found


def test_no_task_of_a_pass_is_larger_than_a_megabyte(client, sizes):
    X = da.random.default_rng(0).random((40_000, 60), chunks=(5000, 60)).persist()
    gf.NMF(8, random_state=0, max_iter=2, tol=0).fit(X)
    assert sizes
    assert max(map(max, sizes)) < 1 << 20


@pytest.mark.parametrize("solver", ["cd", "mu"])
def test_rows_of_factors_stay_with_the_workers(client, sizes, solver):
    X = da.random.default_rng(0).random((40_000, 30), chunks=(10_000, 30)).persist()
    sent = []
    model = gf.NMF(
        8,
        init="random",
        solver=solver,
        random_state=0,
        max_iter=6,
        tol=0,
        callback=lambda info: sent.append(len(sizes)),
    )
    model.fit(X)
    whole = 40_000 * 8 * 8
    assert sum(map(sum, sizes[: sent[-1]])) < whole / 10  # the start is drawn by the workers too


@pytest.mark.parametrize("kind", ["NMF", "KMeans"])
def test_memory_does_not_grow_with_iterations(client, kind):
    X = da.random.default_rng(0).random((20_000, 30), chunks=(2500, 30)).persist()
    tasks, memory = [], []

    def look(info):
        tasks.append(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))
        memory.append(max([_resident(), *client.run(_resident).values()]))

    options = {"init": "random", "random_state": 0, "max_iter": 60, "tol": 0, "callback": look}
    (gf.NMF(4, **options) if kind == "NMF" else gf.KMeans(100, n_init=1, **options)).fit(X)
    assert len(tasks) == 60
    assert max(tasks[40:]) <= max(tasks[:20]) + 10  # those of one iteration
    assert max(memory[40:]) < max(memory[:20]) + (16 << 20)


def _resident():
    import psutil

    return psutil.Process().memory_info().rss
