"""A sieve for k-means++: which rows may be nearer to a new seed than to those so far, without reading X.

Rows lie in a sketch, in bytes, see cpp/kmeans/sketch.hpp and sift.hpp. What that leaves, distances decide.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels, level
from .._core.results import Drawn
from ..fold.source import Array, Source
from .bounds import neighbours

BALL = 48  # rows of a ball, as in cpp/kmeans/sketch.hpp
# Fewer seeds are not worth a sketch, nor are short segments; marks have room for MOST candidates.
SEEDS, SEGMENT, MOST = 8, 1024, 16
# Nor are fewer bytes, without those of the first columns: to read these costs no more than the sieve (Zen 4).
WORTH, FIRST = 2**21, 10
# Nor are rows in memory where seeds^2 times the bytes of a row are less and products of bytes are no faster
# than those of floats, as below AVX-512: early seeds leave much to read (Zen 3, 10,000 to 2,000,000 rows).
SLOW = 2**20
# A new order costs as much as looking at all rows for so many seeds, or less.
ORDER = 40
FITS = 2**26  # bytes of a sketch beside segments that are in files
SURPLUS = 2.0  # balls that are looked into even in a good order, for each that must be
SAMPLE = 1000  # rows that tell what a new order spares
CENTRE = 100  # rows that tell where about all lie


class Sketch:
    """The rows of one segment in bytes, in an order.

    Parameters
    ----------
    x : Source
    shift : ndarray of shape (cols,), of x's dtype
    scale : float
        A power of two, near the length of the entries of x - shift.
    order : ndarray of shape (rows,), int32
        Each row once, near ones next to each other.
    state : dict
        Arrays closest, weights and marks of the rows.
    """

    def __init__(
        self, x: Source, shift: Array, scale: float, order: NDArray[np.int32], state: dict[str, Any]
    ) -> None:
        balls = -(-x.rows // BALL)
        places = (balls + -(-balls // BALL)) * BALL
        self._reach = np.empty((2, balls), np.float32)
        self._balls = np.empty(x.rows, np.int32)  # the ball of each row
        self._balls[order] = np.arange(x.rows) // BALL
        arrays: dict[str, Any] = {
            "shift": shift,
            "scale": scale,
            "order": order,
            "codes": np.empty((places, -(-x.cols // 4)), np.int32),
            "known": np.empty((4, places), np.float32),
            "balls": self._reach,
        }
        kernels.sketch(x=x.kernel, **arrays, n_threads=x.n_threads)
        self._arguments = {**arrays, **state, "n_threads": x.n_threads}

    def sift(self, candidates: Array, gains: NDArray[np.float64]) -> int:
        """Mark rows, see `Sieve.sift`, and overwrite the gains; gives how many balls were looked into."""
        return kernels.sift(candidates=candidates, gains=gains, **self._arguments)

    def draw(self, **arguments: Any) -> Drawn:
        """Draw seeds, see `Sieve.draw`."""
        return kernels.draw_seeds(**arguments, **self._arguments)

    def moved(self, rows: NDArray[np.intp]) -> None:
        """Note that rows have a nearer seed."""
        self._reach[1, self._balls[rows]] = np.inf


class Sieve:
    """Sketches of the segments of `x`, for candidates that come one round after the other.

    Parameters
    ----------
    x : Source
        Dense.
    weights : ndarray of shape (rows,), of x's dtype, or None for ones
    closest : ndarray of shape (rows,), of x's dtype
        Squared distances from the seeds so far; kept, and overwritten as seeds follow.
    seed : ndarray of shape (cols,)
        The last one before.
    to_come : int
        How many are to follow.
    """

    def __init__(self, x: Source, weights: Array | None, closest: Array, seed: Array, to_come: int) -> None:
        self.x, self.to_come, self.closest = x, to_come, closest
        sample = x.take(slice(None, None, max(1, x.rows // CENTRE))).astype(np.float64)
        self.shift = np.ascontiguousarray(sample.mean(axis=0), dtype=x.dtype)
        length = float(np.sqrt(np.mean(np.square(sample - self.shift))))
        self.scale = float(np.exp2(np.rint(np.log2(length)))) if 0 < length < np.inf else 1.0
        self.marks = np.zeros(x.rows, np.uint16)
        self._state = {"closest": closest, "weights": weights, "marks": self.marks}
        self.labels = np.zeros(x.rows, np.int32)
        self.seeds = [seed]
        self._look_again = SEEDS
        self._sketch([np.arange(part.rows, dtype=np.int32) for part in x.segments])

    @staticmethod
    def worth(x: Source, seeds: int, candidates: int) -> bool:
        """Whether so many seeds still to come, of so many candidates each, are worth a sketch."""
        return (
            not x.sparse
            and x.client is None
            and ((x.held and not x.flat) or x.rows * x.cols <= FITS)
            and seeds >= SEEDS
            and (level == "v4" or x.flat or not x.held or seeds**2 * x.cols * x.dtype.itemsize >= SLOW)
            and candidates <= MOST
            and x.cols <= 2**16
            and max(part.rows for part in x.segments) < 2**31
            and x.rows * (x.cols - FIRST) * x.dtype.itemsize >= WORTH
            and x.rows >= SEGMENT * len(x.segments)
        )

    def sift(self, candidates: Array) -> NDArray[np.float64]:
        """Set bit l of the `marks` of rows that may be nearer to candidate l than to a seed.

        Returns
        -------
        ndarray of shape (2, n_candidates)
            By how much the potential falls with each candidate, at least and at most, but for rounding.
        """
        self.marks[:] = 0
        gains = np.empty((len(self._sketches), 2, len(candidates)))
        looked = sum(
            sketch.sift(candidates, part) for sketch, part in zip(self._sketches, gains, strict=True)
        )
        self._looked = looked * BALL / self.x.rows
        return np.asarray(gains.sum(axis=0))

    def draw(
        self, uniform: NDArray[np.float64], sums: NDArray[np.float64], rounding: float
    ) -> NDArray[np.intp]:
        """Draw the next seeds in one call, a round of candidates each, and note them; `sums` become theirs.

        Gives their rows: none where X lies in several segments, and else as many as `uniform` (rounds,
        n_candidates) has, but for a look at the order of the rows that is due before.
        """
        chosen = np.empty(min(len(uniform), self._look_again - len(self.seeds)), np.int64)
        if len(self._sketches) > 1:
            return chosen[:0]
        x, labels = self.x.segments[0].kernel, self.labels
        done = self._sketches[0].draw(
            x=x, uniform=uniform[: len(chosen)], labels=labels, first=len(self.seeds), sums=sums,
            rounding=rounding, chosen=chosen,
        )  # fmt: skip
        self.seeds.extend(self.x.take(chosen[: done.rounds]))
        self.to_come -= done.rounds
        if done.rounds:
            self._looked = done.looked * BALL / self.x.rows
            self._look()
        return chosen[: done.rounds]

    def learn(self, seed: Array, rows: NDArray[np.intp], distances: Array) -> None:
        """Note a new seed, and some rows' squared distances from it, if they were farther from others."""
        nearer = distances < self.closest[rows]
        rows = rows[nearer]
        self.closest[rows] = distances[nearer]
        self.labels[rows] = len(self.seeds)
        self.seeds.append(seed)
        self.to_come -= 1
        for span, sketch in zip(self.x.spans, self._sketches, strict=True):
            first, last = np.searchsorted(rows, (span.start, span.stop))
            sketch.moved(rows[first:last] - span.start)
        self._look()

    def _look(self) -> None:
        """Bring the rows in a new order where that is due and worth it."""
        if len(self.seeds) < self._look_again:
            return
        self._look_again *= 2
        if (self._looked - SURPLUS * self._spread()) * self.to_come > ORDER:
            rank = np.empty(len(self.seeds))
            rank[neighbours(np.array(self.seeds), max(1, len(self.seeds) // 4))] = np.arange(len(rank))
            key = rank[self.labels] + self.closest / (2 * self.closest.max() or 1)
            self._sketch([np.argsort(key[span]).astype(np.int32) for span in self.x.spans])

    def _sketch(self, orders: Sequence[NDArray[np.int32]]) -> None:
        self._sketches = [
            Sketch(part, self.shift, self.scale, order,
                   {name: None if a is None else a[span] for name, a in self._state.items()})
            for part, span, order in zip(self.x.segments, self.x.spans, orders, strict=True)
        ]  # fmt: skip

    def _spread(self) -> float:
        """Share of a sample of rows that some of the last seeds may be nearer to than their own.

        All but these are more than twice as far from their seed as that is from the others (Raff 2021).
        """
        rows = np.linspace(0, self.x.rows - 1, SAMPLE).astype(np.intp)
        seeds = np.array(self.seeds, dtype=np.float64)
        squares = np.square(seeds).sum(axis=1)
        last = slice(-MOST // 2, None)
        apart = squares[last, None] + squares - 2 * np.einsum("ij,kj->ik", seeds[last], seeds)
        return float(
            np.mean((apart[:, self.labels[rows]] < 4 * self.closest[rows].astype(np.float64)).any(axis=0))
        )
