"""The shortest solution of a linear system, with its certificate."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as la
from numpy.typing import NDArray

from ..fit.inputs import read_array, read_rows
from ..linalg.powers import exponent_of

Double = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LeastNorm:
    """What `least_norm` returns.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The minimiser.
    multiplier : ndarray of shape (m,)
        nu: g(nu) = min_x |x|^2 + nu'(Ax - b) = -|A'nu|^2 / 4 - b'nu is largest there.
    value : float
        |x|^2.
    dual_value : float
        g(nu), at most the least |x|^2 that is possible.
    gap : float
        value - dual_value, up to rounding at least what value is above the minimum.
    rank : int
        Numerical rank of A.
    """

    x: Double
    multiplier: Double
    value: float
    dual_value: float
    gap: float
    rank: int


def least_norm(A: Any, b: Any) -> LeastNorm:
    """Minimise |x|^2 subject to Ax = b.

    x = A'(AA')^-1 b and nu = -2 (AA')^-1 b (pseudo-inverses where rows depend on each other), by the SVD of
    A.

    Parameters
    ----------
    A : array-like or `blocks` of shape (m, n)
        Of any rank; rows may depend on each other.
    b : array-like of shape (m,)

    Returns
    -------
    LeastNorm

    Raises
    ------
    ValueError
        If no x solves Ax = b up to rounding, shapes do not fit, an entry is not finite or the solution leaves
        the range of float64.

    References
    ----------
    Boyd & Vandenberghe (2004), Convex optimization, section 5.1.4.

    Examples
    --------
    >>> import gramfold as gf
    >>> found = gf.least_norm([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]], [2.0, 2.0])
    >>> found.x.round(12), found.multiplier.round(12)
    (array([1., 1., 1.]), array([-2., -1.]))
    >>> gf.least_norm([[1.0, 1.0], [2.0, 2.0]], [1.0, 3.0])
    Traceback (most recent call last):
    ...
    ValueError: Ax = b has no solution: |Ax - b| is at least 0.447214, 14% of |b|
    """
    A = read_rows(A, name="A", sparse=False, dtype=np.float64)  # all at once, for its SVD
    b = read_array(b, "b", dtype=np.float64, ensure_2d=False)
    if b.size != len(b):
        raise ValueError(f"b must be a column, got an array of shape {b.shape}")
    b = b.ravel()
    if len(b) != len(A):
        raise ValueError(f"b must have an entry for each row of A: {len(b)} against {len(A)}")
    units = exponent_of(np.abs(A).max(initial=0)), exponent_of(np.abs(b).max(initial=0))
    A, b = np.ldexp(A, -units[0]), np.ldexp(b, -units[1])
    U, s, Vt = la.svd(A, full_matrices=False, check_finite=False)
    rounding = max(A.shape) * np.finfo(np.float64).eps
    rank = int(np.count_nonzero(s > rounding * s[0]))
    U, s, Vt = U[:, :rank], s[:rank], Vt[:rank]
    along = (U.T @ b) / s
    x = Vt.T @ along
    missing = float(la.norm(b - U @ (U.T @ b)))
    if missing > 8 * rounding * ((s[0] if rank else 0) * la.norm(x) + la.norm(b)):
        raise ValueError(
            f"Ax = b has no solution: |Ax - b| is at least {np.ldexp(missing, units[1]):.6g}, "
            f"{missing / la.norm(b):.0%} of |b|"
        )
    multiplier = -2 * (U @ (along / s))
    pulled = A.T @ multiplier
    dual_value = -0.25 * float(pulled @ pulled) - float(b @ multiplier)
    return _back(LeastNorm(x, multiplier, float(x @ x), dual_value, float(x @ x) - dual_value, rank), *units)


def _back(found: LeastNorm, unit_A: int, unit_b: int) -> LeastNorm:
    """What was found for A and b in units, for A and b."""
    unit = unit_b - unit_A
    with np.errstate(over="ignore", under="ignore"):
        x, multiplier = np.ldexp(found.x, unit), np.ldexp(found.multiplier, unit - unit_A)
        value, dual_value, gap = np.ldexp([found.value, found.dual_value, found.gap], 2 * unit).tolist()
    if not np.isfinite(multiplier).all() or not np.isfinite(value) or (found.x.any() and not x.any()):
        raise ValueError("the solution leaves the range of float64: rescale A or b, of so unlike sizes")
    return LeastNorm(x, multiplier, value, dual_value, gap, found.rank)
