"""The noise terms of robust PCA: none, a given level, or the square-root term that needs no level.

Both terms enter an iteration as kappa/2 |N|^2, which only scales the multipliers before they are clipped,
by kappa / (kappa + mu); kappa follows from the norm that noise or multipliers have reached.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .._core.results import ShrinkSums

TINY = np.finfo(np.float64).tiny


class Noise(Protocol):
    """A convex term on N = X - L - S."""

    kappa: float

    def damping(self, mu: float) -> float:
        """What the multipliers are scaled with before they are clipped."""

    def update(self, sums: ShrinkSums) -> None:
        """Take notice of the norms reached."""

    def objective(self, nuclear: float, sums: ShrinkSums) -> float:
        """The objective at a feasible point made of L and S."""

    def excess(self, sums: ShrinkSums) -> float:
        """The share of X - L - S that is more than N may be, and so is a part of S."""

    def infeasible(self, norm: float, sums: ShrinkSums) -> float:
        """What Y with |Y|_2 = norm is divided by to be feasible."""

    def bound(self, norm: float, sums: ShrinkSums) -> float:
        """A lower bound of the objective, from Y with |Y|_2 = norm."""


class NoNoise:
    """N = 0: S = X - L."""

    kappa = np.inf

    def damping(self, mu: float) -> float:
        """Give 1: nothing is scaled."""
        return 1.0

    def update(self, sums: ShrinkSums) -> None:
        """Nothing to learn."""

    def objective(self, nuclear: float, sums: ShrinkSums) -> float:
        """|L|_* + lam |X - L|_1."""
        return nuclear + sums.misfit

    def excess(self, sums: ShrinkSums) -> float:
        """Give 1: S is all of X - L."""
        return 1.0

    def infeasible(self, norm: float, sums: ShrinkSums) -> float:
        """At least 1, for |Y|_2 <= 1."""
        return max(1.0, norm)

    def bound(self, norm: float, sums: ShrinkSums) -> float:
        """<Y, X>, with Y scaled to be feasible."""
        return sums.dot / self.infeasible(norm, sums)


@dataclass(slots=True)
class SquareRoot:
    """weight |N|_F: the level of the noise need not be known (Zhang, Yan & Wright 2021).

    Parameters
    ----------
    weight, kappa : float
        kappa to start with.
    size : float
        |P(X)|_F.
    """

    weight: float
    kappa: float
    size: float

    def damping(self, mu: float) -> float:
        """Give kappa / (kappa + mu)."""
        return self.kappa / (self.kappa + mu)

    def update(self, sums: ShrinkSums) -> None:
        """Set kappa = weight / |N|_F, the derivative of the term over |N|_F."""
        self.kappa = (
            self.weight
            / max(float(np.sqrt(sums.noise)), self.size * 1e-12, TINY)
            * max(1, self.weight / max(float(np.sqrt(sums.multipliers)), TINY))
        )

    def objective(self, nuclear: float, sums: ShrinkSums) -> float:
        """|L|_* + lam |S|_1 + weight |X - L - S|_F."""
        return nuclear + sums.outlying + self.weight * float(np.sqrt(sums.noise))

    def excess(self, sums: ShrinkSums) -> float:
        """Give 0: N may be anything."""
        return 0.0

    def infeasible(self, norm: float, sums: ShrinkSums) -> float:
        """At least 1, for |Y|_2 <= 1 and |Y|_F <= weight."""
        return max(1.0, norm, float(np.sqrt(sums.multipliers)) / self.weight)

    def bound(self, norm: float, sums: ShrinkSums) -> float:
        """<Y, X>, with Y scaled to be feasible."""
        return sums.dot / self.infeasible(norm, sums)


@dataclass(slots=True)
class Level:
    """|N|_F <= level: stable principal component pursuit (Zhou, Li, Wright, Candes & Ma 2010).

    Parameters
    ----------
    level, kappa : float
        kappa to start with.
    """

    level: float
    kappa: float

    def damping(self, mu: float) -> float:
        """Give kappa / (kappa + mu)."""
        return self.kappa / (self.kappa + mu)

    def update(self, sums: ShrinkSums) -> None:
        """Set kappa = |Y|_F / level, since Y = kappa N."""
        self.kappa = max(float(np.sqrt(sums.multipliers)) / self.level, TINY)

    def objective(self, nuclear: float, sums: ShrinkSums) -> float:
        """|L|_* + lam |S|_1, with what is too much of the noise counted as outliers."""
        return nuclear + sums.outlying + self.excess(sums) * sums.unexplained

    def excess(self, sums: ShrinkSums) -> float:
        """What |N|_F is above the level, as a share of it."""
        noise = float(np.sqrt(sums.noise))
        return 1 - self.level / noise if noise > self.level else 0.0

    def infeasible(self, norm: float, sums: ShrinkSums) -> float:
        """At least 1, for |Y|_2 <= 1."""
        return max(1.0, norm)

    def bound(self, norm: float, sums: ShrinkSums) -> float:
        """<Y, X> - level |Y|_F, with Y scaled to be feasible."""
        return (sums.dot - self.level * float(np.sqrt(sums.multipliers))) / self.infeasible(norm, sums)
