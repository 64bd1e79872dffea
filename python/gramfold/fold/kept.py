"""The state of rows that stays with the workers that computed it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sums import aligned


class Kept:
    """An array with a row for each row of X, of which each group of segments lies with the worker it is from.

    The first pass that is given it writes it; later ones read it. NumPy's functions get a copy of all of it.
    What is lost with a worker is computed again, from the shared factors of the passes that led there: of the
    last ones by Dask, which knows their tasks, of all by `steps`.

    Parameters
    ----------
    client : distributed.Client
    shape : tuple of int
    dtype : dtype

    Attributes
    ----------
    parts : list of Future
        Of each group what its task gave: a `tasks.Done`; empty until it is written.
    spans : list of slice
        Which rows each group has.
    name : str
        What the pass that wrote it called it.
    step : Step
        How that pass came to it.
    """

    def __init__(self, client: Any, shape: tuple[int, ...], dtype: Any) -> None:
        self.client, self.shape, self.dtype = client, shape, np.dtype(dtype)
        self.parts: list[Any] = []
        self.spans: list[slice] = []
        self.name = ""
        self.step: Any = None

    def is_written(self, parts: list[Any], spans: list[slice], name: str, step: Any) -> None:
        """Say where it lies, and how it came there."""
        self.parts, self.spans, self.name, self.step = parts, spans, name, step

    @property
    def ndim(self) -> int:
        """Two, as a rule."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        if isinstance(key, slice) and key.stop == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)
        return np.asarray(self)[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        found = self.gathered()
        return found if dtype is None else found.astype(dtype, copy=False)

    def gathered(self) -> NDArray[Any]:
        """All rows, in the memory of this process."""
        tasks = [self.client.submit(part_of, part, self.name, pure=False) for part in self.parts]
        found = np.empty(self.shape, self.dtype)
        for at, rows in zip(self.spans, self.client.gather(tasks), strict=True):
            found[at] = rows
        return found


def part_of(done: Any, name: str) -> NDArray[Any]:
    """A group's rows of an array that its task wrote: read alone."""
    rows: NDArray[Any] = aligned(done.kept[name])
    return rows
