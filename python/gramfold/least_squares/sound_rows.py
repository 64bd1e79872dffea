"""Codes judged from the data, and rows that a Gram matrix could not solve solved once more, from the data.

A Gram matrix squares the condition of a dictionary, and what it has lost no number made from it can tell. So
where atoms are nearly dependent, or rows have not converged, each row is compared in float64 with the data at
the very numbers that would be given back. Rows that miss an optimality condition, or are worse than z = 0 or
than their start, go through `kernels.orthogonal_rows`; the better code is kept.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg.lapack import dpocon, dpotrf

from ..fit.floats import name_of
from ..fit.remember import remembered
from ..fold.kept import Kept
from ..fold.source import Array
from .from_data import Double, Rows, from_data, squares
from .scales import put_rows, row_squares

# A Gram matrix is believed while k eps times its condition is at most this; what it misses of the least
# objective is then below the square of it.
BELIEVED = {"float32": 0.1, "float64": 1e-8}
# So are the conditions of a lasso if l1 is that share of |f| |x|: a row that misses them by d is at most
# 2 d / l1 of its objective above the least.
PENALISED = {"float32": 1e-2, "float64": 1e-3}
# Conditions may be missed by this share of |f| |x - Fz| (or l1); residuals below that share of |x| are beyond
# a Gram matrix.
MISSED, SMALL = {"float32": 1e-4, "float64": 1e-10}, {"float32": 1e-2, "float64": 1e-4}
NOTHING: NDArray[np.intp] = np.empty(0, np.intp)
ABOVE = 1e-3  # of its objective a row in float32 may be above the least


def mend(
    rows: Rows, codes: Any, *, most: int, unconverged: float = 0.0, gram: Double | None = None,
    start: Array | None = None, tol: float | None = None, doubtful: NDArray[np.bool_] | None = None,
) -> tuple[Any, float, NDArray[np.intp]]:  # fmt: skip
    """Check the codes of rows, and solve those again that need it.

    Parameters
    ----------
    rows : Rows
    codes : ndarray or csr_matrix of shape (rows, k)
        An array is overwritten where better codes are found.
    most : int
        Rounds in which atoms join or leave.
    unconverged : float
        Rows that have not ended.
    gram : ndarray of shape (k, k), optional
        With l2 on its diagonal; where it is well conditioned and all rows have ended, nothing is done.
    start : ndarray of shape (rows, k), optional
        What codes may not be worse than, beside 0.
    tol : float, optional
        What of the largest |x @ atoms.T| a condition may be missed by; by default rounding.
    doubtful : ndarray of shape (rows,), optional
        Which rows to look at, those that have not ended among them; by default all.

    Returns
    -------
    codes, how many rows did not end after all, and which rows have changed
    """
    which = NOTHING if doubtful is None else np.flatnonzero(doubtful)
    curved, rest = 0.0, codes.shape[0] if doubtful is None else which.size
    if gram is not None and rest:
        singular = rows.penalty.l2 == 0 and len(gram) > rows.x.cols
        curved = _curvature_of_pairs(gram) if singular else remembered(_curvature, gram)
        enough = len(gram) * float(np.finfo(codes.dtype).eps) / BELIEVED[name_of(codes.dtype)]
        if not (unconverged or singular) and curved >= enough:
            rest = 0
    if not rest:
        return codes, 0.0, NOTHING
    codes = np.asarray(codes) if isinstance(codes, Kept) else codes
    if doubtful is None:
        which = np.arange(codes.shape[0])
    changed, better, late = [which[:0]], [], 0
    with np.errstate(all="ignore"):
        for block in rows.blocks(which):
            some = None if start is None else start[block]
            found, now, failed = _mended(rows, block, codes[block], some, tol, most, curved)
            changed.append(found)
            late += failed
            if sp.issparse(codes):  # made anew but once
                better.append(now)
            else:
                put_rows(codes, found, now)
    new = np.concatenate(changed)
    if new.size and better:
        codes = put_rows(codes, new, np.concatenate(better))
    return codes, float(late), new


def penalised(rows: Rows) -> NDArray[np.bool_]:
    """Which rows of a lasso have a penalty that makes up for what rounding leaves of their conditions."""
    norm, name = rows.norms(None).max(), name_of(rows.x.dtype)
    return np.asarray(PENALISED[name] * norm * np.sqrt(row_squares(rows.x)) <= rows.penalty.l1)


def _mended(
    rows: Rows, block: NDArray[np.intp], codes: Any, start: Array | None, tol: float | None, most: int,
    curved: float,
) -> tuple[NDArray[np.intp], Array, int]:  # fmt: skip
    """Which rows of a block have better codes, these, and how many rows did not end."""
    codes = codes.toarray() if sp.issparse(codes) else codes
    some = np.flatnonzero(_in_doubt(rows, block, codes, start, tol, curved))
    which, codes, start = block[some], codes[some], None if start is None else start[some]
    if not which.size:
        return which, codes, 0
    found, ended = from_data(rows, which, codes, most)
    best, is_new, done = _best(rows, which, codes, found, start)
    return which[is_new], best[is_new], int(np.count_nonzero(~(ended & done)))


def _curvature(gram: Double) -> float:
    """The order of the least eigenvalue of a Gram matrix, its diagonal scaled to 1; 0 if it is singular."""
    scaled = _scaled(gram)
    if not scaled.size:
        return 1.0
    factor, failed = dpotrf(scaled, lower=True)
    # The largest sum of a column is at most k.
    return 0.0 if failed else float(dpocon(factor, float(len(scaled)), uplo="L")[0])


def _curvature_of_pairs(gram: Double) -> float:
    """What a support can have at most: two atoms' 1 - |cos|, and a share of that for the others."""
    scaled = np.abs(_scaled(gram))
    np.fill_diagonal(scaled, 0)
    return max(0.0, 1 - float(scaled.max(initial=0))) / len(gram)


