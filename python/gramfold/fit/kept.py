"""The file of a checkpoint: written when it is time to, and read by the fit that goes on."""

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..io.sizes import physical_memory
from ..keep.atomic import remove_parts
from ..keep.layout import VERSION, read, write
from ..keep.reader import Reader, demand
from ..keep.writer import Writer
from .signals import Postponed
from .warn import warn

if TYPE_CHECKING:
    from .checkpoint import Checkpoint

SHARE = 50  # of the time, what writing may take


class Kept:
    """The checkpoint of one fit.

    Attributes
    ----------
    outer : dict
        What is written beside the state of a loop: that of the loop around it.
    same_limit : bool
        Whether the fit that wrote the file had the same `max_iter`.
    goes_on : bool
        Whether the fit has looked at the state: what fails from then on may be due to it.
    signals : Postponed
        What waits until a checkpoint is written.
    """

    same_limit, goes_on = True, False

    def __init__(self, place: "Checkpoint", about: dict[str, Any]) -> None:
        if not place.path.parent.is_dir():
            raise FileNotFoundError(
                f"there is no folder {place.path.parent} for the checkpoint {place.path.name}"
            )
        self.place, self.about, self.outer, self.signals = place, about, dict[str, Any](), Postponed()
        self._state = self._read() if place.resume and place.path.exists() else None
        remove_parts(place.path)  # of a process that was killed
        self._next = time.perf_counter() + place.every

    def take(self) -> dict[str, Any] | None:
        """Give the state to go on from; None if there is none, or it was taken."""
        state, self._state = self.state, None
        return state

    @property
    def state(self) -> dict[str, Any] | None:
        """What to go on from; None if there is nothing, or it was taken."""
        self.goes_on |= self._state is not None
        return self._state

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
        kept = checked(path, described)
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
        try:
            return _sound(Reader(arrays)(kept["state"]))
        except (ValueError, RecursionError) as error:
            raise self.refusal(error) from None

    def due_to_state(self, error: Exception) -> bool:
        """Whether an error may come of a state that no fit has written; those that name the file say so."""
        short = isinstance(error, MemoryError) and not _asks_beyond_memory(error)
        other = isinstance(error, OSError | Warning) or str(self.place.path) in str(error)
        return self.goes_on and not short and not other

    def refusal(self, error: Exception) -> ValueError:
        """What is raised when a fit cannot go on from the state of the file."""
        said = str(error).partition("\n")[0][:200]
        return ValueError(
            f"{self.place.path} is damaged, or no gramfold has written it: the fit cannot go on from there "
            f"({type(error).__name__}: {said}); begin anew with another file, or with resume=False"
        )

    def _compare(self, kept: Any, now: Any, what: str) -> None:
        if kept == now:
            return
        shown, here = (one["is"] if isinstance(one, dict) else one for one in (kept, now))
        different = f", not {here}" if shown != here else " too, but another one"
        raise ValueError(
            f"{self.place.path} is a checkpoint {what} {shown}{different}: set it as it was, or begin anew "
            "with another file, or with resume=False"
        )


def checked(path: Any, described: dict[str, Any]) -> dict[str, Any]:
    """What a file says of a fit: its class, the marks of its parameters and data, and its state.

    Raises
    ------
    ValueError
        If it is no checkpoint.
    """
    kept = described.get("checkpoint")
    if not isinstance(kept, dict):
        raise ValueError(f"{path} is no checkpoint; to write one in its place pass resume=False")
    marks = [kept.get(what) for what in ("parameters", "data")]
    sound = all(isinstance(some, dict) and all(map(_is_mark, some.values())) for some in marks)
    if not sound or not isinstance(kept.get("class"), str) or "state" not in kept:
        raise ValueError(f"{path} is damaged: it does not say of which fit it is")
    return kept


def _asks_beyond_memory(error: MemoryError) -> bool:
    """Whether it is of an array larger than the memory of this machine, for which no fit asks."""
    shape, dtype = getattr(error, "shape", None), getattr(error, "dtype", None)
    if not isinstance(shape, tuple) or not isinstance(dtype, np.dtype):
        return False
    return math.prod(shape) * dtype.itemsize > physical_memory()


def _is_mark(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("is", "digest"))


def _sound(found: Any) -> dict[str, Any]:
    """The state of a loop, whose history the monitor reads."""
    history = found.get("history") if isinstance(found, dict) else None
    demand(
        isinstance(history, np.ndarray) and history.dtype == np.float64 and history.shape[1:] == (3,),
        "it has no history",
    )
    return found
