"""What a fit keeps of rows: in memory within a budget, beyond it in scratch files that are unlinked at once.

All arrays of NumPy that are made during a fit of X in files are counted, whatever makes them, by a handler of
NumPy's memory (NEP 49; cpp/room.cpp). What lies in a scratch file is an array like any other; its pages,
which count as the process's memory, are let go of by who makes too many of them: kernels look between blocks.
"""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._core import kernels
from ..io.recognise import is_collection, is_file
from ..io.sizes import physical_memory
from .apart import APART, Apart
from .blocks import Blocks
from .floats import Floats, float_of, stored
from .needs import COPY, FEW, check_needs
from .on_disk import in_file
from .warn import warn

UNCOUNTED = 1 << 62  # bytes: more than there are
SHARE = 2  # of the memory; the rest is for segments, and what kernels have at hand


class Room(NamedTuple):
    """What a fit that is under way may take: bytes of memory, and the folder of its scratch files."""

    model: Any
    memory: float
    folder: str


IN_ROOM: ContextVar[Room | None] = ContextVar("IN_ROOM", default=None)


def room_for(X: Any, model: Any) -> Any:
    """A context in which arrays are made as `memory=` of X allows; by default half of the machine's memory.

    Where X does not lie in files and says nothing, or a fit is under way already, nothing is done.

    Raises
    ------
    OSError
        If what the model keeps has no room.
    """
    memory = _memory(X)
    if memory is None or IN_ROOM.get():
        return nullcontext()
    try:
        rooms = import_module(".._core._room", __package__)
    except ImportError as error:  # NumPy alone
        if isinstance(X, Blocks) and X.memory is not None:
            warn(f"memory= bounds segments alone, and not what the fit keeps of rows: {error}", UserWarning)
        return nullcontext()
    return _within(rooms, X, Room(model, memory, tempfile.gettempdir()))


def check_room(X: Any) -> None:
    """Refuse rows of which the fit that is under way keeps more than there is room for; see `check_needs`."""
    if IN_ROOM.get() is not None:
        check_entries(X.shape, (float_of(X.dtype) or X.dtype).itemsize, _entries(X))


def check_entries(shape: tuple[int, int], item: int, entries: int | None) -> None:
    """The same of an X of floats of so many bytes, which if sparse stores so many entries."""
    room = IN_ROOM.get()
    if room is not None:
        free = shutil.disk_usage(room.folder).free
        check_needs(room.model, shape, item, room.memory, free, room.folder, entries)


def _entries(X: Any) -> int | None:
    """How many entries a sparse X stores: 0 where only a read tells that; None of a dense one."""
    if isinstance(X, Blocks):
        parts: Any = X.parts
        if not X.sparse:
            return None
        if isinstance(parts, tuple):
            return sum(int(part.nnz) for part in parts)
        shares = ((reader, (stop - start) / max(1, reader.shape[0])) for reader, start, stop in parts.pieces)
        return round(sum((reader.entries or 0) * share for reader, share in shares))
    return int(X.nnz) if sp.issparse(X) else None


def fits(size: int) -> bool:
    """Whether so many bytes of a copy are few beside the memory of the fit that is under way."""
    room = IN_ROOM.get()
    return size <= (FEW if room is None else room.memory / COPY)


def _memory(X: Any) -> float | None:
    """The bytes that a fit of X may take; None if nothing is said of it."""
    if isinstance(X, Blocks) and X.memory is not None:
        return X.memory
    if is_collection(X):
        return None
    parts = X.parts if isinstance(X, Blocks) else (X,)
    lies = not isinstance(parts, tuple) or any(_lies_in_file(part) for part in parts)
    return physical_memory() / 2 if lies else None


def _lies_in_file(X: Any) -> bool:
    if is_file(X) or isinstance(X, np.memmap):
        return True
    known = isinstance(X, np.ndarray | Floats) or (sp.issparse(X) and X.format == "csr")
    return known and in_file(stored(X))


def _kept(X: Any, memory: float) -> float:
    """The bytes of arrays in memory: fewer where segments are sparse, of which larger ones are made."""
    sparse = isinstance(X, Blocks) and X.sparse and not isinstance(X.parts, tuple)
    return memory * 3 / 8 if sparse else memory / SHARE


@contextmanager
def _within(rooms: Any, X: Any, room: Room) -> Iterator[None]:
    handler = rooms.make(int(min(_kept(X, room.memory), UNCOUNTED)), room.folder)
    place = kernels.between_blocks()
    if place is not None:
        rooms.look_between(place)
    beside = rooms.make(UNCOUNTED, room.folder)
    token, before = IN_ROOM.set(room), rooms.use(handler)
    reads = APART.set(Apart(lambda: rooms.use(beside), rooms.trim))
    try:
        if not is_file(X):  # which `read_rows` opens
            check_room(X)
        yield
    except MemoryError as error:
        refused = rooms.state(handler)[3]
        if not refused:
            raise
        free = shutil.disk_usage(room.folder).free
        raise OSError(
            errno.ENOSPC,
            f"of {room.memory:,.0f} bytes of memory no more are left: an array of {refused:,} takes a "
            f"scratch file, but {free:,} are free there. Give more memory, or set TMPDIR",
            room.folder,
        ) from error
    finally:
        rooms.use(before)
        rooms.rest(handler)
        APART.reset(reads)
        IN_ROOM.reset(token)
