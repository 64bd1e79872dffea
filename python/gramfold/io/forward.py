"""Rows that come one block after the other, from the first on."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .matrix import as_rows, stacked
from .reader import Reader


class Forward(Reader):
    """Rows of blocks that are read in their order; what lies behind is begun anew.

    A format overrides `_begin`, and where it applies `_unit` and `_filled`.
    """

    forward = True
    _blocks: Iterator[Any] | None = None
    _row: int = 0
    _rest: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_blocks": None}

    def _unit(self, row: int) -> int:
        """The last row, at most `row`, that blocks can begin with."""
        return 0

    def _begin(self, unit: int) -> Iterator[Any]:
        """Blocks from such a row on."""
        raise NotImplementedError

    def _length(self, block: Any) -> int:
        """How many rows a block has."""
        return int(block.shape[0])

    def _filled(self, pieces: Iterator[Any], rows: int) -> Any:
        """Blocks and slices of them as so many rows."""
        return stacked(list(map(as_rows, pieces)) or [self.empty])

    def _read(self, start: int, stop: int) -> Any:
        try:
            return self._filled(self._pieces(start, stop), stop - start)
        except BaseException:
            self._blocks = None
            raise

    def _pieces(self, start: int, stop: int) -> Iterator[Any]:
        """Blocks and slices of them that make up some rows."""
        unit = self._unit(start)
        if self._blocks is None or start < self._row or unit > self._row:
            self._blocks, self._row, self._rest = self._begin(unit), unit, None
        while self._row < stop:
            block = next(self._blocks, None) if self._rest is None else self._rest
            if block is None:
                raise ValueError(f"it ends after {self._row} rows, but {self.shape[0]} were counted")
            end = self._row + self._length(block)
            some = block[max(0, start - self._row) : min(end, stop) - self._row]
            self._rest = None if end <= stop else block[stop - self._row :]
            self._row = min(end, stop)
            if self._length(some):
                yield some
        if stop == self.shape[0] and (self._rest is not None or next(self._blocks, None) is not None):
            raise ValueError(f"it gives more rows than the {self.shape[0]} that were counted")

    def rows(self, index: NDArray[np.intp]) -> Any:
        """Some rows, in the order of `index`, in one go from the first to the last."""
        rising, back = np.unique(index, return_inverse=True)
        near = np.flatnonzero(np.diff(rising) > 1) + 1
        found = [self.read(int(run[0]), int(run[-1]) + 1) for run in np.split(rising, near) if len(run)]
        return stacked(found or [self.empty])[back]


class Calls(Forward):
    """What a callable gives: a fresh iterator of blocks each time.

    Parameters
    ----------
    make : callable
        Called once here, to count rows and the entries of sparse ones.
    """

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self._make = make
        name = f"the blocks of {getattr(make, '__qualname__', type(make).__name__)}"
        first, rows, entries = None, 0, 0
        for i, given in enumerate(self._fresh()):
            block = as_rows(given)
            first = _fitting(block, first, i, name)
            rows += block.shape[0]
            entries += 0 if isinstance(block, np.ndarray) else int(block.nnz)
        if first is None:
            raise ValueError(f"{name}: there is none")
        sparse = not isinstance(first, np.ndarray)
        super().__init__(name, (rows, first.shape[1]), first.dtype, sparse=sparse)
        self.entries = entries if sparse else None

    def _fresh(self) -> Iterator[Any]:
        made = self._make()
        if not hasattr(made, "__iter__"):
            raise ValueError(f"a callable must give an iterator of blocks, got {type(made).__name__}")
        return iter(made)

    def _begin(self, unit: int) -> Iterator[Any]:
        return map(as_rows, self._fresh())


def _fitting(block: Any, first: Any, i: int, name: str) -> Any:
    """The rows that all others are to be like, without what they hold."""
    if block.ndim != 2:
        raise ValueError(f"block {i} of {name} must have two dimensions, got {block.ndim}")
    if first is None:
        return block[:0].copy()
    if type(block) is not type(first) or block.shape[1] != first.shape[1] or block.dtype != first.dtype:
        raise ValueError(f"block {i} of {name} is {_said(block)}, but block 0 {_said(first)}")
    return first


def _said(block: Any) -> str:
    kind = "dense" if isinstance(block, np.ndarray) else "sparse"
    return f"{kind} {block.dtype} of {block.shape[1]} columns"
