"""One call, ours and the peers': seconds, quality, and who of the peers is the yardstick."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse

from bench.calls.child import timed_in_child
from bench.frame import Lap, Row, Settings, interleave, quietly
from bench.machine import Limits

OURS = "gramfold"
SLACK = 1e-3  # relative; qualities that differ by less are equal
WARM_UP = 1.0  # seconds; a first call that is shorter is not counted
NEAR = 3.0  # a peer that takes so many times as long as the fastest of equal quality is timed once
BOUND = 60.0  # seconds that a slow peer may take

Data = tuple[Any, ...]


@dataclass(frozen=True)
class Maker:
    """Where an estimator is found and what its constructor is given; can be sent to another process."""

    module: str
    name: str
    arguments: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    seeded: bool = True

    def __call__(self, seed: int) -> Any:
        """Make one; ImportError where the package is not installed."""
        given = dict(self.options) | ({"random_state": seed} if self.seeded else {})
        return getattr(import_module(self.module), self.name)(*self.arguments, **given)


@dataclass(frozen=True)
class Fit:
    """`fit` on all the data; gives the fitted model."""

    def prepare(self, model: Any, data: Data, ours: Any = None) -> Callable[[], Any]:
        """Give the call that is timed."""
        return lambda: model.fit(*data)


@dataclass(frozen=True)
class Apply:
    """`transform` or `predict` of the first `rows` rows by a model fitted on the first `train`; gives both.

    What is `shared` is taken over from our model, so that all solve the same problem.
    """

    method: str
    rows: int | None = None
    train: int = 2000
    shared: tuple[str, ...] = ()

    def prepare(self, model: Any, data: Data, ours: Any = None) -> Callable[[], Any]:
        """Fit, and give the call that is timed."""
        model.fit(*(part[: self.train] for part in data))
        for name in self.shared if ours else ():
            setattr(model, name, getattr(ours[0], name))
        call, X = getattr(model, self.method), data[0][: self.rows]
        return lambda: (model, call(X))


@dataclass
class Entry:
    """What one of them needed and reached; no quality: it was stopped."""

    seconds: list[float]
    quality: float | None

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return float(np.median(self.seconds))


@dataclass(frozen=True)
class Contest:
    """Who calls what on which data, and how the result is judged (less is better).

    `work` gives the flop that the fitted model reports; `slow` peers run in a process of their own, which
    ends after `BOUND` seconds.
    """

    call: Fit | Apply
    make: Callable[[], Data]
    makers: dict[str, Maker]
    judge: Callable[[Data, Any], float]
    work: Callable[[Data, Any], float] | None = None
    slow: tuple[str, ...] = ()
    or_read: float = np.inf  # % of the read bandwidth that is enough as well
    at_most: float = np.inf  # seconds

    def run(self, settings: Settings, limits: Limits) -> Row:
        """Time everybody, in turn, and compare."""
        data = self.make()
        ours = Lap(self.call.prepare(self.makers[OURS](settings.seed), data))
        quietly(ours.run)
        entries = {OURS: Entry(ours.seconds, quietly(self.judge, data, ours.result))}
        flop = self.work(data, ours.result) if self.work else None
        laps = {OURS: ours}
        for name in self.makers:
            if name == OURS:
                continue
            if name in self.slow:
                found = timed_in_child(self, name, settings, BOUND)
                entry = found and Entry([found[0]], found[1])
            else:
                entry = self._first(name, data, ours.result, settings, laps)
            if entry:
                entries[name] = entry
        _repeat(laps, _yardsticks(entries), settings)
        row = _row(entries)
        row |= {k: v for k, v in (("or_read", self.or_read), ("at_most", self.at_most)) if np.isfinite(v)}
        row |= _shares(data[0][: self.call.rows] if isinstance(self.call, Apply) else data[0],
                       flop, entries[OURS].median, limits)  # fmt: skip
        return row

    def _first(
        self, name: str, data: Data, ours: Any, settings: Settings, laps: dict[str, Lap]
    ) -> Entry | None:
        """Time a peer once and judge it; None where it is not installed or fails."""
        try:
            lap = Lap(self.call.prepare(self.makers[name](settings.seed), data, ours))
            quietly(lap.run)
        except ImportError:
            print(f"      {name} is not installed", flush=True)
            return None
        except Exception as error:  # what a peer cannot do is no end of the bench
            print(f"      {name} failed: {error}", flush=True)
            return None
        laps[name] = lap
        return Entry(lap.seconds, quietly(self.judge, data, lap.result))


def _repeat(laps: dict[str, Lap], yardsticks: dict[str, Entry], settings: Settings) -> None:
    """Time ours and the peers that may be the yardstick again, in turn."""
    fastest = min((entry.median for entry in yardsticks.values()), default=np.inf)
    again = [lap for name, lap in laps.items() if name == OURS or lap.median <= NEAR * fastest]
    for lap in again:
        lap.repeat = settings.peer_repeats(lap.seconds[0])
        if lap.seconds[0] < WARM_UP:
            lap.seconds.clear()
    quietly(interleave, *again)


def worse(quality: float | None, other: float | None) -> bool:
    """Whether a quality is worse than another one by more than `SLACK`."""
    return quality is not None and other is not None and quality > other + SLACK * abs(other)


def _yardsticks(entries: dict[str, Entry]) -> dict[str, Entry]:
    """The peers whose quality is no worse than ours, or else the best; those that ended, if any did."""
    ours = entries[OURS].quality
    peers = {name: entry for name, entry in entries.items() if name != OURS}
    equal = {name: entry for name, entry in peers.items() if not worse(entry.quality, ours)}
    ended = {name: entry for name, entry in equal.items() if entry.quality is not None}
    best = sorted(peers, key=lambda name: peers[name].quality)[:1] if not equal else []
    return ended or equal or {name: peers[name] for name in best}


def _row(entries: dict[str, Entry]) -> Row:
    """The columns that are judged, and one for each peer: seconds, and its quality beside ours."""
    ours, yardsticks = entries[OURS], _yardsticks(entries)
    better = [name for name, entry in entries.items() if worse(ours.quality, entry.quality)]
    row: Row = {"ours s": ours.median, "our objective": ours.quality, "equal_quality": not better}
    for name, entry in entries.items():
        mark = " worse" if worse(entry.quality, ours.quality) else " better" if name in better else ""
        row[name] = f"{'' if entry.quality is not None else '> '}{entry.median:.3g}{mark}"
    row["entries"] = {name: vars(entry) for name, entry in entries.items()}
    if not yardsticks:
        return row | {"peer": "-", "ratio": 0.0}
    name = min(yardsticks, key=lambda name: yardsticks[name].median)
    peer = yardsticks[name]
    return row | {
        "peer": name,
        "peer s": peer.median,
        "ratio": peer.median / ours.median,
        "target objective": peer.quality,
        "note": f"worse than {', '.join(better)}" if better else "",
    }


def _shares(X: Any, flop: float | None, seconds: float, limits: Limits) -> Row:
    """The shares of the machine's limits: one read of X, and the flop of the iterations."""
    size = sum(part.nbytes for part in (X.data, X.indices, X.indptr)) if sparse.issparse(X) else X.nbytes
    shares: Row = {"% read": 100 * size / seconds / limits.bandwidth}
    if flop is not None:
        shares["% FMA"] = 100 * flop / seconds / limits.peak[X.dtype.name]
    return shares
