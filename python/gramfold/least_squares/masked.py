"""Rows that have a Gram matrix each: those of what is observed of X, entry by entry weighted."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from .._core import kernels
from .._core.results import OwnSwept
from ..fit.warn import warn
from ..fold.columns import Columns
from ..fold.engine import State, run
from ..fold.observed import Observed
from ..fold.source import Array
from ..fold.stored import Stored
from .converged import MOST_SWEEPS, POLISH
from .rows import Penalty, Sweeps

Entries = Observed | Stored | Columns


@dataclass(frozen=True, slots=True)
class OwnSolved:
    """A factor whose rows were solved, and sums over them; see `OwnSwept`."""

    factor: Array
    violation: float
    step: float
    objective: float
    residual: float
    unconverged: float
    before: float


def solve_observed(
    x: Entries, shared: Array, penalty: Penalty, sweeps: Sweeps, *, start: Array | None = None,
    order: NDArray[np.intp] | None = None,
) -> OwnSolved:  # fmt: skip
    """Solve all rows of one factor of x ~ factor @ shared.T with the other one fixed.

    Parameters
    ----------
    x : Observed or Stored of shape (rows, cols), or Columns of one
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
    OwnSolved
        The factor, of shape (rows, k); sum |projected gradient| and the step met in the first
        sweep; the objective with the penalty on this factor; the squared KKT residual at the end;
        how many rows were not done; the squared KKT residual at the start.
    """
    if order is not None:
        shared = shared[:, order]
        start = None if start is None else np.ascontiguousarray(start[:, order])
    factor = np.empty((x.rows, shared.shape[1]), x.dtype)
    state = {"start": x.given(start), "out": factor}
    swept = run(partial(solve, penalty=penalty, sweeps=sweeps), x, shared, state)
    if order is not None:
        factor = np.ascontiguousarray(factor[:, np.argsort(order)])
    return OwnSolved(factor, **swept._asdict())


def solve(
    rows: Observed | Stored, shared: Array, state: State, *, penalty: Penalty, sweeps: Sweeps
) -> OwnSwept:
    """A pass: solve rows from `start` into `out`."""
    return kernels.masked_hals(
        x=rows.kernel,
        weights=rows.weights,
        f=shared,
        start=state["start"],
        out=state["out"],
        l1=penalty.l1,
        l2=penalty.l2,
        nonneg=penalty.nonneg,
        max_sweeps=sweeps.most,
        polish=sweeps.polish,
        shrink=sweeps.shrink,
        tol=sweeps.tol,
        n_threads=rows.n_threads,
    )


def solve_columns(
    x: Observed | Stored, W: Array, frozen: int, penalty: Penalty, sweeps: Sweeps, *, start: Array,
    order: NDArray[np.intp] | None = None,
) -> OwnSolved:  # fmt: skip
    """Solve all rows of H (m, k) for a fixed W, but for their first `frozen` components."""
    if not frozen:
        return solve_observed(x.transposed, W, penalty, sweeps, start=start, order=order)
    held, free = start[:, :frozen], np.ascontiguousarray(start[:, frozen:])
    left = x.without(W[:, :frozen], held)
    if not free.shape[1]:
        return OwnSolved(start, 0.0, 0.0, 0.5 * left.squared_norm + penalty(held), 0.0, 0.0, 0.0)
    result = solve_observed(
        left.transposed, np.ascontiguousarray(W[:, frozen:]), penalty, sweeps, start=free, order=order
    )
    return replace(
        result, factor=np.hstack([held, result.factor]), objective=result.objective + penalty(held)
    )


def solve_observed_to_convergence(x: Observed | Stored, shared: Array, penalty: Penalty) -> OwnSolved:
    """Solve every row of x for the fixed `shared` (cols, k), from 0, as `encode` does.

    A row with nothing observed is 0.
    """
    tol = 1e-10 if x.dtype == np.float64 else 1e-5
    result = solve_observed(x, shared, penalty, Sweeps(MOST_SWEEPS, tol=tol, polish=POLISH))
    if result.unconverged:
        warn(
            f"{result.unconverged:.0f} of {x.rows} rows did not converge in {MOST_SWEEPS} sweeps: the "
            "components are nearly dependent where observed; a small L2 penalty helps",
            ConvergenceWarning,
        )
    return result
