"""The limits of this machine, measured in the same run as the benchmarks."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

GIB = 2**30


@dataclass(frozen=True)
class Limits:
    """FMA peak (flop/s per dtype) and read bandwidth (byte/s), with the way each was measured."""

    peak: dict[str, float]
    bandwidth: float
    peak_source: str
    bandwidth_source: str

    def __str__(self) -> str:
        peaks = ", ".join(f"{name} {value / 1e9:.0f} GFLOP/s" for name, value in self.peak.items())
        return (
            f"FMA peak: {peaks} ({self.peak_source})\n"
            f"read bandwidth: {self.bandwidth / 1e9:.1f} GB/s ({self.bandwidth_source})"
        )


def usable_cpus() -> int:
    """How many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    """The model name of the CPU as the system reports it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def limits(n_threads: int) -> Limits:
    """Measure both limits with `n_threads` threads; takes a few seconds."""
    peak = {name: _peak(name, n_threads) for name in ("float32", "float64")}
    own_peak, own_bandwidth = _own("peak"), _own("read_bandwidth")
    return Limits(
        peak=peak,
        bandwidth=_bandwidth(n_threads),
        peak_source="own kernel" if own_peak else "no own kernel: large NumPy matrix product",
        bandwidth_source="own kernel" if own_bandwidth else "no own kernel: BLAS dot of 1 GiB",
    )


def _own(name: str) -> Any:
    """The compiled kernel of that name, or None where it is not built."""
    try:
        from gramfold import _core
    except ImportError:
        return None
    return getattr(getattr(_core, "kernels", None), name, None)


def _peak(dtype: str, n_threads: int) -> float:
    """Highest floating-point rate of multiply-adds, in flop/s."""
    kernel = _own("peak")
    if kernel is not None:
        return max(float(kernel(dtype == "float64", 0.5, n_threads)) for _ in range(3))
    size = 3072
    a = np.full((size, size), 0.5, dtype=dtype)
    return 2.0 * size**3 / min(_seconds(lambda: a @ a) for _ in range(4))


def _bandwidth(n_threads: int) -> float:
    """Highest rate at which an array larger than the caches is read, in byte/s."""
    a = np.ones(GIB // 8)
    kernel = _own("read_bandwidth")
    if kernel is not None:
        return max(float(kernel(a, n_threads)) for _ in range(5))
    return a.nbytes / min(_seconds(lambda: a @ a) for _ in range(5))


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
