"""The objective of a factorisation and how far a pair is from optimality, written out in NumPy."""

import numpy as np


def penalties(shape, alpha_W, alpha_H, l1_ratio):
    """l1_W, l2_W, l1_H, l2_H in scikit-learn's scaling."""
    n, m = shape
    W, H = m * alpha_W, n * alpha_H
    return W * l1_ratio, W * (1 - l1_ratio), H * l1_ratio, H * (1 - l1_ratio)


def objective(X, W, H, l1_W=0.0, l2_W=0.0, l1_H=0.0, l2_H=0.0):
    return (
        0.5 * np.sum((X - W @ H) ** 2)
        + l1_W * np.abs(W).sum() + l1_H * np.abs(H).sum()
        + 0.5 * l2_W * np.sum(W**2) + 0.5 * l2_H * np.sum(H**2)
    )  # fmt: skip


def row_residual(X, Z, F, l1=0.0, l2=0.0, nonneg=True):
    """Sum of h d^2 over the coordinates of Z in X ~ ZF, d the step that a coordinate could make."""
    gram = F @ F.T + l2 * np.eye(len(F))
    h = np.diag(gram)
    safe = np.where(h > 0, h, 1)
    moved = Z - np.where(h > 0, (Z @ gram - X @ F.T) / safe, 0)
    if nonneg:
        best = np.maximum(moved - l1 * (h > 0) / safe, 0)
    else:
        best = np.sign(moved) * np.maximum(np.abs(moved) - l1 / safe, 0)
    return np.sum(h * (best - Z) ** 2)


def kkt(X, W, H, l1_W=0.0, l2_W=0.0, l1_H=0.0, l2_H=0.0, nonneg=(True, True)):
    """The scale-invariant KKT residual of a pair."""
    total = row_residual(X, W, H, l1_W, l2_W, nonneg[0])
    total += row_residual(X.T, H.T, W.T, l1_H, l2_H, nonneg[1])
    return np.sqrt(total) / np.linalg.norm(X)
