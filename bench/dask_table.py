"""The table of docs/clusters.md, extrapolated from what was measured: `python -m bench.dask_table`.

These store it: `python -m bench dask --json bench/results/dask.json` and
`python -m bench.dask_network bench/results/dask_network.json`.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from bench.dask import COLS as MEASURED
from bench.dask import ROWS
from gramfold.fold.cluster import FAN
from gramfold.fold.groups import LARGE, MANY, PAIR, TASKS

RESULTS = Path(__file__).parent / "results"
LINK = 1.25e9  # bytes a second of 10 Gbit/s
COLS, K, THREADS = 1000, 20, 8  # of a worker


class Measured(NamedTuple):
    """What the table rests on."""

    task: float  # seconds of client and scheduler for each task
    least: float  # seconds of a pass of two empty tasks
    rate: float  # bytes of float32 a second of a thread, of an iteration of NMF(32) in one process
    sent: float  # times 8 (k n + k^2) bytes that a task moves between workers, at most


def measured() -> Measured:
    """From the stored runs; KeyError if they lack a case."""
    run: dict[str, Any] = json.loads((RESULTS / "dask.json").read_text())
    moved = json.loads((RESULTS / "dask_network.json").read_text())
    cases = {(row["group"], row["case"]): row for row in run["rows"]}
    few, many = (cases["overhead", f"{tasks} tasks"] for tasks in (2, 128))
    task = (many["client cpu s"] - few["client cpu s"]) / (_tasks(many["tasks"]) - _tasks(few["tasks"]))
    nmf = cases["throughput", "middle NMF(32)"]
    rate = nmf["iterations"] * ROWS["middle"] * MEASURED * 4 / nmf["peer cpu s"]
    return Measured(
        task, few["ours s"], rate, max(row["bytes a pass"] / row["8 (k n + k^2) tasks"] for row in moved)
    )


def _tasks(groups: float) -> float:
    """With those that add up."""
    return groups + (groups - 1) / (FAN - 1)


def line(size: float, workers: int, of: Measured) -> list[str]:
    """A row of the table: an iteration of NMF, whose state stays with the workers."""
    group = min(LARGE, size / min(TASKS * workers * THREADS, max(MANY, PAIR * workers)))
    groups = size / group
    tasks = groups + _tasks(groups)
    scheduler, computing = of.task * tasks, size / (workers * THREADS * of.rate)
    network = of.sent * 8 * (K * COLS + K * K) * groups / workers / LINK
    parts = {"the scheduler": scheduler, "computing": computing, "the network": network}
    total = of.least + max(parts.values())
    seconds = [f"{value:.2g}" for value in (computing, scheduler, network, total)]
    limit = max(parts, key=parts.__getitem__)
    return [f"{size / 1e12:g} TB", f"{workers:,}", f"{tasks:,.0f}", *seconds, limit]


if __name__ == "__main__":
    found = measured()
    print(", ".join(f"{name} {value:.3g}" for name, value in found._asdict().items()), end="\n\n")
    head = ["X", "workers", "tasks", "computing s", "scheduler s", "network s", "a pass s", "limited by"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for size, workers in ((1e11, 10), (1e12, 10), (1e12, 100), (1e13, 100), (1e13, 1000)):
        print(f"| {' | '.join(line(size, workers, found))} |")
