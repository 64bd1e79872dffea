"""Robust PCA by alternating directions, until a duality gap certifies the optimum.

    min |L|_* + lam |S|_1 (+ noise term)   over   P(L + S (+ N)) = P(X)

One iteration thresholds the singular values of W = X - S + Y / mu, shrinks X - L, and updates the
multipliers Y; all but a small eigenproblem is one fused pass over X and one array beside it
(cpp/rpca/pass.hpp). mu first grows as in the inexact method of multipliers (Lin, Chen & Ma 2010), which
finds rank and support fast, and faster while L = 0, but if it grew on the limit need not be the optimum.
From `HOLD` times the first mu on, or from where L is not 0, it only balances the primal with the dual
residual (Boyd et al. 2011, 3.4.1), and steps are over-relaxed.

The certificate: S = X - L is feasible for any L, and Y / max(1, |Y|_2) for any Y with |Y_ij| <= lam, so that
|L|_* + lam |X - L|_1 - <Y, X> / max(1, |Y|_2) bounds how far the objective is from its minimum. The S given
back is X - L where it is not 0; a fit has converged when also the rest of X - L is small.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..fit.monitor import Monitor
from .noise import TINY, Noise
from .numbers import Numbers, Totals

Array = NDArray[Any]

# Chosen on ten to thirteen planted, noisy, masked and video-like problems by iterations to a gap of 1e-6.
GROWTH, LEAP, HOLD, BALANCE, SLACK, EVERY, RELAX = 1.5, 5.0, 30.0, 20.0, 3.0, 5, 1.6
ACCURACY, ROUNDING = 0.03, 16
LEFT = 1e-6  # of |X|: what an S that is 0 off its support may leave of X when a fit is stopped
NORM_SHARE = 0.05  # of the gap that |Y|_2 may add to it


class State(Protocol):
    """Where X and the iterate are: `rpca_dense.DenseState` or `rpca_sparse.SparseState`."""

    rows: int
    cols: int
    left: Array
    right: Array
    relaxes: bool

    def threshold(self, tau: float, accuracy: float, most: int) -> Array:
        """The singular values of the input above tau; `left` and `right` become L."""

    def advance(self, numbers: Numbers) -> Totals:
        """Shrink and update the multipliers for that L, and make the next input."""

    def dual_norm(self, accuracy: float) -> float:
        """The spectral norm of Y, off by at most `accuracy` of itself."""


@dataclass(slots=True)
class Solution:
    """What a fit ends with; L = state.left @ state.right.T, S and Y are decoded from state.z.

    Y divided by `infeasible` is feasible. S is to take up the share `excess` of X - L - S: where it is not
    0, or everywhere if it `spreads`, because what it would leave is not small.
    """

    numbers: Numbers
    infeasible: float
    excess: float
    spreads: bool
    gap: float
    objective: float
    count: float
    n_iter: int
    converged: bool


@dataclass(slots=True)
class Driver:
    """One fit.

    Parameters
    ----------
    state : State
        With the input of the first threshold made for `numbers`.
    numbers : Numbers
        Of the first pass.
    size : float
        |P(X)|_F.
    noise : Noise
    most : int
        The largest rank allowed.
    hold : float
        The mu at which growth ends.
    unit : int
        X was divided by 2^unit; the objective is recorded as that of X.
    balance : float
        The ratio of dual to primal residual that is kept.
    """

    state: State
    numbers: Numbers
    size: float
    noise: Noise
    most: int
    hold: float
    unit: int = 0
    balance: float = BALANCE
    held: int = -1
    every: int = EVERY
    last_change: float = 1.0
    next_check: int = 0
    empty: bool = True  # whether L has been 0 so far
    begun: bool = False  # whether mu has been set by where L was not 0 first

    def run(self, monitor: Monitor, tol: float) -> Solution:
        """Iterate until the gap is at most `tol`, or stopped."""
        bounded = self.most < min(self.state.rows, self.state.cols)
        accuracy, converged, stop, n_iter = ACCURACY * self.size, False, False, 0
        rounding = ROUNDING * float(np.finfo(self.state.left.dtype).eps)
        while True:
            n_iter += 1
            tau = 1 / self.numbers.mu
            values = self.state.threshold(tau, accuracy, self.most)
            self.empty &= not len(values)
            numbers = replace(self.numbers, shrink=self.noise.shrink(self.numbers.mu))
            totals = self.state.advance(numbers)
            nuclear, moved = float(np.sum(values - tau)), float(np.sqrt(totals.moved))
            primal = float(np.sqrt(totals.residual)) / self.size
            dual = numbers.mu * moved / max(float(np.sqrt(totals.dual)), TINY)
            accuracy = ACCURACY * (primal * self.size if self.empty else min(primal * self.size, moved))
            self.noise.update(totals)
            objective = self.noise.primal(nuclear, totals)
            gap, norm = self._certify(objective, totals, tol, n_iter)
            excess = self.noise.excess(totals)
            left = excess * float(np.sqrt(totals.noise)) / self.size
            proven = gap <= tol and left <= max(tol, rounding)
            converged = tol > 0 and (proven or (bounded and max(primal, dual) <= tol))
            stop = (
                monitor.record(float(np.ldexp(objective, self.unit)), max(primal, dual))
                or n_iter == monitor.max_iter
            )
            if converged or stop:
                break
            self.numbers = self._following(numbers, primal, dual)
        if not np.isfinite(gap):
            gap, norm = self._certify(objective, totals, np.inf, n_iter)
        infeasible, spreads = self.noise.infeasible(norm, totals), not converged and left > LEFT
        return Solution(
            numbers.after(), infeasible, excess, spreads, gap, objective, totals.count, n_iter, converged
        )

    def _certify(self, objective: float, totals: Totals, tol: float, n_iter: int) -> tuple[float, float]:
        """The relative gap and |Y|_2; inf where it is not worth a pass to know."""
        if objective <= 0:
            return 0.0, 1.0
        hoped = abs(objective - self.noise.dual(1.0, totals)) / objective
        if hoped > tol or (n_iter < self.next_check and np.isfinite(tol)):
            return np.inf, np.nan
        accuracy = NORM_SHARE * min(tol, 1e-6)
        norm = self.state.dual_norm(accuracy) * (1 + accuracy)
        gap = max(0.0, (objective - self.noise.dual(norm, totals)) / objective)
        if gap > tol:
            self.next_check = n_iter + int(np.clip(np.log2(gap / tol), 2, 10))
        return gap, norm

    def _following(self, numbers: Numbers, primal: float, dual: float) -> Numbers:
        """Numbers of the next pass; its mu is settled already, the one after it is chosen now.

        Each time that balancing turns round it is done half as often: for a mu that stays, convergence is
        proven. Where residuals are rounding so is the rest of the gap, and a smaller mu makes less of it.
        """
        mu = numbers.mu_next
        if self.empty:
            mu *= LEAP
        elif not self.begun:
            mu, self.begun = min(mu, numbers.mu * GROWTH), True
            self.hold = max(self.hold, mu)
        elif self.held < 0 and mu < self.hold:
            mu = min(self.hold, mu * GROWTH)
        else:
            self.held += 1
            if self.held % self.every == self.every - 1:
                ratio = self.balance * primal / max(dual, TINY)
                change = 2.0 if ratio > SLACK else 0.5 if ratio < 1 / SLACK else 1.0
                if max(primal, dual) <= ROUNDING * float(np.finfo(self.state.left.dtype).eps):
                    change = 0.5
                if change * self.last_change == 1 and change != 1:
                    self.every *= 2
                self.last_change = change if change != 1 else self.last_change
                mu *= change
        relax = RELAX if self.held > 0 and self.state.relaxes else 1.0
        return replace(numbers.after(), mu=numbers.mu_next, mu_next=mu, relax=relax)
