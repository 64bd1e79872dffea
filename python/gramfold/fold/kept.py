"""The state of rows that stays with the workers that computed it."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..extras import require
from .given import Blank, Given
from .sums import aligned

TRIES = 5


class Lost(Exception):
    """Of what was kept."""


def lost_with_workers() -> tuple[type[BaseException], ...]:
    """What is raised where workers have ended, with what they kept or while they were sent something."""
    distributed = require("distributed", extra="dask")
    return distributed.CancelledError, distributed.comm.CommClosedError, Lost


class Kept:
    """An array with a row for each row of X, of which each group of segments lies with the worker it is from.

    The first pass that is given it writes it; later ones read it, or write it anew. NumPy's functions get a
    copy of all of it. What is lost with a worker is computed again, from the shared factors of the passes
    that led there: of the last ones by Dask, which knows their tasks, of all by `steps`.

    Parameters
    ----------
    client : distributed.Client
    shape : tuple of int
    dtype : dtype
    start : number or ndarray, optional
        What the first pass finds in it; by default anything.

    Attributes
    ----------
    parts : list of Future
        Of each group what its task gave: a `tasks.Done`; empty until it is written.
    spans : list of slice
        Which rows each group has.
    name : str
        What the pass that wrote it called it.
    column : int or None
        Which column of that this is; None is all.
    step : Step
        How that pass came to it.
    looked : ndarray of indices, or None
        Rows that this process has, of each pass that writes: in `seen`.
    """

    def __init__(self, client: Any, shape: tuple[int, ...], dtype: Any, start: Any = None) -> None:
        self.client, self.shape, self.dtype = client, shape, np.dtype(dtype)
        self.start = Given(client, start) if isinstance(start, np.ndarray) else start
        self.parts: list[Any] = []
        self.spans: list[slice] = []
        self.name = ""
        self.column: int | None = None
        self.step: Any = None
        self.looked: NDArray[np.intp] | None = None
        self.seen: Any = None
        self._mend: Callable[[Kept], None] | None = None

    def is_written(
        self, parts: list[Any], spans: list[slice], name: str, step: Any, mend: Callable[["Kept"], None]
    ) -> None:  # fmt: skip
        """Say where it lies, how it came there, and who computes again what is lost."""
        self.parts, self.spans, self.name, self.step, self._mend = parts, spans, name, step, mend

    def of(self, i: int, rows: slice) -> Any:
        """What the task of a group is given of it."""
        if self.parts:
            return self.parts[i], self.name, self.column
        if isinstance(self.start, Given):
            return self.start.parts[i]
        return Blank(self.shape, self.dtype, self.start).of(rows)

    @property
    def ndim(self) -> int:
        """Two, as a rule."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many entries there are."""
        return int(np.prod(self.shape, dtype=int))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Rows; of ``[:, j]`` a column, which stays where it is."""
        if isinstance(key, tuple) and len(key) == 2 and key[0] == slice(None):
            found = copy.copy(self)
            found.shape, found.column = self.shape[:1], int(key[1])
            return found
        if isinstance(key, slice) and key.stop == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)
        if self.seen is not None and key is self.looked:
            return self.seen
        index = np.asarray(key) if isinstance(key, int | np.integer | np.ndarray) else np.empty(0)
        if index.dtype.kind == "i" and self.parts:
            return self._some(index)
        return np.asarray(self)[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        found = self.gathered()
        return found if dtype is None else found.astype(dtype, copy=False)

    def gathered(self) -> NDArray[Any]:
        """All rows, in the memory of this process."""
        if not self.parts:
            return Blank(self.shape, self.dtype, getattr(self.start, "rows", self.start)).made()
        found = np.empty(self.shape, self.dtype)
        parts = self._asked(dict.fromkeys(range(len(self.parts))))
        for at, rows in zip(self.spans, parts, strict=True):
            found[at] = rows
        return found

    def _some(self, index: NDArray[Any]) -> NDArray[Any]:
        """Some rows, by their numbers."""
        flat = index.ravel()
        which = np.searchsorted([at.stop for at in self.spans], flat, side="right")
        groups = [int(i) for i in np.unique(which)]
        parts = self._asked({i: flat[which == i] - self.spans[i].start for i in groups})
        found = np.empty((len(flat), *self.shape[1:]), self.dtype)
        for i, rows in zip(groups, parts, strict=True):
            found[which == i] = rows
        return found.reshape((*index.shape, *self.shape[1:]))

    def _asked(self, of: dict[int, Any]) -> list[Any]:
        """Some rows of some groups, None for all; what was lost is computed again first."""
        for left in reversed(range(TRIES)):
            try:
                if left < TRIES - 1 and self._mend is not None:
                    self._mend(self)
                parts, count = [self.parts[i] for i in of], len(of)
                names, columns = [self.name] * count, [self.column] * count
                tasks = self.client.map(part_of, parts, names, columns, list(of.values()), pure=False)
                return list(self.client.gather(tasks))
            except lost_with_workers():
                if not left or self._mend is None:
                    raise
        return []


def part_of(done: Any, name: str, column: int | None = None, rows: Any = None) -> NDArray[Any]:
    """A group's rows of an array that its task wrote, or some of them: read alone."""
    found = done.kept[name] if column is None else np.ascontiguousarray(done.kept[name][:, column])
    return aligned(found if rows is None else found[rows])
