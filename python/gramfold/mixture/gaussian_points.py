"""Rows as the mixtures of Gaussians read them: about a point amid them and in units of their spread."""

import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..fit.blocks import Blocks
from ..fit.cached import cached_property
from ..fold.engine import run
from ..fold.source import Array, Source
from ..linalg.powers import times_power
from . import passes
from .gaussian_parameters import (
    Double,
    GaussianParameters,
    covariances_of,
    diagonals,
    in_units,
    log_determinants,
)
from .passes import GaussianSums
from .start import Start, with_start

SAMPLE = 1024  # rows that tell where the others lie
FAR = 256.0  # standard deviations from the shift at which float32 keeps too few digits of a row
LEAST = 1e-20  # weight beside the largest
PLAIN = {np.dtype(np.float32): 30, np.dtype(np.float64): 200}  # exponents of 2 that k-means can square
LOG_2_PI = math.log(2 * math.pi)
MOST = {np.dtype(np.float32): 120, np.dtype(np.float64): 1000}  # exponents of 2 of a scale


class Frame(NamedTuple):
    """Units in which rows are (x - shift) * scale; scales are powers of 2 and cost no digits."""

    shift: Double
    scale: Double

    @classmethod
    def of_rows(
        cls, x: Source, weights: Double | None, reg_covar: float, *, common: bool, estimator: Any = None
    ) -> "Frame":
        """The median of some rows and their distance from it, by column or, if `common`, in all."""
        if weights is None:
            sample = x.take(slice(None, None, -(-x.rows // SAMPLE))).astype(np.float64)
        else:
            rows = np.flatnonzero(weights)
            sample = x.take(rows[:: -(-len(rows) // SAMPLE)]).astype(np.float64)
        if not np.isfinite(sample).all():
            x.check_finite(estimator)
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
        return cls.of_spread(shift, spread, x.dtype)

    @classmethod
    def of_factors(cls, means: Double, factors: Double, kind: str, dtype: Any) -> "Frame":
        """A mean amid the others, and the narrowest component's width in each column."""
        shift = np.sort(means, axis=0)[(len(means) - 1) // 2]
        if kind == "spherical":
            return cls.of_spread(shift, np.full(len(shift), 1 / factors.max()), dtype)
        diagonal = diagonals(factors, kind)
        return cls.of_spread(shift, 1 / (diagonal if kind == "tied" else diagonal.max(axis=0)), dtype)

    @classmethod
    def of_spread(cls, shift: Double, spread: Double, dtype: Any) -> "Frame":
        """What the kernels can hold of a shift, and of a scale that makes `spread` about 1."""
        most = MOST[np.dtype(dtype)]
        exponents = np.minimum(np.maximum(-np.frexp(spread)[1], -most), most)
        shift = shift.astype(dtype, copy=False).astype(np.float64, copy=False)
        return cls(shift, np.ldexp(1.0, exponents))


class Sets(NamedTuple):
    """Among which components rows have responsibilities: groups (n,) of rows, and a list for each (k, c)."""

    groups: NDArray[np.int32]
    lists: NDArray[np.int32]


class Found(NamedTuple):
    """Sums of responsibilities, log-likelihood, and what was asked for: moments, responsibilities."""

    counts: Double
    likelihood: float
    first: Double | None
    second: Double | None
    resp: Array | None


class Points:
    """Rows of a dense X in a frame, with weights.

    Parameters
    ----------
    x : Source of shape (n, d)
    weights : ndarray of shape (n,), optional
    frame : Frame
    estimator : object, optional
        What messages about NaN in X name; of an X in a file these are looked for where sums are not finite.
    """

    def __init__(self, x: Source, weights: Double | None, frame: Frame, estimator: Any = None) -> None:
        self.x, self.weights, self.frame, self.estimator = x, weights, frame, estimator
        self.n, self.d, self.dtype = x.rows, x.cols, x.dtype

    @property
    def weight(self) -> float:
        """Sum of the weights of all rows."""
        return float(self.n if self.weights is None else self.weights.sum())

    def run(
        self, theta: GaussianParameters, *, about: Double | None = None,
        second: tuple[int, ...] | None = None, resp: bool = False, score: Double | None = None,
        labels: NDArray[Any] | None = None, sets: Sets | None = None,
    ) -> Found:  # fmt: skip
        """One pass with the responsibilities of `theta`, and moments about `about`; see `passes.gaussian`.

        With `sets` that is `passes.truncated`, which gives neither scores nor responsibilities. Rows of
        float32 are read as float64 where components are far from the shift, or float32 overflows.
        """
        kind, constants = theta.kind, log_constants(theta)
        common = float(constants.max())
        centers = theta.means @ theta.factors if kind == "tied" else theta.means
        pass_ = passes.gaussian if sets is None else passes.truncated
        moments = partial(pass_, kind=kind, first=about is not None, second=second)
        for dtype in self._types(theta):
            shared = self._frame(dtype) | {"constants": constants - common}
            shared["centers"] = np.ascontiguousarray(centers, dtype)
            shared["factor"] = np.ascontiguousarray(theta.factors, dtype)
            shared["about"] = shared["centers"] if about is None else np.ascontiguousarray(about, dtype)
            room = np.empty((self.n, len(constants)), dtype) if resp else None
            fixed: dict[str, Any] = {"weights": self.weights}
            state: dict[str, Any] = {"resp": room, "score": score, "labels": labels}
            if sets is not None:
                shared["lists"] = sets.lists
                fixed["groups"], state = sets.groups, {"labels": labels}
            found = run(moments, self.x, shared, state, fixed=fixed)
            if math.isfinite(found.likelihood) and (second is None or np.isfinite(found.second).all()):
                break
            self.x.check_finite(self.estimator)
        common += float(np.log(self.frame.scale).sum())
        if score is not None:
            score += common
        return Found(found.counts, found.likelihood + common * self.weight, found.first, found.second, room)

    def given(
        self, start: Start | None, about: Double, second: tuple[int, ...] | None
    ) -> GaussianSums:  # fmt: skip
        """Add up the moments about `about` for the responsibilities of a start, or 1 for all rows."""
        k = len(about)
        shared = {"centers": about, "about": about, "factor": np.ones(k), "constants": np.zeros(k)}
        shared |= self._frame(np.float64)
        moments = partial(passes.gaussian, kind="spherical", first=True, second=second)
        found: GaussianSums = with_start(moments, self.x, shared, start, k, {"weights": self.weights})
        sums: Any = (found.first,) if second is None else (found.first, found.second)
        if not all(np.isfinite(some).all() for some in sums):
            self.x.check_finite(self.estimator)
        return found

    @cached_property
    def scatter(self) -> tuple[Double, Double]:
        """Sums of all rows (d,) and of their squares (d, d), about the shift."""
        found = self.given(None, np.zeros((1, self.d)), (1, self.d, self.d))
        assert found.first is not None
        assert found.second is not None
        return found.first[0], found.second[0]

    @property
    def features(self) -> Blocks:
        """X for k-means, which squares it: a multiple if that would leave the range of its type."""
        exponent = int(np.frexp(self.frame.scale.min())[1]) - 1
        if abs(exponent) <= PLAIN[self.dtype]:
            exponent = 0
        return Blocks(self.x.changed(lambda part, at: times_power(part.x, exponent)))

    def scaled(self, means: Double) -> Double:
        """Means in the units of the frame."""
        return (means - self.frame.shift) * self.frame.scale

    def rounded(self, a: Double) -> Double:
        """What the kernels make of `a` in either type."""
        return a.astype(self.dtype).astype(np.float64)

    @cached_property
    def _small_weights(self) -> bool:
        """Whether there are weights that float32 cannot hold times a responsibility."""
        return self.weights is not None and bool((self.weights[self.weights > 0] < LEAST).any())

    def _types(self, theta: GaussianParameters) -> list[Any]:
        if self.dtype == np.float64 or self._small_weights:
            return [np.float64]
        means, factors = np.abs(theta.means), np.abs(theta.factors)
        if theta.kind in ("full", "tied"):
            away = (means[:, None, :] @ factors)[:, 0, :]
        else:
            away = means * (factors[:, None] if theta.kind == "spherical" else factors)
        far = (away * away).sum(axis=1) > FAR**2
        return [np.float64] if (far & (theta.weights > 0)).any() else [np.float32, np.float64]

    def _frame(self, dtype: Any) -> dict[str, Array]:
        shift, scale = (a.astype(dtype, copy=False) for a in self.frame)
        return {"shift": shift, "scale": scale}


def log_constants(theta: GaussianParameters) -> Double:
    """What logits have of no row: log weights and log determinants."""
    d = theta.means.shape[1]
    with np.errstate(divide="ignore"):
        shares = np.log(theta.weights)
    return shares + (log_determinants(theta.factors, theta.kind, d) - 0.5 * d * LOG_2_PI)


def in_frame(
    frame: Frame, weights: Double, means: Double, factors: Double, kind: str, *, covariances: bool = False
) -> GaussianParameters:
    """Parameters in the units of a frame."""
    factors = in_units(factors, kind, 1 / frame.scale)
    means = (means - frame.shift) * frame.scale
    spread = covariances_of(factors, kind) if covariances else np.empty(0)
    return GaussianParameters(kind, weights, means, spread, factors)


def framed(
    weights: Double, means: Double, factors: Double, *, kind: str, dtype: Any
) -> tuple[Frame, GaussianParameters]:
    """Give a frame for rows of a type, and parameters in its units."""
    frame = Frame.of_factors(means, factors, kind, dtype)
    return frame, in_frame(frame, weights, means, factors, kind)
