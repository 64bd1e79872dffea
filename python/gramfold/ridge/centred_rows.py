"""Rows of X about their means, which never are taken off sums, however far from the origin they are."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg as la

from .._core.results import Misfit
from ..fit.cached import cached_property
from ..fold.engine import run
from ..fold.source import Array
from . import passes
from .data import Data, Double
from .passes import AT_ONCE, Centring

ROWS_AT_ONCE = 1024  # of which a triangle is made
FLAT = 1e-14  # of the length of a column of one value, what rounding leaves beyond its mean


class CentredRows:
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
        self.x_mean, self.y_mean = x_mean, y_mean
        self.centered = data.centered
        self.given = data.y
        near_mean = x_mean if far is None else np.where(far, 0, x_mean)
        columns = np.empty(0, np.intp) if far is None else np.flatnonzero(far)
        self.about = Centring(x_mean, data.units.scale, near_mean, columns)
        self.beside: Double | None = None
        self._nothing: Double | None = None  # targets of 0: the same ones each time, so that they travel once
        if columns.size:
            self.beside = np.empty((data.x.rows, columns.size))
            run(partial(passes.far_columns, about=self.about), data.x, state={"beside": self.beside})

    @cached_property
    def y(self) -> Double:
        """The targets about their means."""
        return self.given - self.y_mean

    def misfit(self, B: Double, y: Array | None = None) -> Misfit:
        """With R = y - ZB: Z'WR, and the columns' sums of WR^2 and WR, in one read of X."""
        y_mean = np.zeros(B.shape[1])
        if y is None and self.x.sparse:
            y = self.y
        elif y is None:
            y, y_mean = self.given, self.y_mean
        fixed = {"y": y, "weights": self.weights, "beside": self.beside}
        return run(partial(passes.misfit, about=self.about), self.x, (B, y_mean), fixed=fixed)

    def squares(self, B: Double) -> Double:
        """The squared lengths of the columns of W^1/2 ZB, in one read of X."""
        if self._nothing is None or self._nothing.shape[1] != B.shape[1]:
            self._nothing = np.broadcast_to(0.0, (self.x.rows, B.shape[1]))
        return self.misfit(B, self._nothing).squares

    def pull(self, B: Double, chosen: Array) -> Double:
        """Z'R of some rows, without weights."""
        if self.x.sparse:
            state = {"y": self.y[chosen], "weights": None, "beside": self._beside(chosen)}
            return passes.sparse_misfit(self.x.some(chosen), B, state, self.about).pull
        z = self.dense(chosen)
        return z.T @ (self.y[chosen] - z @ B)

    def dense(self, chosen: Any) -> Double:
        """Some rows of Z as a new array."""
        return passes.centred(self.x, chosen, self.about, self._beside(chosen))

    def _beside(self, chosen: Any) -> Double | None:
        return None if self.beside is None else self.beside[chosen]

    def roots(self) -> Double:
        """Square roots of the weights, (n_samples, 1)."""
        return passes.roots(self.x, {"weights": self.weights})

    def slices(self) -> Iterator[slice]:
        """All rows, some at a time."""
        return passes.slices(self.x, max(1, AT_ONCE // self.x.cols))

    def largest(self) -> float:
        """The largest squared norm of a row of Z."""
        squares = self.x.kept(dtype=np.float64)
        pass_ = partial(passes.row_squares, about=self.about)
        run(pass_, self.x, state={"squares": squares}, fixed={"beside": self.beside})
        return float(np.asarray(squares).max())

    def triangle(self) -> Double:
        """R, (columns + targets) square, of the QR of W^1/2 [Z, y], about the means to rounding."""
        q, before = self.x.cols + self.y.shape[1], int(self.centered)
        size = max(ROWS_AT_ONCE, 2 * q)
        fixed = {"y": self.y, "weights": self.weights, "beside": self.beside}
        R = run(partial(passes.triangle, about=self.about, ones=before, size=size), self.x, fixed=fixed).R
        full = np.zeros((before + q, before + q))
        full[: len(R)] = R
        flat = la.norm(full[before:], axis=0) <= FLAT * la.norm(full, axis=0)
        full[:, flat] = 0
        return full[before:, before:]
