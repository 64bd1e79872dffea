"""Fits on files, beside the rate of the disk, beside memory, and beside the libraries of formats."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.frame import Case, Row, Settings
from bench.machine import Limits

COLS, TOGETHER = 1500, 20_000
ROWS = {"small": 100_000, "middle": 1_000_000, "large": 2_000_000}  # .6, 6 and 12 GB
MOST = 1.5  # GB that a fit on the largest file may take
FORMATS = ("hdf5", "zarr", "parquet")
MODELS: dict[str, Callable[[Any], Any]] = {
    "NMF(32)": lambda gf: gf.NMF(32, init="random", random_state=0, max_iter=5, tol=0),
    "KMeans(64)": lambda gf: gf.KMeans(64, init="random", n_init=1, random_state=0, max_iter=5, tol=0),
    "PCA(20)": lambda gf: gf.PCA(20, random_state=0),
    "GaussianMixture(16, diag)": lambda gf: gf.GaussianMixture(
        16, covariance_type="diag", init_params="random", random_state=0, max_iter=5, tol=0
    ),
    "Ridge": lambda gf: gf.Ridge(),
}

LEGEND = f"""\
cold: nothing of the file is in the system's cache when the fit begins; ratio: the bytes that its passes
  read a second, of the rate at which a plain loop of preadv reads the same file, cold too, in the same run.
warm: all of it is in the cache; ratio: the time of the same fit on the array in memory, in turn, by that on
  the file.
formats: chunks compressed by gzip (HDF5), zstd (zarr, Parquet); ratio: as cold, beside the file's own
  library, that reads all of it once in one thread.
peak GB: the most memory that the process had, beside what it had before the fit; to be at most {MOST:g} at
  {ROWS["large"]:,} rows.
system: the part of the fit's processor time that the system took, which copies what is read. Where the
  processor is the limit, "ratio" of a warm file is at most one less that.
