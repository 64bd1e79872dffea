"""What tests of ridge regression share: the solution and the objective in extended precision."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg as la

Long = np.longdouble


def parts(x):
    """The arrays that a matrix is made of."""
    if isinstance(x, np.ndarray):
        return [x]
    return [x.data, *x.coords] if x.format == "coo" else [x.data, x.indices, x.indptr]


@dataclass
class Exact:
    """Least squares on X and y in long double, refined from LAPACK's solution of the augmented rows."""

    X: np.ndarray
    y: np.ndarray
    alpha: float = 1.0
    weights: np.ndarray | None = None
    intercept: bool = True

    def __post_init__(self):
        self.X, self.y = np.asarray(self.X, Long), np.asarray(self.y, Long).reshape(len(self.X), -1)
        self.w = np.ones(len(self.X), Long) if self.weights is None else np.asarray(self.weights, Long)
        total, p = self.w.sum(), self.X.shape[1]
        x_mean = self.w @ self.X / total * self.intercept
        y_mean = self.w @ self.y / total * self.intercept
        self.about = x_mean.astype(float).astype(Long), y_mean.astype(float).astype(Long)
        root = np.sqrt(self.w)[:, None]
        rows = np.vstack([root * (self.X - x_mean), np.sqrt(Long(self.alpha)) * np.eye(p, dtype=Long)])
        right = np.vstack([root * (self.y - y_mean), np.zeros((p, self.y.shape[1]), Long)])
        B = np.zeros((p, self.y.shape[1]), Long)
        for _ in range(5):
            B = B + la.lstsq(rows.astype(float), (right - rows @ B).astype(float))[0]
        self.coef, self.offset = B.T.astype(float), (y_mean - x_mean @ B).astype(float)
        self.best = self.objective(B.T, y_mean - x_mean @ B)

    def objective(self, coef, intercept):
        """Of every target; rows are taken about their means, which loses nothing far from 0."""
        B = np.asarray(coef, Long).reshape(self.y.shape[1], -1).T
        x, y = self.about
        rest = (self.y - y) - (self.X - x) @ B - (np.asarray(intercept, Long) - y + x @ B)
        return np.sum(self.w[:, None] * rest**2, axis=0) / 2 + Long(self.alpha) * np.sum(B * B, axis=0) / 2

    def error(self, model):
        """The largest relative error of the coefficients."""
        coef = np.reshape(model.coef_, self.coef.shape)
        return float(np.max(la.norm(coef - self.coef, axis=1) / la.norm(self.coef, axis=1)))

    def above(self, model):
        """How far above its minimum the objective is at what a model gives back."""
        return (self.objective(model.coef_, model.intercept_) - self.best).astype(float)
