"""What workers are given of rows beside X: arguments that stay as they are, empty arrays, random numbers."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.partitions import sealed

DRAWN = 1 << 20  # numbers that are drawn at a time where only the generator is wanted


class Given:
    """Rows of an argument, such as weights, which no pass changes: they go to the workers once.

    Parameters
    ----------
    client : distributed.Client or None
        Without, tasks are given the rows themselves.
    rows : ndarray or CSR matrix
    base : int
        Which of them belongs to the first row of X.

    Attributes
    ----------
    parts : list of Future
        Those of each group, once they are sent.
    """

    def __init__(self, client: Any, rows: Any, base: int = 0) -> None:
        self.client, self.rows, self.base = client, rows, base
        self.spans: list[slice] = []
        self.parts: list[Any] = []

    def send(self, spans: list[slice] | None = None) -> None:
        """Send the workers what they do not have, or not any more, of the groups of the first call."""
        if not self.parts:
            self.spans, self.parts = spans or [], [None] * len(spans or [])
        wanted = [i for i, part in enumerate(self.parts) if part is None or is_lost(part)]
        rows = [self._of(self.spans[i]) for i in wanted]
        sent = self.client.scatter(rows, hash=False) if self.client is not None and rows else rows
        for i, part in zip(wanted, sent, strict=True):
            self.parts[i] = part

    def _of(self, at: slice) -> "Packed":
        return Packed(self.rows[at.start + self.base : at.stop + self.base])


def is_lost(part: Any) -> bool:
    """Whether what a future stands for has to be made again."""
    return getattr(part, "status", "finished") not in ("finished", "pending")


class Packed:
    """Rows that are read alone; they arrive aligned, as kernels ask."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __sizeof__(self) -> int:
        """So that Dask knows what it would have to move."""
        return int(getattr(self.rows, "nbytes", 0) or self.rows.data.nbytes)

    __reduce__ = sealed


class Blank:
    """An array that a pass is to write, and what is in it before."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, start: Any = None) -> None:
        self.shape, self.dtype, self.start = shape, dtype, start

    def of(self, rows: slice) -> "Blank":
        """That of some rows."""
        return Blank((rows.stop - rows.start, *self.shape[1:]), self.dtype, self.start)

    def made(self) -> NDArray[Any]:
        """The array."""
        found = np.empty(self.shape, self.dtype)
        if self.start is not None:
            found[...] = self.start
        return found


class Drawn:
    """An array of random numbers with a row for each row of X: each group's are drawn by its task.

    The numbers are those of one draw of all. Here they are drawn too, for where the generator is at the first
    row of each group, and forgotten.

    Parameters
    ----------
    rng : RandomState
        Is left as by one draw of all.
    draw : str
        The name of its method.
    shape : tuple of int
    spans : list of slice
        Which rows each group has.
    """

    def __init__(
        self, rng: np.random.RandomState, draw: str, shape: tuple[int, ...], spans: list[slice]
    ) -> None:  # fmt: skip
        self.draw, self.shape, self.spans = draw, shape, spans
        self.generators = []
        width = int(np.prod(shape[1:], dtype=int))
        for at in spans:
            self.generators.append(copy.deepcopy(rng))
            left = (at.stop - at.start) * width
            while left:
                left -= len(getattr(rng, draw)(size=min(left, DRAWN)))

    def of(self, i: int) -> "Draw":
        """What the task of a group draws."""
        at = self.spans[i]
        return Draw(self.generators[i], self.draw, (at.stop - at.start, *self.shape[1:]))


class Draw:
    """Random numbers that are yet to be drawn."""

    def __init__(self, generator: np.random.RandomState, draw: str, shape: tuple[int, ...]) -> None:
        self.generator, self.draw, self.shape = generator, draw, shape

    def made(self) -> NDArray[Any]:
        """The numbers; the same ones each time."""
        drawn: NDArray[Any] = getattr(copy.deepcopy(self.generator), self.draw)(size=self.shape)
        return drawn
