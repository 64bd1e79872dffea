"""Files without a name, for what is beyond the memory that a fit may take; nothing of them is left behind."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .on_disk import OnDisk, OpenFile

Array = NDArray[Any]


def scratch(size: int, what: str) -> int:
    """Open a file of so many bytes that no folder names; its descriptor.

    Parameters
    ----------
    size : int
    what : str
        What is to lie there, for messages.

    Raises
    ------
    OSError
        If there is no room for it, with the numbers.
    """
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if size > free:
        raise _full(what, size, free, folder)
    descriptor, path = tempfile.mkstemp(prefix="gramfold-", dir=folder)
    try:
        os.unlink(path)
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.truncate(descriptor, size)
    except OSError as error:
        os.close(descriptor)
        if error.errno == errno.ENOSPC:
            raise _full(what, size, free, folder) from error
        raise
    return descriptor


def _full(what: str, size: int, free: int, folder: str) -> OSError:
    said = f"{what} takes a scratch file of {size:,} bytes, but {free:,} are free there: set TMPDIR"
    return OSError(errno.ENOSPC, said, folder)


class ScratchFile(OpenFile):
    """A scratch file that was written, to be read."""

    def __init__(self, descriptor: int) -> None:
        self._open(descriptor, os.path.join(tempfile.gettempdir(), "a scratch file"))


def across(blocks: Iterable[tuple[slice, Array]], rows: int, cols: int, dtype: Any) -> Any:
    """X' in a scratch file, its rows one after the other, of blocks of X's rows and which they are.

    Parameters
    ----------
    blocks : iterable of (slice, ndarray)
    rows, cols : int
        Of X.
    dtype : dtype
        As stored.
    """
    item = np.dtype(dtype).itemsize
    descriptor = scratch(rows * cols * item, f"X of shape {(rows, cols)}, transposed,")
    for at, some in blocks:
        for column, values in enumerate(np.ascontiguousarray(some.T)):
            _write(descriptor, values.view(np.uint8), (column * rows + at.start) * item)
    file = ScratchFile(descriptor)
    found: Any = np.ndarray.__new__(OnDisk, (cols, rows), dtype, file.map, 0)
    found.gramfold_file = file
    return found


def _write(descriptor: int, values: Array, at: int) -> None:
    done = 0
    while done < len(values):
        done += os.pwrite(descriptor, values[done:].data, at + done)