def _scaled(gram: Double) -> Double:
    diagonal = gram.diagonal()
    on = diagonal > 0
    if not on.all():
        gram, diagonal = gram[np.ix_(on, on)], diagonal[on]
    root = np.sqrt(diagonal)
    return np.asarray(gram / root / root[:, None])


def _in_doubt(
    rows: Rows, block: NDArray[np.intp], codes: Array, start: Array | None, tol: float | None, curved: float
) -> NDArray[np.bool_]:
    """Which rows miss a condition, are worse than 0 or their start, or too near to x for a Gram matrix."""
    name, eps, penalty = name_of(codes.dtype), float(np.finfo(codes.dtype).eps), rows.penalty
    x, root = rows.read(block)
    codes = codes.astype(np.float64, copy=False)
    residual = rows.residual(x, root, codes)
    objective = rows.objective(residual, codes)
    size, left = np.sqrt(squares(x))[:, None], np.sqrt(squares(residual))[:, None]
    allowed = MISSED[name] * left + max(64 * eps, tol or 0.0) * size
    if rows.held:  # what is left is orthogonal to the fit
        missed = np.abs(np.einsum("ij,ij->i", x - residual, residual))[:, None]
        allowed *= np.sqrt(squares(x - residual))[:, None]
    else:
        if penalty.l1 == 0 and name == "float32" and tol is None:  # |missed|^2 / (2 curved) is what it costs
            allowed = np.minimum(allowed, np.sqrt(2 * ABOVE * curved * objective)[:, None])
        missed = rows.missed(residual, root, codes)
        allowed = np.maximum(allowed * rows.norms(root), MISSED[name] * penalty.l1)
    fine = ~np.any(missed > allowed, axis=1) & (objective <= 0.5 * squares(x))
    if penalty.l1 == 0:
        fine &= (objective >= 0.5 * (SMALL[name] * size[:, 0]) ** 2) | (size[:, 0] == 0)
    if start is not None:
        fine &= objective <= rows.objective(rows.residual(x, root, start), start)
    return ~fine


def _best(
    rows: Rows, which: NDArray[np.intp], codes: Array, found: Double, start: Array | None
) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
    """The better codes, which are new, and which are not far worse than 0 or the start."""
    x, root = rows.read(which)
    found = found.astype(codes.dtype)
    old, new = (rows.objective(rows.residual(x, root, z), z) for z in (codes, found))
    is_new = (new < old) | ~np.isfinite(old)
    best, least = np.where(is_new[:, None], found, codes), np.where(is_new, new, old)
    done = np.ones(len(which), bool)
    for other in (np.zeros_like(codes), start):
        if other is None:
            continue
        bound = rows.objective(rows.residual(x, root, other), other)
        lower = ~(least <= bound)
        done &= least <= bound + MISSED[name_of(codes.dtype)] * 0.5 * squares(x)
        best, least, is_new = (
            np.where(lower[:, None], other, best), np.where(lower, bound, least), is_new | lower,
        )  # fmt: skip
    return best, is_new, done
