"""Multiplicative updates X ~ WH for beta divergences: scikit-learn's `mu`, with one read of X per iteration.

The fold runs over the longer side. Its factor, `long`, is updated while X is read; the same pass leaves the
sums num and den that the update of the shorter factor, `short`, needs. W is updated before H: for wide X the
sums of the starting H come first. Iterates are those of scikit-learn to rounding.

What is recorded after an iteration belongs to the pair at the end of its pass; for tall X the update of H
that follows can only lower the objective.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ._core import kernels
from .fold import Array, Penalty, Source
from .monitor import Monitor

# Scikit-learn, for both dtypes: results below the first are 0, and nothing below the second divides.
FLOOR, GUARD = float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps)
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
        sides = [
            (W, penalty_W, FLOOR if beta < 1 else 0.0),
            (H, penalty_H, FLOOR if beta <= 1 else 0.0),
        ]
        long, short = sides[:: 1 if self.tall else -1]
        self.long, self.penalty_long, self.floor_long = long
        self.short, self.penalty_short, self.floor_short = short
        self.mean = self.long.mean(axis=0, dtype=np.float64)
        self.spare: Array | None = None
        self.num, self.den = np.empty_like(self.short), np.empty_like(self.short)
        self.residual, self.size = 0.0, 0.0
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
            objective = self.constant + result.loss_end + self.penalty_long(self.long)
            stop = monitor.record(objective + self.penalty_short(self.short), self.kkt())
            if self.tall:
                self._update_short()
            elif tol > 0 and n_iter % CHECK_EVERY == 0:
                converged = self._settled(result.loss_end, tol)
        if self.tall and tol > 0 and n_iter % CHECK_EVERY == 0 and not (stop or converged):
            converged = self._settled(self._pass(0, loss_at_start=True).loss_start, tol)
        W, H = (self.long, self.short)[:: 1 if self.tall else -1]
        return W, H, n_iter, converged

    def evaluate(self) -> tuple[float, float]:
        """Give the beta divergence, without penalties, and the KKT residual of the factors as they are."""
        result = self._pass(0, loss_at_start=False)
        self._accept(result)
        return self.constant + result.loss_end, self.kkt()

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
        steps = reach * (g / np.where(g >= 0, den, num))
        residual = self.residual + float(np.sum(steps * g, dtype=np.float64))
        return float(np.sqrt(residual / self.size)) if self.size > 0 else 0.0

    def _pass(self, sweeps: int, *, loss_at_start: bool) -> MultiplicativePass:
        """Update `long`, without accepting it yet, and leave num and den for `short`."""
        out = np.empty_like(self.long) if self.spare is None else self.spare
        self.spare = out
        result = kernels.multiplicative(
            self.x.kernel, self.short, self.beta, self.long, out, self.num, self.den,
            self.penalty_long.l1, self.penalty_long.l2, self.floor_long, self.mean, sweeps, 0.0,
            loss_at_start, True, self.x.n_threads,
        )  # fmt: skip
        return MultiplicativePass(out, *result)

    def _accept(self, result: MultiplicativePass) -> None:
        # The start belongs to the caller, so it never becomes the spare buffer.
        self.spare = self.long if self.size else None
        self.long = result.factor
        self.mean = result.total / self.x.rows
        self.residual, self.size = result.residual, result.size
        if self.beta == 1:
            self.den[:] = result.total
        elif self.beta == 2:
            gram = kernels.gram(self.long, self.x.n_threads)
            self.den[:] = self.short @ gram.astype(self.short.dtype)

    def _denominator(self) -> Array:
        den = self.den + self.penalty_short.l1 + self.penalty_short.l2 * self.short
        den[den == 0] = GUARD
        return den

    def _update_short(self) -> None:
        ratio = self.num / self._denominator()
        ratio **= exponent(self.beta)
        self.short = self.short * ratio
        self.short[self.short < self.floor_short] = 0

    def _error(self, loss: float) -> float:
        return float(np.sqrt(2 * max(self.constant + loss, 0.0)))

    def _settled(self, loss: float, tol: float) -> bool:
        """Note the divergence; True if it is not the first and hardly fell since the last time."""
        self.errors.append(self._error(loss))
        errors = self.errors
        return len(errors) > 1 and errors[-2] - errors[-1] < tol * errors[0]


def exponent(beta: float) -> float:
    """Give the power that makes a multiplicative update monotone (Fevotte & Idier 2011)."""
    return 1 / (2 - beta) if beta < 1 else 1 / (beta - 1) if beta > 2 else 1.0


def multiplicative_rows(
    x: Source, H: Array, penalty: Penalty, *, beta: float, max_sweeps: int, tol: float
) -> tuple[Array, float]:
    """Solve W for a fixed H (m, k) by multiplicative updates; X is read once.

    A row ends when sum den |dz| <= tol sum den z, and depends neither on the other rows nor on how many
    there are. Returns W and the number of rows that had not ended after `max_sweeps`.
    """
    start = level_rows(x, H)
    k = H.shape[1]
    *_, open_rows = kernels.multiplicative(
        x.kernel, H, float(beta), start, start, None, None, penalty.l1, penalty.l2,
        FLOOR if beta < 1 else 0.0, np.zeros(k), max_sweeps, tol, False, False, x.n_threads,
    )  # fmt: skip
    return start, open_rows


def level_rows(x: Source, H: Array) -> Array:
    """Give W (n, k) with all entries of a row the same and rows of WH that sum up to those of X."""
    total = float(np.sum(H, dtype=np.float64))
    level = row_sums(x) / total if total > 0 else np.zeros(x.rows)
    return np.repeat(level[:, None], H.shape[1], axis=1).astype(x.dtype)


def row_sums(x: Source) -> NDArray[np.float64]:
    """Sum every row by itself, the same way whatever the other rows and the strides are."""
    if sp.issparse(x.x):
        return np.asarray(x.x @ np.ones(x.cols))
    sums = np.empty(x.rows)
    for i in range(0, x.rows, 256):
        sums[i : i + 256] = np.ascontiguousarray(x.x[i : i + 256], np.float64).sum(axis=1)
    return sums
