"""What k-means++ knows of rows while seeds are drawn: their distances to the nearest one."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fold.engine import run
from ..fold.source import Array, Source
from . import passes
from .sieve import MOST, Sieve

BLOCK = 96  # rows whose potential is summed by the kernel, see cpp/kmeans/seed.hpp
# What `kernels.draw_seeds` takes where no row is sifted.
UNSIFTED: dict[str, Any] = {
    "labels": None, "first": 0, "shift": None, "scale": 1.0, "order": None, "codes": None, "known": None,
    "balls": None, "marks": None, "rounding": 0.0,
}  # fmt: skip


class Potential:
    """The squared distance of each row to the nearest seed so far, and draws in proportion to it."""

    def __init__(self, x: Source, weights: Array | None) -> None:
        self.x, self.weights = x, weights
        self.closest: Any = None
        self.sums: NDArray[np.float64] = np.empty(0)
        self._sieve: Sieve | None = None
        self._in_rounds = False  # whether seeds are drawn by one call of a kernel, each by a read of all rows
        self._room: list[Array] = []
        firsts = [np.arange(span.start, span.stop, BLOCK) for span in x.spans]
        self._starts = np.concatenate([*firsts, [x.rows]])  # of the blocks, and the end
        # What rounding may be of two potentials: of the sums of short blocks, and of these in float64.
        self._rounding = float(64 * np.finfo(x.dtype).eps + 4 * len(self._starts) * np.finfo(np.float64).eps)

    @property
    def total(self) -> float:
        """Sum of w D^2 over all rows."""
        return float(self.sums.sum())

    def expect(self, last: Array, seeds: int, candidates: int) -> None:
        """Prepare for so many seeds after the `last` one, of so many candidates each."""
        if self.closest is None:
            return
        if Sieve.worth(self.x, seeds, candidates):
            self.closest = self.closest.copy()
            self._sieve = Sieve(self.x, self.weights, self.closest, last, seeds)
        else:
            one = self.x.client is None and len(self.x.segments) == 1 and not self.x.sparse
            self._in_rounds = one and candidates <= MOST

    def reduce(self, candidates: Array) -> int:
        """Add the one of `candidates`, (n, cols), that leaves the least potential; gives its number."""
        if self._sieve is not None:
            return self._reduce_sifted(self._sieve, candidates)
        out = self._take(len(candidates))
        sums = self._read(candidates, out, None, None)
        best = int(np.argmin(sums.sum(axis=0)))
        self.closest, self.sums = out[:, best], np.ascontiguousarray(sums[:, best])
        return best

    def add(self, uniform: NDArray[np.float64]) -> NDArray[np.intp]:
        """Draw one seed or more, of candidates drawn by `uniform` (seeds, n_candidates); gives their rows."""
        if self._sieve is not None:
            rows = self._sieve.draw(uniform, self.sums, self._rounding)
            if len(rows):
                return rows
        if self._in_rounds:
            chosen = np.empty(len(uniform), np.int64)
            done = kernels.draw_seeds(
                x=self.x.segments[0].kernel, uniform=uniform, closest=self.closest, weights=self.weights,
                sums=self.sums, chosen=chosen, n_threads=self.x.n_threads, **UNSIFTED,
            )  # fmt: skip
            if done.rounds:
                return chosen[: done.rounds]
        candidates = self.draw(uniform[0])
        return candidates[[self.reduce(self.x.take(candidates))]]

    def _reduce_sifted(self, sieve: Sieve, candidates: Array) -> int:
        """Do the same; only rows that the sieve leaves are read, and only for those that may be the best."""
        least, most = sieve.sift(candidates)
        may_win = np.flatnonzero(most * (1 + 1e-6) + self._rounding * self.total >= least.max() * (1 - 1e-6))
        out = self._take(len(may_win))
        found = self._read(candidates[may_win], out, sieve.marks, may_win.astype(np.int32))
        found = np.where(np.isnan(found), self.sums[:, None], found)
        # Added up as if all candidates had been read.
        sums = np.full((len(found), len(candidates)), np.inf)
        sums[:, may_win] = found
        best = int(np.argmin(sums.sum(axis=0))) if len(may_win) > 1 else int(may_win[0])
        self.sums = np.ascontiguousarray(sums[:, best])
        rows = np.flatnonzero((sieve.marks & (1 << best)) != 0)
        sieve.learn(candidates[best], rows, out[rows, np.searchsorted(may_win, best)])
        return best

    def _read(self, candidates: Array, out: Any, marks: Any, bits: Any) -> NDArray[np.float64]:
        state = {"closest": self.closest, "out": out, "marks": marks}
        _, potentials = run(
            partial(passes.seed, block=BLOCK, bits=bits), self.x, candidates, state,
            fixed={"weights": self.weights},
        )  # fmt: skip
        return np.concatenate(potentials)

    def _take(self, n: int) -> Any:
        """Room for n distances a row, other than where `closest` is; two such arrays serve all seeds."""
        if self.x.client is not None:
            return self.x.kept(n)
        self._room = self._room[1:] + self._room[:1] if len(self._room) == 2 else [np.empty(0), *self._room]
        if len(self._room[0]) < n:
            self._room[0] = np.empty((n, self.x.rows), self.x.dtype)
        return self._room[0][:n].T

    def draw(self, uniform: NDArray[np.float64]) -> NDArray[np.intp]:
        """Rows at which the running sum of w D^2 passes `uniform` times the total."""
        assert self.closest is not None
        running = np.cumsum(self.sums)
        if running[-1] == 0:  # every row that counts is a seed
            return np.full(
                len(uniform), 0 if self.weights is None else np.argmax(self.weights), dtype=np.intp
            )
        values = uniform * running[-1]
        blocks = np.minimum(np.searchsorted(running, values), len(running) - 1)
        before = np.where(blocks > 0, running[blocks - 1], 0.0)
        rows = self._starts[blocks, None] + np.arange(BLOCK)
        last = self._starts[blocks + 1] - 1
        at = np.minimum(rows, last[:, None])
        mass = self.closest[at].astype(np.float64)
        if self.weights is not None:
            mass *= self.weights[at]
        before_value = np.cumsum(mass, axis=1) + before[:, None] < values[:, None]
        passed = np.count_nonzero(before_value & (rows <= last[:, None]), axis=1)
        return np.minimum(rows[:, 0] + passed, self.x.rows - 1)
