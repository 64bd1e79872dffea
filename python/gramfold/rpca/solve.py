"""Robust PCA by alternating directions, until a duality gap certifies the optimum.

    min |L|_* + lam |S|_1 (+ noise term)   over   P(L + S (+ N)) = P(X)

One iteration thresholds the singular values of W = X - S + Y / mu, shrinks X - L, and updates the multipliers
Y; all but a small eigenproblem is one fused pass over X and one array beside it (cpp/rpca/pass.hpp). The rule
for mu is in `steps`, the proof in `certificate`. The S given back is X - L where it is not 0; a fit has
converged when also the rest of X - L is small.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .._core.results import ShrinkSums
from ..fit.monitor import Monitor
from .certificate import Certificate
from .noise import TINY, Noise
from .numbers import Numbers
from .steps import Steps

Array = NDArray[Any]

ACCURACY = 0.03  # of the primal residual: that of the singular vectors
LEFT = 1e-6  # of |X|: what an S that is 0 off its support may leave of X when a fit is stopped


class State(Protocol):
    """Where X and the iterate are: `DenseState` or `SparseState`."""

    left: Array
    right: Array

    def threshold(self, tau: float, accuracy: float, most: int) -> Array:
        """The singular values of the input above tau; `left` and `right` become L."""

    def advance(self, numbers: Numbers) -> ShrinkSums:
        """Shrink and update the multipliers for that L, and make the next input."""

    def kept(self) -> dict[str, Any]:
        """Give what a checkpoint needs."""

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from that."""


class Outcome(NamedTuple):
    """What a fit ends with; L = state.left @ state.right.T, S and Y are unpacked from z by `numbers`.

    Y divided by `infeasible` is feasible. S is to take up the share `excess` of X - L - S: where it is not
    0, or everywhere if it `spreads`, because what it would leave is not small.
    """

    numbers: Numbers
    infeasible: float
    excess: float
    spreads: bool
    gap: float
    objective: float
    outliers: float
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
    steps : Steps
    certificate : Certificate
    most : int
        The largest rank allowed.
    bounded : bool
        Whether that can bind.
    unit : int
        X was divided by 2^unit; the objective is recorded as that of X.
    """

    state: State
    numbers: Numbers
    size: float
    noise: Noise
    steps: Steps
    certificate: Certificate
    most: int
    bounded: bool
    unit: int

    def run(self, monitor: Monitor, tol: float) -> Outcome:
        """Iterate until the gap is at most `tol`, or stopped."""
        accuracy, n_iter = ACCURACY * self.size, len(monitor.rows)
        if monitor.state is not None:
            accuracy = self._restore(monitor.state)
        while True:
            n_iter += 1
            tau = 1 / self.numbers.mu
            values = self.state.threshold(tau, accuracy, self.most)
            self.steps.zero &= not len(values)
            numbers = self.numbers._replace(damping=self.noise.damping(self.numbers.mu))
            sums = self.state.advance(numbers)
            moved, unmet = float(np.sqrt(sums.moved)), float(np.sqrt(sums.unmet))
            primal = unmet / self.size
            dual = numbers.mu * moved / max(float(np.sqrt(sums.multipliers)), TINY)
            accuracy = ACCURACY * (primal * self.size if self.steps.zero else min(primal * self.size, moved))
            self.noise.update(sums)
            objective = self.noise.objective(float(np.sum(values - tau)), sums)
            proof = self.certificate.sought(objective, sums, n_iter)
            excess = self.noise.excess(sums)
            left = excess * float(np.sqrt(sums.noise)) / self.size
            proven = proof.gap <= tol and left <= max(tol, self.steps.rounding)
            converged = tol > 0 and (proven or (self.bounded and max(primal, dual) <= tol))
            stop = monitor.record(float(np.ldexp(objective, self.unit)), max(primal, dual))
            if converged or stop or n_iter == monitor.max_iter:
                break
            self.numbers = self.steps.following(numbers, primal, dual, (len(values), sums.outliers))
            monitor.keep(self._kept, accuracy=accuracy)
        if not np.isfinite(proof.gap):
            proof = self.certificate.measured(objective, sums)
        infeasible, spreads = self.noise.infeasible(proof.norm, sums), not converged and left > LEFT
        return Outcome(
            numbers=numbers.after(),
            infeasible=infeasible,
            excess=excess,
            spreads=spreads,
            gap=proof.gap,
            objective=objective,
            outliers=sums.outliers,
            n_iter=n_iter,
            converged=converged,
        )

    def _kept(self) -> dict[str, Any]:
        """What a checkpoint needs, with `accuracy`."""
        return {
            "numbers": self.numbers,
            "steps": self.steps,
            "kappa": self.noise.kappa,
            "next_look": self.certificate.next_look,
            **self.state.kept(),
        }

    def _restore(self, kept: dict[str, Any]) -> float:
        """Go on from a checkpoint; gives the accuracy of the next iteration."""
        self.numbers, self.steps, self.noise.kappa = kept["numbers"], kept["steps"], kept["kappa"]
        self.certificate.next_look = kept["next_look"]
        self.state.restore(kept)
        return float(kept["accuracy"])
