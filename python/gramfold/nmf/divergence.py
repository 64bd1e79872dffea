"""Beta divergences as a loss of NMF: which solver, the convex half, and how good a pair is."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..fit.warn import warn
from ..fold.observed import Observed
from ..fold.source import Array, Source
from ..fold.stored import Stored
from ..least_squares.converged import solve_to_convergence
from ..least_squares.rows import Penalty
from .beta import Multiplicative, multiplicative_rows
from .kl import KullbackLeibler, kl_rows
from .start import Start

MOST_SWEEPS = 10_000


@dataclass(slots=True)
class BetaDivergence:
    """The beta divergence of X >= 0 and WH, summed over all entries of a dense or CSR X.

    Parameters
    ----------
    x : Source of shape (n, m)
    penalty_W, penalty_H : Penalty
    beta : float
        2 for Frobenius (half the squared norm), 1 for Kullback-Leibler, 0 for Itakura-Saito.
    coordinates : bool
        Coordinate descent, for beta = 1 only, instead of multiplicative updates.
    max_time : float or None
        Seconds after which rows of `encode` are given as they are.
    weights : Source of shape (n, m), optional
    constant : float
        As in `KullbackLeibler`, for coordinate descent.
    """

    x: Source
    penalty_W: Penalty
    penalty_H: Penalty
    beta: float
    coordinates: bool
    max_time: float | None = None
    weights: Source | None = None
    constant: float = 0.0

    def solver(self, W: Array, H: Array, **options: Any) -> Multiplicative | KullbackLeibler:
        """Start at W (n, k) and H (m, k); of the options, coordinate descent takes two."""
        start = Start(self.x, W, H, self.penalty_W, self.penalty_H)
        if not self.coordinates:
            return Multiplicative(start, beta=self.beta)
        return KullbackLeibler(
            start, max_sweeps=options.get("max_sweeps"), extrapolate=options.get("extrapolate", True),
            weights=self.weights, constant=self.constant,
        )  # fmt: skip

    def encode(self, H: Array, start: Array | None = None) -> Array:
        """Rows of W for a fixed H (m, k), each to convergence and by itself, for beta = 1 from `start`."""
        if self.beta == 2:
            return solve_to_convergence(self.x, H, self.penalty_W).factor
        exact = self.x.dtype == np.float64
        until = None if self.max_time is None else time.perf_counter() + float(self.max_time)
        if self.beta == 1:
            tol = 1e-9 if exact else 1e-5
            W, unconverged = kl_rows(
                self.x, H, self.penalty_W, start=start, max_sweeps=MOST_SWEEPS, tol=tol, until=until,
                weights=self.weights,
            )  # fmt: skip
        else:
            # Multiplicative updates are slow: a step of `tol` may leave a distance of many steps. They cannot
            # move a zero, so that W is not where they start.
            W, unconverged = multiplicative_rows(
                self.x, H, self.penalty_W, beta=self.beta, max_sweeps=MOST_SWEEPS,
                tol=1e-6 if exact else 1e-5, until=until,
            )  # fmt: skip
        if unconverged:
            warn(
                f"{unconverged:.0f} of {self.x.rows} rows did not converge in {MOST_SWEEPS} sweeps"
                + (f" or max_time={float(self.max_time):g} seconds" if self.max_time is not None else ""),
                ConvergenceWarning,
            )
        return W

    def finish(self, H: Array, start: Array | None = None) -> tuple[Array, float, float]:
        """Give W for H, the root of twice the divergence, and the KKT residual of the pair."""
        W = self.encode(H, start)
        loss, kkt = self.solver(W, H, extrapolate=False).evaluate()
        if not np.isfinite(loss) and self.beta not in (0, 1, 2):
            raise ValueError(f"beta_loss={self.beta:g}: this divergence of X leaves the range of float64")
        return W, float(np.sqrt(2 * max(loss, 0.0))), kkt


@dataclass(slots=True)
class MaskedKullbackLeibler:
    """The Kullback-Leibler divergence of X >= 0 and WH over the observed entries, by coordinate descent."""

    x: Observed | Stored
    penalty_W: Penalty
    penalty_H: Penalty
    max_time: float | None = None

    def solver(self, W: Array, H: Array, **options: Any) -> Multiplicative | KullbackLeibler:
        """Start at W (n, k) and H (m, k)."""
        return self._counted.solver(W, H, **options)

    def encode(self, H: Array) -> Array:
        """Rows of W, each to convergence."""
        return self._counted.encode(H)

    def finish(self, H: Array, start: Array | None = None) -> tuple[Array, float, float]:
        """The same W, the root of twice the weighted divergence, and the KKT residual of the pair."""
        return self._counted.finish(H, start)

    @property
    def _counted(self) -> BetaDivergence:
        counted = self.x.counted
        return BetaDivergence(
            counted.x, self.penalty_W, self.penalty_H, 1.0, True, self.max_time, counted.weights,
            counted.constant,
        )  # fmt: skip
