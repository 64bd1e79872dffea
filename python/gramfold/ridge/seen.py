"""What `Ridge.partial_fit` keeps of the blocks of rows that it has seen."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg as la

from .._core.results import Misfit
from .data import Data, Double
from .moments import RidgeMoments
from .units import Units


@dataclass(frozen=True, slots=True)
class Seen:
    """Sums of the moments of blocks, each about its own mean, and the means as rows of their own.

    Blocks may lie far from each other: squares of the ways between their means are never added to the moments
    within, but kept as the triangle of a QR decomposition.

    Attributes
    ----------
    within : ndarray of shape (n_features + n_targets, n_features + n_targets)
        Moments of features and targets about the means of the blocks; about 0 without an intercept.
    means : ndarray of shape (k, 1 + n_features + n_targets)
        Triangular, of the rows (1, mean - origin) times the roots of the blocks' weights.
    origin : ndarray of shape (n_features + n_targets,)
    weight, centered, rounding, units
        As in `RidgeMoments`.
    """

    within: Double
    means: Double
    origin: Double
    n_features: int
    weight: float
    centered: bool
    rounding: float
    units: Units

    @classmethod
    def of(cls, sums: RidgeMoments) -> "Seen":
        """The first block."""
        within = np.block([[sums.gram, sums.cross], [sums.cross.T, sums.targets]])
        mean = np.concatenate([sums.x_mean, sums.y_mean])
        means = np.sqrt(sums.weight) * np.concatenate([[1.0], sums.low])[None]
        return cls(within, means, mean, len(sums.gram), sums.weight, sums.centered, sums.rounding, sums.units)

    def add(self, other: "Seen") -> "Seen":
        """The blocks of both."""
        means = other.means.copy()
        means[:, 1:] += means[:, :1] * (other.origin - self.origin)
        means = la.qr(np.vstack([self.means, means]), mode="r", check_finite=False)[0]
        return replace(
            self,
            within=self.within + other.within,
            means=means[: means.shape[1]],
            weight=self.weight + other.weight,
            rounding=max(self.rounding, other.rounding),
        )

    def refuse(self, data: Data) -> None:
        """Refuse a block of rows that does not continue these."""
        targets = len(self.origin) - self.n_features
        if data.y.shape[1] != targets:
            raise ValueError(
                f"y has {data.y.shape[1]} targets, but the blocks before had {targets}; `fit` starts over"
            )
        if data.centered != self.centered:
            raise ValueError(
                f"fit_intercept={data.centered}, but not for the blocks before; `fit` starts over"
            )

    @property
    def between(self) -> Double:
        """Rows whose moments are those of the means of the blocks about the mean of all."""
        return self.means[1:, 1:] if self.centered else self.means[:0, 1:]

    @property
    def _mean(self) -> Double:
        return self.origin + self.means[0, 1:] / self.means[0, 0]

    @property
    def x_mean(self) -> Double:
        """The mean of X."""
        return self._mean[: self.n_features]

    @property
    def y_mean(self) -> Double:
        """The mean of y."""
        return self._mean[self.n_features :]

    @property
    def _all(self) -> Double:
        return self.within + self.between.T @ self.between

    @property
    def gram(self) -> Double:
        """X'X."""
        return self._all[: self.n_features, : self.n_features]

    @property
    def cross(self) -> Double:
        """X'Y."""
        return self._all[: self.n_features, self.n_features :]

    @property
    def squares(self) -> Double:
        """Diagonal of Y'Y."""
        return self._all.diagonal()[self.n_features :].copy()

    def misfit(self, B: Double) -> Misfit:
        """With R = Y - XB: X'R, and the columns' sums of R^2 and R."""
        p, between = self.n_features, self.between
        toward = np.vstack([-B, np.eye(B.shape[1])])
        rest, pull = between @ toward, self.within @ toward
        squares = np.sum(rest**2, axis=0) + np.maximum(np.sum(toward * pull, axis=0), 0)
        return Misfit(pull[:p] + between[:, :p].T @ rest, squares, np.zeros(B.shape[1]))

    def noise(self, B: Double) -> Double:
        """What rounding of the moments may hide of the gradient, per target."""
        sizes = np.sqrt(np.maximum(self.within.diagonal(), 0))
        p = self.n_features
        return np.asarray(self.rounding * la.norm(sizes[:p]) * (sizes[:p] @ np.abs(B) + sizes[p:]))

    def triangle(self) -> Double:
        """A factor of the moments that has the ways between blocks to full accuracy."""
        values, vectors = la.eigh(self.within, check_finite=False)
        least = len(values) * np.finfo(np.float64).eps * values.max(initial=0)
        root = np.sqrt(np.where(values > least, values, 0))[:, None] * vectors.T
        return la.qr(np.vstack([root, self.between]), mode="r", check_finite=False)[0][: len(root)]
