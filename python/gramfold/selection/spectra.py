"""The number of principal components from all singular values of the centred X.

Minka (2000), Automatic choice of dimensionality for PCA. Gavish & Donoho (2014), The optimal hard threshold
for singular values is 4/sqrt(3). Horn (1965), A rationale and test for the number of factors (parallel
analysis).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from sklearn.base import clone

from ..fold.source import Array
from ..linalg.blas import one_thread
from ..pca.dimension import evidence
from .found import Found
from .rule import Choice, estimated

DRAWS, LEVEL = 50, 95  # spectra of noise, and the percentile of theirs that a component must exceed


def select(model: Any, X: Any, ranks: Sequence[int], seeds: Sequence[int], method: str) -> Found:
    """Estimate the rank from one decomposition."""
    whole = clone(model).set_params(n_components=None, svd_solver="covariance_eigh").fit(X)
    n, m = X.shape
    most = min(n - 1, m)
    variances = whole.explained_variance_.astype(np.float64)
    if ranks[-1] >= most:
        raise ValueError(f"ranks must be below min(n_samples - 1, n_features)={most}, got {ranks[-1]}")
    at, deviations = np.array(ranks) - 1, np.sqrt(variances[:most])
    if method == "mle":
        if n < m:
            raise ValueError(f"method='mle' needs at least as many rows as columns, got X of {n} x {m}")
        found = evidence(variances, n)
        scores, spreads, criterion, rank = found[at], None, "log_evidence", 1 + int(np.argmax(found))
    else:
        limit = (
            np.full(most, hard_threshold(deviations, n - 1, m))
            if method == "gavish_donoho"
            else np.sqrt(noise(whole, n, m, np.random.RandomState(seeds[0])))
        )
        above = deviations > limit
        scores, spreads, criterion = deviations[at], limit[at], "deviation"
        rank = most if above.all() else int(np.argmin(above))
    records = [
        {"rank": rank, "restart": 0, criterion: float(score)}
        | ({} if spreads is None else {"threshold": float(spreads[i])})
        for i, (rank, score) in enumerate(zip(ranks, scores, strict=True))
    ]
    choice = (
        Choice(None, "no component stands out from noise") if rank == 0 else estimated(ranks, rank, method)
    )
    return Found(records, criterion, scores, spreads, choice, {})


def hard_threshold(values: Array, n: int, m: int) -> float:
    """Gavish & Donoho's for white noise of unknown size: so many times the median of the singular values."""
    beta = min(n, m) / max(n, m)
    known = np.sqrt(2 * (beta + 1) + 8 * beta / (beta + 1 + np.sqrt(beta**2 + 14 * beta + 1)))
    return float(known / np.sqrt(_median(beta)) * np.median(values))


def _median(beta: float) -> float:
    """The median of the Marchenko-Pastur distribution of this ratio of sides."""
    low, high = (1 - np.sqrt(beta)) ** 2, (1 + np.sqrt(beta)) ** 2

    def below(most: float) -> float:
        # x = low + (high - low) sin^2 takes the roots at both ends away
        top = np.arcsin(np.sqrt((most - low) / (high - low)))

        def density(t: float) -> float:
            s, c = np.sin(t) ** 2, np.cos(t) ** 2
            return (high - low) ** 2 * s * c / (np.pi * beta * (low + (high - low) * s))

        return float(quad(density, 0, top)[0])

    return float(brentq(lambda x: below(x) - 0.5, low, high))


def noise(model: Any, n: int, m: int, rng: np.random.RandomState) -> Array:
    """Variances that independent columns of the variances of X reach by chance, largest first."""
    spread = np.sqrt(np.square(model.components_.T, dtype=np.float64) @ model.explained_variance_)
    most = min(n - 1, m)
    drawn = np.empty((DRAWS, most))
    with one_thread():
        for i in range(DRAWS):
            rows = (_triangle(n - 1, m, rng) if m < n else rng.standard_normal((n - 1, m))) * spread
            gram = rows.T @ rows if m < n else rows @ rows.T
            drawn[i] = np.linalg.eigvalsh(gram)[::-1] / (n - 1)
    return np.asarray(np.percentile(drawn, LEVEL, axis=0))


def _triangle(freedom: int, m: int, rng: np.random.RandomState) -> Array:
    """R of the QR decomposition of `freedom` rows of m standard normal numbers (Bartlett 1934)."""
    factor = np.tril(rng.standard_normal((m, m)), -1)
    factor.flat[:: m + 1] = np.sqrt(rng.chisquare(freedom - np.arange(m)))
    return factor.T
