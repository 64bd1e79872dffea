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

from ..fit.inputs import read_array
from ..fold.source import Array
from .em import SHRINK, Degenerate

Double = NDArray[np.float64]

FAR = 64.0  # variances: the most that may be subtracted from a second moment, and what it costs is two digits
SMALL = 128  # columns up to which NumPy inverts triangles as fast as LAPACK
UNBLOCKED = 64  # columns up to which LAPACK inverts them in one thread
FEW = 5  # matrices a column up to which it is faster at that than NumPy, which takes all of them together


@dataclass(frozen=True, slots=True)
class GaussianParameters:
    """Shares (k,), means (k, d), covariances and factors in the units of a frame, see `gaussian_points`."""

    kind: str
    weights: Double
    means: Double
    covariances: Double
    factors: Double

    def vector(self) -> Double:
        """Give weights, means and covariances; steps of EM are nearly linear in them."""
        return np.concatenate([self.weights, self.means.ravel(), self.covariances.ravel()])

    def moved(self, vector: Double) -> "GaussianParameters":
        """Give the parameters at `vector`, no weight or variance in any direction below a tenth of these.

        These themselves where a covariance at `vector` cannot be inverted.
        """
        k, d = self.means.shape
        weights, means, covariances = np.split(vector, [k, k + k * d])
        weights = np.maximum(weights, SHRINK * self.weights)
        covariances = covariances.reshape(self.covariances.shape)
        if self.kind in ("diag", "spherical"):
            covariances = np.maximum(covariances, SHRINK * self.covariances)
        else:
            # As multiples of the variances of these.
            least = np.linalg.eigvalsh(np.swapaxes(self.factors, -1, -2) @ covariances @ self.factors)[..., 0]
            share = (1 - SHRINK) / (1 - np.minimum(least, SHRINK))
            covariances = self.covariances + share[..., None, None] * (covariances - self.covariances)
        try:
            factors = factors_of(covariances, self.kind)
        except Degenerate:
            return self
        weights /= weights.sum()
        return GaussianParameters(self.kind, weights, means.reshape(k, d), covariances, factors)


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums of responsibilities (k,), and of rows and their squares about the points `about` (k, d).

    `second` is (k, d, d), (k, d), or for 'tied' (1, d, d), of all components together, or (d, d): of all rows
    about their shift.
    """

    counts: Double
    first: Double
    second: Double
    about: Double


def estimate(kind: str, moments: Moments, old: Double, reg_covar: Double) -> tuple[Double, Double]:
    """Means (k, d) and covariances; a component without rows keeps the old ones.

    The means move by `step` from where the moments were taken, and covariances are about the new means:
    nothing cancels but the square of that step.
    """
    counts, about, first, second = moments.counts, moments.about, moments.first, moments.second
    empty = counts == 0
    nk = np.where(empty, 1, counts)[:, None]
    step = first / nk
    means = about + step
    if kind == "tied":
        if second.ndim == 2:
            covariance = second - _square(np.sqrt(counts)[:, None] * means)
        else:
            cross = first.T @ step
            covariance = second[0] - (cross + cross.T) + _square(np.sqrt(counts)[:, None] * step)
        covariance /= counts.sum()
        covariance.flat[:: len(covariance) + 1] += reg_covar
        return means, covariance
    if kind == "full":
        cross = first[:, :, None] * step[:, None, :]
        square = counts[:, None, None] * (step[:, :, None] * step[:, None, :])
        covariances = (second - (cross + np.swapaxes(cross, 1, 2)) + square) / nk[:, :, None]
        np.einsum("kii->ki", covariances)[:] += reg_covar
    else:
        covariances = (second - 2 * first * step + counts[:, None] * step**2) / nk
        covariances = np.maximum(covariances, 0) + reg_covar
        covariances = covariances.mean(axis=1) if kind == "spherical" else covariances
    covariances[empty] = old[empty]
    return means, covariances


def _square(a: Double) -> Double:
    """A'A, symmetric to the last bit."""
    product = a.T @ a
    return (product + product.T) / 2


def apart(weights: Double, means: Double, covariance: Double) -> bool:
    """Whether means lie so far apart that their square, subtracted from that of the rows, costs digits."""
    return bool((weights @ means**2 > FAR * np.diagonal(covariance)).any())


def moved_far(kind: str, moments: Moments, means: Double, covariances: Double) -> bool:
    """Whether the square of a step of a mean, which is subtracted, is many times the variance."""
    variances = covariances[:, None] if kind == "spherical" else diagonals(covariances, kind)
    return bool(((means - moments.about) ** 2 > FAR * variances).any())


