"""X' of CSR that does not lie in memory: in scratch files, sorted by columns of X a group at a time."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..io.sizes import index_for
from .floats import csr_on_disk
from .scratch import array_of, scratch, write_at

Array = NDArray[Any]

TOGETHER = 1 << 20  # entries that are sorted together; one column may have more


class _Items:
    """A scratch file of so many items of one dtype."""

    def __init__(self, size: int, dtype: Any, what: str) -> None:
        self.size, self.dtype = size, np.dtype(dtype)
        self.descriptor = scratch(size * self.dtype.itemsize, what)

    def __del__(self) -> None:
        if getattr(self, "descriptor", -1) >= 0:
            os.close(self.descriptor)

    def write(self, at: int, values: Array) -> None:
        write_at(
            self.descriptor, np.ascontiguousarray(values, self.dtype).view(np.uint8), at * self.dtype.itemsize
        )

    def read(self, at: int, behind: int) -> Array:
        raw, done = np.empty((behind - at) * self.dtype.itemsize, np.uint8), 0
        while done < len(raw):
            got = os.preadv(self.descriptor, [raw[done:].data], at * self.dtype.itemsize + done)
            if not got:
                raise OSError(f"a scratch file ends at byte {at * self.dtype.itemsize + done:,}")
            done += got
        return raw.view(self.dtype)

    def array(self) -> Array:
        """All of it, which closes this."""
        descriptor, self.descriptor = self.descriptor, -1
        return array_of(descriptor, self.dtype, (self.size,))


def csr_across(parts: Callable[[], Iterable[Any]], shape: tuple[int, int], dtype: Any) -> Any:
    """X' of CSR matrices that have some rows of X each, one after the other; columns in rising order.

    They are read twice: to count what each column has, and to write it where its group of columns lies.

    Parameters
    ----------
    parts : callable
        Gives them anew.
    shape : tuple of int
        Of X.
    dtype : dtype
        Of its floats.

    Raises
    ------
    OSError
        If there is no room for the copy, with the numbers.
    """
    rows, cols = shape
    starts = np.zeros(cols + 1, np.int64)
    for part in parts():
        starts[1:] += np.bincount(part.indices, minlength=cols)
    np.cumsum(starts, out=starts)
    size = int(starts[-1])
    if not size:
        return sp.csr_array((cols, rows), dtype=dtype)
    what = f"X of shape {shape}, transposed,"
    data, places = _Items(size, dtype, what), _Items(size, index_for(rows), what)
    own = _Items(size, index_for(cols), what)  # which column an entry is of, until its group is sorted
    edges = np.searchsorted(starts, np.arange(0, size, TOGETHER), side="right") - 1
    edges = np.unique([*edges, 0, cols])
    at, first = starts[edges[:-1]].copy(), 0

    def write(part: Any) -> None:  # of which nothing is held when the next one is read
        turned = part.tocsc()
        ends = turned.indptr[edges].astype(np.int64)
        columns = np.repeat(np.arange(cols, dtype=own.dtype), np.diff(turned.indptr))
        for group in np.flatnonzero(np.diff(ends)):
            some = slice(int(ends[group]), int(ends[group + 1]))
            data.write(int(at[group]), turned.data[some])
            places.write(int(at[group]), turned.indices[some].astype(np.int64) + first)
            own.write(int(at[group]), columns[some])
            at[group] += some.stop - some.start

    for part in parts():
        write(part)
        first += part.shape[0]
    for begin, behind in zip(starts[edges[:-1]], starts[edges[1:]], strict=True):
        order = np.argsort(own.read(begin, behind), kind="stable")
        for items in (data, places):
            items.write(int(begin), items.read(begin, behind)[order])
    found = csr_on_disk(data.array(), places.array(), starts, (cols, rows))
    found.gramfold_sound = True  # as X is
    return found
