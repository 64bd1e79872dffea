"""How many principal components: of those asked for, and of a spectrum."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from sklearn.utils._param_validation import InvalidParameterError

Array = NDArray[Any]

TRUNCATED = ("arpack", "randomized")  # solvers that find a given number of components


def wanted_of(n_components: Any, solver: str, samples: int, features: int) -> int | None:
    """How many components PCA is to find, None if that depends on the spectrum."""
    n, most = n_components, min(samples, features)
    if n is None:
        return max(most - (solver == "arpack"), 1)
    share = isinstance(n, Real) and not isinstance(n, Integral) and 0 < float(n) < 1
    if share or (isinstance(n, str) and n == "mle"):
        if solver in TRUNCATED:
            kind = "a share of the variance" if share else "a string"
            raise ValueError(f"n_components={n!r} cannot be {kind} with svd_solver='{solver}'; take 'auto'")
        if samples < features and not share:
            raise ValueError(
                f"n_components='mle' is only supported if n_samples >= n_features, got X of {samples} rows "
                f"and {features} columns"
            )
        return None
    if not isinstance(n, Integral) or isinstance(n, bool):
        raise InvalidParameterError(f"n_components must be whole, in (0, 1), 'mle' or None, got {n!r}")
    k = int(n)
    least, names = (1, f"'{solver}'") if solver in TRUNCATED else (0, "'full', 'covariance_eigh' or 'auto'")
    bound = f"min(n_samples, n_features)={most} with svd_solver={names}"
    if not least <= k <= most:
        raise ValueError(f"n_components={k} must be between {least} and {bound}")
    if solver == "arpack" and k == most:
        raise ValueError(f"n_components={k} must be strictly less than {bound}; take 'auto' for all")
    return k


def minka(variances: Array, n_samples: int) -> int:
    """The dimension of the largest evidence (Minka 2000, eq. 30), among 1 to len(variances) - 1.

    Parameters
    ----------
    variances : ndarray of shape (n_features,)
        Eigenvalues of the covariance, or multiples of them, the largest first; 0 where rounding made them.
    n_samples : int

    Returns
    -------
    int

    Examples
    --------
    >>> from gramfold.pca.dimension import minka
    >>> minka([9.0, 8.0, 0.5, 0.3, 0.2, 0.1], 50)
    3
    """
    found = evidence(variances, n_samples)
    return 1 + int(np.argmax(found)) if len(found) else 1


def evidence(variances: Array, n_samples: int) -> Array:
    """The logarithm of the evidence of each dimension from 1 to len(variances) - 1; see `minka`."""
    spectrum = np.asarray(variances, np.float64)
    if not spectrum[:1].any():
        return np.zeros(max(0, len(spectrum) - 1))
    spectrum = spectrum / spectrum[0]
    return np.array([_log_evidence(spectrum, rank, n_samples) for rank in range(1, len(spectrum))])


def _log_evidence(spectrum: Array, rank: int, n_samples: int) -> float:
    features = len(spectrum)
    if spectrum[rank - 1] < np.finfo(np.float64).tiny:
        return -np.inf
    noise = max(float(spectrum[rank:].mean()), np.finfo(np.float64).tiny)
    half = (features - np.arange(rank)) / 2
    prior = -rank * np.log(2) + float(np.sum(gammaln(half) - half * np.log(np.pi)))
    fit = -n_samples / 2 * (float(np.log(spectrum[:rank]).sum()) + (features - rank) * np.log(noise))
    free = features * rank - rank * (rank + 1) / 2
    shrunk = np.where(np.arange(features) < rank, spectrum, noise)
    i, j = np.triu_indices(rank, 1, features)
    if np.any(spectrum[i] <= spectrum[j]):  # equal variances are no direction of their own
        return -np.inf
    with np.errstate(divide="ignore"):
        spread = np.log(spectrum[i] - spectrum[j]) + np.log(1 / shrunk[j] - 1 / shrunk[i])
    laplace = float(np.sum(spread)) + len(i) * np.log(n_samples)
    return float(
        prior + fit + np.log(2 * np.pi) * (free + rank) / 2 - laplace / 2 - rank * np.log(n_samples) / 2
    )