def factors_of(covariances: Double, kind: str) -> Double:
    """Factors U of the inverse covariances.

    Raises
    ------
    Degenerate
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
        raise Degenerate(
            "Fitting the mixture model failed because some components have ill-defined empirical covariance "
            "(for instance caused by singleton or collapsed samples). Try to decrease the number of "
            "components, increase reg_covar, or scale the input data."
        ) from None
    return _inverse_transposed(lower)


def _inverse_transposed(lower: NDArray[Any]) -> Double:
    """Invert and transpose lower triangular matrices (..., d, d), by what is fastest and wakes no threads."""
    d = lower.shape[-1]
    if d > SMALL or (d <= UNBLOCKED and lower.size < FEW * d**3):
        found = np.empty_like(lower)
        for place in np.ndindex(lower.shape[:-2]):
            found[place] = dtrtri(lower[place].T)[0]
        return found
    inverse = np.zeros_like(lower)
    for i in range(d):
        inverse[..., i, i] = 1 / lower[..., i, i]
        row = lower[..., i : i + 1, :i] @ inverse[..., :i, :i]
        inverse[..., i, :i] = -row[..., 0, :] * inverse[..., i, i, None]
    return np.swapaxes(inverse, -1, -2)


def factors_from_precisions(precisions: Double, kind: str) -> Double:
    """Factors U of inverse covariances: the Cholesky factor of the matrix read backwards, read backwards."""
    if kind == "tied":
        return cholesky(precisions[::-1, ::-1], lower=True)[::-1, ::-1].copy()
    if kind == "full":
        return np.stack([factors_from_precisions(one, "tied") for one in precisions])
    return np.sqrt(precisions)


def precisions_of(factors: Double, kind: str) -> Double:
    """Inverse covariances U U'."""
    if kind not in ("full", "tied"):
        return factors**2
    product = factors @ np.swapaxes(factors, -1, -2)
    return (product + np.swapaxes(product, -1, -2)) / 2


def in_units(factors: Double, kind: str, by: Double) -> Double:
    """Factors of the inverse covariances of rows divided by `by`, column by column."""
    if kind == "spherical":
        return factors * by[0]
    return factors * (by if kind == "diag" else by[:, None])


def out_of_units(covariances: Double, kind: str, by: Double) -> Double:
    """Covariances of rows divided by `by`."""
    if kind == "spherical":
        return covariances / by[0] / by[0]
    return covariances / by / (by if kind == "diag" else by[:, None])


def covariances_of(factors: Double, kind: str) -> Double:
    """Covariances from the factors of their inverses."""
    if kind not in ("full", "tied"):
        return 1 / factors**2
    inverse = np.linalg.inv(factors)
    product = np.swapaxes(inverse, -1, -2) @ inverse
    return (product + np.swapaxes(product, -1, -2)) / 2


def shapes(k: int, d: int) -> dict[str, tuple[int, ...]]:
    """Of what shape precisions and their factors are, by kind."""
    return {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}


def drawn(
    n: int, weights: Array, means: Array, covariances: Array, kind: str, rng: np.random.RandomState
) -> tuple[Double, NDArray[np.int64]]:
    """Draw rows from a mixture, component by component, and their components."""
    shares = weights.astype(np.float64)
    counts = rng.multinomial(n, shares / shares.sum())
    rows = []
    for t, (mean, count) in enumerate(zip(means, counts, strict=True)):
        spread = covariances if kind == "tied" else covariances[t]
        if kind in ("full", "tied"):
            rows.append(rng.multivariate_normal(mean, spread, count))
        else:
            rows.append(mean + rng.standard_normal((count, len(mean))) * np.sqrt(spread))
    return np.vstack(rows), np.repeat(np.arange(len(counts)), counts)


def diagonals(a: Array, kind: str) -> Array:
    """Diagonals of matrices; what has none as it is."""
    return a.diagonal(axis1=-2, axis2=-1) if kind in ("full", "tied") else a


def log_determinants(factors: Double, kind: str, d: int) -> Double:
    """Logarithms of det U: (k,), or one number for 'tied'."""
    if kind == "spherical":
        return d * np.log(factors)
    return np.log(diagonals(factors, kind)).sum(axis=-1)


def given_start(given: Any, name: str, shape: tuple[int, ...], kind: str) -> Double | None:
    """Return a start as float64 of the right shape; `kind` is what messages call it."""
    if given is None:
        return None
    a = read_array(given, name, dtype=np.float64, ensure_2d=False, allow_nd=True)
    if a.shape != shape:
        raise ValueError(
            f"The parameter '{kind}' should have the shape of {shape}, but got {a.shape} as {name}"
        )
    return a


def given_precisions(given: Any, kind: str, k: int, d: int) -> Double | None:
    """Return precisions_init as `given_start`; refuse those that are not positive definite."""
    precisions = given_start(given, "precisions_init", shapes(k, d)[kind], f"{kind} precision")
    if precisions is None:
        return None
    if kind in ("diag", "spherical"):
        if not (precisions > 0).all():
            raise ValueError(
                f"'{kind} precision' should be positive, but got {precisions.min():g} in precisions_init"
            )
        return precisions
    transposed = np.swapaxes(precisions, -1, -2)
    if not (np.allclose(precisions, transposed) and (np.linalg.eigvalsh(precisions) > 0).all()):
        raise ValueError(
            f"'{kind} precision' should be symmetric, positive-definite, but precisions_init is not"
        )
    return precisions
