"""Parameters of a Gaussian mixture from weighted moments. All in float64, whatever the type of the data.

Covariances C and upper triangular factors U with U U' = inv(C), by kind: 'full' (k, d, d), 'tied' (d, d);
'diag' (k, d) and 'spherical' (k,) hold variances and reciprocal standard deviations.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky
from scipy.linalg.lapack import dtrtri

Double = NDArray[np.float64]

EMPTY = 10 * float(np.finfo(np.float64).eps)  # added to the weight of every component, as in scikit-learn
SMALL = 128  # columns up to which NumPy inverts triangles as fast as LAPACK


@dataclass(frozen=True, slots=True)
class GaussianParameters:
    """Shares (k,), means (k, d) about a shift, covariances and factors."""

    weights: Double
    means: Double
    covariances: Double
    factors: Double


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums of responsibilities (k,), and of rows and their squares about the points `about` (k, d).

    `second` is (k, d, d), (k, d), or for 'tied' (d, d): of all rows about their shift.
    """

    counts: Double
    first: Double
    second: Double
    about: Double


def estimate(kind: str, moments: Moments, shift: Double, reg_covar: float) -> tuple[Double, Double, Double]:
    """Weights (k,), means (k, d) and covariances, as scikit-learn defines them.

    The means move by `step` from where the moments were taken, and covariances are about the new means:
    nothing cancels but the square of that step.
    """
    counts, about, second = moments.counts, moments.about, moments.second
    nk = counts + EMPTY
    step = (moments.first - EMPTY * (about + shift)) / nk[:, None]
    means = about + step
    if kind == "tied":
        covariance = (second - (nk * means.T) @ means) / nk.sum()
        covariance.flat[:: len(covariance) + 1] += reg_covar
        return nk, means, covariance
    if kind == "full":
        cross = moments.first[:, :, None] * step[:, None, :]
        square = counts[:, None, None] * step[:, :, None] * step[:, None, :]
        covariances = (second - cross - np.swapaxes(cross, 1, 2) + square) / nk[:, None, None]
        np.einsum("kii->ki", covariances)[:] += reg_covar
        return nk, means, covariances
    variances = (second - 2 * moments.first * step + counts[:, None] * step**2) / nk[:, None]
    variances = np.maximum(variances, 0) + reg_covar
    return nk, means, variances.mean(axis=1) if kind == "spherical" else variances


def moved_far(kind: str, moments: Moments, means: Double, covariances: Double, most: float) -> bool:
    """Whether the square of a step of a mean, which is subtracted, is over `most` times the variance."""
    if kind == "tied":
        return False
    variances = np.diagonal(covariances, axis1=1, axis2=2) if kind == "full" else covariances
    variances = variances[:, None] if kind == "spherical" else variances
    filled = moments.counts > EMPTY
    return bool(((means - moments.about) ** 2 > most * variances)[filled].any())


def factors_of(covariances: Double, kind: str) -> Double:
    """Factors U of the inverse covariances.

    Raises
    ------
    ValueError
        If a covariance is not positive definite.
    """
    try:
        if kind in ("full", "tied"):
            lower = np.linalg.cholesky(covariances)
        elif (covariances > 0).all():
            return 1 / np.sqrt(covariances)
        else:
            raise np.linalg.LinAlgError
    except np.linalg.LinAlgError:
        raise ValueError(
            "Fitting the mixture model failed because some components have ill-defined empirical covariance "
            "(for instance caused by singleton or collapsed samples). Try to decrease the number of "
            "components, increase reg_covar, or scale the input data."
        ) from None
    return np.swapaxes(_inverse_of_lower(lower), -1, -2)


def _inverse_of_lower(lower: NDArray[Any]) -> Double:
    """Invert lower triangular matrices (..., d, d): small ones together, row by row, and wake no threads."""
    d = lower.shape[-1]
    inverse = np.zeros_like(lower)
    if d > SMALL:
        for place in np.ndindex(lower.shape[:-2]):
            inverse[place] = dtrtri(lower[place], lower=1)[0]
        return inverse
    for i in range(d):
        inverse[..., i, i] = 1 / lower[..., i, i]
        row = lower[..., i : i + 1, :i] @ inverse[..., :i, :i]
        inverse[..., i, :i] = -row[..., 0, :] * inverse[..., i, i, None]
    return inverse


def factors_from_precisions(precisions: Double, kind: str) -> Double:
    """Factors U of inverse covariances: the Cholesky factor of the matrix read backwards, read backwards."""
    if kind == "tied":
        return cholesky(precisions[::-1, ::-1], lower=True)[::-1, ::-1].copy()
    if kind == "full":
        return np.stack([factors_from_precisions(one, "tied") for one in precisions])
    return np.sqrt(precisions)


def precisions_of(factors: Double, kind: str) -> Double:
    """Inverse covariances U U'."""
    return factors @ np.swapaxes(factors, -1, -2) if kind in ("full", "tied") else factors**2


def covariances_of(factors: Double, kind: str) -> Double:
    """Covariances from the factors of their inverses."""
    if kind not in ("full", "tied"):
        return 1 / factors**2
    inverse = np.linalg.inv(factors)
    return np.swapaxes(inverse, -1, -2) @ inverse


def log_determinants(factors: Double, kind: str, d: int) -> Double:
    """Logarithms of det U: (k,), or one number for 'tied'."""
    if kind == "spherical":
        return d * np.log(factors)
    diagonal = np.diagonal(factors, axis1=-2, axis2=-1) if kind in ("full", "tied") else factors
    return np.log(diagonal).sum(axis=-1)