Quality: the bits of the fit in memory (warm)."""

COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None, "dtype": None, "passes": lambda value: f"{value:.1f}", "ours s": None, "peer s": None,
    "ratio": None, "system": lambda value: f"{value:.2f}", "peak GB": lambda value: f"{value:.2f}",
    "GB/s": lambda value: f"{value:.2f}",
}  # fmt: skip


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    for size, rows in ROWS.items():
        for way, least in (("cold", 0.9), ("warm", 0.8)):
            for name in MODELS if way == "cold" or size != "large" else ():  # warm: twice the memory
                run = partial(_case, way, name, rows)
                yield Case(way, f"{size} {way} {name}", "float32", f"{way} {name}", least, run, size)
        for form in FORMATS if size == "small" else ():
            run = partial(_case, form, "PCA(20)", rows)
            criterion = f"{form} read as fast as by its library"
            yield Case("formats", f"{size} {form}", "float32", criterion, 0.8, run, size)


def _case(way: str, name: str, rows: int, settings: Settings, limits: Limits) -> Row:
    path = _file(rows, "npy" if way in ("cold", "warm") else way)
    job = json.dumps(
        {"way": way, "name": name, "path": str(path), "threads": settings.threads, "repeat": settings.repeat}
    )
    done = subprocess.run(
        [sys.executable, "-m", "bench.files", job], stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


_FOLDER = tempfile.TemporaryDirectory(prefix="bench-files-", ignore_cleanup_errors=True)


def _file(rows: int, form: str) -> Path:
    """A file of planted rows, which lasts as long as this process."""
    path = Path(_FOLDER.name) / f"{rows}.{form}"
    if path.exists():
        return path
    if form == "npy":
        for other in path.parent.glob("*.npy"):
            other.unlink()  # one at a time
        with path.open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (rows, COLS)}
            np.lib.format.write_array_header_1_0(file, header)
            for some in _planted(rows):
                some.tofile(file)
            file.flush()
            os.fsync(file.fileno())
    elif form == "hdf5":
        import h5py

        with h5py.File(path, "w") as file:
            data = file.create_dataset(
                "x", (rows, COLS), "f4", chunks=(2000, COLS), compression="gzip", compression_opts=1
            )
            _fill(data, rows)
    elif form == "zarr":
        import zarr

        _fill(zarr.create_array(path, shape=(rows, COLS), dtype="f4", chunks=(2000, COLS)), rows)
    else:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        names = [str(c) for c in range(COLS)]
        with ParquetWriter(
            path, pa.schema([(name, pa.float32()) for name in names]), compression="zstd"
        ) as file:
            for some in _planted(rows):
                file.write_table(pa.table(dict(zip(names, some.T, strict=True))))
    return path


def _planted(rows: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    H = rng.random((40, COLS), np.float32)
    for first in range(0, rows, TOGETHER):
        count = min(TOGETHER, rows - first)
        W = rng.random((count, 40), np.float32) ** 4
        yield np.round(W @ H + rng.random((count, COLS), np.float32), 3)


def _fill(data: Any, rows: int) -> None:
    for i, some in enumerate(_planted(rows)):
        data[i * TOGETHER : i * TOGETHER + len(some)] = some


def _disk(path: str) -> float:
    """Seconds of a plain loop that reads a file."""
    room, at, start = memoryview(bytearray(1 << 24)), 0, time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        while got := os.preadv(file.fileno(), [room], at):
            at += got
    return time.perf_counter() - start


def _library(form: str, path: str) -> float:
    """Seconds in which the library of a format reads all rows."""
    start = time.perf_counter()
    if form == "hdf5":
        import h5py

        with h5py.File(path) as file:
            for first in range(0, file["x"].shape[0], 2000):
                file["x"][first : first + 2000]
    elif form == "zarr":
        import zarr

        zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
        data = zarr.open_array(path, mode="r")
        for first in range(0, data.shape[0], 2000):
            data[first : first + 2000]
    else:
        from pyarrow.parquet import ParquetFile

        for group in ParquetFile(path).iter_batches(2000, use_threads=False):
            np.column_stack([column.to_numpy() for column in group.columns])
    return time.perf_counter() - start


def _forget(path: str) -> None:
    """Drop a file from the system's cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _high() -> float:
    """The most memory in GB that this process has had since `_forget_high`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def _read() -> int:
    """The bytes that this process has read so far."""
    return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])


def _child(way: str, name: str, path: str, threads: int, repeat: int) -> Row:
    import gramfold as gf
    from gramfold.io.flat import npy

    make = partial(MODELS[name], gf)
    flat = way in ("cold", "warm")
    X: Any = npy(path) if flat else gf.blocks(path)
    size, y = X.shape[0] * X.shape[1] * 4, np.zeros(X.shape[0], np.float32)
    y[::3] = 1

    def fit(x: Any) -> Any:
        return make().fit(x, *((y,) if name == "Ridge" else ()))

    fit(np.random.default_rng(0).random((2000, 100), np.float32)) if name != "Ridge" else None
    Path("/proc/self/clear_refs").write_text("5")
    before = _high()
    ours, peers, shares, passes, equal = [], [], [], 1.0, True
    for turn in range(repeat if way != "cold" else min(repeat, 3)):
        if way == "cold":
            _forget(path)
            peers.append(_disk(path))
            _forget(path)
        elif way == "warm":
            _disk(path)
        else:
            peers.append(_library(way, path))
        begun, read = _read(), [0]
        if not flat:
            _count(X.parts.pieces[0].reader, read)
        start, used = time.perf_counter(), os.times()
        model = fit(X)
        ours.append(time.perf_counter() - start)
        user, system = np.subtract(os.times(), used)[:2]
        shares.append(system / (user + system))
        passes = (_read() - begun) / size if flat else read.pop() / X.shape[0]
        if turn == 0:
            peak = _high() - before
        if way == "warm":
            if turn == 0:
                there = np.fromfile(path, np.float32, offset=X.gramfold_file.size - size).reshape(X.shape)
            start = time.perf_counter()
            model_there = fit(there)
            peers.append(time.perf_counter() - start)
            learned = "coef_" if name == "Ridge" else "means_" if "Mixture" in name else "components_"
            learned = "cluster_centers_" if "KMeans" in name else learned
            equal &= np.array_equal(getattr(model, learned), getattr(model_there, learned))
    found = median(ours)
    peer = median(peers) * (1 if way == "warm" else passes)
    return {
        "passes": passes, "ours s": found, "peer s": peer, "ratio": peer / found, "system": median(shares),
        "peak GB": peak, "GB/s": passes * size / found / 1e9, "equal_quality": bool(equal),
        "ours_seconds": ours, "peer_seconds": peers,
    }  # fmt: skip


def _count(reader: Any, rows: list[int]) -> None:
    """Have a reader add up the rows that it reads."""
    original = type(reader).read

    def read(first: int, behind: int) -> Any:
        rows[0] += behind - first
        return original(reader, first, behind)

    reader.read = read


if __name__ == "__main__":
    print(json.dumps(_child(**json.loads(sys.argv[1]))))
