"""Coordinate descent X ~ WH for the Kullback-Leibler divergence: a solve of all rows, then of all columns.

Each row of W is solved with H fixed, then with X transposed (a view; of CSR a copy, made once; of a long X in
files a copy in a scratch file, since a column's minimiser needs all of it) each row of H with W fixed; see
cpp/nmf/kl_row.hpp. No step raises the objective. H moves on along its last step (Ang & Gillis
2019, without W, which would cost memory and brings less); if the objective then is above the last one,
the iteration is done again without.

What is recorded after an iteration belongs to the pair at the end of its W half; the solve of H that follows
can only lower the objective.
"""

from dataclasses import astuple
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from .._core.results import Descended
from ..fit.checkpoint import restore, state_of
from ..fit.monitor import Monitor
from ..fold.across import laid_across
from ..fold.engine import State, run
from ..fold.row_state import column_sums, shifted_rows
from ..fold.source import Array, Source
from ..least_squares.rows import Penalty
from ..linalg.powers import shifted
from .alternate import Extrapolation
from .row_units import FixedFactor, RowUnits, sweep_until
from .start import Start
from .units import Units

# A row takes so many sweeps per gathering of its entries, or ends when they bring a tenth of the first; more
# cost time and bring nothing. By extrapolation an entry falls to no less than half.
MOST_SWEEPS, SHRINK, LEAST_SHARE = 6, 0.1, 0.5
STATE = ("W", "H", "solved_H", "objective", "lowest", "residual", "extrapolation")
Slope = NDArray[np.float64] | None


