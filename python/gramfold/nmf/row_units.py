"""Rows of W for a fixed H, each row of X in a unit of its own, so that none depends on the others."""

import time
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fit.floats import piecewise
from ..fold.engine import State, run
from ..fold.source import Array, Source
from ..least_squares.rows import Penalty
from ..linalg.powers import exponent_of, scaled, shifted
from .units import Units


class FixedFactor:
    """H (m, k) near 1, and the penalty on W beside it.

    Parameters
    ----------
    H : ndarray of shape (m, k)
    penalty : Penalty
        On W.
    """

    def __init__(self, H: Array, penalty: Penalty) -> None:
        self.exponent = exponent_of(float(H.mean(dtype=np.float64)))
        self.H = shifted(H, -self.exponent)
        self.penalty = Units(0, 0, self.exponent, 1.0).penalty(penalty, self.exponent)


class RowUnits:
    """Rows of X in units of their own.

    Parameters
    ----------
    x : Source of one segment
    shared : FixedFactor
    own : bool
        Whether rows have units; without, only H has.

    Attributes
    ----------
    units : ndarray of shape (rows,) or None
        What a kernel divides rows by.
    start : ndarray of shape (rows, k)
        W to start from, so that rows of WH sum up to those of X.
    """

    def __init__(self, x: Source, shared: FixedFactor, own: bool = True) -> None:
        sums = np.empty(x.rows)
        row_sums(x, None, {"sums": sums})
        exponents = np.where(sums > 0, np.frexp(sums / x.cols)[1] - 1, 0) if own else np.zeros(x.rows, int)
        self.units = np.ldexp(1.0, exponents) if own else None
        self.start = level(np.ldexp(sums, -exponents), shared.H)
        self._exponents = (exponents - shared.exponent)[:, None]

    def counted(self, W: Array) -> Array:
        """W, given in X's and H's own scale, in these units."""
        return shifted(W, -self._exponents)

    def natural(self, W: Array, out: Array) -> None:
        """Write W in X's and H's own scale."""
        scaled(W, self._exponents, out=out)


def sweep_until(
    sweep: Callable[[Array, int], float], W: Array, max_sweeps: int, until: float | None
) -> float:
    """Sweep over W in place, by rounds if time is limited; returns the rows that have not ended."""
    if until is None:
        return sweep(W, max_sweeps)
    n = done = 8
    while (unconverged := sweep(W, n)) and done < max_sweeps and time.perf_counter() < until:
        n = min(8, max_sweeps - done)
        done += n
    return unconverged


def level_rows(x: Source, H: Array) -> Array:
    """Give W (n, k) with all entries of a row the same and rows of WH that sum up to those of X."""
    sums = x.kept(dtype=np.float64)
    run(row_sums, x, None, {"sums": sums})
    return level(np.asarray(sums), H)


def level(sums: NDArray[np.float64], H: Array) -> Array:
    """Give such rows for the sums of X's."""
    total = float(np.sum(H, dtype=np.float64))
    same = sums / total if total > 0 else np.zeros(len(sums))
    return np.repeat(same[:, None], H.shape[1], axis=1).astype(H.dtype)


def row_sums(rows: Source, shared: None, state: State) -> None:
    """A pass: sum every row into `sums`, the same way whatever the other rows and the strides are."""
    x, sums = rows.x, state["sums"]
    if sp.issparse(x):
        sums[:] = piecewise(x) @ np.ones(rows.cols)
        return
    for i in range(0, rows.rows, 256):
        sums[i : i + 256] = np.ascontiguousarray(x[i : i + 256], np.float64).sum(axis=1)
