"""Rows of X beside codes, in float64 at the very numbers that are given back; and their solution by QR."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fold.observed import Observed
from ..fold.source import Array, Source
from .rows import Penalty

Double = NDArray[np.float64]

ENTRIES = 1 << 17  # of X looked at together: in the second-level cache


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of x (weighted, with gaps, if Observed) in the atoms (k, cols), and the penalty on their codes.

    With `held` the codes that are 0 stay 0.
    """

    x: Source | Observed
    atoms: Double
    penalty: Penalty
    held: bool = False
    _bases: dict[float, tuple[Double, Double]] = field(default_factory=dict, repr=False, compare=False)

    def basis(self, eps: float) -> tuple[Double, Double]:
        """Q and R of the atoms as columns, and of a ridge of l2 and of `eps` squared; made once for all."""
        if eps not in self._bases:
            self._bases[eps] = orthogonal(self.atoms, self.penalty.l2, eps)
        return self._bases[eps]

    def blocks(self, which: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        """Yield row numbers, so many at a time as fit in memory beside X."""
        rows = max(1, ENTRIES // max(self.atoms.shape))
        for first in range(0, len(which), rows):
            yield which[first : first + rows]

    def read(self, rows: Any) -> tuple[Double, Double | None]:
        """Some rows times the roots of their weights, and those roots."""
        if isinstance(self.x, Source):
            return np.asarray(self.x.take(rows), np.float64), None
        some = self.x.some(rows)
        root = some.seen.astype(np.float64)
        if some.weights is not None:
            root[some.seen] = np.sqrt(some.weights[some.seen], dtype=np.float64)
        return np.where(some.seen, some.x, 0).astype(np.float64) * root, root

    def norms(self, root: Double | None) -> Double:
        """Root of the diagonal of the Gram matrix, of each row."""
        entries = np.square(self.atoms)
        total = entries.sum(axis=1)[None] if root is None else self.product(root**2, entries.T)
        return np.asarray(np.sqrt(total + self.penalty.l2))

    def residual(self, x: Double, root: Double | None, codes: Array) -> Double:
        """Weighted x - codes @ atoms."""
        fit = self.product(codes.astype(np.float64, copy=False), self.atoms)
        return np.asarray(x - (fit if root is None else fit * root))

    def objective(self, residual: Double, codes: Array) -> Double:
        """The objective of each row."""
        total = 0.5 * squares(residual)
        if self.penalty.l2:
            total += 0.5 * self.penalty.l2 * squares(codes)
        if self.penalty.l1:
            total += self.penalty.l1 * np.sum(np.abs(codes), axis=1, dtype=np.float64)
        return total

    def product(self, left: Double, right: Double) -> Double:
        """Give left @ right, each row the same bits whatever its neighbours."""
        out = np.empty((len(left), right.shape[1]))
        kernels.products(
            x=np.ascontiguousarray(left),
            f=np.ascontiguousarray(right),
            out=out,
            image=None,
            n_threads=self.x.n_threads,
        )
        return out

    def missed(self, residual: Double, root: Double | None, codes: Double) -> Double:
        """By what each optimality condition is missed, where that is above 0."""
        missed = self.product(residual if root is None else residual * root, self.atoms.T)
        if self.penalty.l2:
            missed -= self.penalty.l2 * codes
        off = codes == 0
        if not self.penalty.nonneg:
            missed *= np.sign(codes) + off
            np.abs(missed, out=missed, where=off)
        missed -= self.penalty.l1
        return np.abs(missed, out=missed, where=~off)


def from_data(
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
    rounding = eps if single and not free else 0.0
    own = atoms is not rows.atoms
    basis, triangle = orthogonal(atoms, penalty.l2, rounding) if own else rows.basis(rounding)
    y = rows.product(x, basis[:cols])
    if free:
        left, values, right = np.linalg.svd(triangle, full_matrices=False)
        least = eps / 3.5 if single else max(cols, k) * eps
        kept = values > least * values.max(initial=0)
        # Not by the inverse: its entries are large, and their rounding is not along the least vectors.
        return rows.product(rows.product(y, left[:, kept]) / values[kept], right[kept]), ended
    start = np.ascontiguousarray(start)
    kernels.orthogonal_rows(
        atoms=np.ascontiguousarray(triangle.T),
        y=y,
        codes=start,
        ended=ended,
        l1=penalty.l1,
        nonneg=penalty.nonneg,
        max_rounds=most,
        n_threads=rows.x.n_threads,
    )
    return start, ended


def orthogonal(atoms: Double, l2: float, eps: float) -> tuple[Double, Double]:
    """Q and R of atoms (k, cols) as columns, above the roots of a ridge.

    Codes are rounded when they are given back: eps^2 / 12 of the mean of (f z)^2 is what that costs.
    """
    ridge = l2 + np.square(atoms).sum(axis=1) * eps**2 / 12
    tall = atoms.T if np.all(ridge == 0) else np.vstack([atoms.T, np.diag(np.sqrt(ridge))])
    found: tuple[Double, Double] = np.linalg.qr(tall)
    return found


def squares(a: Double) -> Double:
    return np.asarray(np.einsum("ij,ij->i", a, a, dtype=np.float64))
