"""Multiplicative updates X ~ WH for beta divergences: scikit-learn's `mu`, with one read of X per iteration.

The fold runs over the longer side. Its factor, `long`, is updated while X is read; the same pass leaves the
sums num and den that the update of the shorter factor, `short`, needs. W is updated before H: for wide X the
sums of the starting H come first. Iterates are those of scikit-learn to rounding.

What is recorded after an iteration belongs to the pair at the end of its pass; for tall X the update of H
that follows can only lower the objective.
"""

from dataclasses import astuple
from functools import partial

import numpy as np

from ..fit.checkpoint import restore, state_of
from ..fit.monitor import Monitor
from ..fold.engine import State, run
from ..fold.row_state import column_sums, shifted_rows
from ..fold.source import Array, Source
from ..least_squares.rows import Penalty
from ..linalg.powers import power_of_two, shifted
from .row_units import FixedFactor, RowUnits, sweep_until
from .start import Start
from .units import Units
from .updates import FLOOR, Shared, Updates, least_of, multiply, updated

CHECK_EVERY = 10
STATE = ("long", "short", "num", "den", "mean", "lowest", "errors")


class Multiplicative:
    """One fit; see the module.

    Parameters
    ----------
    start : Start
    beta : float
        2 for Frobenius, 1 for Kullback-Leibler, 0 for Itakura-Saito.

    References
    ----------
    Fevotte & Idier (2011), Algorithms for nonnegative matrix factorization with the beta-divergence,
    Neural Computation 23(9).
    """

    def __init__(self, start: Start, *, beta: float) -> None:
        self.begun, self.tall, self.x = start.without_W, start.tall, start.longer
        self.beta = float(beta)
        self.constant = 0.5 * start.x.squared_norm if beta == 2 else 0.0
        self._count_in(Units.of(start.x, start.H, self.beta))
        long, short = start.turned(start.W, start.H)
        self.long = shifted_rows(self.x, self.x.kept(start=long), -self.unit_long)
        self.short = shifted(short, -self.unit_short)
        self.mean = column_sums(self.x, self.long) / self.x.rows
        self.spare = self.x.room(self.long.shape[1], [])
        self.num = self.den = np.empty_like(self.short)  # until the first pass
        self.residual, self.size, self.lowest = 0.0, 0.0, np.inf
        self.errors: list[float] = []

    def _count_in(self, units: Units) -> None:
        self.units, start = units, self.begun
        self.units_long = units.rows(self.x.rows)
        least = least_of(start.x.dtype) * power_of_two(units.half)
        floors = FLOOR if self.beta < 1 else least, FLOOR if self.beta <= 1 else least
        self.floor_long, self.floor_short = start.turned(*floors)
        self.unit_long, self.unit_short = start.turned(units.W, units.H)
        of_long, of_short = start.turned(start.penalty_W, start.penalty_H)
        self.penalty_long = units.penalty(of_long, self.unit_short)
        self.own_penalty_long = units.penalty_here(of_long, self.unit_short)
        self.penalty_short = units.penalty_here(of_short, self.unit_long)

    def run(self, monitor: Monitor, tol: float) -> tuple[Array, Array, int, bool]:
        """Iterate until converged or stopped; returns W, H, the number of iterations, converged.

        Converged is what it is in scikit-learn: over ten iterations the square root of twice the
        divergence fell by less than `tol` times its first value.
        """
        n_iter, stop, converged = 0, False, False
        if monitor.state is not None:
            n_iter, converged = len(monitor.rows), monitor.state["converged"]
            self._count_in(Units(*monitor.state["units"]))
            restore(self, monitor.state, STATE)
        elif not self.tall:  # the sums of the starting H, for the first W
            first = self._pass(0, loss_at_start=True)
            self.errors.append(self._error(first.rows.loss_start))
            self._accept(first)
        while not (stop or converged or n_iter == monitor.max_iter):
            if not self.tall:
                self._update_short()
            due = self.tall and tol > 0 and n_iter % CHECK_EVERY == 0
            result = self._pass(1, loss_at_start=due)
            if due and (converged := self._settled(result.rows.loss_start, tol)):
                break
            self._accept(result)
            n_iter += 1
            loss = result.rows.loss_end
            objective = loss + self.own_penalty_long.over(self.x, self.long) + self.penalty_short(self.short)
            objective = self.constant + self.units.loss * objective
            self.lowest = max(min(self.lowest, objective), 0.0)  # below rounding, objectives are noise
            stop = monitor.record(self.lowest, self.kkt())
            if self.tall:
                self._update_short()
            elif tol > 0 and n_iter % CHECK_EVERY == 0:
                converged = self._settled(loss, tol)
            monitor.keep(partial(state_of, self, STATE), converged=bool(converged), units=astuple(self.units))
        if self.tall and tol > 0 and n_iter % CHECK_EVERY == 0 and not (stop or converged):
            converged = self._settled(self._pass(0, loss_at_start=True).rows.loss_start, tol)
        long, short = shifted_rows(self.x, self.long, self.unit_long), shifted(self.short, self.unit_short)
        W, H = self.begun.turned(long, short)
        return W, H, n_iter, bool(converged)

    def evaluate(self) -> tuple[float, float]:
        """Give the beta divergence, without penalties, and the KKT residual of the factors as they are."""
        result = self._pass(0, loss_at_start=False)
        self._accept(result)
        return self.constant + self.units.loss * result.rows.loss_end, self.kkt()

    def kkt(self) -> float:
        """The scale-invariant KKT residual of the last recorded pair.

        With g = den - num the gradient at an entry z, it is the root of sum |g| d over both factors,
        divided by sum z num. For g >= 0, d is z g / den, the multiplicative step; for g < 0 it is
        (z + u) |g| / num, u the mean of the component, so that an entry at 0 that ought to grow counts.
        The residual is 0 where the KKT conditions hold and only there, and without penalties does not
        change under X -> cX or W -> WD, H -> D^-1 H.
        """
        z, num, den = self.short, self.num, self._denominator()
        g = den - num
        reach = np.where(g >= 0, z, z + z.mean(axis=0, dtype=np.float64).astype(z.dtype))
        divisor = np.where(g >= 0, den, num)
        steps = reach * np.divide(g, divisor, out=np.zeros_like(g), where=divisor > 0)
        residual = self.residual + float(np.sum(steps * g, dtype=np.float64))
        return float(np.sqrt(residual / self.size)) if self.size > 0 else 0.0

    def _pass(self, sweeps: int, *, loss_at_start: bool) -> Updates:
        """Update `long` into `spare`, without accepting it yet."""
        pass_ = partial(
            multiply, beta=self.beta, penalty=self.penalty_long, floor=self.floor_long, max_sweeps=sweeps,
            loss_at_start=loss_at_start,
        )  # fmt: skip
        self.spare = self.x.room(self.long.shape[1], [self.spare])
        state = {"start": self.x.given(self.long), "out": self.spare}
        done: Updates = run(
            pass_, self.x, Shared(self.short, self.mean), state, fixed={"units": self.units_long}
        )  # fmt: skip
        return done

    def _accept(self, result: Updates) -> None:
        """Take `spare` for `long`, and what `short` is updated by."""
        assert result.num is not None
        self.spare, self.long = self.long, self.spare
        self.num, self.den = result.num, result.denominator(self.short)
        self.mean = result.rows.total / self.x.rows
        self.residual, self.size = result.rows.residual, result.rows.size

    def _denominator(self) -> Array:
        return self.den + self.penalty_short.l1 + self.penalty_short.l2 * self.short

    def _update_short(self) -> None:
        self.short = updated(self.short, self.num, self._denominator(), self.beta, self.floor_short)

    def _error(self, loss: float) -> float:
        return float(np.sqrt(2 * max(self.constant + self.units.loss * loss, 0.0)))

    def _settled(self, loss: float, tol: float) -> bool:
        """Note the divergence; True if it is not the first and hardly fell since the last time."""
        self.errors.append(self._error(loss))
        errors = self.errors
        return len(errors) > 1 and errors[-2] - errors[-1] < tol * errors[0]


