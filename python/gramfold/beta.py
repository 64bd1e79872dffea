"""Multiplicative updates X ~ WH for beta divergences: scikit-learn's `mu`, with one read of X per iteration.

The fold runs over the longer side. Its factor, `long`, is updated while X is read; the same pass leaves the
sums num and den that the update of the shorter factor, `short`, needs. W is updated before H: for wide X the
sums of the starting H come first. Iterates are those of scikit-learn to rounding.

What is recorded after an iteration belongs to the pair at the end of its pass; for tall X the update of H
that follows can only lower the objective.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike, NDArray

from ._core import kernels
from .floats import Piecewise
from .fold import Array, Penalty, Source
from .monitor import Monitor
from .units import Units, exponent_of, power, shifted

# Results below are 0, as in scikit-learn, in units in which X and H are about 1.
FLOOR = float(np.finfo(np.float64).eps)
CHECK_EVERY = 10


@dataclass(frozen=True, slots=True)
class MultiplicativePass:
    """What one pass gives back; see `kernels.multiplicative`."""

    factor: Array
    total: NDArray[np.float64]
    loss_start: float
    loss_end: float
    residual: float
    size: float
    open: float


class Multiplicative:
    """One fit; see the module. All factors are kept as rows, (n, k) and (m, k).

    Parameters
    ----------
    x : Source of shape (n, m)
    W, H : ndarray of shape (n, k) and (m, k)
        The start; not modified.
    penalty_W, penalty_H : Penalty
    beta : float
        2 for Frobenius, 1 for Kullback-Leibler, 0 for Itakura-Saito.

    References
    ----------
    Fevotte & Idier (2011), Algorithms for nonnegative matrix factorization with the beta-divergence,
    Neural Computation 23(9).
    """

    def __init__(
        self, x: Source, W: Array, H: Array, penalty_W: Penalty, penalty_H: Penalty, *, beta: float
    ) -> None:
        self.tall = x.rows >= x.cols
        self.x = x if self.tall else x.transposed
        self.beta = float(beta)
        self.constant = 0.5 * x.squared_norm if beta == 2 else 0.0
        self.units = units = Units.of(x, H, self.beta)
        least = least_of(x.dtype) * power(units.half)
        sides = [
            (W, penalty_W, FLOOR if beta < 1 else least, units.W, units.H),
            (H, penalty_H, FLOOR if beta <= 1 else least, units.H, units.W),
        ]
        long, short = sides[:: 1 if self.tall else -1]
        start, penalty, self.floor_long, self.unit_long, shared = long
        self.penalty_long, self.long = units.penalty(penalty, shared), shifted(start, -self.unit_long)
        self.own_penalty_long = units.penalty_here(penalty, shared)
        start, penalty, self.floor_short, self.unit_short, shared = short
        self.penalty_short, self.short = units.penalty_here(penalty, shared), shifted(start, -self.unit_short)
        self.units_long = units.rows(self.x.rows)
        self.mean = self.long.mean(axis=0, dtype=np.float64)
        self.spare: Array | None = None
        self.num, self.den = np.empty_like(self.short), np.empty_like(self.short)
        self.residual, self.size = 0.0, 0.0
        self.lowest = np.inf
        self.errors: list[float] = []
        if not self.tall:
            first = self._pass(0, loss_at_start=True)
            self.errors.append(self._error(first.loss_start))
            self._accept(first)

    def run(self, monitor: Monitor, tol: float) -> tuple[Array, Array, int, bool]:
        """Iterate until converged or stopped; returns W, H, the number of iterations, converged.

        Converged is what it is in scikit-learn: over ten iterations the square root of twice the
        divergence fell by less than `tol` times its first value.
        """
        n_iter, stop, converged = 0, False, False
        while not (stop or converged or n_iter == monitor.max_iter):
            if not self.tall:
                self._update_short()
            due = self.tall and tol > 0 and n_iter % CHECK_EVERY == 0
            result = self._pass(1, loss_at_start=due)
            if due and (converged := self._settled(result.loss_start, tol)):
                break
            self._accept(result)
            n_iter += 1
            objective = result.loss_end + self.own_penalty_long(self.long) + self.penalty_short(self.short)
            objective = self.constant + self.units.loss * objective
            self.lowest = max(min(self.lowest, objective), 0.0)  # below rounding, objectives are noise
            stop = monitor.record(self.lowest, self.kkt())
            if self.tall:
                self._update_short()
            elif tol > 0 and n_iter % CHECK_EVERY == 0:
                converged = self._settled(result.loss_end, tol)
        if self.tall and tol > 0 and n_iter % CHECK_EVERY == 0 and not (stop or converged):
            converged = self._settled(self._pass(0, loss_at_start=True).loss_start, tol)
        long, short = shifted(self.long, self.unit_long), shifted(self.short, self.unit_short)
        W, H = (long, short)[:: 1 if self.tall else -1]
        return W, H, n_iter, bool(converged)

    def evaluate(self) -> tuple[float, float]:
        """Give the beta divergence, without penalties, and the KKT residual of the factors as they are."""
        result = self._pass(0, loss_at_start=False)
        self._accept(result)
        return self.constant + self.units.loss * result.loss_end, self.kkt()

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

    def _pass(self, sweeps: int, *, loss_at_start: bool) -> MultiplicativePass:
        """Update `long`, without accepting it yet, and leave num and den for `short`."""
        out = np.empty_like(self.long) if self.spare is None else self.spare
        self.spare = out
        result = kernels.multiplicative(
            self.x.kernel, self.short, self.beta, self.long, out, self.num, self.den,
            self.penalty_long.l1, self.penalty_long.l2, self.floor_long, self.mean, sweeps, 0.0,
            loss_at_start, True, self.x.n_threads, self.units_long,
        )  # fmt: skip
        return MultiplicativePass(out, *result)

    def _accept(self, result: MultiplicativePass) -> None:
        self.spare, self.long = self.long, result.factor
        self.mean = result.total / self.x.rows
        self.residual, self.size = result.residual, result.size
        if self.beta == 1:
            self.den[:] = result.total
        elif self.beta == 2:
            gram = kernels.gram(self.long, self.x.n_threads)
            self.den[:] = self.short @ gram.astype(self.short.dtype)

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


def exponent(beta: float) -> float:
    """Give the power that makes a multiplicative update monotone (Fevotte & Idier 2011)."""
    return 1 / (2 - beta) if beta < 1 else 1 / (beta - 1) if beta > 2 else 1.0


def updated(z: Array, num: Array, den: Array, beta: float, floor: float) -> Array:
    """Give z (num / den)^gamma; what is below `floor`, or has no denominator, is 0."""
    ratio = np.divide(num, den, out=np.zeros_like(z), where=den > 0)
    ratio **= exponent(beta)
    new = z * ratio
    new[~(new >= floor)] = 0
    return new


def least_of(dtype: DTypeLike) -> float:
    """The floor where scikit-learn has none: squares of what is above it are normal numbers."""
    return float(np.sqrt(np.finfo(dtype).tiny))


class RowUnits:
    """The convex half, each row of X in a unit of its own: W (n, k) for a fixed H (m, k).

    Parameters
    ----------
    x : Source of shape (n, m)
    H : ndarray of shape (m, k)
    penalty : Penalty
        On W.
    own : bool
        Whether rows have units; without, only H has.
    """

    def __init__(self, x: Source, H: Array, penalty: Penalty, own: bool) -> None:
        sums, shared = row_sums(x), exponent_of(float(H.mean(dtype=np.float64)))
        exponents = np.where(sums > 0, np.frexp(sums / x.cols)[1] - 1, 0) if own else np.zeros(x.rows, int)
        self.H = shifted(H, -shared)
        self.penalty = Units(0, 0, shared, 1.0).penalty(penalty, shared)
        self.rows = np.ldexp(1.0, exponents) if own else None
        self.start = level(np.ldexp(sums, -exponents), self.H)
        self._exponents = (exponents - shared)[:, None]

    def natural(self, W: Array) -> Array:
        """W in X's and H's own scale."""
        return shifted(W, self._exponents)


def multiplicative_rows(
    x: Source, H: Array, penalty: Penalty, *, beta: float, max_sweeps: int, tol: float,
    until: float | None = None,
) -> tuple[Array, float]:  # fmt: skip
    """Solve W for a fixed H (m, k) by multiplicative updates; X is read once.

    A row ends when sum den |dz| <= tol sum den z, and depends neither on the other rows nor on how many
    there are. Returns W and the number of rows that had not ended after `max_sweeps`, or at the time `until`.
    """
    rows = RowUnits(x, H, penalty, beta != 2)

    def sweep(W: Array, n: int) -> float:
        return kernels.multiplicative(
            x.kernel, rows.H, float(beta), W, W, None, None, rows.penalty.l1, rows.penalty.l2,
            FLOOR if beta < 1 else float(np.finfo(x.dtype).tiny), np.zeros(H.shape[1]), n, tol, False, False,
            x.n_threads, rows.rows,
        )[-1]  # fmt: skip

    W = rows.start
    open_rows = sweep_until(sweep, W, max_sweeps, until)
    if beta == 2:  # the kernel's floor is one for rows of any size
        W[least_of(W.dtype) * W.max(axis=1, keepdims=True, initial=0) > W] = 0
    return rows.natural(W), open_rows


def sweep_until(
    sweep: Callable[[Array, int], float], W: Array, max_sweeps: int, until: float | None
) -> float:
    """Sweep over W in place, by rounds if time is limited; returns the rows that have not ended."""
    if until is None:
        return sweep(W, max_sweeps)
    n = done = 8
    while (open_rows := sweep(W, n)) and done < max_sweeps and time.perf_counter() < until:
        n = min(8, max_sweeps - done)
        done += n
    return open_rows


def level_rows(x: Source, H: Array) -> Array:
    """Give W (n, k) with all entries of a row the same and rows of WH that sum up to those of X."""
    return level(row_sums(x), H)


def level(sums: NDArray[np.float64], H: Array) -> Array:
    """Give such rows for the sums of X's."""
    total = float(np.sum(H, dtype=np.float64))
    same = sums / total if total > 0 else np.zeros(len(sums))
    return np.repeat(same[:, None], H.shape[1], axis=1).astype(H.dtype)


def row_sums(x: Source) -> NDArray[np.float64]:
    """Sum every row by itself, the same way whatever the other rows and the strides are."""
    if sp.issparse(x.x):
        return Piecewise(x.x) @ np.ones(x.cols)
    sums = np.empty(x.rows)
    for i in range(0, x.rows, 256):
        sums[i : i + 256] = np.ascontiguousarray(x.x[i : i + 256], np.float64).sum(axis=1)
    return sums
