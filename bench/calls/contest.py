"""One call, ours and the peers': seconds, quality, and who of the peers is the yardstick."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import cycle
from statistics import median
from typing import Any

import numpy as np
from scipy import sparse

from bench.calls.child import timed_in_child
from bench.frame import NO_PEER, Lap, Row, Settings, interleave, quietly
from bench.machine import Limits

OURS = "gramfold"
SLACK = 1e-3  # relative; qualities that differ by less are equal
WARM_UP = 1.0  # seconds; a first call that is shorter is not counted
NEAR = 3.0  # a peer that takes so many times as long as the fastest of equal quality is timed once
BOUNDS = 60.0, 300.0  # seconds; within these a slow peer is stopped once the ratio is more than is asked for

Data = tuple[Any, ...]
Judge = Callable[[Data, Any], float]


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
class Prepared:
    """A call, and the results that it leaves."""

    call: Callable[[], None]
    results: dict[int, Any]

    def quality(self, judge: Judge, data: Data) -> float:
        """The median of the results' qualities."""
        return median(quietly(judge, data, result) for result in self.results.values())


@dataclass(frozen=True)
class Fit:
    """`fit` of a new estimator on all the data.

    `drawn`: the start or the batches are drawn, so each repeat takes the next seed, and medians count.
    """

    drawn: bool = False

    def prepare(self, maker: Maker, settings: Settings, data: Data, ours: Any = None) -> Prepared:
        """Give the call that is timed, and where it keeps the models."""
        results: dict[int, Any] = {}
        seeds = cycle(range(settings.seed, settings.seed + (settings.repeat if self.drawn else 1)))

        def call() -> None:
            seed = next(seeds)
            results[seed] = maker(seed).fit(*data)

        return Prepared(call, results)


@dataclass(frozen=True)
class Apply:
    """`transform` or `predict` of the first `rows` rows by a model fitted on the first `train`; gives both.

    What is `shared` is taken over from our model, so that all solve the same problem.
    """

    method: str
    rows: int | None = None
    train: int = 2000
    shared: tuple[str, ...] = ()
    drawn: bool = False

    def prepare(self, maker: Maker, settings: Settings, data: Data, ours: Any = None) -> Prepared:
        """Fit, and give the call that is timed, and where it keeps the model and what that gave."""
        model = maker(settings.seed)
        quietly(model.fit, *(part[: self.train] for part in data))
        for name in self.shared if ours else ():
            setattr(model, name, getattr(ours[0], name))
        transform, X = getattr(model, self.method), data[0][: self.rows]
        results: dict[int, Any] = {}

        def call() -> None:
            results[0] = model, transform(X)

        return Prepared(call, results)


@dataclass
class Entry:
    """What one of them needed and reached; no quality: it was stopped."""

    seconds: list[float]
    quality: float | None

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return median(self.seconds)


@dataclass(frozen=True)
class Contest:
    """Who calls what on which data, and how the result is judged (less is better).

    `at_least`: the ratio that is asked for. `work` gives the flop that the fitted model reports. `slow` peers
    run in a process of their own, which ends after a bound.
    """

    call: Fit | Apply
    make: Callable[[], Data]
    makers: dict[str, Maker]
    judge: Judge
    at_least: float
    work: Judge | None = None
    slow: tuple[str, ...] = ()
    or_read: float = np.inf  # % of the read bandwidth that is enough as well
    at_most: float = np.inf  # seconds

    def run(self, settings: Settings, limits: Limits) -> Row:
        """Time everybody, in turn, and compare."""
        data = self.make()
        prepared = {OURS: self.call.prepare(self.makers[OURS], settings, data)}
        laps = {OURS: Lap(prepared[OURS].call)}
        quietly(laps[OURS].run)
        entries = {OURS: Entry(laps[OURS].seconds, prepared[OURS].quality(self.judge, data))}
        bound = float(np.clip(1.5 * self.at_least * laps[OURS].median, *BOUNDS))
        for name in [name for name in self.makers if name != OURS]:
            if name in self.slow:
                found = timed_in_child(self, name, settings, bound)
                if found:
                    entries[name] = Entry([found[0]], found[1])
            elif one := self._first(name, data, prepared[OURS], settings):
                prepared[name], laps[name] = one
                entries[name] = Entry(laps[name].seconds, one[0].quality(self.judge, data))
        for name in _repeat(laps, yardsticks(entries), settings):
            if self.call.drawn:
                entries[name].quality = prepared[name].quality(self.judge, data)
        row = compared(entries)
        row |= {k: v for k, v in (("or_read", self.or_read), ("at_most", self.at_most)) if np.isfinite(v)}
        flop = self.work(data, next(iter(prepared[OURS].results.values()))) if self.work else None
        X = data[0][: self.call.rows] if isinstance(self.call, Apply) else data[0]
        return row | _shares(X, flop, entries[OURS].median, limits)

    def _first(
        self, name: str, data: Data, ours: Prepared, settings: Settings
    ) -> tuple[Prepared, Lap] | None:
        """Time a peer once; None where it is not installed or fails."""
        try:
            prepared = self.call.prepare(self.makers[name], settings, data, ours.results.get(0))
            lap = Lap(prepared.call)
            quietly(lap.run)
        except ImportError:
            print(f"      {name} is not installed", flush=True)
            return None
        except Exception as error:  # what a peer cannot do is no end of the bench
            print(f"      {name} failed: {error}", flush=True)
            return None
        return prepared, lap


