"""Rows drawn at random: in runs from large X in files, where reading a few costs as much as reading many."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .source import Source

LARGE = 1 << 30  # bytes of X: less stays in the system's cache
RUN = 1 << 18  # bytes of a run
SEGMENT_RUN = 1 << 22  # the same of segments, whose chunks are decompressed whole


def run_rows(x: Any) -> int:
    """How many rows that follow each other are drawn together."""
    if x.held and not x.flat:
        return 1
    row = max(1, x.entries * x.dtype.itemsize // max(1, x.rows))
    return 1 if row * x.rows <= LARGE else max(1, (RUN if x.held else SEGMENT_RUN) // row)


def permuted(x: Any, rng: np.random.RandomState) -> NDArray[np.intp]:
    """All rows, runs of them in random order."""
    size = run_rows(x)
    if size == 1:
        return rng.permutation(x.rows)
    rows = (size * rng.permutation(-(-x.rows // size))[:, None] + np.arange(size)).ravel()
    return rows[rows < x.rows]


class Draws:
    """Rows drawn with replacement time after time, each as likely as p says; in runs if all are `alike`.

    What `choice` of a generator makes of p it makes in every call, of as many numbers as X has rows.
    """

    def __init__(self, x: Any, p: NDArray[np.float64], *, alike: bool) -> None:
        self.x, self.rows, self.size = x, x.rows, run_rows(x) if alike else 1
        in_array = type(x) is Source and isinstance(x.x, np.ndarray)
        self._room = np.empty((0, x.cols), x.dtype) if in_array else None
        if self.size == 1:
            self.up_to = p.cumsum()
            self.up_to /= self.up_to[-1]

    def __call__(self, rng: np.random.RandomState, count: int) -> NDArray[np.intp]:
        """So many rows: without runs those of rng.choice(rows, count, p=p)."""
        if self.size == 1:
            return self.up_to.searchsorted(rng.random_sample(count), side="right")
        runs = rng.randint(0, -(-self.rows // self.size), -(-count // self.size))
        return (self.size * runs[:, None] + np.arange(self.size)).ravel()[:count] % self.rows

    def batch(self, rng: np.random.RandomState, count: int) -> Any:
        """So many rows as a source, until the next batch: rows of an array take the place of the last ones.

        Pages of fresh memory cost more than the rows that are copied to them.
        """
        rows = self(rng, count)
        if self._room is None:
            return self.x.some(rows)
        if len(self._room) < count:
            self._room = np.empty((count, self._room.shape[1]), self._room.dtype)
        # "clip" writes in place; no row needs it
        return type(self.x)(
            self.x.x.take(rows, axis=0, out=self._room[:count], mode="clip"), self.x.n_threads
        )
