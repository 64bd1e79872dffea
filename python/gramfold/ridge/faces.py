"""Ridge regression on faces: with some of the coefficients, and the others 0."""

from dataclasses import replace
from typing import Protocol

import numpy as np

from ..fold.source import Array, Source
from .centred_rows import CentredRows
from .data import Data, Double
from .direct import Solve, definite_or_not, dual, positive_definite
from .orthogonal import by_rows, dense_enough

ROUGH = 1e8  # a condition of X'X that costs half of all digits


class Faces(Protocol):
    """A problem whose coefficients may be kept at 0.

    Attributes
    ----------
    linear : ndarray of shape (n_features, n_targets)
        X'Y.
    squares : ndarray of shape (n_features,)
        Diagonal of X'X.
    """

    linear: Double
    squares: Double

    def pull(self, b: Double, target: int) -> Double:
        """X'(y - Xb)."""

    def solve(self, on: Array, target: int, alpha: float, definite: bool = False) -> tuple[Double, Solve]:
        """Give the entries `on` of the best b that is 0 elsewhere, and what solves for another X'y.

        Raises
        ------
        Singular
            If it must be definite, and X'X + alpha I is not, there.
        """


class GramFaces:
    """Of X'X at hand."""

    def __init__(self, gram: Double, linear: Double) -> None:
        self.gram, self.linear, self.squares = gram, linear, gram.diagonal()

    def pull(self, b: Double, target: int) -> Double:
        """X'(y - Xb)."""
        return self.linear[:, target] - self.gram @ b

    def solve(self, on: Array, target: int, alpha: float, definite: bool = False) -> tuple[Double, Solve]:
        """The face's part of X'X, inverted."""
        find = positive_definite if definite else definite_or_not
        inverse, _ = find(self.gram[np.ix_(on, on)], np.array([alpha]))
        return inverse(self.linear[on, target : target + 1])[:, 0], inverse


class TriangleFaces:
    """Of R of a QR decomposition of features and targets, for an X'X that is too near to singular."""

    def __init__(self, R: Double, p: int) -> None:
        self.x, self.y = R[:p, :p], R[:p, p:]
        self.linear, self.squares = self.x.T @ self.y, np.sum(self.x**2, axis=0)

    def pull(self, b: Double, target: int) -> Double:
        """X'(y - Xb)."""
        return self.x.T @ (self.y[:, target] - self.x @ b)

    def solve(self, on: Array, target: int, alpha: float, definite: bool = False) -> tuple[Double, Solve]:
        """By an SVD of R there; nothing is corrected by that."""
        found = by_rows(self.x[:, on], self.y[:, target : target + 1], np.array([alpha]))[:, 0]
        return found, np.zeros_like


class RowFaces:
    """Of rows with more columns than there are rows: no matrix is larger than X or the rows' products."""

    def __init__(self, data: Data, rows: CentredRows, linear: Double) -> None:
        self.data, self.rows, self.linear = data, rows, linear
        self.squares = np.zeros(len(linear))
        for some in rows.slices():
            self.squares += np.sum((rows.roots()[some] * rows.dense(some)) ** 2, axis=0)

    def pull(self, b: Double, target: int) -> Double:
        """X'(y - Xb), in one read of X."""
        return self.rows.misfit(b[:, None], self.rows.y[:, target : target + 1]).pull[:, 0]

    def solve(self, on: Array, target: int, alpha: float, definite: bool = False) -> tuple[Double, Solve]:
        """By X'X of the face, or XX' if it has more columns than rows; by an SVD if these are too rough."""
        rows, penalty, roots = self._part(on), np.array([alpha]), self.rows.roots()
        y = self.rows.y[:, target : target + 1]
        if rows.x.cols > rows.x.rows:
            inverse, correct, condition = dual(rows, penalty)
            if condition < ROUGH or not dense_enough(rows.x):
                return inverse(y)[:, 0], correct
            z = roots * rows.dense(slice(None))
        else:
            z = roots * rows.dense(slice(None))
            find = positive_definite if definite else definite_or_not
            correct, condition = find(z.T @ z, penalty)
            if condition < ROUGH:
                return correct(z.T @ (roots * y))[:, 0], correct
        return by_rows(z, roots * y, penalty)[:, 0], correct

    def _part(self, on: Array) -> CentredRows:
        """The rows, which are few and lie in one matrix, with some of their columns, in double."""
        columns, rows = np.flatnonzero(on), self.rows
        x = Source(self.data.x.x[:, columns].astype(np.float64), self.data.x.n_threads)
        far = np.isin(columns, rows.about.far)
        return CentredRows(replace(self.data, x=x), rows.x_mean[columns], rows.y_mean, far)
