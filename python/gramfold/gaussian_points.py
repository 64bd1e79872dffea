"""Rows as the mixtures of Gaussians read them: about a point amid them and in units of their spread."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._core import kernels
from .fold import Array, aligned
from .gaussian_parameters import Double, GaussianParameters, log_determinants
from .mixture_start import BLOCK, Rows

SAMPLE = 4096  # rows that tell where the others lie
FAR = 256.0  # standard deviations from the shift at which float32 keeps too few digits of a row
LEAST = 1e-20  # weight beside the largest
PLAIN = {np.dtype(np.float32): 30, np.dtype(np.float64): 200}  # exponents of 2 that k-means can square
MOST = {np.dtype(np.float32): 120, np.dtype(np.float64): 1000}  # exponents of 2 of a scale


class Frame(NamedTuple):
    """Units in which rows are (x - shift) * scale; scales are powers of 2 and cost no digits."""

    shift: Double
    scale: Double

    @classmethod
    def of_rows(cls, X: Array, weights: Double | None, reg_covar: float, *, common: bool) -> "Frame":
        """The median of some rows and their distance from it, by column or, if `common`, in all."""
        if weights is None:
            sample = X[:: -(-len(X) // SAMPLE)].astype(np.float64)
        else:
            rows = np.flatnonzero(weights)
            sample = X[rows[:: -(-len(rows) // SAMPLE)]].astype(np.float64)
        middle = (len(sample) - 1) // 2
        shift = np.partition(sample, middle, axis=0)[middle]
        with np.errstate(over="ignore"):
            away = np.abs(sample - shift)
        spread = np.partition(away, middle, axis=0)[middle]
        spread = np.where(spread > 0, spread, away.max(axis=0))
        if common:
            spread = np.full_like(spread, spread.max())
        spread = np.maximum(spread, np.sqrt(reg_covar))
        spread[spread == 0] = spread.max() if spread.any() else 1
        return cls.of_spread(shift, spread, X.dtype)

    @classmethod
    def of_factors(cls, means: Double, factors: Double, kind: str, dtype: Any) -> "Frame":
        """A mean amid the others, and the narrowest component's width in each column."""
        shift = np.sort(means, axis=0)[(len(means) - 1) // 2]
        diagonal = np.diagonal(factors, axis1=-2, axis2=-1) if kind in ("full", "tied") else factors
        diagonal = diagonal[:, None] if kind == "spherical" else np.atleast_2d(diagonal)
        width = 1 / np.broadcast_to(diagonal.max(axis=0), shift.shape)
        return cls.of_spread(shift, np.full_like(width, width.max()) if kind == "spherical" else width, dtype)

    @classmethod
    def of_spread(cls, shift: Double, spread: Double, dtype: Any) -> "Frame":
        """What the kernels can hold of a shift, and of a scale that makes `spread` about 1."""
        most = MOST[np.dtype(dtype)]
        exponents = np.clip(-np.frexp(spread)[1], -most, most)
        return cls(shift.astype(dtype).astype(np.float64), np.ldexp(1.0, exponents))


class Found(NamedTuple):
    """What a pass gives back: sums of responsibilities, log-likelihood, responsibilities if asked for."""

    counts: Double
    likelihood: float
    resp: Array | None


class Points:
    """Rows of a dense X in a frame, with weights.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32 or float64
    weights : ndarray of shape (n,), optional
    n_threads : int
    frame : Frame
    """

    def __init__(self, X: Array, weights: Double | None, n_threads: int, frame: Frame) -> None:
        self.X, self.weights, self.n_threads, self.frame = X, weights, n_threads, frame
        self.n, self.d = X.shape

    @property
    def weight(self) -> float:
        """Sum of the weights of all rows."""
        return float(self.n if self.weights is None else self.weights.sum())

    def run(
        self, theta: GaussianParameters, kind: str, *, about: Double | None = None,
        first: Double | None = None, second: Double | None = None, resp: bool = False,
        score: Double | None = None, labels: NDArray[np.int64] | None = None,
    ) -> Found:  # fmt: skip
        """One pass with the responsibilities of `theta`; see `kernels.gaussian_mixture`.

        Rows of float32 are read as float64 where components are far from the shift, or float32 overflows.
        """
        constants = log_constants(theta, kind)
        common = float(constants.max())
        centers = theta.means @ theta.factors if kind == "tied" else theta.means
        given = centers, theta.factors, theta.means if about is None else about
        for dtype in self._types(theta, kind):
            center, factor, place = (np.ascontiguousarray(a, dtype) for a in given)
            room = np.empty((self.n, len(constants)), dtype) if resp else None
            counts, likelihood = kernels.gaussian_mixture(
                aligned(self.X), kind, *self._frame(dtype), center, factor, constants - common, place,
                self.weights, None, first, second, room, score, labels, self.n_threads,
            )  # fmt: skip
            if np.isfinite(likelihood) and (second is None or np.isfinite(second).all()):
                break
        common += float(np.log(self.frame.scale).sum())
        if score is not None:
            score += common
        return Found(counts, likelihood + common * self.weight, room)

    def given(
        self, blocks: Iterable[tuple[Rows, Array]], about: Double, first: Double, second: Double | None
    ) -> Double:
        """Add up the moments about `about` for given responsibilities; returns the sums of these."""
        k, frame = len(about), self._frame(np.float64)
        parts = np.empty_like(first), None if second is None else np.empty_like(second)
        counts, totals = np.zeros(k), (first, second)
        for total in totals:
            if total is not None:
                total[:] = 0
        for rows, resp in blocks:
            weights = None if self.weights is None else self.weights[rows]
            found = kernels.gaussian_mixture(
                aligned(self.X[rows]), "spherical", *frame, about, np.ones(k), np.zeros(k), about, weights,
                resp.astype(np.float64), *parts, None, None, None, self.n_threads,
            )  # fmt: skip
            counts += found[0]
            for total, part in zip(totals, parts, strict=True):
                if total is not None and part is not None:
                    total += part
        return counts

    @cached_property
    def scatter(self) -> tuple[Double, Double]:
        """Sums of all rows (d,) and of their squares (d, d), about the shift."""
        total, squares = np.empty((1, self.d)), np.empty((1, self.d, self.d))
        self.given(self._everything(), np.zeros_like(total), total, squares)
        return total[0], squares[0]

    @property
    def features(self) -> Array:
        """X for k-means, which squares it: a multiple if that would leave the range of its type."""
        exponent = int(np.frexp(self.frame.scale.min())[1]) - 1
        if abs(exponent) <= PLAIN[self.X.dtype]:
            return self.X
        return np.ldexp(self.X, exponent)

    def scaled(self, means: Double) -> Double:
        """Means in the units of the frame."""
        return (means - self.frame.shift) * self.frame.scale

    def rounded(self, a: Double) -> Double:
        """What the kernels make of `a` in either type."""
        return a.astype(self.X.dtype).astype(np.float64)

    @cached_property
    def _small_weights(self) -> bool:
        """Whether there are weights that float32 cannot hold times a responsibility."""
        return self.weights is not None and bool((self.weights[self.weights > 0] < LEAST).any())

    def _everything(self) -> Iterator[tuple[Rows, Array]]:
        for start in range(0, self.n, BLOCK):
            rows = slice(start, min(start + BLOCK, self.n))
            yield rows, np.ones((rows.stop - rows.start, 1))

    def _types(self, theta: GaussianParameters, kind: str) -> list[Any]:
        if self.X.dtype == np.float64 or self._small_weights:
            return [np.float64]
        means, factors = np.abs(theta.means), np.abs(theta.factors)
        if kind in ("full", "tied"):
            away = np.linalg.norm((means[:, None, :] @ factors)[:, 0, :], axis=1)
        else:
            away = np.linalg.norm(means * (factors[:, None] if kind == "spherical" else factors), axis=1)
        return [np.float64] if (away[theta.weights > 0] > FAR).any() else [np.float32, np.float64]

    def _frame(self, dtype: Any) -> tuple[Array, Array]:
        return self.frame.shift.astype(dtype), self.frame.scale.astype(dtype)


def log_constants(theta: GaussianParameters, kind: str) -> Double:
    """What logits have of no row: log weights and log determinants."""
    d = theta.means.shape[1]
    with np.errstate(divide="ignore"):
        shares = np.log(theta.weights)
    return shares + (log_determinants(theta.factors, kind, d) - 0.5 * d * np.log(2 * np.pi))


def far_posterior(
    points: Points, rows: NDArray[np.intp], theta: GaussianParameters, kind: str
) -> tuple[Double, Double]:
    """Scores and responsibilities of rows whose squares leave the range, or the digits, of their type.

    Squares are of rows divided by their size, and the least of a row is taken off before they are multiplied
    by its square: what decides is their difference.
    """
    shift, scale = (a.astype(np.longdouble) for a in points.frame)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        u = (points.X[rows].astype(np.longdouble) - shift) * scale
        size = np.maximum(np.abs(u).max(axis=1), 1)[:, None]
        squares = np.empty((len(rows), len(theta.means)), np.longdouble)
        for t, mean in enumerate(theta.means):
            y = u / size - mean / size
            factor = theta.factors if kind == "tied" else theta.factors[t]
            y = y @ factor if kind in ("full", "tied") else y * factor
            squares[:, t] = (y * y).sum(axis=1)
        possible = theta.weights > 0
        least = squares[:, possible].min(axis=1, keepdims=True)
        logits = log_constants(theta, kind) - 0.5 * np.where(possible, squares - least, 0) * size * size
        top = logits.max(axis=1, keepdims=True)
        resp = np.exp(logits - top)
        total = resp.sum(axis=1, keepdims=True)
        score = top + np.log(total) - 0.5 * least * size * size + np.log(scale).sum()
        return score[:, 0].astype(np.float64), (resp / total).astype(np.float64)
