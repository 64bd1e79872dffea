"""Callbacks of scikit-learn: a task for each fit, and one below it for each iteration.

scikit-learn has them from 1.9 on, as an experiment: `set_callbacks` of an estimator takes them, such as its
ScoringMonitor and ProgressBar. The estimator's own `callback` is called beside them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral
from typing import Any

from .monitor import Callback
from .progress import IterationInfo
from .room import room_for
from .unchanged import unchanged_on_error

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback._callback_support import callback_management_context
except ImportError:  # before 1.9, or moved

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Has no callbacks."""


__all__ = ["CallbackSupportMixin", "fit_task", "told"]


class Task:
    """A fit as callbacks of scikit-learn see it; called as a `callback` after each iteration."""

    def __init__(self, estimator: Any, X: Any, y: Any) -> None:
        self.estimator, self.data = estimator, {"X": X, "y": y}
        self.context = estimator._init_callback_context(max_subtasks=None)
        self.context.call_on_fit_task_begin(estimator=estimator, **self.data)

    def __call__(self, info: IterationInfo) -> bool:
        """Tell of an iteration; True stops the fit."""
        iteration = self.context.subcontext(task_name="iteration")
        iteration.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        stop = bool(iteration.call_on_fit_task_end(estimator=self.estimator, **self.data))
        own = self.estimator.callback
        return bool(own is not None and own(info)) or stop

    def close(self) -> None:
        """End what the estimator's own callback has open."""
        close = getattr(self.estimator.callback, "close", None)
        if close is not None:
            close()

    def end(self) -> None:
        """Tell of the end, with what was learned."""
        learned = {
            name: value
            for name, value in vars(self.estimator).items()
            if name.endswith("_") and not name.startswith("_")
        }
        self.context.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=learned, **self.data
        )


def told(estimator: Any) -> Callback | None:
    """What is to be called after each iteration."""
    task = vars(estimator).get("_task")
    return estimator.callback if task is None else task


FITTING: ContextVar[bool] = ContextVar("FITTING", default=False)  # whether a fit is under way


@contextmanager
def fit_task(estimator: Any, X: Any, y: Any = None) -> Iterator[None]:
    """A fit that scikit-learn's callbacks hear of, and that leaves the estimator as it was if it fails.

    Of an X in files it takes no more memory than it may.
    """
    token = FITTING.set(True)
    try:
        with unchanged_on_error(estimator), room_for(X, estimator):
            if not hasattr(estimator, "_skl_callbacks"):
                yield
                estimator._rows_in = _rows(X)
                return
            with callback_management_context(estimator):
                task = Task(estimator, X, y)
                estimator._task = task
                yield
                del estimator._task
                estimator._rows_in = _rows(X)
                task.end()
    finally:
        FITTING.reset(token)


def _rows(X: Any) -> int | None:
    """How many rows X has, if it says so."""
    if hasattr(X, "shape"):
        return int(X.shape[0]) if isinstance(X.shape[0], Integral) else None
    return len(X) if isinstance(X, list | tuple) else None
