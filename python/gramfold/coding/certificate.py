"""How far codes are from optimal, row by row."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from ..fit.arguments import flag, real
from ..fit.inputs import read_atoms, read_rows
from ..fold.segments import source_of
from ..fold.source import Source
from ..least_squares.rows import Penalty
from ..least_squares.scales import BAND, Scale, scale_of
from ..linalg.powers import exponent_of, times_power

BLOCK = 4096  # rows looked at together


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of each row: its objective, how far above the least one it may be, and what its conditions miss.

    Attributes
    ----------
    objective : ndarray of shape (n_samples,)
        1/2 |x - z @ dictionary|^2 + alpha |z|_1 + l2/2 |z|^2.
    gap : ndarray of shape (n_samples,)
        Duality gap; infinite where alpha and l2 are 0, as no multiple of the residual need be feasible.
    kkt : ndarray of shape (n_samples,)
        The largest amount by which an optimality condition is missed, by the largest |x @ dictionary.T|;
        infinite where that is 0 and the code is not.

    Examples
    --------
    >>> import gramfold as gf
    >>> found = gf.certify([[2.0]], [[1.0]], [[1.0]], alpha=0.5)
    >>> print(found.objective, found.gap, found.kkt)
    [1.] [0.125] [0.25]
    """

    objective: NDArray[np.float64]
    gap: NDArray[np.float64]
    kkt: NDArray[np.float64]


def certify(
    X: Any, dictionary: Any, codes: Any, *, alpha: float, l2: float = 0.0, positive: bool = False
) -> Certificate:
    """Certify codes of the lasso, the elastic net or non-negative least squares, in float64.

    Parameters
    ----------
    X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
    dictionary : array-like of shape (n_components, n_features)
    codes : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_components)
    alpha, l2 : float
    positive : bool
        As given to `sparse_encode`.

    Returns
    -------
    Certificate

    Raises
    ------
    ValueError
        If shapes do not fit or a code is negative with `positive`.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> D = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> Z = gf.sparse_encode([[2.0, 1.0]], D, alpha=0.1)
    >>> found = gf.certify([[2.0, 1.0]], D, Z, alpha=0.1)
    >>> bool(found.gap[0] < 1e-12 and found.kkt[0] < 1e-12)
    True
    """
    X = read_rows(X, dtype=np.float64, segments=True)
    D = read_atoms(dictionary, "dictionary", dtype=np.float64)
    codes = read_rows(codes, name="codes", dtype=np.float64, segments=True)
    alpha, l2 = real(alpha, "alpha"), real(l2, "l2")
    if D.shape[1] != X.shape[1] or codes.shape != (X.shape[0], len(D)):
        raise ValueError(f"shapes do not fit: X {X.shape}, dictionary {D.shape}, codes {codes.shape}")
    x, z = source_of(X, 1), source_of(codes, 1)
    scale = _scale(x, D, l2, z)
    own = scale.penalty(Penalty(alpha, l2, flag(positive, "positive")), x.dtype)
    parts = [
        _block(
            times_power(x.take(rows), scale.x), times_power(D, scale.atoms),
            times_power(z.take(rows), scale.x - scale.atoms), own.l1, own.l2, own.nonneg,
        )
        for rows in gen_batches(x.rows, BLOCK)
    ]  # fmt: skip
    objective, gap, kkt = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    with np.errstate(over="ignore", under="ignore"):
        return Certificate(times_power(objective, -2 * scale.x), times_power(gap, -2 * scale.x), kkt)


def _scale(x: Source, D: NDArray[np.float64], l2: float, z: Source) -> Scale:
    """What brings x, D and their product by codes near 1, codes that have little to do with x too."""
    scale = scale_of(x, D, l2)
    product = exponent_of(max(z.largest, -z.least)) + exponent_of(np.abs(D).max(initial=0))
    return replace(scale, x=-product) if product + scale.x > BAND["float64"] else scale


def _block(
    X: Any, D: NDArray[np.float64], Z: Any, alpha: float, l2: float, positive: bool
) -> tuple[NDArray[np.float64], ...]:
    if positive and Z.min() < 0:
        raise ValueError(f"codes must be non-negative with positive=True, the least is {Z.min():g}")
    residual = X - Z @ D
    slope = residual @ D.T - l2 * Z  # minus the gradient of the smooth part
    total = np.abs(Z).sum(axis=1)
    own = np.einsum("ij,ij->i", residual, residual) + l2 * np.einsum("ij,ij->i", Z, Z)
    objective = 0.5 * own + alpha * total
    steep = slope if positive else np.abs(slope)
    missed = np.where(Z == 0, np.maximum(steep - alpha, 0), np.abs(slope - alpha * np.sign(Z))).max(axis=1)
    size = np.abs(X @ D.T).max(axis=1)
    with np.errstate(over="ignore"):
        kkt = np.divide(missed, size, out=np.where(missed > 0, np.inf, 0), where=size > 0)
    return objective, _gap(X, residual, own, total, steep.max(axis=1), alpha, l2, Z, missed), kkt


def _gap(
    X: Any, residual: Any, own: Any, total: Any, steepest: Any, alpha: float, l2: float, Z: Any, missed: Any
) -> NDArray[np.float64]:
    """Gap at the residual scaled into the dual's feasible set (Fercoq, Gramfort & Salmon 2015, section 3).

    With l2 the rows are (x, 0) in the dictionary (D, sqrt(l2) I). Written as a sum of two terms that are not
    negative: s = min(1, alpha / steepest) of the residual leaves (1 - s)^2/2 |r|^2, and alpha |z|_1 - s r'Dz.
    """
    if alpha == 0:
        return np.full(len(own), np.inf) if l2 == 0 else 0.5 * np.square(missed) * Z.shape[1] / l2
    scale = np.minimum(1.0, alpha / np.maximum(steepest, alpha))
    inner = np.einsum("ij,ij->i", X, residual) - own  # r'Dz, of the extended rows
    return 0.5 * (1 - scale) ** 2 * own + np.maximum(alpha * total - scale * inner, 0.0)
