"""The same fit alone, beside busy processes, and after a rest: what threads cost when they are not alone."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.frame import Case, Lap, Row, Settings, interleave
from bench.machine import Limits

ROWS, COLS, K, ITERATIONS = 3_000, 256, 16, 40
IN_A_ROW = 10  # fits: a scheduler deals in milliseconds, and one fit is some tens of them
REST = 0.1  # seconds
SPIN = "print(flush=True)\nwhile True: pass"

LEGEND = f"""\
NMF, {ITERATIONS} iterations with tol=0 from the same start. busy: processes that spin meanwhile.
warm s: the fit alone, right after another; ours s: beside the busy processes, or the first one after a
  rest of {REST:g} s. times: ours s / warm s, of which the criterion names the most; ratio: its inverse.
others: CPUs that other processes had while this one was to be alone; the verdicts hold near 0 only.
Quality: the components are the bits of a fit with one thread."""

COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None,
    "dtype": None,
    "busy": None,
    "warm s": None,
    "ours s": None,
    "times": lambda value: f"{value:.2f}",
    "ratio": None,
    "others": lambda value: f"{value:.2f}",
}


@dataclass
class _Alone(Lap):
    """Fits in a row, and how many CPUs other processes had meanwhile."""

    others: list[float] = field(default_factory=list)

    def run(self) -> None:
        before, start = _of_others(), time.perf_counter()
        super().run()
        self.others.append((_of_others() - before) / (time.perf_counter() - start))


def _of_others() -> float:
    """Seconds of CPU that all other processes have had so far; NaN where the system does not tell."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return math.nan
    user, nice, system, _idle, _wait, *interrupts = map(int, stat.read_text().split(maxsplit=9)[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK") - time.process_time()


@dataclass
class _Beside(Lap):
    """Fits in a row beside processes that spin."""

    busy: int = 0

    def run(self) -> None:
        with ExitStack() as neighbours:
            for _ in range(self.busy):
                neighbours.enter_context(_spinning())
            super().run()


@dataclass
class _First(Lap):
    """One fit, the first one after a rest or after another."""

    rest: float = 0

    def run(self) -> None:
        self.call()
        time.sleep(self.rest)
        start = time.perf_counter()
        self.result = self.call()
        self.seconds.append(time.perf_counter() - start)


@contextmanager
def _spinning() -> Iterator[None]:
    """A process that has begun to spin, killed at the end."""
    with subprocess.Popen([sys.executable, "-S", "-c", SPIN], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    name = f"{ROWS}x{COLS} k={K}"
    for busy, most in ((1, 1.9), (2, 3.2)):
        criterion = f"speed alone kept beside {busy} busy (at most {most:g} times as long)"
        yield Case("neighbours", f"{name}, {busy} busy", "float64", criterion, 1 / most, partial(_case, busy))
    criterion = f"warm speed kept after a rest of {REST:g} s (at most 1.3 times as long)"
    yield Case("rest", f"{name}, rested", "float64", criterion, 1 / 1.3, partial(_case, 0))


def _case(busy: int, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    rng = np.random.default_rng(settings.seed)
    X, W, H = (rng.random(shape) for shape in ((ROWS, COLS), (ROWS, K), (K, COLS)))

    def fit(n_threads: int) -> np.ndarray:
        model = gf.NMF(K, init="custom", tol=0, max_iter=ITERATIONS, n_threads=n_threads)
        model.fit_transform(X, W=W.copy(), H=H.copy())
        return model.components_

    def fits(in_a_row: int) -> list[np.ndarray]:
        return [fit(settings.threads) for _ in range(in_a_row)]

    in_a_row = IN_A_ROW if busy else 1
    call = partial(fits, in_a_row)
    warm: Lap
    ours: Lap
    if busy:
        warm, ours = _Alone(call, settings.repeat), _Beside(call, settings.repeat, busy=busy)
    else:
        repeat = settings.repeat * IN_A_ROW
        warm, ours = _First(call, repeat), _First(call, repeat, rest=REST)
    interleave(warm, ours)
    expected = fit(1)
    return {
        "busy": busy,
        "warm s": warm.median / in_a_row,
        "ours s": ours.median / in_a_row,
        "times": ours.median / warm.median,
        "ratio": warm.median / ours.median,
        "others": median(warm.others) if isinstance(warm, _Alone) else None,
        "equal_quality": all(np.array_equal(found, expected) for found in ours.result),
        "ours_seconds": ours.seconds,
    }
