"""The losses of NMF: each knows its alternating solver, its convex half, and how good a pair is."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .._core import kernels
from ..fit.monitor import Monitor
from ..fold.engine import State, run
from ..fold.observed import Observed
from ..fold.source import Array, Source
from ..least_squares.converged import solve_to_convergence
from ..least_squares.rows import Penalty, Sweeps, solve_free
from .alternate import Alternating
from .start import Start


class Solver(Protocol):
    """An alternating solver, started."""

    def run(self, monitor: Monitor, tol: float) -> tuple[Array, Array, int, bool]:
        """Iterate; returns W (n, k), H (m, k), the number of iterations, converged."""


class Loss(Protocol):
    """X with a loss and penalties."""

    @property
    def x(self) -> Source | Observed:
        """The data."""

    @property
    def penalty_W(self) -> Penalty:
        """The penalty on W."""

    @property
    def penalty_H(self) -> Penalty:
        """The penalty on H."""

    def solver(self, W: Array, H: Array, **options: Any) -> Solver:
        """Start an alternating solver at W (n, k) and H (m, k)."""

    def encode(self, H: Array) -> Array:
        """Give the best W for a fixed H (m, k)."""

    def finish(self, H: Array, start: Array | None = None) -> tuple[Array, float, float]:
        """Give that W, found sooner near `start`, the reconstruction error and the pair's KKT residual."""


@dataclass(slots=True)
class Frobenius:
    """1/2 |X - WH|^2 over all entries of a dense or CSR X."""

    x: Source
    penalty_W: Penalty
    penalty_H: Penalty
    frozen: int = 0

    def solver(self, W: Array, H: Array, **options: Any) -> Alternating:
        """Coordinate descent on both factors."""
        return Alternating(Start(self.x, W, H, self.penalty_W, self.penalty_H, self.frozen), **options)

    def encode(self, H: Array) -> Array:
        """Rows of W, each to convergence."""
        return solve_to_convergence(self.x, H, self.penalty_W).factor

    def finish(self, H: Array, start: Array | None = None) -> tuple[Array, float, float]:
        """One pass over X; where |X - WH| would cancel and X is dense, one more."""
        n_threads, norm2 = self.x.n_threads, self.x.squared_norm
        rows = solve_to_convergence(self.x, H, self.penalty_W, sums=True)
        W, sums = rows.factor, rows.sums
        assert sums is not None
        cols = solve_free(
            self.frozen, W, rows.gram, self.penalty_H, Sweeps(0), products=sums, start=H, n_threads=n_threads
        )
        kkt = np.sqrt((rows.residual + cols.residual) / norm2) if norm2 else 0.0
        cross = np.multiply(sums, H, dtype=np.float64).sum()
        squares = max(0.0, norm2 - 2 * cross + np.vdot(rows.gram, kernels.gram(f=H, n_threads=n_threads)))
        if not self.x.sparse and squares < np.sqrt(np.finfo(H.dtype).eps) * norm2:
            squares = run(squared_residual, self.x, np.ascontiguousarray(H.T), {"W": self.x.given(W)})
        return W, float(np.sqrt(squares)), float(kkt)


def squared_residual(rows: Source, shared: Array, state: State) -> float:
    """A pass: |X - W shared|^2."""
    return kernels.squared_residual(x=rows.kernel, w=state["W"], h=shared, n_threads=rows.n_threads)
