"""Writing .npy files row block by row block: whole, or not at all."""

import errno
import os
import shutil
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..keep.atomic import in_place_of


def write_npy(path: str, blocks: Iterable[NDArray[Any]], rows: int, name: str, behind: bytes = b"") -> None:
    """Write blocks of rows under another name, and give the file its own when it is whole.

    Parameters
    ----------
    path : str
        What is there stays until then.
    blocks : iterable of ndarray
        At least one; all of one dtype and of as many columns, together of so many `rows`.
    rows : int
    name : str
        What messages call `path`.
    behind : bytes
        What follows the numbers.

    Raises
    ------
    OSError
        If there is no room, or the file cannot be written.
    """
    written, first = 0, True
    with in_place_of(path) as file:
        for some in blocks:
            if first:
                shape, first = (rows, *some.shape[1:]), False
                check_room(path, int(np.prod(shape)) * some.dtype.itemsize, name)
                described = np.lib.format.dtype_to_descr(some.dtype)
                header = {"descr": described, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_2_0(file, header)
            file.write(np.ascontiguousarray(some).data)
            written += len(some)
        if written != rows:
            raise ValueError(f"{name}={path!r} was to get {rows} rows, but there were {written}")
        file.write(behind)


def check_room(path: str, needed: int, name: str) -> None:
    """Refuse to begin a file of so many bytes for which its disk has no room."""
    free = shutil.disk_usage(os.path.dirname(os.path.abspath(path))).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{name}={path!r} takes {needed:,} bytes, but {free:,} are free")
