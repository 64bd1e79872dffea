"""Rows of X about their means, which never are taken off sums, however far from the origin they are."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp

from .._core import kernels
from ..fold.source import Array
from .data import Data, Double

# A column whose mean lies this many standard deviations from where its moments were taken is far from there.
FAR = 4.0
AT_ONCE, ROWS_AT_ONCE = 1 << 20, 1024  # entries, and rows, of what is made dense


class Rows:
    """Z = (X - mean) in its unit, and y about its mean, as float64.

    Columns of CSR that lie far from 0 have few entries that are not stored: they are kept as dense ones.

    Parameters
    ----------
    data : Data
    x_mean, y_mean : ndarray of shape (n_features,), (n_targets,)
        In units; 0 without an intercept.
    far : ndarray of shape (n_features,) of bool, optional
        Columns of a CSR matrix that are far from 0.
    """

    def __init__(self, data: Data, x_mean: Double, y_mean: Double, far: Array | None = None) -> None:
        self.x, self.weights, self.weight = data.x, data.weights, data.weight
        self.scale, self.x_mean, self.y_mean = data.units.scale, x_mean, y_mean
        self.centered = data.centered
        self.given = data.y
        self.far, self.near = np.empty(0, np.intp), data.x.x
        self.beside = np.empty((data.x.rows, 0))
        if data.x.sparse:
            self.near_mean = x_mean if far is None else np.where(far, 0, x_mean)
            if far is not None and far.any():
                self.far = np.flatnonzero(far)
                self.beside = data.x.x[:, self.far].toarray() * self.scale - x_mean[far]
                self.near = _columns(data.x.x, ~far)

    @cached_property
    def y(self) -> Double:
        """The targets about their means."""
        return self.given - self.y_mean

    def misfit(self, B: Double, y: Array | None = None) -> tuple[Double, Double, Double]:
        """With R = y - ZB: Z'WR, and the columns' sums of WR^2 and WR, in one read of X."""
        p, t = B.shape
        shift = np.zeros(p + t)
        if self.x.sparse:
            y = self.y if y is None else y
            if self.far.size:
                return self._pull(self.near, self.beside, y, self.weights, B)
            shift[p:] = -(self.near_mean @ B)
        else:
            shift[:p] = self.x_mean / self.scale
            if y is None:
                y, shift[p:] = self.given, self.y_mean
        B = np.ascontiguousarray(B)
        pull, squares, sums = kernels.misfit(
            x=self.x.kernel,
            y=y,
            shift=shift,
            weights=self.weights,
            scale=self.scale,
            coefs=B,
            n_threads=self.x.n_threads,
        )
        if self.x.sparse:
            pull -= np.outer(self.near_mean, sums)
        return pull, squares, sums

    def pull(self, B: Double, chosen: Array) -> Double:
        """Z'R of some rows, without weights."""
        if self.x.sparse:
            return self._pull(self.near[chosen], self.beside[chosen], self.y[chosen], None, B)[0]
        z = self.dense(chosen)
        return z.T @ (self.y[chosen] - z @ B)

    def _pull(
        self, near: Any, beside: Double, y: Array, weights: Double | None, B: Double
    ) -> tuple[Double, Double, Double]:
        rest = y - (near @ B) * self.scale + self.near_mean @ B - beside @ B[self.far]
        weighted = rest if weights is None else weights[:, None] * rest
        sums = weighted.sum(axis=0)
        pull = (near.T @ weighted) * self.scale - np.outer(self.near_mean, sums)
        pull[self.far] += beside.T @ weighted
        return pull, np.sum(weighted * rest, axis=0), sums

    def dense(self, chosen: Any) -> Double:
        """Some rows of Z as a new array."""
        if not self.x.sparse:
            return (self.x.x[chosen].astype(np.float64) - self.x_mean / self.scale) * self.scale
        z: Double = self.near[chosen].toarray().astype(np.float64) * self.scale - self.near_mean
        z[:, self.far] = self.beside[chosen]
        return z

    def roots(self) -> Double:
        """Square roots of the weights, (n_samples, 1)."""
        return np.ones((self.x.rows, 1)) if self.weights is None else np.sqrt(self.weights)[:, None]

    def blocks(self, size: int | None = None) -> Iterator[slice]:
        """All rows, some at a time."""
        size = size or max(1, AT_ONCE // self.x.cols)
        return (slice(first, first + size) for first in range(0, self.x.rows, size))

    def largest(self) -> float:
        """The largest squared norm of a row of Z."""
        if not self.x.sparse:
            return max(float(np.square(self.dense(some)).sum(axis=1).max()) for some in self.blocks())
        squares = column_squares(self.near.T, None) * self.scale**2
        squares += self.near_mean @ self.near_mean - 2 * self.scale * (self.near @ self.near_mean)
        return float((squares + np.square(self.beside).sum(axis=1)).max())

    def triangle(self) -> Double:
        """R, (columns + targets) square, of the QR of W^1/2 [Z, y], about the means to rounding."""
        q, roots = self.x.cols + self.y.shape[1], self.roots()
        before = int(self.centered)
        R = np.zeros((0, before + q))
        for some in self.blocks(max(ROWS_AT_ONCE, 2 * q)):
            rows = np.hstack([np.ones((len(self.y[some]), before)), self.dense(some), self.y[some]])
            rows *= roots[some]
            R = la.qr(np.vstack([R, rows]), mode="r", overwrite_a=True, check_finite=False)[0][: before + q]
        full = np.zeros((before + q, before + q))
        full[: len(R)] = R
        return full[before:, before:]


def column_squares(x: Any, weights: Double | None) -> Double:
    """Weighted sums of the squared entries of each column of a CSR or CSC matrix."""
    squares = type(x)((np.square(x.data, dtype=np.float64), x.indices, x.indptr), shape=x.shape)
    return np.asarray(squares.T @ (np.ones(x.shape[0]) if weights is None else weights))


def _columns(x: Any, kept: Array) -> Any:
    """A CSR matrix of the same shape with the entries of some columns only."""
    stays = kept[x.indices]
    ends = np.concatenate([[0], np.cumsum(stays)])[x.indptr].astype(x.indptr.dtype)
    return sp.csr_array((x.data[stays], x.indices[stays], ends), shape=x.shape)
