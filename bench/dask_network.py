"""Bytes that a pass sends between four workers in network namespaces: `python -m bench.dask_network`.

Needs Linux, root and iproute2. Where the kernel has netem the links are of 10 Gbit/s and 1 ms. Prints, for
several sizes of the shared factor, the bytes of a pass to and from the workers, beside 8 (k n + k^2) a task;
and writes them to the file that is named, if one is.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WORKERS, NET, CHUNKS, ROWS = 4, "10.213.7", 16, 5000


def ip(*words: str, check: bool = True) -> None:
    """Run ip."""
    subprocess.run(["ip", *words], check=check, stderr=None if check else subprocess.DEVNULL)


@contextmanager
def links() -> Iterator[bool]:
    """A bridge with a namespace for each worker; gives whether the links are slowed down."""
    slowed = True
    try:
        ip("link", "add", "gfbridge", "type", "bridge")
        ip("addr", "add", f"{NET}.1/24", "dev", "gfbridge")
        ip("link", "set", "gfbridge", "up")
        for i in range(WORKERS):
            name = f"gf{i}"
            ip("netns", "add", name)
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", name, "master", "gfbridge", "up")
            ip("-n", name, "addr", "add", f"{NET}.{i + 2}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
            slow = ["tc", "qdisc", "add", "dev", name, "root", "netem", "delay", "500us", "rate", "10gbit"]
            slowed &= subprocess.run(slow, stderr=subprocess.DEVNULL, check=False).returncode == 0
        yield slowed
    finally:
        for i in range(WORKERS):
            ip("netns", "del", f"gf{i}", check=False)
        ip("link", "del", "gfbridge", check=False)


@contextmanager
def workers(address: str) -> Iterator[None]:
    """Worker processes, each in its namespace."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
    started = [
        subprocess.Popen(
            ["ip", "netns", "exec", f"gf{i}", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for i in range(WORKERS)
    ]
    try:
        yield
    finally:
        for one in started:
            one.terminate()
        for one in started:
            one.wait(20)


def sent() -> int:
    """Bytes through the links of all workers, both ways."""
    of = Path("/sys/class/net")
    counted = [of / f"gf{i}" / "statistics" / f"{way}_bytes" for i in range(WORKERS) for way in ("rx", "tx")]
    return sum(int(path.read_text()) for path in counted)


def passes(client: Any, cols: int, k: int) -> dict[str, float]:
    """Bytes and seconds of an iteration of NMF, and of the same time without one."""
    import dask.array as da
    from distributed import wait

    import gramfold as gf
    from gramfold.fold.groups import LARGE, together

    X = da.random.default_rng(0).random((CHUNKS * ROWS, cols), chunks=(ROWS, cols)).persist()
    wait(X)
    seen: list[tuple[int, float]] = []
    look = lambda info: seen.append((sent(), time.perf_counter()))  # noqa: E731
    gf.NMF(k, init="random", random_state=0, max_iter=30, tol=0, callback=look).fit(X)
    idle, start = sent(), time.perf_counter()
    time.sleep(3)
    idle_rate = (sent() - idle) / (time.perf_counter() - start)
    (first, began), (last, ended) = seen[9], seen[29]
    each = together(CHUNKS, X.nbytes, [1] * WORKERS, LARGE)
    seconds, tasks = (ended - began) / 20, CHUNKS // each
    return {
        "columns": cols, "k": k, "tasks": tasks, "seconds a pass": round(seconds, 3),
        "bytes a pass": round((last - first) / 20 - idle_rate * seconds),
        "8 (k n + k^2) tasks": 8 * (k * cols + k * k) * tasks, "bytes of W": 8 * CHUNKS * ROWS * k,
    }  # fmt: skip


def main(path: Path | None) -> None:
    """Print a line for each size, and write them."""
    from distributed import Client, LocalCluster

    rows = []
    with links() as slowed:
        options = {"host": f"{NET}.1", "n_workers": 0, "dashboard_address": ":0"}
        with (
            LocalCluster(**options) as cluster,
            workers(cluster.scheduler_address),
            Client(cluster) as client,
        ):
            client.wait_for_workers(WORKERS, timeout=60)
            print(json.dumps({"10 Gbit/s and 1 ms": slowed}))
            for cols, k in ((100, 8), (400, 8), (400, 32), (1600, 32)):
                rows.append(passes(client, cols, k))
                print(json.dumps(rows[-1]), flush=True)
    if path is not None:
        path.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else None)
