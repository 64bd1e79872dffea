"""The proof of how far robust PCA is from its optimum: a duality gap.

S = X - L is feasible for any L, and Y / max(1, |Y|_2) for any Y with |Y_ij| <= lam, so that
|L|_* + lam |X - L|_1 - <Y, X> / max(1, |Y|_2) bounds how far the objective is from its minimum. What takes
the place of these with a noise term is in `noise`.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from .._core.results import ShrinkSums
from .noise import Noise

FINE = 1e-6
NORM_SHARE = 0.05  # of the gap that |Y|_2 may add to it


class Dual(Protocol):
    """Who knows the multipliers: a state."""

    def dual_norm(self, accuracy: float) -> float:
        """|Y|_2, off by at most `accuracy` of itself."""


class Proof(NamedTuple):
    """The relative duality gap, and |Y|_2 by which Y is made feasible."""

    gap: float
    norm: float


NOTHING = Proof(np.inf, np.nan)


@dataclass(slots=True)
class Certificate:
    """Looks for a gap of at most `tol`, and at |Y|_2 only where there is hope: it takes passes of its own.

    Parameters
    ----------
    state : Dual
    noise : Noise
    tol : float
    """

    state: Dual
    noise: Noise
    tol: float
    next_look: int = 0

    def sought(self, objective: float, sums: ShrinkSums, n_iter: int) -> Proof:
        """The gap of an iterate; `NOTHING` where it cannot be small, or was far from it just before."""
        if objective > 0:
            hoped = abs(objective - self.noise.bound(1.0, sums)) / objective
            if hoped >= self.tol or n_iter < self.next_look:
                return NOTHING
        proof = self.measured(objective, sums, min(self.tol, FINE))
        if proof.gap > self.tol:
            self.next_look = n_iter + int(np.clip(np.log2(proof.gap / self.tol), 2, 10))
        return proof

    def measured(self, objective: float, sums: ShrinkSums, fine: float = FINE) -> Proof:
        """The gap of an iterate, whatever it is, larger by less than `fine` than it need be."""
        if objective <= 0:
            return Proof(0.0, 1.0)
        accuracy = NORM_SHARE * fine
        norm = self.state.dual_norm(accuracy) * (1 + accuracy)
        return Proof(max(0.0, (objective - self.noise.bound(norm, sums)) / objective), norm)
