"""Bounds that spare rows of k-means their search: how near centroids of a group may at least be to a row.

Yinyang k-means (Ding et al. 2015). Before each pass a sample of the rows says what the bounds will spare.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fold.kept import Kept
from ..fold.source import Array, Source
from .passes import UNBOUNDED

# No bounds for so few bytes of centroids, which all rows are compared with in lanes; nor for so little work.
FEW, WORK = 1024, 1 << 18
# Rows that may go are searched at once where a look at their own centroid costs more than this share of that:
# then bounds are always worth it. Else the sample is asked, from so much work on.
LOOK, ASK = 0.5, 1 << 22
# At most so many groups; while these are enough, of so many centroids at most.
MOST_GROUPS, GROUP = 63, 16
# Rows in the sample; how many centroids may be searched apart, because they went far.
SAMPLE = 256
FAR = (0, 8, 16, 32, 64, 128)
STATE = ("lower", "upper", "order", "centers")
# The largest whole number of a byte. Products of bytes take so many numbers of centroids, and columns,
# see cpp/kmeans/coarse.hpp. Looser bounds may ask for so much more of searches that cost half.
BYTE, BYTES, LONG, LOOSE = 127, 1 << 18, 256, 1.5


class Bounds:
    """The bounds of the rows of `x`, and the groups of centroids that they are for.

    Parameters
    ----------
    x : Source
    centers : ndarray of shape (k, cols)
        Near ones make up a group.
    labels : ndarray or Kept of shape (rows,)
        Of which those of a sample are looked at before each pass.
    state : dict, optional
        To go on from: what `state` gave.
    """

    def __init__(self, x: Source, centers: Array, labels: Any, state: dict[str, Any] | None = None) -> None:
        self._looks = self.looks(len(centers), x)
        groups = 1 if x.sparse or not self._looks else min(MOST_GROUPS, max(1, -(-len(centers) // GROUP)))
        start = dict.fromkeys(STATE) if state is None else state
        self.lower = x.kept(groups, start=start["lower"])
        self.upper = x.kept(start=start["upper"])
        self.order = neighbours(centers, groups) if state is None else state["order"]
        self._starts = len(centers) * np.arange(groups) // groups
        self._sizes = np.diff(self._starts, append=len(centers))
        self._sample = np.linspace(0, x.rows - 1, min(x.rows, SAMPLE)).astype(np.intp)
        self._rows = x.some(self._sample).x
        for of_rows in (self.lower, self.upper, labels):
            if isinstance(of_rows, Kept):
                of_rows.looked = self._sample
        self._sparse = x.sparse
        self._entries = x.entries / max(1, x.rows)
        self._previous: Array | None = start["centers"]

    def state(self) -> dict[str, Any]:
        """What another fit goes on from."""
        return dict(zip(STATE, (self.lower, self.upper, self.order, self._previous), strict=True))

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
        if k * x.cols * x.dtype.itemsize <= FEW:
            return False
        return k * x.entries >= (ASK if cls.looks(k, x) else WORK)

    @classmethod
    def looks(cls, k: int, x: Source) -> bool:
        """Whether rows that may go are compared with their own centroid before they are searched."""
        return cls.look(k, x.entries / max(1, x.rows)) < LOOK

    def plan(
        self, centers: Array, labels: Any, unread: bool, squares: NDArray[np.float64] | None = None
    ) -> dict[str, Any]:
        """Give order, moved and n_far for the next pass; without moved every row is searched.

        `unread`: rows that are known to stay need not be read. `squares`: how far each centroid went,
        squared, if that is known.
        """
        previous, self._previous = self._previous, centers
        if previous is None or (not self._looks and not unread):
            return UNBOUNDED | {"order": self.order}
        if squares is None:
            step = centers.astype(np.float64) - previous
            squares = np.einsum("ij,ij->i", step, step)
        moved = np.sqrt(squares) * (1 + 1e-12)
        if not self._looks:
            return UNBOUNDED | {"order": self.order, "moved": moved}
        own = labels[self._sample]
        apart = _distances(self._rows, centers, own)
        read = self._read(moved, own) if unread else 1.0
        lower = self.lower[self._sample].astype(np.float64)
        costs = [
            (self._searched(lower, moved, n_far, own, apart), n_far)
            for n_far in FAR[: 1 if self._sparse else None]
            if n_far <= len(centers) // 4
        ]
        cost, n_far = min(costs)
        if cost / len(centers) + read * self.look(len(centers), self._entries) > 1:
            return UNBOUNDED | {"order": self.order}
        loose = False
        if centers.size >= BYTES and centers.shape[1] >= LONG and not self._sparse:
            loosened = self._loosened(lower, centers)
            loose = self._searched(loosened, moved, n_far, own, apart) <= LOOSE * cost
        return {"order": self.order, "moved": moved, "n_far": n_far, "look": True, "loose": loose}

    def _read(self, moved: Any, own: Any) -> float:
        """The share of the sample that may not stay by its bounds alone."""
        lower = self.lower[self._sample] - np.maximum.reduceat(moved[self.order], self._starts)
        return float(np.mean(lower.min(axis=1) <= self.upper[self._sample] + moved[own]))

    def _loosened(self, lower: Any, centers: Array) -> Any:
        """What bounds of the sample would be that products of bytes leave, see cpp/kmeans/coarse.hpp."""
        shift = centers.mean(axis=0)
        x, c = self._rows - shift, centers - shift
        rounding = np.sqrt(x.shape[1] / 12) / BYTE
        off = rounding * np.abs(x).max(axis=1) * np.sqrt(np.square(c).sum(axis=1).max())
        off += np.sqrt(np.square(x).sum(axis=1)) * rounding * np.abs(c).max()
        return np.sqrt(np.maximum(np.square(lower) - 2 * off[:, None], 0))

    def _searched(self, lower: Any, moved: Any, n_far: int, own: Any, apart: Any) -> float:
        """Centroids that a row of the sample is compared with, on average, if `n_far` are searched apart."""
        far = np.zeros(len(moved), bool)
        far[np.argsort(-moved, kind="stable")[:n_far]] = True

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
