"""Factorisation of what is observed of X, entry by entry weighted: alternating exact row solves.

Minimises 1/2 sum over the observed entries of w_ij (x_ij - (WH)_ij)^2 plus penalties. Each row of W has a
Gram matrix of its own, H D_i H' over the columns observed in it, and so has each column of H. Passes run over
the rows of X for W, and over those of X' for H: a view, of CSR a copy, of segments copies of some columns
each (as sums over rows of X, the Gram matrices would take m k^2 numbers). Since they cost most, rows are
swept until their steps are small.

H moves on along its last step (after Ang & Gillis 2019); W, which is solved for it, follows. If that
raised the objective, W is solved again for the H that was not moved, which cannot raise it.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.checkpoint import restore, state_of
from ..fit.monitor import Monitor
from ..fold.observed import Observed
from ..fold.source import Array
from ..fold.stored import Stored
from ..least_squares.masked import OwnSolved, solve_columns, solve_observed, solve_observed_to_convergence
from ..least_squares.rows import Penalty, Sweeps
from .alternate import Extrapolation
from .start import Start, rounding

# Sweeps are cheap beside the Gram matrices; more of them, or smaller last steps, gained nothing.
MOST, SHRINK = 20, 0.01
STATE = (
    "W", "H", "previous_H", "moved_H", "solved_for", "rows", "objective", "extrapolation", "shuffle",
)  # fmt: skip


class MaskedAlternating:
    """One fit; see the module.

    Parameters
    ----------
    start : Start
        Of an Observed or Stored x.
    max_sweeps : int or None
        At most so many sweeps per row and iteration.
    extrapolate : bool
    shuffle : RandomState or None
        Draws the order of the components anew for each half of an iteration; for parity, without
        extrapolation.
    """

    def __init__(
        self, start: Start, *, max_sweeps: int | None, extrapolate: bool,
        shuffle: np.random.RandomState | None,
    ) -> None:  # fmt: skip
        self.x, self.frozen = start.x, start.frozen
        self.W, self.H = np.ascontiguousarray(start.W), np.ascontiguousarray(start.H)
        self.penalty_W, self.penalty_H = start.penalty_W, start.penalty_H
        self.sweeps = Sweeps(MOST if max_sweeps is None else max_sweeps, SHRINK)
        self.shuffle = shuffle
        self.extrapolation = Extrapolation(extrapolate and shuffle is None)
        self.previous_H: Array | None = None
        self.moved_H = self.solved_for = self.H
        self.rows: OwnSolved | None = None
        self.objective = np.inf

    def run(self, monitor: Monitor, tol: float) -> tuple[Array, Array, int, bool]:
        """Iterate until converged or stopped; returns W, H, the number of iterations, converged.

        Objective and KKT residual are recorded for W with the H that it was solved for.
        """
        first, n_iter, converged, stop = 0.0, 0, False, False
        if monitor.state is not None:
            restore(self, monitor.state, STATE)
            first, n_iter, converged = monitor.state["first"], len(monitor.rows), monitor.state["converged"]
        while not (converged or stop) and n_iter != monitor.max_iter:
            n_iter += 1
            rows = self._solve_W()
            cols = self._solve_H()
            kkt = self._scaled(rows.residual + cols.before)
            violation = rows.violation + cols.violation
            first = first or violation
            settled = violation <= tol * first or kkt <= rounding(self.x)
            converged = bool(tol > 0 and settled)
            stop = monitor.record(self.objective, kkt)
            monitor.keep(partial(state_of, self, STATE), first=first, converged=converged)
        return self.W, self.H, n_iter, converged

    def kkt(self) -> float:
        """The scale-invariant KKT residual of W and H.

        The root of sum h d^2 over both factors, divided by the weighted |X|: d is the step that a
        single coordinate of curvature h could still make.
        """
        rows = solve_observed(self.x, self.H, self.penalty_W, Sweeps(0), start=self.W)
        cols = solve_columns(self.x, self.W, self.frozen, self.penalty_H, Sweeps(0), start=self.H)
        return self._scaled(rows.residual + cols.residual)

    def _scaled(self, squares: float) -> float:
        norm2 = self.x.squared_norm
        return float(np.sqrt(squares / norm2)) if norm2 > 0 else 0.0

    def _order(self) -> NDArray[np.intp] | None:
        return None if self.shuffle is None else self.shuffle.permutation(self.H.shape[1])

    def _solve_W(self) -> OwnSolved:
        """Solve W for the H that was moved on, or else for the H that was not.

        If the objective rose all the same, by rounding, the pair before stays.
        """
        rows = self._rows_for(self.moved_H)
        if self.moved_H is not self.H and rows.objective > self.objective:
            self.extrapolation.reject()
            self.moved_H = self.H
            rows = self._rows_for(self.H)
        self.extrapolation.accept()
        if self.rows is not None and rows.objective > self.objective:
            self.H = self.moved_H = self.solved_for
            return self.rows
        self.W, self.objective, self.rows, self.solved_for = rows.factor, rows.objective, rows, self.moved_H
        return rows

    def _rows_for(self, H: Array) -> OwnSolved:
        rows = solve_observed(self.x, H, self.penalty_W, self.sweeps, start=self.W, order=self._order())
        return replace(rows, objective=rows.objective + self.penalty_H(H))

    def _solve_H(self) -> OwnSolved:
        """Solve H for W, from the H that W was solved for, and move it on."""
        order = self._order()
        cols = solve_columns(
            self.x, self.W, self.frozen, self.penalty_H, self.sweeps, start=self.moved_H,
            order=order if order is None else order[order >= self.frozen] - self.frozen,
        )  # fmt: skip
        if cols.objective + self.penalty_W(self.W) > self.objective:  # by rounding
            cols = replace(cols, factor=self.moved_H)
        self.H = self.moved_H = cols.factor
        if self.previous_H is not None and self.extrapolation.now:
            beta = self.x.dtype.type(self.extrapolation.now)
            self.moved_H = self.H + beta * (self.H - self.previous_H)
            if self.penalty_H.nonneg:
                np.maximum(self.moved_H, 0, out=self.moved_H)
        self.previous_H = self.H
        return cols


@dataclass(slots=True)
class MaskedFrobenius:
    """1/2 sum w (X - WH)^2 over the observed entries, as a loss of NMF."""

    x: Observed | Stored
    penalty_W: Penalty
    penalty_H: Penalty
    frozen: int = 0

    def solver(self, W: Array, H: Array, **options: Any) -> MaskedAlternating:
        """Coordinate descent on both factors."""
        start = Start(self.x, W, H, self.penalty_W, self.penalty_H, self.frozen)
        return MaskedAlternating(start, **options)

    def encode(self, H: Array) -> Array:
        """Rows of W, each to convergence."""
        return solve_observed_to_convergence(self.x, H, self.penalty_W).factor

    def finish(self, H: Array, start: Array | None = None) -> tuple[Array, float, float]:
        """The same W, the root of sum w (X - WH)^2, and the KKT residual of the pair."""
        rows = solve_observed_to_convergence(self.x, H, self.penalty_W)
        W, norm2 = rows.factor, self.x.squared_norm
        cols = solve_columns(self.x, W, self.frozen, self.penalty_H, Sweeps(0), start=H)
        squares = max(0.0, 2 * (rows.objective - self.penalty_W(W)))
        kkt = np.sqrt((rows.residual + cols.residual) / norm2) if norm2 > 0 else 0.0
        return W, float(np.sqrt(squares)), float(kkt)
