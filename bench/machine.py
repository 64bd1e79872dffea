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
    """FMA peak (flop/s per dtype) and the rate at which an array in memory is read (byte/s)."""

    peak: dict[str, float]
    bandwidth: float

    def __str__(self) -> str:
        peaks = ", ".join(f"{name} {value / 1e9:.0f} GFLOP/s" for name, value in self.peak.items())
        return f"FMA peak: {peaks}\nread bandwidth: {self.bandwidth / 1e9:.1f} GB/s"


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
    """Measure both limits with `n_threads` threads and our own kernels; takes a few seconds."""
    from gramfold._core import kernels

    peak = {
        name: max(
            kernels.peak(is_double=name == "float64", seconds=0.5, n_threads=n_threads) for _ in range(3)
        )
        for name in ("float32", "float64")
    }
    a = np.ones((2**15, GIB // 2**18))
    bandwidth = a.nbytes / min(_seconds(lambda: kernels.scan(x=a, n_threads=n_threads)) for _ in range(5))
    return Limits(peak, bandwidth)


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
