"""EM for Gaussian mixtures: the start and one step."""

from collections.abc import Callable
from copy import copy
from typing import Any, Self

import numpy as np

from ..fold.source import Source
from .em import Degenerate
from .gaussian_parameters import (
    Double,
    GaussianParameters,
    Moments,
    apart,
    covariances_of,
    estimate,
    factors_from_precisions,
    factors_of,
    in_units,
    moved_far,
)
from .gaussian_points import Found, Points
from .passes import GaussianSums
from .start import Start, starts

ORIGIN = 1e8  # variances' multiples up to which the square of the origin's distance leaves digits of them


class GaussianModel:
    """What EM needs: the data, the kind of covariance and how to start.

    Parameters
    ----------
    points : Points
    k : int
    kind : {'full', 'tied', 'diag', 'spherical'}
    reg_covar : float
        Added to all variances.
    init : str
        See `mixture_start.Start`.
    weights, means, precisions : ndarray, optional
        Those to start from; not in the points' units.
    """

    def __init__(
        self, points: Points, k: int, kind: str, reg_covar: float, init: str, weights: Double | None,
        means: Double | None, precisions: Double | None,
    ) -> None:  # fmt: skip
        self.points, self.k, self.kind, self.init = points, k, kind, init
        self.weights, self.means, self.precisions = weights, means, precisions
        self.weight = points.weight
        scale = points.frame.scale
        self.reg_covar = reg_covar * scale * scale
        shape = {"full": (k, points.d, points.d), "tied": (1, points.d, points.d)}.get(kind, (k, points.d))
        self.squares = shape

    @property
    def source(self) -> Source:
        """X."""
        return self.points.x

    def over(self, source: Source) -> Self:
        """Give this model with another source of the same X."""
        mine = copy(self)
        mine.points = Points(source, self.points.weights, self.points.frame, self.points.estimator)
        return mine

    def step(self, theta: Any) -> tuple[Any, float]:
        """EM (Dempster, Laird & Rubin 1977), with moments about the old means."""
        return self.updated(theta, self.points.run)

    def updated(
        self, theta: GaussianParameters, over_rows: Callable[..., Found]
    ) -> tuple[GaussianParameters, float]:
        """Give what is best for the moments of a pass as `Points.run`, and its mean log-likelihood."""
        likelihood, about = 0.0, self.points.rounded(theta.means)
        shared = self._shares_scatter(theta.weights, theta.means, theta.covariances)
        for _ in range(2):
            found = over_rows(theta, about=about, second=None if shared else self.squares)
            counts, likelihood = found.counts, found.likelihood
            if not np.isfinite(likelihood):
                raise Degenerate(
                    "X holds rows so far from the others that their squared distances leave the range of "
                    "float64; take such rows out"
                )
            moments = self._moments(found, about)
            means, covariances = estimate(self.kind, moments, theta.covariances, self.reg_covar)
            weights = counts / counts.sum()
            if shared:
                shared = self._shares_scatter(weights, means, covariances)
                if shared:
                    break
            elif not moved_far(self.kind, moments, means, covariances):
                break
            about = self.points.rounded(means)
        new = GaussianParameters(self.kind, weights, means, covariances, factors_of(covariances, self.kind))
        return new, likelihood / self.weight

    def resumed(self, theta: GaussianParameters) -> Any:
        """Give what `step` takes from parameters."""
        return theta

    def parameters(self, theta: Any) -> GaussianParameters:
        """Give the parameters of what `step` gave."""
        found: GaussianParameters = theta
        return found

    def gap(self, theta: Any) -> float:
        """By how much the mean log-likelihood is above its bound."""
        return 0.0

    def draw(self, rng: np.random.RandomState, count: int) -> list[Start] | list[None]:
        """What runs start from, unless all of it was given."""
        if all(given is not None for given in (self.weights, self.means, self.precisions)):
            return [None] * count
        points = self.points
        try:
            return starts(points.features, self.k, self.init, rng, points.weights, points.x.n_threads, count)
        except ValueError:
            points.x.check_finite(points.estimator)  # k-means would say it of itself
            raise

    def begin(self, start: Start | None) -> Any:
        """What `step` takes first, from a start."""
        return self.resumed(self._first(start))

    def _first(self, start: Start | None) -> GaussianParameters:
        """Parameters that are given, or of the responsibilities that clusters, rows or chance give."""
        kind, weights = self.kind, self.weights
        means = None if self.means is None else self.points.scaled(self.means)
        factors = None
        if self.precisions is not None:
            raw = factors_from_precisions(self.precisions, kind)
            factors = in_units(raw, kind, 1 / self.points.frame.scale)
        if start is not None:
            weights_found, means_found, covariances = self._from_responsibilities(start)
            weights = weights_found if weights is None else weights
            means = means_found if means is None else means
            if factors is None:
                return GaussianParameters(kind, weights, means, covariances, factors_of(covariances, kind))
        assert weights is not None
        assert means is not None
        assert factors is not None
        return GaussianParameters(kind, weights, means, covariances_of(factors, kind), factors)

    def _shares_scatter(self, weights: Double, means: Double, covariances: Double) -> bool:
        """Whether the covariance of all is safely that of the rows about the shift less that of the means."""
        return self.kind == "tied" and not apart(weights, means, covariances)

    def _moments(self, found: Found | GaussianSums, about: Double) -> Moments:
        """Those of a pass; without squares of its own, with those of all rows."""
        assert found.first is not None
        squares = self.points.scatter[1] if found.second is None else found.second
        return Moments(found.counts, found.first, squares, about)

    def _from_responsibilities(self, start: Start) -> tuple[Double, Double, Double]:
        """Weights, means and covariances: once for the means, and about them if that was far from them."""
        points = self.points
        about, shared = np.zeros((self.k, points.d)), self.kind == "tied"
        factors = np.ones(self.k) if self.kind == "spherical" else np.ones((self.k, points.d))
        old = factors if self.kind in ("diag", "spherical") else np.array([np.eye(points.d)] * self.k)
        for _ in range(2):
            found = points.given(start, about, None if shared else self.squares)
            counts = found.counts
            moments = self._moments(found, about)
            means, covariances = estimate(self.kind, moments, old, self.reg_covar)
            weights = counts / counts.sum()
            if shared:
                shared = self._shares_scatter(weights, means, covariances) or not start.complete
                if shared:
                    break
            elif not moved_far(self.kind, moments, means, covariances):
                break
            about = points.rounded(means)
        if self.kind == "tied" and not start.complete:
            # scikit-learn takes the squares of all rows, but the means of the chosen ones, about the origin.
            origin = points.frame.shift * points.frame.scale
            if (origin**2 <= ORIGIN * np.diagonal(covariances)).all():
                outside = np.outer(points.scatter[0] - counts @ means, origin)
                square = (self.weight - counts.sum()) * np.outer(origin, origin)
                covariances += (outside + outside.T + square) / counts.sum()
        return weights, means, covariances
