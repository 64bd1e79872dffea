"""What `Ridge.partial_fit` keeps of the blocks of rows that it has seen."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg as la

from .._core.results import Misfit
from .data import Data, Double
from .moments import RidgeMoments, misfit, noise
from .units import Units

SAME = 1e-28  # of a mean, known to twice the digits of a number, what sets it apart where all blocks have one


@dataclass(frozen=True, slots=True)
class Seen:
    """The moments of blocks, each about its own mean, added up; and, apart from them, the means.

    Blocks may lie far from each other. The squares of the distances between their means would then swallow
    the moments about them, so they are never formed: the means stay rows, of which a QR decomposition keeps
    the triangle.

    Attributes
    ----------
    within : ndarray of shape (n_features, n_features + n_targets)
        Moments of features with features and targets about the means of the blocks; about 0 without an
        intercept.
    within_squares : ndarray of shape (n_targets,)
        Those of the targets alone.
    means : ndarray of shape (k, 1 + n_features + n_targets)
        Triangular, of the rows (1, mean - origin) times the roots of the blocks' weights.
    origin : ndarray of shape (n_features + n_targets,)
    weight, centered, rounding, units
        As in `RidgeMoments`.
    """

    within: Double
    within_squares: Double
    means: Double
    origin: Double
    weight: float
    centered: bool
    rounding: float
    units: Units

    @classmethod
    def of(cls, sums: RidgeMoments) -> "Seen":
        """The first block."""
        within = np.hstack([sums.gram, sums.cross])
        mean = np.concatenate([sums.x_mean, sums.y_mean])
        means = np.sqrt(sums.weight) * np.concatenate([[1.0], sums.low])[None]
        return cls(within, sums.squares, means, mean, sums.weight, sums.centered, sums.rounding, sums.units)

    def add(self, other: "Seen") -> "Seen":
        """The blocks of both."""
        means = other.means.copy()
        means[:, 1:] += means[:, :1] * (other.origin - self.origin)
        means = la.qr(np.vstack([self.means, means]), mode="r", check_finite=False)[0]
        return replace(
            self,
            within=self.within + other.within,
            within_squares=self.within_squares + other.within_squares,
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
    def n_features(self) -> int:
        """How many columns X has."""
        return len(self.within)

    @property
    def between(self) -> Double:
        """Rows whose moments are those of the means of the blocks about the mean of all."""
        if not self.centered:
            return self.means[:0, 1:]
        rows, p = self.means[1:, 1:], self.n_features
        if self.within.diagonal().all():
            return rows
        apart = SAME * np.sqrt(self.weight) * np.abs(self.x_mean)
        rows = rows.copy()
        rows[:, :p][:, (self.within.diagonal() == 0) & (la.norm(rows[:, :p], axis=0) <= apart)] = 0
        return rows

    @property
    def _mean(self) -> Double:
        return self.origin + self._moved

    @property
    def _moved(self) -> Double:
        return np.asarray(self.means[0, 1:] / self.means[0, 0])

    @property
    def x_mean(self) -> Double:
        """The mean of X."""
        return self._mean[: self.n_features]

    @property
    def y_mean(self) -> Double:
        """The mean of y."""
        return self._mean[self.n_features :]

    @property
    def gram(self) -> Double:
        """X'X."""
        x = self.between[:, : self.n_features]
        return self.within[:, : self.n_features] + x.T @ x

    @property
    def cross(self) -> Double:
        """X'Y."""
        p, between = self.n_features, self.between
        return self.within[:, p:] + between[:, :p].T @ between[:, p:]

    @property
    def squares(self) -> Double:
        """Diagonal of Y'Y."""
        return self.within_squares + np.sum(self.between[:, self.n_features :] ** 2, axis=0)

    def misfit(self, B: Double) -> Misfit:
        """With R = Y - XB: X'R, and the columns' sums of R^2 and R."""
        p, between = self.n_features, self.between
        rest = between[:, p:] - between[:, :p] @ B
        low = (self.origin - self._mean) + self._moved
        pull, squares, sums = misfit(
            self.within[:, :p], self.within[:, p:], self.within_squares, B, low, self.weight
        )
        return Misfit(pull + between[:, :p].T @ rest, squares + np.sum(rest**2, axis=0), sums)

    def noise(self, B: Double) -> Double:
        """A bound on the error of the gradient that rounding of the moments causes, per target."""
        squares = np.concatenate([self.within.diagonal(), self.within_squares])
        return noise(self.rounding, np.sqrt(np.maximum(squares, 0)), B)

    def triangle(self) -> Double:
        """R of [X, Y], R'R the moments of X with all; the distances between blocks lose no digit in it."""
        p = self.n_features
        unit = np.ldexp(1.0, -(np.frexp(self.within.diagonal())[1] // 2))  # which makes columns alike in size
        values, vectors = la.eigh(unit[:, None] * self.within[:, :p] * unit, check_finite=False)
        kept = values > p * np.finfo(np.float64).eps * values.max(initial=0)
        sizes, along = np.sqrt(values[kept])[:, None], vectors[:, kept].T
        along[:, self.within.diagonal() == 0] = 0
        root = np.hstack([sizes * along / unit, (along * unit) @ self.within[:, p:] / sizes])
        R = la.qr(np.vstack([root, self.between]), mode="r", check_finite=False)[0]
        return np.vstack([R, np.zeros((max(0, p - len(R)), R.shape[1]))])
