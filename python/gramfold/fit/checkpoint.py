"""Checkpoints: what a fit holds between two iterations, as a file, so that another process can go on from it.

A loop gives its state to `Monitor.keep` at the end of an iteration, and takes it from `Monitor.state` at its
start. Everything else is done here, in `kept.py` and in the room `keep`, whose files checkpoints are.
"""

import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar, Token
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from .arguments import file_path, flag, real
from .callbacks import FITTING
from .fingerprint import data_marks, parameter_marks
from .kept import Kept
from .warn import warn

Result = TypeVar("Result")
KEYWORDS = [
    Parameter(name, Parameter.KEYWORD_ONLY, default=default)
    for name, default in (("checkpoint", None), ("checkpoint_every", 60.0), ("resume", True))
]
DOCUMENTED = """

        `checkpoint` (a path), `checkpoint_every` (seconds) and `resume` are as in `gramfold.checkpoint`."""


class Checkpoint:
    """Where the state of a fit is kept; made by `checkpoint`, and used in a ``with`` statement."""

    _token: Token["Checkpoint | None"]

    def __init__(self, path: str | os.PathLike[str], every: float, resume: bool) -> None:
        self.path = Path(file_path(path, "checkpoint path"))
        self.every = real(every, "every")
        self.resume, self.used = flag(resume, "resume"), False

    def __enter__(self) -> Self:
        self._token = PENDING.set(self)
        return self

    def __exit__(self, error: object, *_: object) -> None:
        PENDING.reset(self._token)
        if error is None and not self.used:
            warn(f"{self.path} was not used: no fit here keeps checkpoints", UserWarning)


PENDING: ContextVar[Checkpoint | None] = ContextVar("PENDING", default=None)


def checkpoint(path: str | os.PathLike[str], *, every: float = 60.0, resume: bool = True) -> Checkpoint:
    """Keep the state of the fit in a ``with`` block in a file, and go on from it if it is there.

    For models that iterate: NMF, KMeans, the mixtures, RobustPCA, dictionary learning and their mini-batch
    forms. ``fit(X, checkpoint=path, checkpoint_every=60.0, resume=True)`` does the same. A fit that goes on
    ends with the bits of one that was never stopped, on such a machine. The file stays when a fit has ended;
    one that `max_iter` or `max_time` ended goes on from there if they are raised. Ctrl-C and SIGTERM wait
    until the iteration is done and the file written; a second one does not.

    Parameters
    ----------
    path : str or path-like
        The file is replaced as a whole, or not at all.
    every : float, default=60
        Seconds from one writing to the next; more where writing takes more than a fiftieth of them. 0: after
        every iteration.
    resume : bool, default=True
        Whether to go on from the file, if there is one. It must be of a fit of the same class, with the same
        parameters, but `max_iter` and those without effect on the result such as `n_threads`, and to the
        same data, of which some rows are compared.

    Returns
    -------
    Checkpoint
        A context manager, for one fit.

    Raises
    ------
    ValueError
        In the fit, if the file is of another fit; says in what.
    OSError
        If there is no such folder. Where writing fails later, a full disk say, the fit warns and goes on.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.random.default_rng(0).random((50, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "fit.checkpoint")
    ...     with gf.checkpoint(path, every=0):
    ...         first = gf.KMeans(3, random_state=0).fit(X)
    ...     again = gf.KMeans(3, random_state=0).fit(X, checkpoint=path)
    >>> np.array_equal(again.cluster_centers_, first.cluster_centers_)
    True
    """
    return Checkpoint(path, every, resume)


class Runs:
    """Several runs from different starts, of which the best is kept; iterate for their numbers.

    Parameters
    ----------
    kept : Kept or None
    count : int
    draws : list of RandomState
        What each run draws from; or only one for all, in turn.

    Attributes
    ----------
    best : object
        That of the runs so far, to be set; None before.
    """

    def __init__(self, kept: Kept | None, count: int, draws: list[np.random.RandomState]) -> None:
        self.kept, self.draws = kept, draws
        self.best: Any = None
        state = None if kept is None else kept.state
        self._runs: range = range(count)
        if state is not None:
            runs = state["runs"]
            self._runs, self.best = range(count)[runs["run"] :], runs["best"]
            for rng, then in zip(draws, runs["draws"], strict=True):
                rng.set_state(then.get_state())

    def __iter__(self) -> Iterator[int]:
        for run in self._runs:
            if self.kept is not None:
                self.kept.outer = {"runs": {"run": run, "best": self.best, "draws": self.draws}}
            yield run


def resumable(fit: Callable[..., Result]) -> Callable[..., Result]:
    """Let a method that fits keep checkpoints: those of its keywords, or of the block that it is in."""
    taken = signature(fit)

    @wraps(fit)
    def kept(
        self: Any, *args: Any, checkpoint: Any = None, checkpoint_every: float = 60.0, resume: bool = True,
        **given: Any,
    ) -> Result:  # fmt: skip
        if checkpoint is not None:
            place: Checkpoint | None = Checkpoint(checkpoint, checkpoint_every, resume)
        else:
            place = None if FITTING.get() else PENDING.get()  # which is not for a fit within a fit
        if place is None:
            return fit(self, *args, **given)
        if place.used:
            raise ValueError(f"{place.path} is the checkpoint of one fit: give another its own block")
        place.used = True
        data = taken.bind(self, *args, **given).arguments
        token, held = PENDING.set(None), None  # taken
        try:
            held = self._kept = Kept(place, {
                "class": type(self).__name__, "parameters": parameter_marks(self), "data": data_marks(data),
            })  # fmt: skip
            return fit(self, *args, **given)
        except Exception as error:
            if held is None or not held.due_to_state(error):
                raise
            raise held.refusal(error) from error
        finally:
            PENDING.reset(token)
            vars(self).pop("_kept", None)
            if held is not None:
                held.signals.hand_on()

    parameters = [*taken.parameters.values(), *KEYWORDS]
    kept.__signature__ = taken.replace(parameters=parameters)  # type: ignore[attr-defined]
    summary, gap, rest = (fit.__doc__ or "").partition("\n\n")
    kept.__doc__ = summary + DOCUMENTED + gap + rest
    return kept


def kept_by(estimator: Any) -> Kept | None:
    """Give the checkpoint of the fit that an estimator is in, if it has one."""
    found: Kept | None = vars(estimator).get("_kept")
    return found


def state_of(solver: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Give attributes by name."""
    return {name: getattr(solver, name) for name in names}


def restore(solver: Any, state: dict[str, Any], names: tuple[str, ...]) -> None:
    """Set attributes to what `state_of` gave; a generator stays the same, and draws what it would have."""
    for name in names:
        value = state[name]
        if isinstance(value, np.random.RandomState):
            getattr(solver, name).set_state(value.get_state())
        else:
            setattr(solver, name, value)
