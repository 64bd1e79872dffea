"""The noise terms of robust PCA: none, a given level, or the square-root term that needs no level.

Both terms enter an iteration as kappa/2 |N|^2, which only scales the multipliers before they are clipped,
by kappa / (kappa + mu); kappa follows from the norm that noise or multipliers have reached.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .numbers import Totals

TINY = np.finfo(np.float64).tiny


class Noise(Protocol):
    """A convex term on N = X - L - S."""

    def shrink(self, mu: float) -> float:
        """What the multipliers are scaled with before they are clipped."""

    def update(self, totals: Totals) -> None:
        """Take notice of the norms reached."""

    def primal(self, nuclear: float, totals: Totals) -> float:
        """The objective at a feasible point made of L and S."""

    def excess(self, totals: Totals) -> float:
        """The share of X - L - S that is more than N may be, and so is a part of S."""

    def infeasible(self, norm: float, totals: Totals) -> float:
        """What Y with |Y|_2 = norm is divided by to be feasible."""

    def dual(self, norm: float, totals: Totals) -> float:
        """A lower bound of the objective, from Y with |Y|_2 = norm."""


class NoNoise:
    """N = 0: S = X - L."""

    def shrink(self, mu: float) -> float:
        """Give 1: nothing is scaled."""
        return 1.0

    def update(self, totals: Totals) -> None:
        """Nothing to learn."""

    def primal(self, nuclear: float, totals: Totals) -> float:
        """|L|_* + lam |X - L|_1."""
        return nuclear + totals.misfit

    def excess(self, totals: Totals) -> float:
        """Give 1: S is all of X - L."""
        return 1.0

    def infeasible(self, norm: float, totals: Totals) -> float:
        """At least 1, for |Y|_2 <= 1."""
        return max(1.0, norm)

    def dual(self, norm: float, totals: Totals) -> float:
        """<Y, X>, with Y scaled to be feasible."""
        return totals.dot / self.infeasible(norm, totals)


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

    def shrink(self, mu: float) -> float:
        """Give kappa / (kappa + mu)."""
        return self.kappa / (self.kappa + mu)

    def update(self, totals: Totals) -> None:
        """Set kappa = weight / |N|_F, the derivative of the term over |N|_F."""
        self.kappa = (
            self.weight
            / max(float(np.sqrt(totals.noise)), self.size * 1e-12, TINY)
            * max(1, self.weight / max(float(np.sqrt(totals.dual)), TINY))
        )

    def primal(self, nuclear: float, totals: Totals) -> float:
        """|L|_* + lam |S|_1 + weight |X - L - S|_F."""
        return nuclear + totals.outlying + self.weight * float(np.sqrt(totals.noise))

    def excess(self, totals: Totals) -> float:
        """Give 0: N may be anything."""
        return 0.0

    def infeasible(self, norm: float, totals: Totals) -> float:
        """At least 1, for |Y|_2 <= 1 and |Y|_F <= weight."""
        return max(1.0, norm, float(np.sqrt(totals.dual)) / self.weight)

    def dual(self, norm: float, totals: Totals) -> float:
        """<Y, X>, with Y scaled to be feasible."""
        return totals.dot / self.infeasible(norm, totals)


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

    def shrink(self, mu: float) -> float:
        """Give kappa / (kappa + mu)."""
        return self.kappa / (self.kappa + mu)

    def update(self, totals: Totals) -> None:
        """Set kappa = |Y|_F / level, since Y = kappa N."""
        self.kappa = max(float(np.sqrt(totals.dual)) / self.level, TINY)

    def primal(self, nuclear: float, totals: Totals) -> float:
        """|L|_* + lam |S|_1, with what is too much of the noise counted as outliers."""
        return nuclear + totals.outlying + self.excess(totals) * totals.unexplained

    def excess(self, totals: Totals) -> float:
        """What |N|_F is above the level, as a share of it."""
        noise = float(np.sqrt(totals.noise))
        return 1 - self.level / noise if noise > self.level else 0.0

    def infeasible(self, norm: float, totals: Totals) -> float:
        """At least 1, for |Y|_2 <= 1."""
        return max(1.0, norm)

    def dual(self, norm: float, totals: Totals) -> float:
        """<Y, X> - level |Y|_F, with Y scaled to be feasible."""
        return (totals.dot - self.level * float(np.sqrt(totals.dual))) / self.infeasible(norm, totals)
