"""Rows that have a Gram matrix each: those of what is observed of X, entry by entry weighted."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from .._core import kernels
from ..fit.warn import warn
from ..fold.observed import Observed
from ..fold.source import Array
from ..fold.stored import Stored
from .converged import MOST_SWEEPS, POLISH
from .rows import Penalty, Sweeps


@dataclass(frozen=True, slots=True)
class Solved:
    """A factor whose rows were solved; see `solve_observed`."""

    factor: Array
    violation: float
    step: float
    objective: float
    residual: float
    open: float
    before: float


def solve_observed(
    x: Observed | Stored, shared: Array, penalty: Penalty, sweeps: Sweeps, *,
    start: Array | None = None, order: NDArray[np.intp] | None = None,
) -> Solved:  # fmt: skip
    """Solve all rows of one factor of x ~ factor @ shared.T with the other one fixed.

    Parameters
    ----------
    x : Observed or Stored of shape (rows, cols)
    shared : ndarray of shape (cols, k)
        The fixed factor.
    penalty : Penalty
    sweeps : Sweeps
        With `most` = 0, `start` is only judged.
    start : ndarray of shape (rows, k), optional
        0 by default.
    order : ndarray of shape (k,), optional
        The order in which the components of a row are updated.

    Returns
    -------
    Solved
        The factor, of shape (rows, k); sum |projected gradient| and the step met in the first
        sweep; the objective with the penalty on this factor; the squared KKT residual at the end;
        how many rows were not done; the squared KKT residual at the start.
    """
    if order is not None:
        shared = shared[:, order]
        start = None if start is None else np.ascontiguousarray(start[:, order])
    factor = np.empty((x.rows, shared.shape[1]), x.dtype)
    result = kernels.masked_hals(
        x=x.kernel,
        weights=x.weights,
        f=shared,
        start=start,
        out=factor,
        l1=penalty.l1,
        l2=penalty.l2,
        nonneg=penalty.nonneg,
        max_sweeps=sweeps.most,
        polish=sweeps.polish,
        shrink=sweeps.shrink,
        tol=sweeps.tol,
        n_threads=x.n_threads,
    )
    if order is not None:
        factor = np.ascontiguousarray(factor[:, np.argsort(order)])
    return Solved(factor, *result)


def solve_columns(
    x: Observed | Stored,
    W: Array,
    frozen: int,
    penalty: Penalty,
    sweeps: Sweeps,
    *,
    start: Array,
    order: NDArray[np.intp] | None = None,
) -> Solved:
    """Solve all rows of H (m, k) for a fixed W, but for their first `frozen` components."""
    if not frozen:
        return solve_observed(x.transposed, W, penalty, sweeps, start=start, order=order)
    held, free = start[:, :frozen], np.ascontiguousarray(start[:, frozen:])
    left = x.without(W[:, :frozen], held)
    if not free.shape[1]:
        return Solved(start, 0.0, 0.0, 0.5 * left.squared_norm + penalty(held), 0.0, 0.0, 0.0)
    result = solve_observed(
        left.transposed, np.ascontiguousarray(W[:, frozen:]), penalty, sweeps, start=free, order=order
    )
    return replace(
        result, factor=np.hstack([held, result.factor]), objective=result.objective + penalty(held)
    )


def solve_observed_to_convergence(x: Observed | Stored, shared: Array, penalty: Penalty) -> Solved:
    """Solve every row of x for the fixed `shared` (cols, k), from 0, as `encode` does.

    A row with nothing observed is 0.
    """
    tol = 1e-10 if x.dtype == np.float64 else 1e-5
    result = solve_observed(x, shared, penalty, Sweeps(MOST_SWEEPS, tol=tol, polish=POLISH))
    if result.open:
        warn(
            f"{result.open:.0f} of {x.rows} rows did not converge in {MOST_SWEEPS} sweeps: the "
            "components are nearly dependent where observed; a small L2 penalty helps",
            ConvergenceWarning,
        )
    return result
