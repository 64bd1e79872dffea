"""Runs side by side, of which a callback hears as of one."""

import threading
from collections.abc import Callable
from functools import partial

from .monitor import Callback, Monitor
from .progress import IterationInfo


class Chorus:
    """Tells of an iteration when all runs have ended it: the best objective so far, and its KKT residual.

    Parameters
    ----------
    told : Monitor
        What logs, and calls the callback; a true value of that stops all runs.
    count : int
    best : callable
        min or max: which objective is the best.
    """

    def __init__(self, told: Monitor, count: int, best: Callable[..., float] = min) -> None:
        self.told, self._best, self._lock = told, best, threading.Lock()
        self._last: list[IterationInfo | None] = [None] * count
        self._live = set(range(count))

    def of(self, run: int) -> Callback:
        """What a run calls after each iteration."""
        return partial(self._hear, run)

    def _hear(self, run: int, info: IterationInfo) -> bool:
        with self._lock:
            self._last[run] = info
            return self._tell()

    def end(self, run: int) -> None:
        """Do not wait for a run any more."""
        with self._lock:
            self._live.discard(run)
            self._tell()

    def _tell(self) -> bool:
        heard = [info for info in self._last if info is not None]
        ended = [
            0 if info is None else info.iteration for i, info in enumerate(self._last) if i in self._live
        ]
        while ended and len(self.told.rows) < min(ended) and not self.told.stopped:
            reached = self._best(info.objective for info in heard)
            self.told.record(reached, next(info.kkt for info in heard if info.objective == reached))
        return self.told.stopped
