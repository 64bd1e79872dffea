"""Bounds that spare rows of k-means their search: how near centroids of a group may at least be to a row.

Yinyang k-means (Ding et al. 2015). Before each pass a sample of the rows says what the bounds will spare.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fold.kept import Kept
from ..fold.source import Array, Source
from .passes import UNBOUNDED

# Bounds are kept where looking at those of a row costs less than this share of a search.
WORTH = 0.5
# At most so many groups, of so many centroids or more.
MOST_GROUPS, GROUP = 63, 16
# Rows in the sample; how many centroids may be searched apart, because they went far.
SAMPLE = 256
FAR = (0, 8, 16, 32, 64, 128)


class Bounds:
    """The bounds of the rows of `x`, and the groups of centroids that they are for.

    Parameters
    ----------
    x : Source
    centers : ndarray of shape (k, cols)
        Near ones make up a group.
    labels : ndarray or Kept of shape (rows,)
        Of which those of a sample are looked at before each pass.
    """

    def __init__(self, x: Source, centers: Array, labels: Any) -> None:
        groups = 1 if x.sparse else min(MOST_GROUPS, max(1, len(centers) // GROUP))
        self.lower = x.kept(groups)
        self.order = neighbours(centers, groups)
        self._starts = len(centers) * np.arange(groups) // groups
        self._sizes = np.diff(self._starts, append=len(centers))
        self._sample = np.linspace(0, x.rows - 1, min(x.rows, SAMPLE)).astype(np.intp)
        self._rows = x.some(self._sample).x
        for of_rows in (self.lower, labels):
            if isinstance(of_rows, Kept):
                of_rows.looked = self._sample
        self._sparse = x.sparse
        self._entries = x.entries / max(1, x.rows)
        self._previous: Array | None = None

    @staticmethod
    def look(k: int, entries: float) -> float:
        """What it takes to look at the bounds of a row of `entries` numbers, in searches.

        That is its own distance and scalar work. Measured on Zen 4 in float32, where a search multiplies
        k vectors for every 16 columns.
        """
        return (6 + 2300 / max(1.0, entries)) / k

    @staticmethod
    def turn(entries: float) -> float:
        """What it takes to sort out, pack and settle a row for a search in one group, in centroids."""
        return 8 + 2000 / max(1.0, entries)

    @classmethod
    def worth(cls, k: int, x: Source) -> bool:
        """Whether bounds may pay at all."""
        return cls.look(k, x.entries / max(1, x.rows)) < WORTH

    def plan(self, centers: Array, labels: Any) -> dict[str, Any]:
        """Give order, moved and n_far for the next pass; without moved every row is searched."""
        previous, self._previous = self._previous, centers
        if previous is None:
            return UNBOUNDED | {"order": self.order}
        step = centers.astype(np.float64) - previous
        moved = np.sqrt(np.einsum("ij,ij->i", step, step)) * (1 + 1e-12)
        own = labels[self._sample]
        apart = _distances(self._rows, centers, own)
        costs = [
            (self._searched(moved, n_far, own, apart), n_far)
            for n_far in FAR[: 1 if self._sparse else None]
            if n_far <= len(centers) // 4
        ]
        cost, n_far = min(costs)
        if cost / len(centers) + self.look(len(centers), self._entries) > 1:
            return UNBOUNDED | {"order": self.order}
        return {"order": self.order, "moved": moved, "n_far": n_far}

    def _searched(self, moved: Any, n_far: int, own: Any, apart: Any) -> float:
        """Centroids that a row of the sample is compared with, on average, if `n_far` are searched apart."""
        far = np.zeros(len(moved), bool)
        far[np.argsort(-moved, kind="stable")[:n_far]] = True
        lower = self.lower[self._sample].astype(np.float64)

        def searched_groups(moves: Any) -> Any:
            return lower - np.maximum.reduceat(moves[self.order], self._starts) <= apart[:, None]

        near = searched_groups(np.where(far, 0, moved))
        aside = (searched_groups(moved) & np.logical_or.reduceat(far[self.order], self._starts)).any(axis=1)
        group = np.empty(len(moved), np.intp)
        group[self.order] = np.repeat(np.arange(len(self._starts)), self._sizes)
        searched = near.any(axis=1) | aside
        near[np.flatnonzero(searched), group[own[searched]]] = True
        turn = self.turn(self._entries)
        compared = near @ (self._sizes + turn) + aside * (n_far + turn)
        all_of_them = 2 * near.sum(axis=1) >= len(self._sizes)
        return float(np.mean(np.where(all_of_them & searched, len(moved), np.minimum(compared, len(moved)))))


def _distances(rows: Any, centers: Array, labels: Any) -> Array:
    """Estimate how far a few dense or CSR rows are from the centroids that they are labelled with."""
    own = centers[labels]
    if not hasattr(rows, "indptr"):
        squares = np.square(rows - own).sum(axis=1)
    else:
        of = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        shared = np.bincount(of, rows.data * (rows.data - 2 * own[of, rows.indices]), rows.shape[0])
        squares = shared + np.square(centers).sum(axis=1)[labels]
    return np.sqrt(np.maximum(squares, 0))


def neighbours(centers: Array, groups: int) -> NDArray[np.int64]:
    """Order the centroids so that each of `groups` stretches, as good as equally long, has near ones.

    The stretch is halved along the line through two far apart, again and again.
    """
    order = np.arange(len(centers))
    pending = [(0, groups)]
    while pending:
        begin, end = pending.pop()
        if end - begin < 2:
            continue
        middle = (begin + end) // 2
        first, cut, last = (len(centers) * g // groups for g in (begin, middle, end))
        members = order[first:last]
        points = centers[members].astype(np.float64)
        one = points[np.argmax(np.square(points - points.mean(axis=0)).sum(axis=1))]
        other = points[np.argmax(np.square(points - one).sum(axis=1))]
        along = np.einsum("ij,j->i", points, other - one)
        order[first:last] = members[np.argpartition(along, cut - first - 1)] if cut > first else members
        pending += [(begin, middle), (middle, end)]
    return order
