"""What the parts of a CSR matrix in a file must be before anything is done with them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sizes import physical_memory


def sides_of(shape: Any, name: str) -> tuple[int, int]:
    """The numbers of rows and columns.

    Raises
    ------
    ValueError
        If these are none.
    """
    given = np.asarray(shape)
    if given.shape != (2,) or given.dtype.kind not in "iu" or (given < 0).any() or (given > 2**62).any():
        raise ValueError(f"{name}: shape must be two whole numbers of at least 0, got {str(shape)[:80]}")
    if 8 * int(given.max()) > physical_memory():
        raise ValueError(
            f"{name} says that it is of shape {given.tolist()}, which no model of this machine holds"
        )
    return int(given[0]), int(given[1])


def pointers_of(indptr: Any, rows: int, entries: int, name: str) -> NDArray[np.int64]:
    """Where the entries of each row begin.

    Raises
    ------
    ValueError
        If that is not so, or leads beyond the entries.
    """
    given = np.asarray(indptr)
    if given.dtype.kind not in "iu" or given.ndim != 1 or len(given) != rows + 1:
        raise ValueError(
            f"{name}: indptr must be {rows + 1} whole numbers, got {given.dtype} of {given.shape}"
        )
    starts = given.astype(np.int64)
    if starts[0] != 0 or np.any(starts[1:] < starts[:-1]):
        raise ValueError(f"{name}: indptr must rise from 0")
    if starts[-1] > entries:
        raise ValueError(f"{name}: indptr ends at {starts[-1]}, but there are {entries} data")
    return starts


def structure_of(group: Any, name: str) -> tuple[tuple[int, int], NDArray[np.int64]]:
    """The sides of the matrix of a group in AnnData's layout, and where its rows begin.

    Raises
    ------
    ValueError
        If it lacks a part, or they do not fit together.
    """
    try:
        data, indices = (tuple(group[part].shape) for part in ("data", "indices"))
        shape, indptr = group.attrs["shape"], group["indptr"]
        starts = indptr[:] if len(indptr.shape) == 1 else indptr
    except MemoryError:
        raise
    except Exception as error:  # a part that is not there, or is damaged
        raise ValueError(f"{name} is no CSR matrix: {error}") from error
    if data != indices or len(data) != 1:
        raise ValueError(f"{name}: data and indices must be of one length, got {data} and {indices}")
    sides = sides_of(shape, name)
    return sides, pointers_of(starts, sides[0], data[0], name)
