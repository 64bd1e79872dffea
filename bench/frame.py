"""What every family's benchmark shares: cases, interleaved timing, tables, the verdict."""

import gc
import math
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.machine import Limits

SLACK = {
    "float32": 1e-5,
    "float64": 1e-6,
}  # relative; the most ours may be above the peer's objective
LAP = 0.1  # seconds; shorter calls are made in a row, ours and the peer's alike
SLOW_PEER = 20.0  # seconds; a peer slower than this is timed once unless --peer-repeat says more
NO_PEER = "-"  # the peer of a row where none of the same quality is installed

Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How often to time, and with how many threads."""

    threads: int
    seed: int = 0
    repeat: int = 5
    peer_repeat: int | None = None

    def peer_repeats(self, first: float) -> int:
        """How often to time a peer whose first call took `first` seconds."""
        if self.peer_repeat is not None:
            return self.peer_repeat
        return 1 if first > SLOW_PEER else self.repeat


@dataclass(frozen=True)
class Case:
    """One line of a table. `run` returns the columns it fills; 'ratio' is judged."""

    group: str
    name: str
    dtype: str
    criterion: str
    at_least: float
    run: Callable[[Settings, Limits], Row]
    size: str = ""

    @property
    def label(self) -> str:
        """What --only looks at."""
        return f"{self.group} {self.name} {self.dtype}"


@dataclass
class Lap:
    """A call to be timed `repeat` times, with the result of the last call.

    Calls of less than `LAP` seconds are made in a row that long, and their mean is one time: the first one
    also wakes threads and fills caches that the call before it, of the other library, has emptied.
    """

    call: Callable[[], Any]
    repeat: int = 1
    seconds: list[float] = field(default_factory=list)
    result: Any = None

    def run(self) -> None:
        """Time the call once more."""
        self.result = None
        gc.collect()
        calls, elapsed, start = 0, 0.0, time.perf_counter()
        while elapsed < LAP:
            self.result = self.call()
            calls, elapsed = calls + 1, time.perf_counter() - start
        self.seconds.append(elapsed / calls)

    @property
    def median(self) -> float:
        """Median of the calls so far, in seconds."""
        return median(self.seconds)


def interleave(*laps: Lap) -> None:
    """Run the laps in turn, so that a slow spell of the machine meets all of them."""
    while waiting := [lap for lap in laps if len(lap.seconds) < lap.repeat]:
        for lap in waiting:
            lap.run()


def quietly(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call without warnings: on some data every package ends before it has converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments, **options)


def compare(ours: Lap, peer: Lap, reached: float, target: float, dtype: str) -> Row:
    """The columns that are judged: seconds, and the objectives that they bought."""
    return {
        "ours s": ours.median,
        "peer s": peer.median,
        "ratio": peer.median / ours.median,
        "our objective": reached,
        "target objective": target,
        "equal_quality": no_worse(reached, target, dtype),
        "ours_seconds": ours.seconds,
        "peer_seconds": peer.seconds,
    }


def no_worse(reached: float, target: float, dtype: str) -> bool:
    """Whether an objective (less is better) is as good as the target, up to `SLACK`."""
    return reached <= target + SLACK[dtype] * abs(target)


def measure(case: Case, settings: Settings, limits: Limits) -> Row:
    """Run one case; its row says what was asked of it as well."""
    row: Row = {"group": case.group, "case": case.name, "dtype": case.dtype, "size": case.size}
    row |= {"criterion": case.criterion, "at_least": case.at_least}
    row |= case.run(settings, limits)
    return row | {"met": None if row.get("peer") == NO_PEER else met(row)}


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def table(rows: Sequence[Row], columns: dict[str, Callable[[Any], str] | None]) -> str:
    """Lay out the columns that any row fills, in order; a column's function formats its values."""
    columns = {name: show for name, show in columns.items() if any(name in row for row in rows)}
    lines = [list(columns)]
    for row in rows:
        values = ((row.get(name), show) for name, show in columns.items())
        lines.append([show(v) if show and v is not None else _text(v) for v, show in values])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    padded = (map(str.rjust, line, widths) for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)


def met(row: Row) -> bool:
    """Whether the quality is reached, and the ratio or else so much of the read bandwidth, in time."""
    enough = row["ratio"] >= row["at_least"] or row.get("% read", 0) >= row.get("or_read", math.inf)
    return row["equal_quality"] and enough and row["ours s"] <= row.get("at_most", math.inf)


def verdict(rows: Iterable[Row]) -> list[str]:
    """One line per criterion: the worst ratio among the cases that ran beside a peer, and if it is enough."""
    by_criterion: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        by_criterion.setdefault((row["criterion"], row["at_least"]), []).append(row)
    lines = []
    for (criterion, at_least), ran in by_criterion.items():
        members = [row for row in ran if row.get("peer") != NO_PEER]
        if not members:
            lines.append(f"no peer  {criterion}: nothing to compare with ({len(ran)} cases ran)")
            continue
        missed = [row for row in members if not met(row)]
        worst = min(missed or members, key=lambda row: (row["equal_quality"], row["ratio"]))
        how = f"worst {worst['ratio']:.3g}x" if worst["equal_quality"] else "quality not reached"
        lines.append(
            f"{'NOT met' if missed else 'met    '}  {criterion} >= {at_least:g}x: "
            f"{how} ({worst['case']}, {worst['dtype']}; {len(members)} cases ran)"
        )
    return lines