class KullbackLeibler:
    """One fit; see the module.

    Parameters
    ----------
    start : Start
    max_sweeps : int or None
        At most so many sweeps per half iteration; None for `MOST_SWEEPS`.
    extrapolate : bool
    weights : Source of shape (n, m), optional
        Those of the entries of WH, which x has in it already; see `Counted`. 1 by default.
    constant : float
        What is taken off the divergence.

    References
    ----------
    Hsieh & Dhillon (2011), Fast coordinate descent methods with variable selection for non-negative matrix
    factorization, KDD; Hien & Gillis (2021), Algorithms for nonnegative matrix factorization with the
    Kullback-Leibler divergence, J. Scientific Computing 87.
    """

    def __init__(
        self, start: Start, *, max_sweeps: int | None, extrapolate: bool, weights: Source | None = None,
        constant: float = 0.0,
    ) -> None:  # fmt: skip
        x = start.x
        self.x, self.weights, self.constant, self.begun = x, weights, constant, start.without_W
        units = Units.of(x, start.H, 1.0)
        self._count_in(units)
        self.W, self.H = shifted_rows(x, x.kept(start=start.W), -units.W), shifted(start.H, -units.H)
        self.max_sweeps = MOST_SWEEPS if max_sweeps is None else max_sweeps
        self.extrapolation = Extrapolation(extrapolate)
        if weights is not None:  # what nothing is known of
            self.W = np.asarray(self.W)
            self.W[slope_of(weights, np.ones_like(self.H[:, :1]))[:, 0] == 0] = 0
            self.H[slope_of(weights.transposed, np.ones_like(self.W[:, :1]))[:, 0] == 0] = 0
        self.solved_H = self.H
        self.spare: Array | None = None
        self.objective = self.lowest = np.inf
        self.residual = 0.0

    def _count_in(self, units: Units) -> None:
        self.units, start, x = units, self.begun, self.x
        self.kernel_W = units.penalty(start.penalty_W, units.H)
        self.kernel_H = units.penalty(start.penalty_H, units.W)
        self.penalty_W = units.penalty_here(start.penalty_W, units.H)
        self.penalty_H = units.penalty_here(start.penalty_H, units.W)
        self.units_W = units.rows(x.rows)
        self.size = float(np.ldexp(x.mean, -units.x) * x.rows * x.cols)

    def run(self, monitor: Monitor, tol: float) -> tuple[Array, Array, int, bool]:
        """Iterate until converged or stopped; returns W, H, the number of iterations, converged.

        Converged: the KKT residual fell to `tol` times that of the first iteration, or to rounding.
        """
        first, n_iter, stop, converged = 0.0, 0, False, False
        if monitor.state is not None:
            first, n_iter, converged = monitor.state["first"], len(monitor.rows), monitor.state["converged"]
            self._restore(monitor.state)
        while not (stop or converged or n_iter == monitor.max_iter):
            n_iter += 1
            accepted = self._solve_W()
            if accepted:
                self._solve_H()
            kkt = self.kkt()
            first = first or kkt
            objective = self.units.loss * self.objective - self.constant
            self.lowest = max(min(self.lowest, objective), 0.0)  # noise below rounding
            stop = monitor.record(self.lowest, kkt)
            converged = tol > 0 and accepted and kkt <= max(tol * first, float(np.finfo(self.x.dtype).eps))
            monitor.keep(self._state, first=first, converged=bool(converged))
        W = shifted_rows(self.x, self.W, self.units.W)
        return W, shifted(self.solved_H, self.units.H), n_iter, converged

    def _state(self) -> dict[str, Any]:
        return state_of(self, STATE) | {"units": astuple(self.units), "moved": self.spare is not None}

    def _restore(self, state: dict[str, Any]) -> None:
        self._count_in(Units(*state["units"]))
        restore(self, state, STATE)
        self.spare = self.x.room(self.W.shape[1], []) if state["moved"] else None

    def evaluate(self) -> tuple[float, float]:
        """Give the divergence, without penalties, and the KKT residual of the factors as they are."""
        W, H = self.W, self.solved_H
        slope = slope_of(self.weights, H)
        rows = self._descend_W(H, slope, self.x.room(W.shape[1], []), 0, measure_start=True)
        cols = self._descend_H(H, np.empty_like(H), 0)
        self.residual = rows.residual_start + cols.residual_start
        return self.units.loss * (rows.loss_start + total_of(self.x, W, slope)) - self.constant, self.kkt()

    def kkt(self) -> float:
        """The scale-invariant KKT residual of the last recorded pair.

        With g the gradient at an entry z and h its second derivative, it is the root of sum |g d| over both
        factors, divided by sum X: d = max(-z, -g / h) is Newton's step on that entry alone, cut off at
        0. |g d| / 2 is what the step gains, to second order. Without penalties the residual does not
        change under X -> cX or W -> WD, H -> D^-1 H.
        """
        return float(np.sqrt(self.residual / self.size)) if self.size > 0 else 0.0

    def _solve_W(self) -> bool:
        """Solve W for the (extrapolated) H; False if it was rejected."""
        out = self.x.room(self.W.shape[1], [] if self.spare is None else [self.spare])
        slope = slope_of(self.weights, self.H)
        done = self._descend_W(self.H, slope, out, self.max_sweeps, measure_end=True)
        objective = done.loss_end + total_of(self.x, out, slope) + self.penalty_W.over(self.x, out)
        objective += self.penalty_H(self.H)
        if self.H is not self.solved_H and objective > self.objective:
            self.spare, self.H = out, self.solved_H
            self.extrapolation.reject()
            return False
        self.extrapolation.accept()
        self.spare = self.W if np.isfinite(self.objective) else None  # None: H has not moved yet
        self.W, self.objective, self.residual = out, float(objective), done.residual_end
        return True

    def _solve_H(self) -> None:
        """Solve H for W, and move it on."""
        out = np.empty_like(self.H)
        self.residual += self._descend_H(self.H, out, self.max_sweeps).residual_start
        previous, self.solved_H, self.H = self.solved_H, out, out
        beta = out.dtype.type(self.extrapolation.now)
        if beta and self.spare is not None:  # the first step, from the start, is no direction to go on in
            self.H = np.maximum(out + beta * (out - previous), LEAST_SHARE * out)

    def _descend_W(
        self, H: Array, slope: NDArray[np.float64], out: Array, sweeps: int, **measure: bool
    ) -> Descended:  # fmt: skip
        state = {"start": self.x.given(self.W), "out": out, "units": self.units_W}
        return descend_all(
            self.x, H, slope, self.kernel_W, state, max_sweeps=sweeps, shrink=SHRINK, **measure
        )

    def _descend_H(self, start: Array, out: Array, sweeps: int) -> Descended:
        W = np.asarray(self.W)
        slope = slope_of(None if self.weights is None else self.weights.transposed, W)
        state = {"start": start, "out": out, "units": self.units.rows(self.x.cols)}
        return descend_all(
            laid_across(self.x), W, slope, self.kernel_H, state, max_sweeps=sweeps, shrink=SHRINK,
            measure_start=True,
        )  # fmt: skip


