"""Fits on a cluster beside the same in one process; what passes and tasks cost; many simulated workers."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from bench.dask_passes import SLEEP, cluster, overhead, row_of, simulated
from bench.frame import Case, Row, Settings
from bench.machine import Limits

COLS, CHUNK = 500, 62_500
ROWS = {"small": 125_000, "middle": 1_000_000}  # .25 and 2 GB
WORKERS = {20: "small", 100: "middle", 300: "middle", 1000: "large"}
REST = 5.0  # seconds in which a cluster does nothing
MODELS: dict[str, Callable[[Any], Any]] = {
    "NMF(32)": lambda gf: gf.NMF(32, init="random", random_state=0, max_iter=10, tol=0),
    "KMeans(64)": lambda gf: gf.KMeans(64, init="random", n_init=1, random_state=0, max_iter=10, tol=0),
    "PCA(20)": lambda gf: gf.PCA(20, random_state=0),
    "GaussianMixture(16, diag)": lambda gf: gf.GaussianMixture(
        16, covariance_type="diag", init_params="random", random_state=0, max_iter=10, tol=0
    ),
}

LEGEND = f"""\
throughput: 2 workers of one thread, X persisted there; ratio: the time of the same fit in one process with
  two threads by that on the workers, in turn. Start and end of the cluster do not count. cpu: processor time,
  which other things that run disturb less; of the client with the scheduler. A cluster at rest takes some
  too, each second: "quiet ratio" is that of processor times if the fit had taken no longer than these.
dask-ml: the same data, where it can be imported; starts and solvers differ, and quality is not compared.
overhead: passes that do nothing, over so many tasks; "ours s" is that of a pass. The peer is Dask alone: as
  many empty tasks, whose results are added up by the same tree.
simulated: a real scheduler with so many workers, all in this process, whose tasks sleep {SLEEP:g} s each;
  ratio: the time without any overhead by that of a pass. Nothing is computed and nothing moves but names.
  Client cpu: of a pass, with the scheduler and all workers. Workers say that they are there every five
  minutes, as on machines of their own that would not take this process's time.
