"""What a fit keeps of rows: in memory within a budget, beyond it in scratch files that are unlinked at once.

All arrays of NumPy that are made during a fit of X in files are counted, whatever makes them, by a handler of
NumPy's memory (NEP 49; cpp/room.cpp). What lies in a scratch file is an array like any other; its pages are
let go of while it is not worked on, so that they do not count as the process's memory.
"""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from importlib import import_module
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..io.recognise import is_collection, is_file
from ..io.sizes import physical_memory
from .blocks import Blocks
from .floats import Floats, float_of, stored
from .needs import check_needs
from .on_disk import in_file

SHARE = 2  # of the memory; the rest is for segments, and what kernels have at hand
IN_ROOM: ContextVar[bool] = ContextVar("IN_ROOM", default=False)


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
    except ImportError:  # NumPy alone
        return nullcontext()
    folder = tempfile.gettempdir()
    if isinstance(X, Blocks):
        item = (float_of(X.dtype) or X.dtype).itemsize
        check_needs(model, X.shape, item, memory, shutil.disk_usage(folder).free, folder)
    return _within(rooms, memory, folder)


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


@contextmanager
def _within(rooms: Any, memory: float, folder: str) -> Iterator[None]:
    room = rooms.make(int(min(memory / SHARE, 2**62)), folder)
    token, before = IN_ROOM.set(True), rooms.use(room)
    try:
        yield
    except MemoryError as error:
        refused = rooms.state(room)[3]
        if not refused:
            raise
        free = shutil.disk_usage(folder).free
        raise OSError(
            errno.ENOSPC,
            f"of {memory:,.0f} bytes of memory no more are left: an array of {refused:,} takes a scratch "
            f"file, but {free:,} are free there. Give more memory, or set TMPDIR",
            folder,
        ) from error
    finally:
        rooms.use(before)
        rooms.rest(room)
        IN_ROOM.reset(token)
