"""EM for Gaussian mixtures: the data, the start and one step."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ._core import kernels
from .fold import Array, aligned
from .gaussian_parameters import (
    Double,
    GaussianParameters,
    Moments,
    covariances_of,
    estimate,
    factors_from_precisions,
    factors_of,
    log_determinants,
    moved_far,
)
from .mixture_start import BLOCK, Rows, Start

SAMPLE = 4096  # rows that the point of reference is the mean of


class Points:
    """Rows of a dense X about a point amid them, with weights.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32 or float64
    weights : ndarray of shape (n,), optional
    n_threads : int
    shift : ndarray of shape (d,), optional
        By default the mean of some thousand rows.
    """

    def __init__(self, X: Array, weights: Double | None, n_threads: int, shift: Double | None = None) -> None:
        self.X, self.weights, self.n_threads = aligned(X), weights, n_threads
        self.n, self.d = X.shape
        if shift is None:
            shift = np.ascontiguousarray(X[:: -(-self.n // SAMPLE)]).mean(axis=0, dtype=np.float64)
        self._shift = self._cast(shift)
        self.shift = self._shift.astype(np.float64)

    @property
    def weight(self) -> float:
        """Sum of the weights of all rows."""
        return float(self.n if self.weights is None else self.weights.sum())

    def run(
        self, theta: GaussianParameters, kind: str, *, about: Double | None = None,
        first: Double | None = None, second: Double | None = None, resp: Array | None = None,
        score: Double | None = None, labels: NDArray[np.int64] | None = None,
    ) -> tuple[Double, float]:  # fmt: skip
        """One pass with the responsibilities of `theta`; see `kernels.gaussian_mixture`."""
        log_det = log_determinants(theta.factors, kind, self.d)
        with np.errstate(divide="ignore"):
            constants = np.log(theta.weights) + (log_det - 0.5 * self.d * np.log(2 * np.pi))
        centers = theta.means @ theta.factors if kind == "tied" else theta.means
        return kernels.gaussian_mixture(
            self.X, kind, self._shift, self._cast(centers), self._cast(theta.factors), constants,
            self._cast(theta.means if about is None else about), self.weights, None, first, second, resp,
            score, labels, self.n_threads,
        )  # fmt: skip

    def given(
        self, blocks: Iterable[tuple[Rows, Array]], about: Double, first: Double, second: Double | None
    ) -> Double:
        """Add up the moments about `about` for given responsibilities; returns the sums of these."""
        k, place = len(about), self._cast(about)
        shared = self._shift, place, np.ones(k, self.X.dtype), np.zeros(k), place
        parts = np.empty_like(first), None if second is None else np.empty_like(second)
        counts, totals = np.zeros(k), (first, second)
        for total in totals:
            if total is not None:
                total[:] = 0
        for rows, resp in blocks:
            weights = None if self.weights is None else self.weights[rows]
            found = kernels.gaussian_mixture(
                self.X[rows], "spherical", *shared, weights, resp, *parts, None, None, None, self.n_threads
            )
            counts += found[0]
            for total, part in zip(totals, parts, strict=True):
                if total is not None and part is not None:
                    total += part
        return counts

    def scatter(self) -> tuple[Double, Double]:
        """Sums of all rows (d,) and of their squares (d, d), about the shift, in float64 throughout."""
        total, squares = np.zeros((1, self.d)), np.zeros((1, self.d, self.d))
        first, second = np.empty_like(total), np.empty_like(squares)
        for start in range(0, self.n, BLOCK):
            rows = slice(start, min(start + BLOCK, self.n))
            weights = None if self.weights is None else self.weights[rows]
            part = Points(self.X[rows].astype(np.float64), weights, self.n_threads, self.shift)
            everything = np.ones((part.n, 1))
            part.given([(slice(None), everything)], np.zeros_like(total), first, second)
            total += first
            squares += second
        return total[0], squares[0]

    def rounded(self, a: Double) -> Double:
        """What the kernels make of `a`."""
        return self._cast(a).astype(np.float64)

    def _cast(self, a: Double) -> Array:
        return np.ascontiguousarray(a, dtype=self.X.dtype)


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
        Those to start from; means not about the shift.
    """

    def __init__(
        self, points: Points, k: int, kind: str, reg_covar: float, init: str, weights: Double | None,
        means: Double | None, precisions: Double | None,
    ) -> None:  # fmt: skip
        self.points, self.k, self.kind, self.reg_covar, self.init = points, k, kind, reg_covar, init
        self.weights, self.means, self.precisions = weights, means, precisions
        self.weight = points.weight
        self.total, self.scatter = points.scatter() if kind == "tied" else (np.empty(0), np.empty(0))
        shape = {"full": (k, points.d, points.d), "tied": None}.get(kind, (k, points.d))
        self.first, self.second = np.empty((k, points.d)), None if shape is None else np.empty(shape)
        # A step whose square costs more than half of the digits has moments taken about the new means.
        self.far = float(np.finfo(points.X.dtype).eps) ** -0.5

    def step(self, theta: GaussianParameters) -> tuple[GaussianParameters, float]:
        """EM (Dempster, Laird & Rubin 1977), with moments about the old means."""
        likelihood, about = 0.0, self.points.rounded(theta.means)
        for _ in range(2):
            counts, likelihood = self.points.run(
                theta, self.kind, about=about, first=self.first, second=self.second
            )
            moments = Moments(counts, self.first, self._second(), about)
            nk, means, covariances = estimate(self.kind, moments, self.points.shift, self.reg_covar)
            if not moved_far(self.kind, moments, means, covariances, self.far):
                break
            about = self.points.rounded(means)
        new = GaussianParameters(nk / nk.sum(), means, covariances, factors_of(covariances, self.kind))
        return new, likelihood / self.weight

    def start(self, rng: np.random.RandomState) -> GaussianParameters:
        """Parameters that are given, or of the responsibilities that clusters, rows or chance give."""
        weights = self.weights
        means = None if self.means is None else self.means - self.points.shift
        factors = None if self.precisions is None else factors_from_precisions(self.precisions, self.kind)
        if weights is None or means is None or factors is None:
            weights_found, means_found, covariances = self._from_responsibilities(rng)
            weights = weights_found if weights is None else weights
            means = means_found if means is None else means
            if factors is None:
                return GaussianParameters(weights, means, covariances, factors_of(covariances, self.kind))
        return GaussianParameters(weights, means, covariances_of(factors, self.kind), factors)

    def _second(self) -> Double:
        return self.scatter if self.second is None else self.second

    def _from_responsibilities(self, rng: np.random.RandomState) -> tuple[Double, Double, Double]:
        """Weights, means and covariances: once for the means, then about them."""
        start = Start(self.points.X, self.k, self.init, rng, self.points.weights, self.points.n_threads)
        about, shift = np.zeros((self.k, self.points.d)), self.points.shift
        for _ in range(2):
            counts = self.points.given(start.blocks(), about, self.first, self.second)
            moments = Moments(counts, self.first, self._second(), about)
            nk, means, covariances = estimate(self.kind, moments, shift, self.reg_covar)
            about = self.points.rounded(means)
        if self.kind == "tied" and not start.complete:
            # scikit-learn takes the squares of all rows, but the means of the chosen ones, about the origin.
            outside = np.outer(self.total - nk @ means, shift)
            square = (self.weight - nk.sum()) * np.outer(shift, shift)
            covariances += (outside + outside.T + square) / nk.sum()
        return nk / self.weight, means, covariances
