"""Datasets that lie in chunks: dense ones, and CSR in AnnData's layout."""

from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..fit.sound import read_soundly
from .compressed import sides_of, structure_of
from .place import Place, encoding_of, is_csr, matrices
from .reader import Reader

UNKNOWN_TO_SCIPY = ("float16", "bfloat16")


def reader_at(place: Place) -> Reader:
    """The reader of what is there."""
    found = place.opened
    if hasattr(found, "keys"):
        if is_csr(found):
            return Csr(place)
        if encoding_of(found) == "csc_matrix":
            raise ValueError(f"{place} is CSC, whose rows do not lie together: convert it to CSR")
        raise ValueError(f"{place} is a group, not a matrix; it holds {', '.join(matrices(found))}")
    return Grid(place)


class Grid(Reader):
    """A dense dataset of HDF5 or zarr."""

    def __init__(self, place: Place) -> None:
        data = place.opened
        chunks = getattr(data, "shards", None) or data.chunks or (1,)
        self._place = place
        sides = sides_of(data.shape, str(place)) if len(data.shape) == 2 else data.shape
        super().__init__(str(place), sides, data.dtype, chunk_rows=chunks[0], paths=place.paths)

    def _read(self, start: int, stop: int) -> Any:
        return np.asarray(self._place.opened[start:stop])


class Csr(Reader):
    """A group with data, indices and indptr, of which indptr is held in memory."""

    def __init__(self, place: Place) -> None:
        group = place.opened
        self._place = place
        shape, self._pointers = structure_of(group, str(place))
        dtype = group["data"].dtype
        held_as = np.float32 if dtype.name in UNKNOWN_TO_SCIPY else dtype.newbyteorder("=")
        super().__init__(str(place), shape, held_as, sparse=True, paths=place.paths)
        self.entries = int(self._pointers[-1])
        self._entry_bytes = group["data"].dtype.itemsize + group["indices"].dtype.itemsize

    @property
    def row_bytes(self) -> float:
        return max(1.0, float(self._pointers[-1]) * self._entry_bytes / max(1, self.shape[0]))

    def cuts(self, most: float) -> list[tuple[int, int]]:
        """Segments of about so many entries each, whatever their rows have."""
        entries = self._pointers - self._pointers[0]
        marks = np.arange(most, entries[-1] * self._entry_bytes, most) / self._entry_bytes
        ends = np.unique([0, *np.searchsorted(entries, marks), self.shape[0]])
        return [(int(a), int(b)) for a, b in pairwise(ends)] or [(0, 0)]

    def _read(self, start: int, stop: int) -> Any:
        group, pointers = self._place.opened, self._pointers[start : stop + 1]
        entries = slice(int(pointers[0]), int(pointers[-1]))
        data, indices = np.asarray(group["data"][entries], self.dtype), np.asarray(group["indices"][entries])
        rows = sp.csr_array((data, indices, pointers - pointers[0]), (stop - start, self.shape[1]))
        return read_soundly(rows, str(self._place))
