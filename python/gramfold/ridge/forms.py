"""Least squares as a quadratic form, for solvers that only multiply by X'X."""

from typing import Protocol

import numpy as np
import scipy.linalg as la
from scipy.sparse.linalg import LinearOperator, eigsh

from ..fold.engine import run
from ..linalg.blas import one_thread
from . import passes
from .centred_rows import CentredRows
from .data import Data, Double
from .direct import SMALL, SMALL_FACTOR, TINY, Solve, products_of_rows
from .moments import FAR, RidgeMoments
from .seen import Seen
from .units import Units


class Form(Protocol):
    """1/2 |XB - Y|^2 = 1/2 squares - <B, linear> + 1/2 <B, apply(B)>, X and Y centred, weighted and in units.

    Attributes
    ----------
    linear : ndarray of shape (n_features, n_targets)
        X'Y.
    squares : ndarray of shape (n_targets,)
        Diagonal of Y'Y.
    units : Units
    """

    linear: Double
    squares: Double
    units: Units

    def apply(self, coefs: Double) -> Double:
        """X'X times coefs."""

    def extremes(self) -> tuple[float, float]:
        """Bounds on the eigenvalues of X'X: none is less than the first or more than the second."""


class NearForm(Form, Protocol):
    """A form that can be minimised near given coefficients."""

    def nearest(self, rho: float) -> Solve:
        """What takes C to the minimum of 1/2 |XB - Y|^2 + rho/2 |B - C|^2.

        Raises
        ------
        scipy.linalg.LinAlgError
            If rho is so small that the system is singular to rounding.
        """


class GramForm:
    """X'X at hand."""

    def __init__(self, moments: RidgeMoments | Seen) -> None:
        self.gram = moments.gram
        self.linear = moments.cross
        self.squares = moments.squares
        self.units = moments.units

    def apply(self, coefs: Double) -> Double:
        """X'X times coefs."""
        return self.gram @ coefs

    def extremes(self) -> tuple[float, float]:
        """The least and the largest eigenvalue of X'X, neither below 0."""
        with one_thread(TINY < len(self.gram) <= SMALL):
            values = la.eigvalsh(self.gram)
        return max(float(values[0]), 0.0), max(float(values[-1]), 0.0)

    def nearest(self, rho: float) -> Solve:
        """By Cholesky of X'X + rho I."""
        inverse = _inverse_near(self.gram, rho)
        return lambda C: inverse(self.linear + rho * C)


class RowsForm:
    """X'X as one pass over the rows of X, dense or CSR, for more features than a Gram matrix suits."""

    def __init__(self, rows: CentredRows, units: Units) -> None:
        self.rows, self.units = rows, units
        nothing = np.zeros((rows.x.cols, rows.y.shape[1]))
        at_0 = rows.misfit(nothing)
        self.linear, self.squares = at_0.pull, at_0.squares

    def apply(self, coefs: Double) -> Double:
        """X'X times coefs, in one read of X."""
        nothing = np.broadcast_to(0.0, (self.rows.x.rows, coefs.shape[1]))
        return -self.rows.misfit(coefs, nothing).pull

    def extremes(self) -> tuple[float, float]:
        """Give 0 and the largest eigenvalue of X'X by Lanczos' method, rounded up."""
        p = self.rows.x.cols
        if p < 3:
            return 0.0, float(la.norm(self.apply(np.eye(p)), 2))
        operator = LinearOperator(
            (p, p), matvec=lambda v: self.apply(v.reshape(-1, 1))[:, 0], dtype=np.float64
        )
        start = np.random.default_rng(0).standard_normal(p)
        (largest,) = eigsh(operator, 1, which="LA", v0=start, tol=1e-3, return_eigenvectors=False)
        return 0.0, float(largest) * 1.01


class FewRowsForm(RowsForm):
    """The same for fewer rows than columns, with XX' at hand."""

    def __init__(self, rows: CentredRows, units: Units) -> None:
        super().__init__(rows, units)
        self.roots = rows.roots()
        self.products, self.times, self.pulled = products_of_rows(rows, self.roots)

    def extremes(self) -> tuple[float, float]:
        """Give 0 and the largest eigenvalue of XX'."""
        with one_thread(TINY < len(self.products) <= SMALL):
            return 0.0, max(float(la.eigvalsh(self.products)[-1]), 0.0)

    def nearest(self, rho: float) -> Solve:
        """By Cholesky of XX' + rho I; nothing is divided by rho."""
        inverse, y = _inverse_near(self.products, rho), self.roots * self.rows.y
        return lambda C: C + self.pulled(inverse(y - self.times(C)))


def _inverse_near(matrix: Double, rho: float) -> Solve:
    """Solve for matrix + rho I, however near to singular that is."""
    with one_thread(TINY < len(matrix) <= SMALL_FACTOR):
        factor = la.cho_factor(matrix + rho * np.eye(len(matrix)), lower=True, overwrite_a=True)

    def solve(rhs: Double) -> Double:
        with one_thread(TINY < len(matrix) <= SMALL_FACTOR):
            return np.asarray(la.cho_solve(factor, rhs))

    return solve


def rows_about_means(data: Data) -> CentredRows:
    """The rows about means that are found in two reads, the second one about those of the first."""
    p, t = data.x.cols, data.y.shape[1]
    nothing = CentredRows(data, np.zeros(p), np.zeros(t))
    if not data.centered:
        return nothing
    y_mean = np.average(data.y, axis=0, weights=data.weights)
    x_mean = _sum(nothing) / data.weight
    far = None
    if data.x.sparse:
        squares = run(passes.column_squares, data.x, fixed={"weights": data.weights})
        squares = squares * data.units.scale**2 / data.weight
        far = np.abs(x_mean) > FAR * np.sqrt(np.maximum(squares - x_mean**2, 0))
    rows = CentredRows(data, x_mean, y_mean, far)
    offset = np.average(rows.y, axis=0, weights=data.weights)
    return CentredRows(data, x_mean + _sum(rows) / data.weight, y_mean + offset, far)


def _sum(rows: CentredRows) -> Double:
    """The weighted sum of the rows of Z."""
    ones = np.broadcast_to(1.0, (rows.x.rows, 1))
    return rows.misfit(np.zeros((rows.x.cols, 1)), ones).pull[:, 0]
