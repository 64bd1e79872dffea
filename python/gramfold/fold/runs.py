"""Rows drawn at random: in runs from large X in files, where reading a few costs as much as reading many."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def drawn(x: Any, rng: np.random.RandomState, count: int, p: Any, alike: bool) -> NDArray[np.intp]:
    """So many rows drawn with replacement, each as likely as p says; in runs if all are alike."""
    size = run_rows(x) if alike else 1
    if size == 1:
        return rng.choice(x.rows, count, p=p, replace=True)
    runs = rng.randint(0, -(-x.rows // size), -(-count // size))
    return (size * runs[:, None] + np.arange(size)).ravel()[:count] % x.rows
