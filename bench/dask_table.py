"""The table of docs/clusters.md, extrapolated from what was measured: `python -m bench.dask_table`."""

from gramfold.fold.groups import LARGE, MANY, PAIR, TASKS

TASK = 1.7e-3  # seconds of client and scheduler for each task: measured, 2 workers and 128 tasks
PASS = 0.08  # seconds of a pass of two empty tasks: measured
RATE = 1.5e9  # bytes of float32 a second of a thread, of NMF(32) on 500 columns: measured
SENT = 2.5  # times 8 (k n + k^2) bytes that a task moves: measured between namespaces
FAN, LINK = 8, 1.25e9  # sums that a task adds up, bytes a second of 10 Gbit/s
COLS, K, THREADS = 1000, 20, 8  # of a worker


def line(size: float, workers: int) -> list[str]:
    """A row of the table: an iteration of NMF, whose state stays with the workers."""
    group = min(LARGE, size / min(TASKS * workers * THREADS, max(MANY, PAIR * workers)))
    groups = size / group
    tasks = 2 * groups + groups / (FAN - 1)
    scheduler, computing = TASK * tasks, size / (workers * THREADS * RATE)
    network = SENT * 8 * (K * COLS + K * K) * groups / workers / LINK
    parts = {"the scheduler": scheduler, "computing": computing, "the network": network}
    total = PASS + max(parts.values())
    seconds = [f"{value:.2g}" for value in (computing, scheduler, network, total)]
    limit = max(parts, key=parts.__getitem__)
    return [f"{size / 1e12:g} TB", f"{workers:,}", f"{tasks:,.0f}", *seconds, limit]


if __name__ == "__main__":
    head = ["X", "workers", "tasks", "computing s", "scheduler s", "network s", "a pass s", "limited by"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for size, workers in ((1e11, 10), (1e12, 10), (1e12, 100), (1e13, 100), (1e13, 1000)):
        print(f"| {' | '.join(line(size, workers))} |")
