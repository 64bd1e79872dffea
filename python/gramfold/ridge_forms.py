"""Least squares as a quadratic form, for solvers that only multiply by X'X."""

from typing import Any, Protocol

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, eigsh

from .fold import Array, Source
from .ridge_moments import Double, Moments

ROWS_AT_ONCE = 4096


class Form(Protocol):
    """1/2 |XB - Y|^2 = 1/2 squares - <B, linear> + 1/2 <B, apply(B)>, X and Y centred and weighted.

    Attributes
    ----------
    linear : ndarray of shape (n_features, n_targets)
        X'Y.
    squares : ndarray of shape (n_targets,)
        Diagonal of Y'Y.
    """

    linear: Double
    squares: Double

    def apply(self, coefs: Double) -> Double:
        """X'X times coefs."""

    def extremes(self) -> tuple[float, float]:
        """Bounds on the eigenvalues of X'X: none is less than the first or more than the second."""


class GramForm:
    """X'X at hand."""

    def __init__(self, moments: Moments) -> None:
        self.gram = moments.gram
        self.linear = moments.cross
        self.squares = moments.squares

    def apply(self, coefs: Double) -> Double:
        """X'X times coefs."""
        return self.gram @ coefs

    def extremes(self) -> tuple[float, float]:
        """The least and the largest eigenvalue of X'X, neither below 0."""
        values = la.eigvalsh(self.gram)
        return max(float(values[0]), 0.0), max(float(values[-1]), 0.0)


class RowsForm:
    """X'X as one pass over the rows of X, dense or CSR, for more features than a Gram matrix suits."""

    def __init__(self, x: Source, y: Array, weights: Array | None, centered: bool) -> None:
        w = np.ones(x.rows) if weights is None else weights.astype(np.float64)
        self.weight = float(w.sum())
        p, t = x.cols, y.shape[1]
        self.x_mean = _products(x, w[:, None])[:, 0] / self.weight if centered else np.zeros(p)
        self.y_mean = w @ y / self.weight if centered else np.zeros(t)
        target = w[:, None] * (y - self.y_mean)
        self.linear = _products(x, target) - np.outer(self.x_mean, target.sum(axis=0))
        self.squares = np.sum(target * (y - self.y_mean), axis=0)
        self.x = x if weights is None else Source(scaled(x.x, np.sqrt(w)), x.n_threads)

    def apply(self, coefs: Double) -> Double:
        """X'X times coefs, in one read of X."""
        return self.x.gram_product(coefs) - self.weight * np.outer(self.x_mean, self.x_mean @ coefs)

    def extremes(self) -> tuple[float, float]:
        """Give 0 and the largest eigenvalue of X'X by Lanczos' method, rounded up."""
        p = self.x.cols
        if p < 3:
            return 0.0, float(la.norm(self.apply(np.eye(p)), 2))
        operator = LinearOperator(
            (p, p), matvec=lambda v: self.apply(v.reshape(-1, 1))[:, 0], dtype=np.float64
        )
        start = np.random.default_rng(0).standard_normal(p)
        (largest,) = eigsh(operator, 1, which="LA", v0=start, tol=1e-3, return_eigenvectors=False)
        return 0.0, float(largest) * 1.01


def scaled(x: Any, root: Array) -> Any:
    """Rows of a dense or CSR matrix times `root`, in its dtype."""
    root = root.astype(x.dtype)
    if sp.issparse(x):
        return (sp.diags_array(root) @ x).tocsr()
    return x * root[:, None]


def _products(x: Source, factor: Double) -> Double:
    """X'factor in float64."""
    if x.sparse:
        return np.asarray(x.x.T @ factor)
    total = np.zeros((x.cols, factor.shape[1]))
    for first in range(0, x.rows, ROWS_AT_ONCE):
        block = slice(first, first + ROWS_AT_ONCE)
        total += x.x[block].T.astype(np.float64, copy=False) @ factor[block]
    return total
