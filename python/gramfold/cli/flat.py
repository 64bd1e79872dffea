"""Rows of a flat file in segments: to compute in another dtype, or on other machines."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..fit.blocks import Blocks
from ..fit.on_disk import in_file, loaded
from ..io.parts import Parts, Piece
from ..io.reader import Reader
from ..io.sizes import SEGMENT, SHARE, memory_bytes


class Flat(Reader):
    """An array or CSR matrix in a file, of which some rows are read at a time."""

    def __init__(self, place: str, rows: Any, dtype: Any) -> None:
        self._held = rows
        paths = [place.partition("::")[0]]
        super().__init__(f"{place} as {dtype}", rows.shape, dtype, sparse=sp.issparse(rows), paths=paths)

    def _read(self, start: int, stop: int) -> Any:
        rows = self._held[start:stop]
        if self.sparse:
            parts = (loaded(rows.data), loaded(rows.indices), rows.indptr)
            rows = sp.csr_array(parts, shape=rows.shape)
        return rows.astype(self.dtype)


def lies_flat(X: Any) -> bool:
    """Whether X is an array or CSR matrix in a file."""
    if sp.issparse(X):
        return in_file(getattr(X, "places", None))
    return isinstance(X, np.ndarray) and in_file(X)


def in_segments(place: str, rows: Any, dtype: Any, memory: str | None = None) -> Blocks:
    """Rows of a file as Blocks of a dtype that are read when a pass comes to them."""
    reader = Flat(place, rows, np.dtype(dtype))
    size = min(SEGMENT, memory_bytes(memory) / SHARE)
    return Blocks(Parts([Piece(reader, first, last) for first, last in reader.cuts(size)]))
