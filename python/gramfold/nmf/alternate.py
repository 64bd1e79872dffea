"""Alternating row solves X ~ WH by coordinate descent: one read of X per iteration.

The fold runs over the longer side. Its factor, `long`, is solved while X is read; the same pass leaves the
sums X'long and long'long, from which the shorter factor, `short`, is solved without X. Given W first (tall X)
or the sums of the starting H first (wide X), W is updated before H, as in scikit-learn.

Extrapolation (Ang & Gillis 2019, with H projected): every second factor moves on by beta times its last step.
The sums of an extrapolated `long` are linear in those at hand, so whatever happens X is read once per
iteration; a pair whose objective is above the last accepted one is dropped, beta is cut, and the next
iteration goes on from the accepted pair without extrapolation, which cannot raise the objective.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fit.checkpoint import restore, state_of
from ..fit.monitor import Monitor
from ..fold.row_state import contiguous
from ..fold.source import Array
from ..least_squares.rows import Solved, Sweeps, solve_all, solve_free
from .start import Start, rounding

# Gillis & Glineur 2012: sweeps cost up to half of a product, and end when they bring little beside the first.
# An entry of CSR costs about as much as 16 of a dense block (measured at k = 20). More sweeps than MOST bring
# the goal no nearer, nor do rows solved exactly (measured on planted and sparse factors, noise and images).
SWEEP_SHARE, SWEEP_SHRINK, SPARSE_ENTRY, MOST = 0.5, 0.03, 16, 16
TINY = 1024  # entries of an X, dense or sparse, whose product costs the way there and back
# Ang & Gillis 2019; a bolder start and a slower growth lose a few iterations on images, counts and noise.
BETA, BETA_CUT, BETA_GROWTH, BETA_BOUND_GROWTH = 0.3, 1.5, 1.05, 1.02


@dataclass(slots=True)
class Extrapolation:
    """How far to move on along the last step."""

    on: bool  # until gains drown in rounding
    beta: float = BETA
    bound: float = 1.0
    pause: bool = False

    @property
    def now(self) -> float:
        """The beta of this iteration."""
        return self.beta if self.on and not self.pause else 0.0

    def accept(self) -> None:
        """Grow beta after a success."""
        if not self.pause:
            self.beta = min(self.bound, self.beta * BETA_GROWTH)
            self.bound = min(1.0, self.bound * BETA_BOUND_GROWTH)
        self.pause = False

    def reject(self) -> None:
        """Cut beta, and pause for one iteration."""
        self.bound = self.beta
        self.beta /= BETA_CUT
        self.pause = True


@dataclass(frozen=True, slots=True)
class Pair:
    """A solved `long` with the `short` it was solved for."""

    long: Solved
    short: Array
    objective: float


def worth(entries: int, factor: Array, other: Array, max_sweeps: int | None) -> Sweeps:
    """Sweeps over the rows of a factor that are worth their product with X."""
    rows, k = factor.shape
    most = min(MOST, int(1 + SWEEP_SHARE * (1 + (entries + other.size) / (rows * (k + 1)))))
    return Sweeps(most if max_sweeps is None else min(most, max_sweeps), SWEEP_SHRINK)


STATE = (
    "short", "pair", "previous", "unextrapolated", "best", "extrapolation", "shuffle",
)  # fmt: skip


class Alternating:
    """One fit; see the module.

    Parameters
    ----------
    start : Start
    max_sweeps : int or None
        At most so many sweeps per product; None for as many as the product is worth.
    extrapolate : bool
    shuffle : RandomState or None
        Draws the order of the components anew for each half of an iteration; for parity, without
        extrapolation.
    """

    def __init__(
        self, start: Start, *, max_sweeps: int | None, extrapolate: bool,
        shuffle: np.random.RandomState | None,
    ) -> None:  # fmt: skip
        self.begun, self.tall = start.without_W, start.tall
        self.frozen, self.x = start.frozen, start.longer
        long, short = start.turned(start.W, start.H)
        self.start: Any = contiguous(long)
        self.short = np.ascontiguousarray(short)
        self.penalty_long, self.penalty_short = start.turned(start.penalty_W, start.penalty_H)
        self.n_threads, self.norm2 = start.x.n_threads, start.x.squared_norm
        self.shuffle = shuffle
        self.extrapolation = Extrapolation(extrapolate and shuffle is None)
        entries = start.x.rows * start.x.cols
        if start.x.sparse and entries > TINY:
            entries = start.x.entries * SPARSE_ENTRY
        self.sweeps_long = worth(entries, self.start, self.short, max_sweeps)
        self.sweeps_short = worth(entries, self.short, self.start, max_sweeps)
        self.spare: list[Array] = []
        self.pair: Pair | None = None
        self.previous: Solved | None = None
        self.unextrapolated: Array | None = None
        self.violation, self.best = 0.0, np.inf

    def run(self, monitor: Monitor, tol: float) -> tuple[Array, Array, int, bool]:
        """Iterate until converged or stopped; returns W, H, the number of iterations, converged."""
        first, n_iter, converged = 0.0, 0, False
        if monitor.state is not None:
            restore(self, monitor.state, STATE)
            first, n_iter, converged = monitor.state["first"], len(monitor.rows), monitor.state["converged"]
        elif not self.tall:  # the sums of the starting H, for the first W
            self._solve_long(Sweeps(0))
        while not converged and n_iter != monitor.max_iter:
            n_iter += 1
            self.violation = 0.0
            if not self.tall:
                self._solve_short()
            accepted = self._solve_long(self.sweeps_long)
            kkt = self.kkt()
            stop = monitor.record(max(self.best, 0.0), kkt)  # below rounding, objectives are noise
            if self.tall and not stop:
                self._solve_short()
            first = first or self.violation
            settled = self.violation <= tol * first or kkt <= rounding(self.x)
            converged = bool(tol > 0 and accepted and settled)
            if stop:
                break
            monitor.keep(partial(state_of, self, STATE), first=first, converged=converged)
        short = self._last_short() if self.tall else self._pair.short
        W, H = self.begun.turned(self._pair.long.factor, short)
        return W, H, n_iter, converged

    @property
    def _pair(self) -> Pair:
        assert self.pair is not None
        return self.pair

    def _order(self, sweeps: Sweeps) -> NDArray[np.intp] | None:
        if self.shuffle is None or sweeps.most == 0:
            return None
        return self.shuffle.permutation(self.short.shape[1])

    def _order_short(self, sweeps: Sweeps) -> NDArray[np.intp] | None:
        order = self._order(sweeps)
        return order if order is None else order[order >= self.frozen] - self.frozen

    def _solve_long(self, sweeps: Sweeps) -> bool:
        """Solve the longer factor for `self.short` in one pass over X; True if the pair is accepted."""
        beta = self.extrapolation.now if self.previous is not None else 0.0
        old = self.pair
        factor = self._room()
        solved = solve_all(
            self.x,
            self.short,
            kernels.gram(f=self.short, n_threads=self.n_threads),
            self.penalty_long,
            sweeps,
            start=self.start if old is None else old.long.factor,
            previous=self.previous.factor if beta and self.previous is not None else None,
            beta=beta,
            out=factor,
            sums=True,
            cross=self.extrapolation.on,
            order=self._order(sweeps),
        )
        self.violation += solved.violation
        objective = 0.5 * self.norm2 + solved.objective + self.penalty_short(self.short)
        noise = 0.25 * float(np.finfo(self.x.dtype).eps) * self.norm2
        if beta and objective > self.best + noise:
            self.spare, self.previous = [factor], None  # it lies where the previous one did
            self.extrapolation.reject()
            return False
        self.extrapolation.accept()
        if abs(self.best - objective) <= noise:
            self.extrapolation.on = False
        self.best = min(self.best, objective)
        self.start, self.previous = None, None if old is None else old.long
        self.pair = Pair(solved, self.short, objective)
        return True

    def _room(self) -> Array:
        """Where the next longer factor goes: over the previous one, whose rows are read just before."""
        if self.previous is not None and isinstance(self.previous.factor, np.ndarray):
            return self.previous.factor
        found: Array = self.x.room(self.short.shape[1], self.spare)
        return found

    def _solve_short(self) -> None:
        """Solve the shorter factor from the sums of the (extrapolated) longer one; no read of X."""
        beta = self.extrapolation.now if self.previous is not None else 0.0
        sums, gram = self._sums(beta)
        solved = self._short_rows(sums, gram, self.sweeps_short)
        self.violation += solved.violation
        self.short = solved.factor
        if beta and self.unextrapolated is not None:
            self.short = solved.factor + beta * (solved.factor - self.unextrapolated)
            if self.penalty_short.nonneg:
                np.maximum(self.short, 0, out=self.short)
        self.unextrapolated = solved.factor

    def _short_rows(self, sums: Array, gram: NDArray[np.float64], sweeps: Sweeps) -> Solved:
        pair = self._pair
        return solve_free(
            self.frozen, pair.long.factor, gram, self.penalty_short, sweeps, products=sums,
            start=pair.short, order=self._order_short(sweeps), n_threads=self.n_threads,
        )  # fmt: skip

    def _sums(self, beta: float) -> tuple[Array, NDArray[np.float64]]:
        """X'L and L'L for L = long + beta (long - previous long)."""
        new, old = self._pair.long, self.previous
        assert new.sums is not None
        if not beta or old is None or old.sums is None or new.cross is None:
            return new.sums, new.gram
        gram = (1 + beta) ** 2 * new.gram - beta * (1 + beta) * (new.cross + new.cross.T)
        return (1 + beta) * new.sums - beta * old.sums, gram + beta**2 * old.gram

    def _last_short(self) -> Array:
        """The shorter factor for the accepted longer one; never a rise of the objective."""
        new = self._pair.long
        assert new.sums is not None
        if self.shuffle is not None:
            return self.short
        return self._short_rows(new.sums, new.gram, self.sweeps_short).factor

    def kkt(self) -> float:
        """The scale-invariant KKT residual of the accepted pair.

        The root of sum h d^2 over both factors, divided by |X|: d is the step that a single coordinate
        of curvature h could still make.
        """
        new = self._pair.long
        assert new.sums is not None
        short = self._short_rows(new.sums, new.gram, Sweeps(0))
        total = new.residual + short.residual
        return float(np.sqrt(total / self.norm2)) if self.norm2 > 0 else 0.0