def _repeat(laps: dict[str, Lap], candidates: dict[str, Entry], settings: Settings) -> list[str]:
    """Time ours and the peers that may be the yardstick again, in turn; give their names."""
    fastest = min((entry.median for entry in candidates.values()), default=np.inf)
    again = [name for name, lap in laps.items() if name == OURS or lap.median <= NEAR * fastest]
    for lap in map(laps.get, again):
        lap.repeat = settings.peer_repeats(lap.seconds[0])
        if lap.seconds[0] < WARM_UP:
            lap.seconds.clear()
    quietly(interleave, *map(laps.get, again))
    return again


def worse(quality: float | None, other: float | None) -> bool:
    """Whether a quality is worse than another one by more than `SLACK`."""
    return quality is not None and other is not None and quality > other + SLACK * abs(other)


def yardsticks(entries: dict[str, Entry]) -> dict[str, Entry]:
    """The peers whose quality is no worse than ours, or else the best; those that ended, if any did."""
    ours = entries[OURS].quality
    peers = {name: entry for name, entry in entries.items() if name != OURS}
    equal = {name: entry for name, entry in peers.items() if not worse(entry.quality, ours)}
    ended = {name: entry for name, entry in equal.items() if entry.quality is not None}
    best = sorted(peers, key=lambda name: peers[name].quality)[:1] if not equal else []
    return ended or equal or {name: peers[name] for name in best}


def compared(entries: dict[str, Entry]) -> Row:
    """The columns that are judged, and one for each peer: seconds, and its quality beside ours."""
    ours, candidates = entries[OURS], yardsticks(entries)
    better = [name for name, entry in entries.items() if worse(ours.quality, entry.quality)]
    row: Row = {"ours s": ours.median, "our objective": ours.quality, "equal_quality": not better}
    for name, entry in entries.items():
        mark = " worse" if worse(entry.quality, ours.quality) else " better" if name in better else ""
        row[name] = f"{'' if entry.quality is not None else '> '}{entry.median:.3g}{mark}"
    row["entries"] = {name: vars(entry) for name, entry in entries.items()}
    if not candidates:
        return row | {"peer": NO_PEER, "ratio": 0.0}
    name = min(candidates, key=lambda name: candidates[name].median)
    peer = candidates[name]
    return row | {
        "peer": name,
        "peer s": peer.median,
        "ratio": peer.median / ours.median,
        "target objective": peer.quality,
        "stopped": peer.quality is None,
        "note": f"worse than {', '.join(better)}" if better else "",
    }


def _shares(X: Any, flop: float | None, seconds: float, limits: Limits) -> Row:
    """The shares of the machine's limits: one read of X, and the flop of the iterations."""
    size = sum(part.nbytes for part in (X.data, X.indices, X.indptr)) if sparse.issparse(X) else X.nbytes
    shares: Row = {"% read": 100 * size / seconds / limits.bandwidth}
    if flop is not None:
        shares["% FMA"] = 100 * flop / seconds / limits.peak[X.dtype.name]
    return shares
