"""Ridge regression by the SVD of the rows, or of R of their QR decomposition: X'X is not formed.

A column's unit decides nothing: columns are brought to one length where X has at least as many rows. Then
columns are dependent only if a combination of them is rounding beside its own terms.
"""

import numpy as np
import scipy.linalg as la

from ..fold.source import Source
from .centred_rows import CentredRows
from .data import Double
from .direct import EPS

MOST_DENSE = 1 << 26  # entries of a wide CSR matrix that is made dense for an SVD
UNLIKE = 1e3  # between the lengths of columns, from which on an SVD of several penalties at once loses digits


def dense_enough(x: Source) -> bool:
    """Whether there is an SVD to fall back on, for which a wide CSR matrix is made dense."""
    return not x.sparse or x.rows >= x.cols or x.rows * x.cols <= MOST_DENSE


def singular_values(rows: CentredRows, alpha: Double) -> Double:
    """Solve by the SVD of the rows, or of R of their QR decomposition; the least norm for alpha = 0."""
    n, p = rows.x.rows, rows.x.cols
    if n >= p:
        return by_triangle(rows.triangle(), p, alpha, n)
    roots = rows.roots()
    return by_rows(rows.dense(slice(None)) * roots, rows.y * roots, alpha)  # LAPACK needs them all at once


def by_triangle(R: Double, p: int, alpha: Double, rows: int = 0) -> Double:
    """Solve by R of a QR decomposition of so many rows of features and targets."""
    return by_rows(R[:p, :p], R[:p, p:], alpha, rows)


def by_rows(x: Double, y: Double, alpha: Double, size: int = 0) -> Double:
    """Solve by the SVD of x; `size` is the number of rows that it stands for, if these are more."""
    y = np.tile(y, len(alpha) // y.shape[1])
    size, lengths = max(size, *x.shape), la.norm(x, axis=0)
    like = lengths.max(initial=0) <= UNLIKE * lengths.min(where=lengths > 0, initial=np.inf)
    together = ((alpha > (size * EPS * la.norm(lengths)) ** 2) & like) | (len(x) < x.shape[1])
    B = np.empty((x.shape[1], len(alpha)))
    B[:, together] = _together(x, y[:, together], alpha[together], size)
    for value in np.unique(alpha[~together]):
        same = ~together & (alpha == value)
        B[:, same] = _of_one_length(x, y[:, same], float(value), size)
    return B


def _of_one_length(x: Double, y: Double, alpha: float, size: int) -> Double:
    """Solve by the SVD of x, over a multiple of the identity, whose columns are brought to one length first.

    Where these are dependent, the solution of least norm is what is left of any other without its part in
    the null space of x.
    """
    if alpha > 0:
        x = np.vstack([x, np.sqrt(alpha) * np.eye(x.shape[1])])
        y = np.vstack([y, np.zeros((x.shape[1], y.shape[1]))])
    unit = np.ldexp(1.0, -np.frexp(la.norm(x, axis=0))[1])
    U, s, Vt = la.svd(x * unit, full_matrices=False, check_finite=False, overwrite_a=True)
    kept = s > size * EPS * s.max(initial=0)
    B = np.zeros((x.shape[1], y.shape[1]))
    for _ in range(2):  # found again is what rounding beside a column that makes most of y took off others
        B += unit[:, None] * (Vt[kept].T @ ((U[:, kept].T @ (y - x @ B)) / s[kept, None]))
    if not kept.all():
        null = np.where(np.abs(Vt[~kept]) > size * EPS, Vt[~kept], 0) * unit
        along = la.qr(null.T, mode="economic", check_finite=False)[0]
        for _ in range(2):  # a column that is much shorter than the others has had most of B
            B -= along @ (along.T @ B)
    return B


def _together(x: Double, y: Double, alpha: Double, size: int) -> Double:
    """Solve for several penalties by one SVD of x."""
    if not len(alpha):
        return np.empty((x.shape[1], 0))
    U, s, Vt = la.svd(x, full_matrices=False, check_finite=False)
    shifted = (s**2)[:, None] + alpha
    kept = ((s > size * EPS * s.max(initial=0))[:, None] | (alpha > 0)) & (shifted > 0)
    shrunk = np.divide(s[:, None] * (U.T @ y), shifted, out=np.zeros_like(shifted), where=kept)
    return np.asarray(Vt.T @ shrunk)
