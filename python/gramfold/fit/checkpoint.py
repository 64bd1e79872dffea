"""Checkpoints: what a fit holds between two iterations, as a file, so that another process can go on from it.

A loop gives its state to `Monitor.keep` at the end of an iteration, and takes it from `Monitor.state` at its
start. Everything else is done here and in `keep`, whose files checkpoints are.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar, Token
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from .. import _core
from ..keep.atomic import remove_parts
from ..keep.layout import VERSION, read, write
from ..keep.reader import Reader
from ..keep.writer import Writer
from .arguments import flag, real
from .callbacks import FITTING
from .fingerprint import data_marks, parameter_marks
from .signals import Postponed
from .warn import warn

SHARE = 50  # of the time, what writing may take
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
        self.path, self.every = Path(path), real(every, "every")
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


class Kept:
    """The checkpoint of one fit.

    Attributes
    ----------
    outer : dict
        What is written beside the state of a loop: that of the loop around it.
    state : dict or None
        What to go on from, until it was taken.
    same_limit : bool
        Whether the fit that wrote the file had the same `max_iter`.
    signals : Postponed
        What waits until a checkpoint is written.
    """

    same_limit = True

    def __init__(self, place: Checkpoint, about: dict[str, Any]) -> None:
        if not place.path.parent.is_dir():
            raise FileNotFoundError(
                f"there is no folder {place.path.parent} for the checkpoint {place.path.name}"
            )
        self.place, self.about, self.outer, self.signals = place, about, dict[str, Any](), Postponed()
        self.state = self._read() if place.resume and place.path.exists() else None
        remove_parts(place.path)  # of a process that was killed
        self._next = time.perf_counter() + place.every

    def take(self) -> dict[str, Any] | None:
        """Give the state to go on from; None if there is none, or it was taken."""
        state, self.state = self.state, None
        return state

    def due(self) -> bool:
        """Whether it is time to write."""
        return self.signals.came is not None or time.perf_counter() >= self._next

    def write(self, state: dict[str, Any]) -> None:
        """Write the state of a loop."""
        begun, writer = time.perf_counter(), Writer()
        node = writer(self.outer | state, "state")
        try:
            write(self.place.path, {"checkpoint": {**self.about, "state": node}}, writer.arrays)
        except OSError as error:
            warn(f"the fit goes on, but no checkpoint was written: {error}", UserWarning)
        now = time.perf_counter()
        self._next = now + (max(self.place.every, SHARE * (now - begun)) if self.place.every else 0)
        if self.signals.came is not None:
            self.signals.hand_on()

    def _read(self) -> dict[str, Any]:
        path = self.place.path
        described, arrays = read(path)
        kept = described.get("checkpoint")
        if not isinstance(kept, dict):
            raise ValueError(f"{path} is no checkpoint; to write one in its place pass resume=False")
        self._compare(described.get("gramfold"), VERSION, "of gramfold")
        self._compare(kept["class"], self.about["class"], "of")
        for what in ("parameters", "data"):
            for name in {**self.about[what], **kept[what]}:
                now, then = self.about[what].get(name), kept[what].get(name)
                if name == "max_iter":
                    self.same_limit = now == then
                else:
                    self._compare(then, now, f"of a fit with {name}")
        if described["level"] != _core.level:
            warn(
                f"{path} was written at level {described['level']} and the fit goes on at {_core.level}: its "
                "result may differ in the last bits",
                UserWarning,
            )
        return Reader(arrays)(kept["state"])

    def _compare(self, kept: Any, now: Any, what: str) -> None:
        if kept == now:
            return
        shown, here = (one["is"] if isinstance(one, dict) else one for one in (kept, now))
        different = f", not {here}" if shown != here else " too, but another one"
        raise ValueError(
            f"{self.place.path} is a checkpoint {what} {shown}{different}: set it as it was, or begin anew "
            "with another file, or with resume=False"
        )


class Runs:
    """Several runs from different starts, of which the best is kept; iterate for their numbers.

    Parameters
    ----------
    kept : Kept or None
    count : int
    rng : RandomState
        What the starts are drawn from.

    Attributes
    ----------
    best : object
        That of the runs so far, to be set; None before.
    """

    def __init__(self, kept: Kept | None, count: int, rng: np.random.RandomState) -> None:
        self.kept, self.rng = kept, rng
        self.best: Any = None
        state = None if kept is None else kept.state
        self._runs: range = range(count)
        if state is not None:
            runs = state["runs"]
            self._runs, self.best = range(runs["run"], count), runs["best"]
            rng.set_state(runs["rng"].get_state())

    def __iter__(self) -> Iterator[int]:
        for run in self._runs:
            if self.kept is not None:
                self.kept.outer = {"runs": {"run": run, "best": self.best, "rng": self.rng}}
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
        token = PENDING.set(None)  # taken
        try:
            self._kept = Kept(place, {
                "class": type(self).__name__, "parameters": parameter_marks(self), "data": data_marks(data),
            })  # fmt: skip
            return fit(self, *args, **given)
        finally:
            PENDING.reset(token)
            if (held := vars(self).pop("_kept", None)) is not None:
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