def multiplicative_rows(
    x: Source, H: Array, penalty: Penalty, *, beta: float, max_sweeps: int, tol: float,
    until: float | None = None,
) -> tuple[Array, float]:  # fmt: skip
    """Solve W for a fixed H (m, k) by multiplicative updates; X is read once.

    A row ends when sum den |dz| <= tol sum den z, and depends neither on the other rows nor on how many
    there are. Returns W and the number of rows that had not ended after `max_sweeps`, or at the time `until`.
    """
    W = x.room(H.shape[1], [])
    pass_ = partial(multiply_to_end, beta=float(beta), max_sweeps=max_sweeps, tol=tol, until=until)
    return W, run(pass_, x, FixedFactor(H, penalty), {"out": W})


def multiply_to_end(
    rows: Source, shared: FixedFactor, state: State, *, beta: float, max_sweeps: int, tol: float,
    until: float | None,
) -> float:  # fmt: skip
    """A pass: solve rows into `out`; gives how many have not ended."""
    own = RowUnits(rows, shared, beta != 2)
    fixed = Shared(shared.H, np.zeros(shared.H.shape[1]))
    floor = FLOOR if beta < 1 else float(np.finfo(rows.dtype).tiny)

    def sweep(W: Array, n: int) -> float:
        done = multiply(
            rows, fixed, {"start": W, "out": W, "units": own.units}, beta=beta, penalty=shared.penalty,
            floor=floor, max_sweeps=n, tol=tol, measure=False,
        )  # fmt: skip
        return done.rows.unconverged

    W = own.start
    unconverged = sweep_until(sweep, W, max_sweeps, until)
    if beta == 2:  # the kernel's floor is one for rows of any size
        W[least_of(W.dtype) * W.max(axis=1, keepdims=True, initial=0) > W] = 0
    own.natural(W, state["out"])
    return unconverged
