"""What passes cost on a cluster that do nothing, for `bench/dask.py`; many simulated workers."""

import gc
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any
from uuid import uuid4

import numpy as np

from bench.frame import Row

SLEEP, GROUPS = 5.0, 2.5  # seconds of a simulated task, and tasks a worker: 10 TB in groups of 4 GB on 1,000
BEAT = 300.0  # seconds between two words of a simulated worker


@contextmanager
def cluster(workers: int, **options: Any) -> Iterator[None]:
    """Workers of one thread each, whose client is the current one."""
    from distributed import Client, LocalCluster

    options |= {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**options, silence_logs=logging.CRITICAL) as made, Client(made) as client:
        client.wait_for_workers(workers)
        yield


def row_of(ours: list[float], peers: list[float], same: bool) -> Row:
    row = {"ours s": median(ours), "peer s": median(peers), "ratio": median(peers) / median(ours)}
    return row | {"equal_quality": same, "ours_seconds": ours, "peer_seconds": peers}


def _rows(seconds: float, block_info: Any = None) -> np.ndarray:
    time.sleep(seconds)
    return np.zeros((1, 2))


def _nothing(rows: Any, shared: float, state: Any) -> float:
    time.sleep(shared)
    return 0.0


def _timed(run: Callable[[], Any], repeat: int) -> dict[str, Any]:
    """Seconds of a call, and processor time of this process."""
    seconds, used = [], []
    for _ in range(repeat):
        start, before = time.perf_counter(), time.process_time()
        run()
        seconds.append(time.perf_counter() - start)
        used.append(time.process_time() - before)
    return {"seconds": seconds, "cpu": median(used)}


def _passes(tasks: int, seconds: float, repeat: int) -> dict[str, Any]:
    """What a pass over so many tasks takes that each take some seconds."""
    import dask.array as da

    import gramfold as gf
    from gramfold.fold.engine import run
    from gramfold.fold.segments import source_of

    # Rows take their time too, or the first workers would have them all.
    chunks = ((1,) * tasks, (2,))
    rows = da.map_blocks(_rows, min(1.0, seconds), chunks=chunks, dtype=float, meta=np.empty((0, 2)))
    source = source_of(gf.blocks(rows), 1)
    source.parts.passes.together = 1
    run(_nothing, source, 0.0)
    print(f"{tasks} tasks have run", file=sys.stderr, flush=True)
    run(_nothing, source, seconds)  # from which the scheduler learns how long tasks take
    print("and once more, with sleep", file=sys.stderr, flush=True)
    return _timed(partial(run, _nothing, source, seconds), repeat)


def _bare(tasks: int) -> float:
    """As many empty tasks as those of a pass, and their sum, by Dask alone."""
    from distributed import Client

    from gramfold.fold.cluster import FAN

    name = f"bare-{uuid4().hex}"
    graph: dict[str, Any] = {f"{name}-{i}": (float, i) for i in range(tasks)}
    left, level = list(graph), 0
    while len(left) > 1:
        level += 1
        parts = [left[i : i + FAN] for i in range(0, len(left), FAN)]
        more = {f"{name}-{level}-{i}": (sum, some) for i, some in enumerate(parts)}
        graph, left = graph | more, list(more)
    found: float = Client.current().get(graph, left[0])
    return found


def overhead(tasks: int, threads: int, repeat: int) -> Row:
    with cluster(threads):
        ours = _passes(tasks, 0.0, 4 * repeat)
        bare = _timed(partial(_bare, tasks), 4 * repeat)
    row = row_of(ours["seconds"], bare["seconds"], True)
    used = {"client cpu s": ours["cpu"], "peer cpu s": bare["cpu"], "cpu ratio": bare["cpu"] / ours["cpu"]}
    return row | used | {"tasks": tasks, "ms a task": 1000 * row["ours s"] / tasks}


def simulated(workers: int, threads: int, repeat: int) -> Row:
    import dask
    from distributed import Client, scheduler

    tasks = int(GROUPS * workers)
    # What workers do about themselves, on machines of their own, would take this process all of its time.
    dask.config.set(
        {
            "distributed.comm.timeouts.connect": "600s", "distributed.scheduler.worker-ttl": None,
            "distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "60s",
            "distributed.admin.system-monitor.interval": "60s",
        }
    )  # fmt: skip
    scheduler.heartbeat_interval = lambda workers: BEAT
    sys.setswitchinterval(0.1)  # as a thread of each waits for the interpreter, and looks that often
    begun = time.perf_counter()
    with cluster(workers, processes=False, memory_limit=0):
        print(f"{workers} workers begun in {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
        for one in Client.current().cluster.workers.values():
            one.periodic_callbacks["find-missing"].stop()
        gc.disable()  # which would look through what all workers have, again and again
        found = _passes(tasks, SLEEP, min(repeat, 3))
    ideal = SLEEP * -(-tasks // workers)
    row = row_of(found["seconds"], [ideal], True) | {"tasks": tasks, "client cpu s": found["cpu"]}
    return row | {"ms a task": 1000 * (row["ours s"] - ideal) / tasks}
