"""Codes judged from the data, and rows that a Gram matrix could not solve solved once more, from the data.

A Gram matrix squares the condition of a dictionary, and what it has lost no number made from it can tell. So
where atoms are nearly dependent, or rows are open, each row is compared in float64 with the data at the very
numbers that would be given back. Rows that miss an optimality condition, or are worse than z = 0 or than
their start, go through `kernels.orthogonal_rows`; the better code is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg.lapack import dpocon, dpotrf

from ._core import kernels
from .fold import Array, Penalty, Source
from .observed import Observed
from .scales import put_rows

Double = NDArray[np.float64]

ENTRIES = 1 << 17  # of X looked at together: in the second-level cache
# A Gram matrix is believed while k eps times its condition is at most this; what it misses of the least
# objective is then below the square of it.
BELIEVED = {"float32": 0.1, "float64": 1e-8}
# Nor can rounding have done harm where codes do not cancel, sum |z| |f| being at most so many |x|, and the
# penalty is at least that share of |x|^2, so that slopes decide little.
CANCELS, PENALISED = {"float32": 16.0, "float64": 1e3}, {"float32": 1e-2, "float64": 1e-4}
# Conditions may be missed by this share of |f| |x - Fz| (or l1); residuals below that share of |x| are beyond
# a Gram matrix.
MISSED, SMALL = {"float32": 1e-4, "float64": 1e-10}, {"float32": 1e-2, "float64": 1e-4}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of x (weighted, with gaps, if Observed) in the atoms (k, cols), and the penalty on their codes.

    With `held` the codes that are 0 stay 0.
    """

    x: Source | Observed
    atoms: Double
    penalty: Penalty
    held: bool = False

    def blocks(self) -> Iterator[NDArray[np.intp]]:
        """Yield row numbers, so many at a time as fit in memory beside X."""
        rows = max(1, ENTRIES // max(self.atoms.shape))
        for first in range(0, self.x.rows, rows):
            yield np.arange(first, min(first + rows, self.x.rows))

    def read(self, rows: Any) -> tuple[Double, Double | None]:
        """Some rows times the roots of their weights, and those roots."""
        x = self.x.x[rows]
        x = np.asarray(x.toarray() if sp.issparse(x) else x, np.float64)
        if isinstance(self.x, Source):
            return x, None
        seen = self.x.seen[rows]
        root = (
            seen.astype(np.float64)
            if self.x.weights is None
            else np.sqrt(self.x.weights[rows], dtype=np.float64)
        )
        return np.where(seen, x, 0) * root, root

    def norms(self, root: Double | None) -> Double:
        """Root of the diagonal of the Gram matrix, of each row."""
        squares = np.square(self.atoms)
        total = squares.sum(axis=1)[None] if root is None else self.product(root**2, squares.T)
        return np.asarray(np.sqrt(total + self.penalty.l2))

    def residual(self, x: Double, root: Double | None, codes: Array) -> Double:
        """Weighted x - codes @ atoms."""
        fit = self.product(codes.astype(np.float64, copy=False), self.atoms)
        return np.asarray(x - (fit if root is None else fit * root))

    def objective(self, residual: Double, codes: Array) -> Double:
        """The objective of each row."""
        total = 0.5 * _squares(residual)
        if self.penalty.l2:
            total += 0.5 * self.penalty.l2 * _squares(codes)
        if self.penalty.l1:
            total += self.penalty.l1 * np.sum(np.abs(codes), axis=1, dtype=np.float64)
        return total

    def product(self, left: Double, right: Double) -> Double:
        """Give left @ right, each row the same bits whatever its neighbours."""
        out = np.empty((len(left), right.shape[1]))
        kernels.products(np.ascontiguousarray(left), np.ascontiguousarray(right), out, None, self.x.n_threads)
        return out


def mend(
    rows: Rows, codes: Any, *, most: int, n_open: float = 0.0, gram: Double | None = None,
    start: Array | None = None, tol: float | None = None, by_condition: bool = False,
) -> tuple[Any, float, NDArray[np.intp]]:  # fmt: skip
    """Check the codes of all rows, and solve those again that need it.

    Parameters
    ----------
    rows : Rows
    codes : ndarray or csr_matrix of shape (rows, k)
        An array is overwritten where better codes are found.
    most : int
        Rounds in which atoms join or leave.
    n_open : float
        Rows that have not ended.
    gram : ndarray of shape (k, k), optional
        With l2 on its diagonal; where it is well conditioned and no row is open, nothing is done.
    start : ndarray of shape (rows, k), optional
        What codes may not be worse than, beside 0.
    tol : float, optional
        What of the largest |x @ atoms.T| a condition may be missed by; by default rounding.
    by_condition : bool
        Whether rows ended by their optimality conditions, not by the size of their steps.

    Returns
    -------
    codes, how many rows did not end after all, and which rows have changed
    """
    changed: list[Any] = [np.empty(0, np.intp)]
    singular = rows.penalty.l2 == 0 and len(rows.atoms) > rows.x.cols
    if not n_open and gram is not None and not singular and _believed(gram, codes.dtype):
        return codes, 0.0, changed[0]
    tests = (_cancelling, _doubtful) if by_condition and not n_open else (_doubtful,)
    better, still_open = [], 0
    with np.errstate(all="ignore"):
        for block in rows.blocks():
            some = None if start is None else start[block]
            found, now, is_open = _mended(rows, block, codes[block], some, tol, most, tests)
            changed.append(found)
            better.append(now)
            still_open += is_open
    which = np.concatenate(changed)
    if which.size:
        codes = put_rows(codes, which, np.concatenate(better))
    return codes, float(still_open), which


def _mended(
    rows: Rows,
    block: NDArray[np.intp],
    codes: Any,
    start: Array | None,
    tol: float | None,
    most: int,
    tests: Sequence[Callable[..., NDArray[np.bool_]]],
) -> tuple[NDArray[np.intp], Array, int]:
    """Which rows of a block have better codes, these, and how many rows did not end."""
    codes = codes.toarray() if sp.issparse(codes) else codes
    some = np.arange(len(block))
    for test in tests:
        some = some[test(rows, block[some], codes[some], None if start is None else start[some], tol)]
        if not some.size:
            return block[:0], codes[:0], 0
    which, codes, start = block[some], codes[some], None if start is None else start[some]
    found, ended = _from_data(rows, which, codes, most)
    best, is_new, done = _best(rows, which, codes, found, start)
    return which[is_new], best[is_new], int(np.count_nonzero(~(ended & done)))


def _believed(gram: Double, dtype: np.dtype[Any]) -> bool:
    """Whether the Gram matrix, its diagonal scaled to 1, is well conditioned for rows of this dtype."""
    diagonal = np.diag(gram)
    on = diagonal > 0
    if not on.any():
        return True
    root = np.sqrt(diagonal[on])
    factor, failed = dpotrf(gram[np.ix_(on, on)] / root / root[:, None], lower=True)
    if failed:
        return False
    # The largest sum of a column is at most k.
    reciprocal, _ = dpocon(factor, float(len(root)), uplo="L")
    return bool(reciprocal * BELIEVED[dtype.name] >= len(root) * np.finfo(dtype).eps)


def _cancelling(
    rows: Rows, block: NDArray[np.intp], codes: Array, start: Array | None, tol: float | None
) -> NDArray[np.bool_]:
    """Which rows rounding may have harmed; in doubt all."""
    if start is not None or isinstance(rows.x, Observed) or not (rows.held or rows.penalty.l1):
        return np.ones(len(block), bool)
    name = codes.dtype.name
    x, sizes = rows.x.x[block], np.abs(codes)
    squares = np.asarray(x.multiply(x).sum(axis=1), np.float64).ravel() if sp.issparse(x) else _squares(x)
    norms = rows.norms(None)[0].astype(codes.dtype)
    fine = np.einsum("ij,j->i", sizes, norms) <= CANCELS[name] * np.sqrt(squares)
    if not rows.held:
        fine &= rows.penalty.l1 * sizes.sum(axis=1) >= PENALISED[name] * squares
    return ~fine


def _doubtful(
    rows: Rows, block: NDArray[np.intp], codes: Array, start: Array | None, tol: float | None
) -> NDArray[np.bool_]:
    """Which rows miss a condition, are worse than 0 or their start, or too near to x for a Gram matrix."""
    name, eps, penalty = codes.dtype.name, float(np.finfo(codes.dtype).eps), rows.penalty
    x, root = rows.read(block)
    codes = codes.astype(np.float64, copy=False)
    residual = rows.residual(x, root, codes)
    objective = rows.objective(residual, codes)
    size, left = np.sqrt(_squares(x))[:, None], np.sqrt(_squares(residual))[:, None]
    allowed = MISSED[name] * left + max(64 * eps, tol or 0.0) * size
    if rows.held:  # what is left is orthogonal to the fit
        missed = np.abs(np.einsum("ij,ij->i", x - residual, residual))[:, None]
        allowed *= np.sqrt(_squares(x - residual))[:, None]
    else:
        missed = _missed(rows, residual, root, codes)
        allowed = np.maximum(allowed * rows.norms(root), MISSED[name] * penalty.l1)
    fine = ~np.any(missed > allowed, axis=1) & (objective <= 0.5 * _squares(x))
    if penalty.l1 == 0 and penalty.l2 == 0:
        fine &= (left >= SMALL[name] * size)[:, 0] | (size[:, 0] == 0)
    if start is not None:
        fine &= objective <= rows.objective(rows.residual(x, root, start), start)
    return ~fine


def _missed(rows: Rows, residual: Double, root: Double | None, codes: Double) -> Double:
    """By what each optimality condition is missed, where that is above 0."""
    missed = rows.product(residual if root is None else residual * root, rows.atoms.T)
    if rows.penalty.l2:
        missed -= rows.penalty.l2 * codes
    off = codes == 0
    if not rows.penalty.nonneg:
        missed *= np.sign(codes) + off
        np.abs(missed, out=missed, where=off)
    missed -= rows.penalty.l1
    return np.abs(missed, out=missed, where=~off)


def _from_data(
    rows: Rows, which: NDArray[np.intp], codes: Array, most: int
) -> tuple[Double, NDArray[np.bool_]]:
    """Minimisers of some rows, with `codes` to start from, and which of them are."""
    x, root = rows.read(which)
    single = codes.dtype == np.float32
    start = np.where(np.isfinite(codes), codes, 0).astype(np.float64)
    if root is None and not rows.held:
        return _solve(rows, x, rows.atoms, start, most, single)
    ended = np.ones(len(which), bool)
    for i in range(len(which)):
        on = np.flatnonzero(start[i]) if rows.held else np.arange(len(rows.atoms))
        if on.size:
            atoms = rows.atoms[on] if root is None else rows.atoms[on] * root[i]
            start[i, on], ended[i] = (
                of[0] for of in _solve(rows, x[i : i + 1], atoms, start[i : i + 1, on], most, single)
            )
    return start, ended


def _solve(
    rows: Rows, x: Double, atoms: Double, start: Double, most: int, single: bool
) -> tuple[Double, NDArray[np.bool_]]:
    """Rows of x in the same atoms."""
    penalty, (k, cols) = rows.penalty, atoms.shape
    ended, eps = np.ones(len(x), bool), float(np.finfo(np.float32 if single else np.float64).eps)
    free = penalty.l1 == 0 and not penalty.nonneg
    # Codes are rounded when they are given back: eps^2 / 12 of the mean of (f z)^2 is what that costs.
    ridge = penalty.l2 + (np.square(atoms).sum(axis=1) * eps**2 / 12 if single and not free else 0.0)
    tall = (
        atoms.T if np.all(ridge == 0) else np.vstack([atoms.T, np.diag(np.sqrt(np.broadcast_to(ridge, k)))])
    )
    basis, triangle = np.linalg.qr(tall)
    y = rows.product(x, basis[:cols])
    if free:
        left, values, right = np.linalg.svd(triangle, full_matrices=False)
        least = eps / 3.5 if single else max(cols, k) * eps
        kept = values > least * values.max(initial=0)
        inverse = (left[:, kept] / values[kept]) @ right[kept]
        return rows.product(y, inverse), ended
    start = np.ascontiguousarray(start)
    kernels.orthogonal_rows(
        np.ascontiguousarray(triangle.T), y, start, ended, penalty.l1, penalty.nonneg, most, rows.x.n_threads
    )
    return start, ended


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
        done &= least <= bound + MISSED[codes.dtype.name] * 0.5 * _squares(x)
        best, least, is_new = (
            np.where(lower[:, None], other, best), np.where(lower, bound, least), is_new | lower,
        )  # fmt: skip
    return best, is_new, done


def _squares(a: Double) -> Double:
    return np.asarray(np.einsum("ij,ij->i", a, a, dtype=np.float64))
