"""Arrays with a row for each row of X: in this process, or with the workers that run the passes over X."""

from typing import Any

import numpy as np

from . import cluster
from .given import Drawn, DrawnFor, Given
from .groups import grouped
from .kept import Kept


class OfRows:
    """What has rows, and makes room for what belongs to them."""

    rows: int
    dtype: Any

    @property
    def spans(self) -> list[slice]:
        """Which rows each segment has."""
        return [slice(0, self.rows)]

    @property
    def client(self) -> Any:
        """The client of the workers that run passes; None is this process."""
        return None

    def room(self, cols: int, spare: list[Any]) -> Any:
        """An array of so many columns that a pass is to write: one that is spare, or a new one.

        Where passes are run by workers, one that stays with these.
        """
        if self.client is None:
            return spare.pop() if spare else np.empty((self.rows, cols), self.dtype)
        spare.clear()  # what was written there is let go of
        return self.kept(cols)

    def kept(self, *shape: int, dtype: Any = None, start: Any = None) -> Any:
        """An array of shape (rows, ...) that passes write: where workers run them, it stays with these.

        Parameters
        ----------
        shape : int
            But for the rows.
        dtype : dtype, optional
            That of X by default.
        start : number or ndarray, optional
            What it begins with; an array is taken as it is. By default anything.
        """
        dtype = self.dtype if dtype is None else dtype
        if isinstance(start, Kept):
            return start
        if isinstance(start, np.ndarray):
            return start if self.client is None else Kept(self.client, start.shape, start.dtype, start)
        if self.client is not None:
            return Kept(self.client, (self.rows, *shape), dtype, start)
        found = np.empty((self.rows, *shape), dtype)
        if start is not None:
            found[...] = start
        return found

    def given(self, rows: Any) -> Any:
        """An array as a pass is given it that only reads it; it may change between passes."""
        sent = self.client is not None and isinstance(rows, np.ndarray)
        return Given(self.client, rows) if sent else rows

    def drawn(self, rng: np.random.RandomState, draw: str, *shape: int) -> Any:
        """Random numbers of shape (rows, ...), by a method of `rng`; on a cluster its workers draw them."""
        if self.client is None:
            return getattr(rng, draw)(size=(self.rows, *shape))
        return Drawn(rng, draw, (self.rows, *shape), self._spans_of_tasks)

    def draws(self, rng: np.random.RandomState, draw: str, *shape: int) -> Any:
        """The same numbers, of which a pass draws some rows' at a time; see `given.Draw`."""
        by_tasks = cluster.goes_to(getattr(self, "parts", None))[0]
        spans = self._spans_of_tasks if by_tasks else self.spans
        found = Drawn(rng, draw, (self.rows, *shape), spans, by_blocks=True)
        return found if by_tasks or len(spans) > 1 else found.of(0)

    def drawn_for(self, rng: np.random.RandomState, draw: str, counts: list[int]) -> DrawnFor:
        """Random numbers that workers draw: so many for each segment, of which a pass is given a `Draw`."""
        return DrawnFor(rng, draw, counts, self.spans, self._spans_of_tasks)

    @property
    def _spans_of_tasks(self) -> list[slice]:
        threads = cluster.Cluster(self.client).threads
        groups = grouped(self.parts, self.client, threads)  # type: ignore[attr-defined]
        return [group.rows for group in groups]