Quality: the bits of the fit in one process on the same segments (throughput)."""

COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None, "dtype": None, "tasks": None, "ours s": None, "peer s": None, "ratio": None,
    "workers cpu s": None, "client cpu s": None, "peer cpu s": None, "cpu ratio": None, "quiet ratio": None,
    "ms a task": lambda value: f"{value:.2f}",
}  # fmt: skip


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    for size in ROWS:
        for name in MODELS:
            run = partial(_child, {"what": "throughput", "name": name, "size": size})
            yield Case("throughput", f"{size} {name}", "float32", f"{name} on workers", 0.85, run, size)
        for name in ("KMeans(64)", "PCA(20)"):
            run = partial(_child, {"what": "peer", "name": name, "size": size})
            yield Case("dask-ml", f"{size} {name}", "float32", f"{name} as fast as dask-ml", 1.0, run, size)
    for tasks in (2, 16, 128):
        run = partial(_child, {"what": "overhead", "tasks": tasks})
        yield Case("overhead", f"{tasks} tasks", "-", "overhead", 0.0, run, "small")
    for workers, size in WORKERS.items():
        run = partial(_child, {"what": "simulated", "workers": workers})
        yield Case("simulated", f"{workers} workers", "-", "simulated workers", 0.5, run, size)


def _child(job: dict[str, Any], settings: Settings, limits: Limits) -> Row:
    sent = json.dumps(job | {"threads": settings.threads, "repeat": settings.repeat})
    done = subprocess.run(
        [sys.executable, "-m", "bench.dask", sent], stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _chunk(i: int, rows: int) -> np.ndarray:
    """Planted rows; the same wherever they are made."""
    rng = np.random.default_rng(i)
    H = np.random.default_rng(0).random((40, COLS), np.float32)
    with threadpool_limits(1):  # products by several threads differ in their last bits
        planted = rng.random((rows, 40), np.float32) ** 4 @ H
    return planted + rng.random((rows, COLS), np.float32)


def _array(rows: int) -> Any:
    import dask
    import dask.array as da

    made = (dask.delayed(_chunk)(i, CHUNK) for i in range(rows // CHUNK))
    return da.concatenate([da.from_delayed(one, (CHUNK, COLS), np.float32) for one in made])


def _throughput(name: str, size: str, threads: int, repeat: int) -> Row:
    from distributed import wait

    import gramfold as gf

    rows, make = ROWS[size], partial(MODELS[name], gf)
    here = gf.blocks([_chunk(i, CHUNK) for i in range(rows // CHUNK)])
    ours, work, peers, alone = [], [], [], []
    with cluster(threads):
        X = _array(rows).persist()
        wait(X)
        make().fit(X[: 2 * CHUNK])
        rest = _at_rest()
        for _ in range(repeat):
            used, start = _processor(), time.perf_counter()
            found = make().fit(X)
            ours.append(time.perf_counter() - start)
            work.append(np.subtract(_processor(), used))
            start, used_alone = time.perf_counter(), time.process_time()
            expected = make().set_params(n_threads=threads).fit(here)
            peers.append(time.perf_counter() - start)
            alone.append(time.process_time() - used_alone)
    learned = "components_" if hasattr(found, "components_") else "means_"
    learned = "cluster_centers_" if hasattr(found, "cluster_centers_") else learned
    same = np.array_equal(getattr(found, learned), getattr(expected, learned))
    by_workers, by_client = np.median(work, axis=0)
    used = {"workers cpu s": by_workers, "client cpu s": by_client, "peer cpu s": median(alone)}
    used |= {"cpu ratio": median(alone) / (by_workers + by_client), "rest cpu": rest}
    # Without what it takes each second: w threads' time, in which it is at rest too.
    net = by_workers + by_client - rest * median(ours)
    used["quiet ratio"] = median(alone) * (1 - rest / threads) / net
    return row_of(ours, peers, bool(same)) | used | {"iterations": int(getattr(found, "n_iter_", 1))}


def _processor() -> tuple[float, float]:
    """Seconds of processor time of all workers, and of this process, which has client and scheduler."""
    from distributed import Client

    return sum(Client.current().run(time.process_time).values()), time.process_time()


def _at_rest() -> float:
    """Seconds of processor time that the cluster takes each second while it does nothing."""
    used, start = sum(_processor()), time.perf_counter()
    time.sleep(REST)
    return (sum(_processor()) - used) / (time.perf_counter() - start)


def _peer(name: str, size: str, threads: int, repeat: int) -> Row:
    """Beside dask-ml, which may not go with this scikit-learn: what it says then stands for its time."""
    from distributed import wait

    import gramfold as gf

    with cluster(threads):
        X = _array(ROWS[size]).persist()
        wait(X)
        ours, peers = [], []
        try:
            from dask_ml.cluster import KMeans
            from dask_ml.decomposition import PCA

            for _ in range(repeat):
                start = time.perf_counter()
                if name == "KMeans(64)":
                    first = np.asarray(X[:64])
                    KMeans(64, init=first, max_iter=10, tol=0).fit(X)
                else:
                    PCA(20, svd_solver="randomized", random_state=0).fit(X)
                peers.append(time.perf_counter() - start)
        except Exception as error:
            print(f"dask-ml: {type(error).__name__}: {error}", file=sys.stderr)
            peers = [float("inf")]
        for _ in range(repeat):
            start = time.perf_counter()
            MODELS[name](gf).fit(X)
            ours.append(time.perf_counter() - start)
    return row_of(ours, peers, True)


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    kinds = {"throughput": _throughput, "peer": _peer, "overhead": overhead, "simulated": simulated}
    print(json.dumps(kinds[job.pop("what")](**job)))
