"""What one batch does to the centroids of mini-batch k-means, and when batches have stopped to help."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..fold.source import Array, Source
from .lloyd import Assigner, Prior
from .rows import Rows, beside
from .seeding import probabilities

Double = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tally:
    """What the centroids are means of: the weight of the rows that each was given so far.

    `since` is how many rows came since centroids of few rows were looked for.
    """

    counts: Double
    since: int = 0

    def step(
        self, x: Source, weights: Array | None, mass: int, centers: Array, prior: Prior, ratio: float,
        rng: np.random.RandomState,
    ) -> "Stepped":  # fmt: skip
        """Assign a batch and move the centroids to their new means.

        Those with less than `ratio` of the largest count are moved to rows of the batch now and then.
        `weights` and `mass` are of `checked_weights`.
        """
        since, empty = self.since + x.rows, self.counts == 0
        due = since >= 10 * len(centers) or empty.any()
        found = Assigner(x, weights)(centers)
        assert found.sums is not None
        before = prior.ridge + beside(self.counts, mass)
        old = np.where(empty[:, None], prior.mean, centers) if prior.ridge > 0 else centers
        pulled, weight = old * before[:, None] + found.sums, before + found.counts
        new, given = pulled / np.where(weight > 0, weight, 1)[:, None], found.counts > 0
        new[~given] = centers[~given]
        counts = self.counts + np.ldexp(found.counts, mass)
        if due:
            since = 0
            _reassign(x, weights, new, counts, ratio, rng)
        if prior.unit:
            new /= np.maximum(np.linalg.norm(new, axis=1, keepdims=True), np.finfo(float).tiny)
        new[: prior.frozen] = centers[: prior.frozen]
        return Stepped(Tally(counts, since), new.astype(centers.dtype), found.inertia)


class Stepped(NamedTuple):
    """The means after a batch, and the inertia of the batch before."""

    tally: Tally
    centers: Array
    inertia: float


def _reassign(
    x: Source, weights: Array | None, centers: Double, counts: Double, ratio: float,
    rng: np.random.RandomState,
) -> None:  # fmt: skip
    """Move centroids that were given few rows to rows of the batch; changes centers and counts."""
    rows = x.rows if weights is None else np.count_nonzero(weights)
    few = counts < ratio * counts.max()
    if few.sum() > 0.5 * rows:
        few[np.argsort(counts)[int(0.5 * rows) :]] = False
    if few.any():
        p = None if weights is None else probabilities(x.rows, weights)
        centers[few] = x.take(rng.choice(x.rows, replace=False, size=few.sum(), p=p))
        counts[few] = counts[~few].min()


@dataclass(slots=True)
class Progress:
    """Says when smoothed inertia has stopped to fall, as scikit-learn does."""

    rows: int
    patience: int | None
    smooth: float | None = None
    best: float = np.inf
    idle: int = 0

    def add(self, inertia: float, batch: int) -> bool:
        """Note the inertia of a batch per row; True if there was no improvement for too long."""
        share = min(1.0, 2.0 * batch / (self.rows + 1))
        self.smooth = inertia if self.smooth is None else (1 - share) * self.smooth + share * inertia
        self.best, self.idle = (self.smooth, 0) if self.smooth < self.best else (self.best, self.idle + 1)
        return self.patience is not None and self.idle >= self.patience


def some_rows(
    x: Rows, weights: Array | None, size: int, rng: np.random.RandomState
) -> tuple[Rows, Array | None]:
    """Give `size` rows drawn at random, and their weights; each as likely, but none of weight 0."""
    if weights is None:
        return x.part(rng.randint(0, x.x.rows, size)), None
    heavy = np.flatnonzero(weights)
    rows = heavy[rng.randint(0, len(heavy), size)]
    return x.part(rows), weights[rows]
