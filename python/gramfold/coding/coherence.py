"""How alike the atoms of a dictionary are, and how sparse codes must be to be found for certain."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..fit.arguments import whole
from ..fit.inputs import read_atoms
from ..fold.source import Array

Double = NDArray[np.float64]

ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class CoherenceReport:
    """What `coherence_report` finds; printing it gives the numbers in words.

    Attributes
    ----------
    n_components, n_features : int
    coherence : float
        mu, the largest |<d_i, d_j>| of two atoms of length 1.
    pair : (int, int)
        Two atoms that attain it; (0, 0) for a single atom.
    welch_bound : float
        No dictionary of this size has a smaller coherence.
    babel : ndarray of shape (n_components - 1,)
        See `babel_function`.
    guaranteed : int
        The largest k < (1 + 1 / mu) / 2: a signal made of k atoms or fewer has no other such code, and
        orthogonal matching pursuit and basis pursuit find it (Tropp 2004). At most n_features.
    guaranteed_by_babel : int
        The largest k with babel(k - 1) + babel(k) < 1, which guarantees the same and is never less.
    """

    n_components: int
    n_features: int
    coherence: float
    pair: tuple[int, int]
    welch_bound: float
    babel: Double
    guaranteed: int
    guaranteed_by_babel: int

    def __str__(self) -> str:
        i, j = self.pair
        return (
            f"{self.n_components} atoms in {self.n_features} dimensions: mutual coherence "
            f"{self.coherence:.4g} (atoms {i} and {j}), Welch bound {self.welch_bound:.4g}; codes of up to "
            f"{self.guaranteed} atoms are found for certain, {self.guaranteed_by_babel} by the Babel function"
        )


def coherence_report(dictionary: Any) -> CoherenceReport:
    """Coherence of a dictionary beside its bounds, and the sparsity at which codes are found for certain.

    Parameters
    ----------
    dictionary : array-like of shape (n_components, n_features), or a fitted model with `components_`
        The atoms, of any length but 0.

    Returns
    -------
    CoherenceReport

    Raises
    ------
    ValueError
        If an atom is 0 or an entry is not finite.

    References
    ----------
    Tropp (2004), Greed is good: algorithmic results for sparse approximation, IEEE Trans. Inf. Theory 50(10).
    Welch (1974), Lower bounds on the maximum cross correlation of signals, IEEE Trans. Inf. Theory 20(3).

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> cosines = gf.OrthoBasis("dct", 64).synthesize(np.eye(64))
    >>> print(gf.coherence_report(np.vstack([np.eye(64), cosines])))  # doctest: +ELLIPSIS
    128 atoms in 64 dimensions: mutual coherence 0.1767 (...), Welch bound 0.08874; codes of up to 3 atoms...
    """
    atoms = unit_atoms(dictionary)
    K, m = atoms.shape
    best, pair = 0.0, (0, 0)
    for first, block in _products(atoms):
        i, j = np.unravel_index(np.argmax(block), block.shape)
        if block[i, j] > best:
            best, pair = float(block[i, j]), (first + int(i), int(j))
    babel = babel_function(dictionary)
    slack = 1 + 8 * m * np.finfo(np.float64).eps  # so that rounding promises nothing
    most = min(K, m)
    above = (1 + 1 / (best * slack)) / 2 if best > 0 else np.inf
    guaranteed = most if above > most else max(int(np.ceil(above)) - 1, 0)
    sums = np.concatenate([[0.0], babel * slack])
    fine = np.flatnonzero(sums[:-1] + sums[1:] >= 1)
    by_babel = min(most, int(fine[0]) if fine.size else K)
    return CoherenceReport(K, m, best, pair, welch_bound(K, m), babel, guaranteed, max(guaranteed, by_babel))


def mutual_coherence(dictionary: Any) -> float:
    """Largest |<d_i, d_j>| of two different atoms, scaled to length 1.

    Parameters
    ----------
    dictionary : array-like of shape (n_components, n_features), or a fitted model with `components_`

    Returns
    -------
    float
        0 if the atoms are orthogonal or there is only one, 1 if two are parallel.

    Raises
    ------
    ValueError
        If an atom is 0 or an entry is not finite.

    Examples
    --------
    >>> import gramfold as gf
    >>> round(gf.mutual_coherence([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), 4)
    0.7071
    """
    return max(float(block.max()) for _, block in _products(unit_atoms(dictionary)))


def babel_function(dictionary: Any) -> Double:
    """Largest sum of |<d_i, d_j>| over an atom i and k others, for k = 1, 2, ..., n_components - 1.

    Parameters
    ----------
    dictionary : array-like of shape (n_components, n_features), or a fitted model with `components_`

    Returns
    -------
    ndarray of shape (n_components - 1,)
        The first is the mutual coherence mu; the k-th is at most k mu.

    Raises
    ------
    ValueError
        If an atom is 0 or an entry is not finite.

    References
    ----------
    Tropp (2004), Greed is good, section II.C.

    Examples
    --------
    >>> import gramfold as gf
    >>> gf.babel_function([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]).round(4)
    array([0.7071, 1.4142])
    """
    atoms = unit_atoms(dictionary)
    babel = np.zeros(len(atoms) - 1)
    for _, block in _products(atoms):
        descending = np.sort(block, axis=1)[:, :0:-1]
        np.maximum(babel, np.cumsum(descending, axis=1).max(axis=0), out=babel)
    return babel


def welch_bound(n_components: int, n_features: int) -> float:
    """Least mutual coherence that so many atoms in so many dimensions can have.

    sqrt((K - m) / (m (K - 1))) for K atoms in m dimensions, 0 for K <= m.

    Examples
    --------
    >>> import gramfold as gf
    >>> round(gf.welch_bound(128, 64), 5)
    0.08874
    """
    K, m = whole(n_components, "n_components"), whole(n_features, "n_features")
    return float(np.sqrt((K - m) / (m * (K - 1)))) if m < K else 0.0


def unit_atoms(dictionary: Any) -> Double:
    """The atoms in float64, scaled to length 1."""
    if isinstance(dictionary, BaseEstimator) and not hasattr(dictionary, "components_"):
        check_is_fitted(dictionary, "components_")
    given = getattr(dictionary, "components_", dictionary)
    atoms = read_atoms(given, "dictionary", dtype=np.float64)
    atoms = atoms / np.maximum(np.abs(atoms).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    lengths = np.linalg.norm(atoms, axis=1)
    if (lengths == 0).any():
        raise ValueError(f"atom {int(np.flatnonzero(lengths == 0)[0])} of the dictionary is 0")
    return np.asarray(atoms / lengths[:, None])


def _products(atoms: Double) -> Iterator[tuple[int, Array]]:
    """|<d_i, d_j>| for some atoms i at a time and all j, -0 for i = j: at most 1."""
    for first in range(0, len(atoms), ROWS_AT_ONCE):
        block = np.minimum(np.abs(atoms[first : first + ROWS_AT_ONCE] @ atoms.T), 1)
        np.fill_diagonal(block[:, first:], 0)
        yield first, block
