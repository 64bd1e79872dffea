"""A subspace that follows rows with outliers and gaps, one row at a time.

The basis is the minimiser of sum_i f^(n-i) |y_i - basis c_i|^2 over the rows y_i without their outliers, by
recursive least squares: with the energies A = sum_i f^(n-i) c_i c_i', a new row moves the basis by
(y - basis c) (A^-1 c)'. Where nothing is observed y is taken to be basis c, and the basis stays.

What is an outlier is told by the scale of the residuals: of the row, by their median, and of the column,
by a step up or down after each row. A column that deviates all the time so gets a larger scale until the
basis takes notice of it, where a scale of the row alone would leave it an outlier for ever.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .._core import kernels
from ..fold.source import Source
from ..linalg.powers import exponent_of

Array = NDArray[Any]

# Standard deviations of a normal distribution in the median of its absolute values, that an outlier is off,
# and at which h turns linear (Huber's 1.345).
DEVIATIONS, WIDE, BEND = 1.4826, 3.0, 1.345
STEP, LEAST = 0.1, 1e-3  # of the scales: by row, and the least one of the size of the row
MOST, STILL = 50, 1e-5
FAINT = 1e-8  # of the largest energy: what a direction that no row has had yet begins with


@dataclass
class Track:
    """The subspace and what it remembers.

    Parameters
    ----------
    basis : ndarray of shape (n_features, k)
        Not orthonormal.
    energies : ndarray of shape (k, k), float64
    scale : ndarray of shape (n_features,)
        Of the residuals of each column, as a standard deviation.
    """

    basis: Array
    energies: Array
    scale: Array

    @classmethod
    def of(cls, V: Array, values: Array, k: int) -> "Track":
        """Start from singular values and vectors; random directions make up what is missing to k."""
        random = np.random.default_rng(0).standard_normal((len(V), k - V.shape[1]))
        directions = np.hstack([V.astype(np.float64), random])
        basis = scipy.linalg.qr(directions, mode="economic", check_finite=False)[0]
        squares = np.square(values, dtype=np.float64)
        faint = FAINT * (squares.max() if len(squares) else 1.0)
        energies = np.diag(np.concatenate([squares, np.zeros(k - len(squares))]) + faint)
        return cls(np.ascontiguousarray(basis, V.dtype), energies, np.zeros(len(V), V.dtype))

    def copy(self, dtype: Any) -> "Track":
        """One whose learning leaves this one alone."""
        return replace(self, basis=self.basis.astype(dtype), scale=self.scale.astype(dtype))

    def split(
        self, x: Array, threshold: float | None, forgetting: float, n_threads: int, *, learn: bool
    ) -> tuple[Array, Array]:
        """The low-rank part and the outliers of a row; with `learn` the subspace follows it."""
        one = code(x, self.basis, self.scale if threshold is None else threshold / WIDE, n_threads)
        low = self.basis @ one.codes.astype(x.dtype)
        if one.codes.any():
            if learn:
                self._step(one, forgetting)
            self._adapt(np.abs(one.rest), ~np.isnan(x), one.least)
        return low, np.where(np.abs(one.rest) > WIDE * one.scale, one.rest, 0)

    def _step(self, one: "Coded", forgetting: float) -> None:
        """Recursive least squares."""
        self.energies = forgetting * self.energies + np.outer(one.codes, one.codes)
        gain = np.linalg.lstsq(self.energies, one.codes, rcond=None)[0].astype(self.basis.dtype)
        self.basis += np.outer(np.clip(one.rest, -BEND * one.scale, BEND * one.scale), gain)

    def _adapt(self, size: Array, seen: Array, least: float) -> None:
        """Scales a step towards the median of the residuals of their columns."""
        step = np.exp(np.where(DEVIATIONS * size > self.scale, STEP, -STEP)).astype(size.dtype)
        adapted = self.scale.copy()
        adapted[seen] = np.maximum(self.scale * step, least)[seen]
        self.scale = adapted

    def principal(self) -> tuple[Array, Array]:
        """Orthonormal directions as rows, the one of most energy first, and the energies."""
        q, r = scipy.linalg.qr(self.basis.astype(np.float64), mode="economic", check_finite=False)
        turned = r @ self.energies @ r.T
        unit = exponent_of(float(np.abs(turned).max()))  # far from 1 LAPACK itself scales, by no power of two
        values, vectors = scipy.linalg.eigh(np.ldexp(turned, -unit), check_finite=False)
        directions = np.ascontiguousarray((q @ vectors[:, ::-1]).T, self.basis.dtype)
        return directions, np.ldexp(np.maximum(values[::-1], 0), unit)


@dataclass(frozen=True, slots=True)
class Coded:
    """A row in a subspace: x = basis @ codes + rest, rest 0 where unobserved, and the scale of the rest."""

    codes: Array
    rest: Array
    scale: Any
    least: float


def code_rows(rows: Source, shared: tuple[Array, Any], state: Any) -> None:
    """Overwrite codes, a pass; shared: the basis and the scale of `code`."""
    basis, scale = shared
    for i, row in enumerate(rows.x):
        state["codes"][i] = code(row, basis, scale, rows.n_threads).codes


def code(x: Array, basis: Array, scale: Any, n_threads: int) -> Coded:
    """Huber's estimate of the code of one row, by reweighted least squares.

    Parameters
    ----------
    x : ndarray of shape (n_features,)
        NaN is unobserved.
    basis : ndarray of shape (n_features, k)
        Of x's dtype, C order.
    scale : float, or ndarray of shape (n_features,)
        Standard deviation of the noise; if an array, at least that, and that of the row.
    n_threads : int

    Examples
    --------
    >>> import numpy as np
    >>> from gramfold.rpca.track import code
    >>> x, basis = np.array([2.0, 2, 9, 2, np.nan, 2]), np.ones((6, 1))
    >>> float(round(code(x, basis, np.zeros(6), 1).codes[0], 2))
    2.0
    """
    seen = ~np.isnan(x)
    given = np.where(seen, x, 0)
    k = basis.shape[1]
    codes: Array = np.zeros(k)
    rest, follow, reached = given, np.ndim(scale) > 0, scale
    if not given.any():
        return Coded(codes, rest, scale, 0.0)
    weights = seen.astype(x.dtype)
    least = LEAST * float(np.linalg.norm(given) / np.sqrt(np.count_nonzero(seen)))
    for _ in range(MOST):
        sums = kernels.moments(x=basis, y=given[:, None], shift=None, weights=weights, n_threads=n_threads)
        gram, pull = sums.products[:k, :k], sums.products[:k, k]
        before, codes = codes, np.linalg.lstsq(gram, pull, rcond=None)[0]
        rest = np.where(seen, given - basis @ codes.astype(x.dtype), 0)
        size = np.abs(rest)
        if follow:
            reached = np.maximum(scale, max(DEVIATIONS * float(np.median(size[seen])), least))
        weights = np.where(seen, BEND * reached / np.maximum(size, BEND * reached), 0).astype(x.dtype)
        if np.linalg.norm(codes - before) <= STILL * np.linalg.norm(codes):
            break
    return Coded(codes, rest, reached, least)
