"""X cut into two halves of its rows and two of its columns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.blocks import blocks
from ..fit.floats import Floats
from ..fit.inputs import read_rows
from ..fold.runs import permuted
from ..fold.segments import source_of
from ..fold.source import Source
from ..io.matrix import stacked
from ..io.sizes import SEGMENT, SHARE

Index = NDArray[np.intp]


class Quarter:
    """Some rows and columns of a source that does not lie in memory, as `blocks` takes them."""

    def __init__(self, x: Source, rows: Index, cols: Index) -> None:
        self.x, self.rows, self.cols = x, rows, cols
        self.shape, self.dtype = (len(rows), len(cols)), x.dtype

    def __getitem__(self, at: slice) -> Any:
        chosen = self.x.some(self.rows[at], once=True).x[:, self.cols]
        return np.ascontiguousarray(chosen) if isinstance(chosen, np.ndarray | Floats) else chosen

    def whole(self) -> Any:
        """All of it in memory."""
        step = max(1, int(SEGMENT * self.x.rows / max(1, self.x.entries * self.dtype.itemsize)))
        parts = [self[slice(a, a + step)] for a in range(0, len(self.rows), step)]
        return stacked(parts)


class Quarters:
    """The four parts of X that two halves of its rows and of its columns make.

    Parameters
    ----------
    X : array, CSR matrix or Blocks
    rng : RandomState
        Draws the halves; of X in files, rows that lie together stay together.
    n_threads : int

    Notes
    -----
    Parts are copies in memory, as long as X is there or they take little; else they are read from the files.
    """

    def __init__(self, X: Any, rng: np.random.RandomState, n_threads: int) -> None:
        x = source_of(X, n_threads)
        rows, cols = permuted(x, rng), rng.permutation(x.cols)
        self.rows, self.cols = (
            [np.sort(half) for half in (order[: len(order) // 2], order[len(order) // 2 :])]
            for order in (rows, cols)
        )
        self.n_threads = n_threads
        held = x.held and not x.flat
        few = x.entries * x.dtype.itemsize <= SHARE * SEGMENT
        self._parts = [
            [part.whole() if held or few else blocks(part) for part in (Quarter(x, r, c) for c in self.cols)]
            for r in self.rows
        ]

    def folds(self) -> list[tuple[Any, Any, Any, Any]]:
        """Each part A once, with B of its rows, C of its columns, and D of neither."""
        part = self._parts
        return [
            (part[i][j], part[i][1 - j], part[1 - i][j], part[1 - i][1 - j]) for i in (0, 1) for j in (0, 1)
        ]

    def source(self, part: Any) -> Source:
        """A part as passes take it."""
        return source_of(read_rows(part, segments=True), self.n_threads)
