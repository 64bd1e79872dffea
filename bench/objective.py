"""Objectives in float64, by NumPy alone, so that neither package judges itself."""

from typing import Any

import numpy as np
from scipy import sparse

BLOCK = 2**20  # entries of X looked at together: no temporary of the size of X

# Without a floor under the logarithm one underflow of WH would make a target infinite.
FLOOR = float(np.finfo(np.float32).eps)


def half_squared_error(X: Any, W: Any, H: Any) -> float:
    """Half the squared Frobenius norm of X - WH; for sparse X by inner products."""
    W, H = np.asarray(W, dtype=np.float64), np.asarray(H, dtype=np.float64)
    if sparse.issparse(X):
        X = X.astype(np.float64)
        cross = np.vdot(X @ np.ascontiguousarray(H.T), W)
        return float(0.5 * (np.vdot(X.data, X.data) + np.vdot(W.T @ W, H @ H.T)) - cross)
    total = 0.0
    step = max(1, BLOCK // X.shape[1])
    for i in range(0, len(X), step):
        residual = X[i : i + step] - W[i : i + step] @ H
        total += np.vdot(residual, residual)
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
