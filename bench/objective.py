"""Objectives in float64, by NumPy alone, so that neither package judges itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import gammaln, logsumexp

BLOCK = 2**20  # entries of X looked at together: no temporary of the size of X

# Without a floor under the logarithm one underflow of WH would make a target infinite.
FLOOR = float(np.finfo(np.float32).eps)


def half_squared_error(X: Any, W: Any, H: Any) -> float:
    """Half the squared Frobenius norm of X - WH; for sparse X by inner products."""
    W = W if sparse.issparse(W) else np.asarray(W, dtype=np.float64)
    H = np.asarray(H, dtype=np.float64)
    if sparse.issparse(X):
        X = X.astype(np.float64)
        cross = np.vdot(X @ np.ascontiguousarray(H.T), W)
        return float(0.5 * (np.vdot(X.data, X.data) + np.vdot(W.T @ W, H @ H.T)) - cross)
    total, first = 0.0, 0
    for x in _blocks(X):
        residual = x - W[first : first + len(x)] @ H
        total, first = total + np.vdot(residual, residual), first + len(x)
    return float(0.5 * total)


def kullback_leibler(X: Any, W: Any, H: Any) -> float:
    """Sum of x log(x / wh) - x + wh for sparse X, with wh no smaller than `FLOOR`."""
    W, Ht = np.asarray(W, dtype=np.float64), np.asarray(H, dtype=np.float64).T.copy()
    X = X.tocoo()
    total = float(W.sum(axis=0) @ Ht.sum(axis=0))
    for i in range(0, X.nnz, BLOCK):
        block = slice(i, i + BLOCK)
        x = X.data[block].astype(np.float64)
        wh = np.einsum("ij,ij->i", W[X.row[block]], Ht[X.col[block]])
        total += float(np.sum(x * np.log(x / np.maximum(wh, FLOOR)) - x))
    return total


def inertia(X: Any, centers: Any) -> float:
    """Sum of squared distances to the nearest of `centers`."""
    centers = np.asarray(centers, dtype=np.float64)
    squares = np.einsum("ij,ij->i", centers, centers)
    total = 0.0
    for x in _blocks(X):
        own = x.multiply(x).sum() if sparse.issparse(x) else np.vdot(x, x)
        total += float(own + np.min(squares - 2 * (x @ centers.T), axis=1).sum())
    return total


def unexplained(X: Any, components: Any, mean: Any = 0.0) -> float:
    """Share of the squares of X - mean that its projection on `components` (rows, orthonormal) leaves."""
    V = np.asarray(components, dtype=np.float64).T
    total, kept = 0.0, 0.0
    for x in _blocks(X):
        x = x if sparse.issparse(x) else x - mean
        scores = x @ V
        total += float(x.multiply(x).sum() if sparse.issparse(x) else np.vdot(x, x))
        # |x - s V'|^2 = |x|^2 - 2 s.(x V) + s V'V s': what is not quite orthonormal pays for it.
        kept += float(2 * np.vdot(scores, scores) - np.vdot(scores @ (V.T @ V), scores))
    return 1 - kept / total


def lasso(X: Any, D: Any, Z: Any, alpha: float) -> float:
    """Half the squared error of the codes Z in the dictionary D, and alpha times their absolute values."""
    Z = Z.astype(np.float64)
    return half_squared_error(X, Z, D) + alpha * float(abs(Z).sum())


def ridge(X: Any, y: Any, coef: Any, intercept: Any, alpha: float = 1.0) -> float:
    """Half the squared error of one or many targets, and alpha / 2 times the squares of `coef`."""
    coef = np.asarray(coef, dtype=np.float64)
    total = 0.5 * alpha * float(np.vdot(coef, coef))
    first = 0
    for x in _blocks(X):
        miss = x @ coef.T + intercept - y[first : first + x.shape[0]]
        total, first = total + 0.5 * float(np.vdot(miss, miss)), first + x.shape[0]
    return total


def pursuit(X: Any, L: Any, lam: float) -> float:
    """|L|_* + lam |X - L|_1: of robust PCA, with the sparse part that makes L feasible."""
    return float(np.linalg.norm(L.astype(np.float64), "nuc") + lam * np.abs(X - L).sum(dtype=np.float64))


def minus_log_likelihood(X: Any, model: Any, kind: str) -> float:
    """Minus the mean log-likelihood of a row; kind: "poisson", or the covariance type of Gaussians."""
    joint = joint_log_likelihood(X, model, kind)
    constant = gammaln(X.astype(np.float64) + 1).sum() / len(X) if kind == "poisson" else 0.0
    return float(constant - logsumexp(joint, axis=1).mean())


def joint_log_likelihood(X: Any, model: Any, kind: str) -> Any:
    """Log density of every row with every component, the factorials of counts left out."""
    joint = np.empty((len(X), len(model.weights_)))
    X = X.astype(np.float64)
    for t in range(joint.shape[1]):
        if kind == "poisson":
            rates = model.rates_[t].astype(np.float64)
            joint[:, t] = X @ np.log(rates) - rates.sum()
            continue
        mean = model.means_[t].astype(np.float64)
        factor = model.precisions_cholesky_ if kind == "tied" else model.precisions_cholesky_[t]
        factor = np.asarray(factor, dtype=np.float64)
        factor = np.eye(X.shape[1]) * factor if kind in ("diag", "spherical") else factor
        squares = np.square((X - mean) @ factor).sum(axis=1)
        joint[:, t] = np.log(np.diagonal(factor)).sum() - 0.5 * (squares + X.shape[1] * np.log(2 * np.pi))
    return joint + np.log(model.weights_.astype(np.float64))


def _blocks(X: Any) -> Iterator[Any]:
    """Rows of X in float64, some at a time."""
    step = max(1, BLOCK // X.shape[1])
    for i in range(0, X.shape[0], step):
        yield X[i : i + step].astype(np.float64)
