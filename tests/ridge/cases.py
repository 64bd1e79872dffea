"""What tests of ridge regression share: the solution and the objective in extended precision."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp

import gramfold as gf

Long = np.longdouble


def parts(x):
    """The arrays that a matrix is made of."""
    if isinstance(x, np.ndarray):
        return [x]
    return [x.data, x.row, x.col] if x.format == "coo" else [x.data, x.indices, x.indptr]


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


DIRECT = ("auto", "svd", "dual")
ITERATIVE = ("cg", "gd", "admm")
WAYS = (*DIRECT, *ITERATIVE, "sgd", "positive", "positive admm", "blocks", "path")
FORMS = [np.asarray, sp.csr_array]
EXACT = ("cholesky", "svd", "dual")
SOLVERS = (*EXACT, "cg", "gd", "admm")


def fitted(way, X, y, weights=None, alpha=0.5, sgd_tol=1e-3, **options):
    """A model with coefficients; those of `ridge_path` too."""
    if way == "path":
        model = gf.Ridge()
        coefs, intercepts = gf.ridge_path(X, y, [alpha, 2 * alpha], sample_weight=weights, **options)
        model.coef_, model.intercept_ = coefs[0], intercepts[0]
        return model
    solver = {"positive": "cd", "positive admm": "admm", "blocks": "auto"}.get(way, way)
    tol = sgd_tol if way == "sgd" else 3e-6 if X.dtype == np.float32 else 1e-12
    model = gf.Ridge(
        alpha, solver=solver, positive=way.startswith("positive"), tol=tol, max_iter=100_000, random_state=0,
        **options,
    )  # fmt: skip
    if way != "blocks":
        return model.fit(X, y, weights)
    for rows in np.array_split(np.arange(len(y)), 3):
        model.partial_fit(X[rows], y[rows], None if weights is None else weights[rows])
    return model


def far_away(where, spread, dtype, n=300):
    """One column far from 0, a sparse one, one of a single value, and a target that is far away too."""
    rng = np.random.default_rng(1)
    z = rng.standard_normal((n, 5))
    z[:, 3] *= rng.random(n) < 0.3
    X = z.copy()
    X[:, 1], X[:, 4] = where + spread * z[:, 1], where
    y = z @ [1, 2 * spread, 3, 4, 0] + where / 10 + 0.1 * rng.standard_normal(n)
    return X.astype(dtype), y.astype(dtype), rng.random(n)


def problem(n, p, targets=2, seed=0, offset=3.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + offset
    Y = X @ rng.standard_normal((p, targets)) + rng.standard_normal((n, targets)) - 7
    return X, Y, rng.integers(0, 4, n).astype(float) + (np.arange(n) == 0)