def descend_all(
    x: Source, factor: Array, slope: NDArray[np.float64], penalty: Penalty, state: State, *, max_sweeps: int,
    shrink: float = 0.0, measure_start: bool = False, measure_end: bool = False,
) -> Descended:  # fmt: skip
    """Solve rows for a fixed factor (cols, k) and `slope_of` it; see `descend`."""
    pass_ = partial(
        descend, l2=penalty.l2, max_sweeps=max_sweeps, shrink=shrink, measure_start=measure_start,
        measure_end=measure_end,
    )  # fmt: skip
    slope = slope + penalty.l1
    one, own = (slope, None) if slope.ndim == 1 else (None, slope)
    units = {"units": state["units"]}
    state = {"start": state["start"], "out": state["out"], "slope": x.given(own)}
    done: Descended = run(pass_, x, (factor, one), state, fixed=units)
    return done


def descend(
    rows: Source, shared: tuple[Array, Slope], state: State, *, l2: float, max_sweeps: int,
    shrink: float = 0.0, tol: float = 0.0, measure_start: bool = False, measure_end: bool = False,
) -> Descended:  # fmt: skip
    """A pass: solve rows from `start` into `out`, in `units`; those without a shared slope have their own."""
    factor, slope = shared
    return kernels.kl_coordinate(
        x=rows.kernel,
        f=factor,
        slope=state["slope"] if slope is None else slope,
        start=state["start"],
        out=state["out"],
        l2=l2,
        max_sweeps=max_sweeps,
        shrink=shrink,
        tol=tol,
        measure_start=measure_start,
        measure_end=measure_end,
        n_threads=rows.n_threads,
        units=state["units"],
    )


def slope_of(weights: Source | None, shared: Array) -> NDArray[np.float64]:
    """Sum the rows of `shared`, (k,), or with weights those that count in each row of X, (rows, k)."""
    if weights is None:
        return shared.sum(axis=0, dtype=np.float64)
    return weights.product(shared).astype(np.float64)


def total_of(x: Source, factor: Array, slope: NDArray[np.float64]) -> float:
    """Sum of the entries of WH, weighted if the slopes are."""
    if slope.ndim == 1:
        return float(column_sums(x, factor) @ slope)
    return float(np.vdot(factor, slope))


def kl_rows(
    x: Source, H: Array, penalty: Penalty, *, max_sweeps: int, tol: float, start: Array | None = None,
    until: float | None = None, weights: Source | None = None,
) -> tuple[Array, float]:  # fmt: skip
    """Solve W for a fixed H (m, k) by coordinate descent, from `start` (n, k) if given; X is read once.

    A row ends when its step, the root of sum h d^2, is at most tol times the root of its sum, and depends
    neither on the other rows nor on how many there are. Returns W and the number of rows that had not
    ended after `max_sweeps`, or at the time `until`.
    """
    fixed, W = FixedFactor(H, penalty), x.room(H.shape[1], [])
    slope = slope_of(weights, fixed.H) + fixed.penalty.l1
    one, own = (slope, None) if weights is None else (None, slope)
    pass_ = partial(descend_to_end, max_sweeps=max_sweeps, tol=tol, until=until)
    return W, run(pass_, x, (fixed, one), {"start": x.given(start), "out": W, "slope": x.given(own)})


def descend_to_end(
    rows: Source, shared: tuple[FixedFactor, Slope], state: State, *, max_sweeps: int,
    tol: float, until: float | None,
) -> float:  # fmt: skip
    """A pass: solve rows into `out`; gives how many have not ended."""
    fixed, slope = shared
    own = RowUnits(rows, fixed)

    def sweep(W: Array, n: int) -> float:
        given = {"start": W, "out": W, "units": own.units, "slope": state["slope"]}
        return descend(rows, (fixed.H, slope), given, l2=fixed.penalty.l2, max_sweeps=n, tol=tol).unconverged

    W = own.start if state["start"] is None else own.counted(state["start"])
    unconverged = sweep_until(sweep, W, max_sweeps, until)
    own.natural(W, state["out"])
    return unconverged
