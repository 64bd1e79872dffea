"""Files without a name, for what is beyond the memory that a fit may take; nothing of them is left behind."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..io.sizes import index_for
from .floats import csr_on_disk
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
            write_at(descriptor, values.view(np.uint8), (column * rows + at.start) * item)
    return array_of(descriptor, dtype, (cols, rows))


def rows_in_scratch(parts: Iterable[Any], what: str) -> Any:
    """Rows in a scratch file, of arrays or CSR matrices that have some of them each, one after the other.

    Raises
    ------
    OSError
        If there is no room for them, with the numbers.
    """
    data, columns, pointers, rows = Growing(what), Growing(what), [np.zeros(1, np.int64)], 0
    for part in parts:
        rows, cols, dtype, sparse = rows + part.shape[0], part.shape[1], part.dtype, sp.issparse(part)
        data.append(part.data if sparse else part)
        if sparse:
            narrow = index_for(cols)
            columns.append(part.indices.astype(narrow, copy=False))
            pointers.append(pointers[-1][-1] + part.indptr[1:].astype(np.int64))
    if not sparse:
        return data.array(dtype, (rows, cols))
    starts = np.concatenate(pointers)
    if not starts[-1]:
        return sp.csr_array((rows, cols), dtype=dtype)
    size = (int(starts[-1]),)
    found = csr_on_disk(data.array(dtype, size), columns.array(narrow, size), starts, (rows, cols))
    found.gramfold_sound = True  # as the parts are
    return found


class Growing:
    """A scratch file to which arrays are written one behind the other.

    Attributes
    ----------
    size : int
        Its bytes.
    """

    descriptor = -1

    def __init__(self, what: str) -> None:
        self.what, self.size = what, 0
        self.descriptor = scratch(0, what)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def append(self, values: Array) -> None:
        """Write an array behind the others."""
        some = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        try:
            if some.size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self.descriptor, self.size, some.size)
        except OSError as error:
            folder = tempfile.gettempdir()
            if error.errno == errno.ENOSPC:
                free = shutil.disk_usage(folder).free
                raise _full(self.what, self.size + some.size, free, folder) from error
            raise
        write_at(self.descriptor, some, self.size)
        self.size += some.size

    def array(self, dtype: Any, shape: tuple[int, ...]) -> Array:
        """What was written as an array."""
        if not self.size:
            return np.empty(shape, dtype)
        descriptor, self.descriptor = self.descriptor, -1
        return array_of(descriptor, dtype, shape)


def array_of(descriptor: int, dtype: Any, shape: tuple[int, ...]) -> Array:
    """What was written to a scratch file as an array, which closes it."""
    file = ScratchFile(descriptor)
    found: Any = np.ndarray.__new__(OnDisk, shape, dtype, file.map, 0)
    found.gramfold_file = file
    return np.asanyarray(found)


def write_at(descriptor: int, values: Array, at: int) -> None:
    """Write bytes from byte `at` on."""
    done = 0
    while done < len(values):
        done += os.pwrite(descriptor, values[done:].data, at + done)
