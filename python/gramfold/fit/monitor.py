"""What a fit reports while it runs: history, log lines, callback, time limit."""

import logging
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .progress import IterationInfo

if TYPE_CHECKING:
    from .kept import Kept

logger = logging.getLogger("gramfold")

Callback = Callable[[IterationInfo], Any]
History = dict[str, np.ndarray]


class Printed(logging.Handler):
    """Writes to what is stdout at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        print(self.format(record), file=sys.stdout)


class Monitor:
    """Records every iteration and says when the fit must stop.

    Parameters
    ----------
    max_iter : int or None
    verbose : int
        0 is silent; else each iteration is logged to the logger "gramfold" (level INFO), which writes to
        stdout unless it was given a handler.
    callback : callable or None
        Called with an `IterationInfo` after every iteration; a true return value stops the fit. If it has
        a method `close`, that is called when the fit ends.
    max_time : float or None
        Seconds after which no further iteration begins.
    begun : float, optional
        When the fit began, by `time.perf_counter`; now by default.
    every : int
        Iterations from one log line to the next.
    objective : str
        What the objective is called in log lines.
    kept : Kept or None
        The checkpoint of the fit.

    Attributes
    ----------
    unit : float
        What the objectives to come are counted in; 1 unless set.
    state : dict or None
        What an earlier process gave to `keep`, to go on from; until an iteration is recorded.
    stopped : bool
        Whether the callback or the time limit has stopped the fit.
    """

    def __init__(
        self, max_iter: int | None, verbose: int, callback: Callback | None, max_time: float | None, *,
        begun: float | None = None, every: int = 1, objective: str = "objective", kept: "Kept | None" = None,
    ) -> None:  # fmt: skip
        self.max_iter = max_iter
        self.verbose = verbose
        self.callback = callback
        self.max_time = None if max_time is None else float(max_time)
        self.every, self.objective = every, objective
        self.called, self.unit = time.perf_counter() if begun is None else begun, 1.0
        self.rows: list[tuple[float, float, float]] = []
        self.stopped = False
        self.kept, self.state = kept, None if kept is None else kept.take()
        if self.state is not None:
            self.rows = [tuple(row) for row in self.state["history"].tolist()]
            self._check_limit()
        self.begun = self.called - (self.rows[-1][2] if self.rows else 0.0)

    def __enter__(self) -> "Monitor":
        if self.verbose and not logger.handlers:
            logger.addHandler(Printed())
        if self.verbose and not logger.isEnabledFor(logging.INFO):
            logger.setLevel(logging.INFO)
        return self

    def __exit__(self, *error: object) -> None:
        close = getattr(self.callback, "close", None)
        if close is not None:
            close()

    def say(self, message: str) -> None:
        """Log a line."""
        if self.verbose:
            logger.info(message)

    def record(self, objective: float, kkt: float) -> bool:
        """Note one iteration; True if the callback or the time limit stops the fit."""
        self.state = None  # its arrays are not needed any more
        now, objective = time.perf_counter(), self.unit * objective
        seconds = now - self.begun
        self.rows.append((objective, kkt, seconds))
        iteration = len(self.rows)
        if self.verbose and iteration % self.every == 0:
            self.say(f"Iteration {iteration}, {self.objective} {objective:.9g}, KKT residual {kkt:.2e}")
        if self.callback is not None:
            info = IterationInfo(iteration, self.max_iter, objective, kkt, seconds)
            self.stopped = self._called(info)
        self.stopped |= self.max_time is not None and now - self.called >= self.max_time
        return self.stopped

    def _called(self, info: IterationInfo) -> bool:
        """What the callback says; what it raises is not due to a checkpoint."""
        assert self.callback is not None
        try:
            return bool(self.callback(info))
        except Exception:
            if self.kept is not None:
                self.kept.goes_on = False
            raise

    def keep(self, state: Callable[[], dict[str, Any]] = dict, **more: Any) -> None:
        """Write a checkpoint, if it is time to, of `state` and `more`: all that the next iteration needs."""
        if self.kept is None:
            return
        if self.kept.due() or self._ends_next():
            self.kept.write({"history": np.array(self.rows).reshape(-1, 3), **state(), **more})
        self.kept.signals.hold()

    def _ends_next(self) -> bool:
        """Whether the next iteration will be the last: what another limit lets go on goes on from here."""
        if len(self.rows) + 1 == self.max_iter:
            return True
        if self.max_time is None:
            return False
        ends = self.rows[-1][2] + self.begun
        taken = self.rows[-1][2] - (self.rows[-2][2] if len(self.rows) > 1 else 0.0)
        return ends + taken >= self.called + self.max_time

    def _check_limit(self) -> None:
        assert self.kept is not None
        if self.max_iter is not None and len(self.rows) >= self.max_iter + self.kept.same_limit:
            raise ValueError(
                f"{self.kept.place.path} is a checkpoint of a fit after {len(self.rows)} iterations: raise "
                "max_iter, or begin anew with another file, or with resume=False"
            )

    @property
    def history(self) -> History:
        """Objective, KKT residual and seconds since the start, one entry per iteration."""
        table = np.array(self.rows, dtype=np.float64).reshape(-1, 3)
        return dict(zip(("objective", "kkt", "seconds"), table.T.copy(), strict=True))
