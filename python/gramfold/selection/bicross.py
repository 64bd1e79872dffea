"""Bi-cross-validation: a part of X is predicted from its rows, its columns and what has neither.

Owen & Perry (2009), Bi-cross-validation of the SVD and the nonnegative matrix factorization.
X = [A B; C D] with A left out. D ~ WH is fitted; B gives codes of the rows of A in H, and C columns for those
of A by W. All rows of a part have the same columns, so that one Gram matrix serves them.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from .._core import kernels
from ..fit.arguments import effective_threads
from ..fold.engine import run
from ..fold.source import Array, Source
from ..nmf.columns import columns_for
from ..nmf.estimator import NMF
from ..nmf.losses import squared_residual
from .fits import fitted
from .quarters import Quarters


class Fold(NamedTuple):
    """Relative errors of one part for each rank, and whether the fits to D had converged."""

    errors: list[float]
    converged: list[bool]


def nmf_fold(model: Any, parts: Quarters, fold: tuple[Any, ...], ranks: Sequence[int], seed: int) -> Fold:
    """NMF: W and H are solved for, each to the minimum, under the penalties of the model."""
    A, B, C, D = fold
    a = parts.source(A)

    def task(rank: int, rows: Any) -> tuple[Any, Array]:
        fresh = clone(model).set_params(n_components=rank, random_state=seed)
        return fresh, fresh.fit_transform(rows)

    errors, converged = [], []
    for fresh, W in fitted(model, D, [partial(task, rank) for rank in ranks]):
        H = columns_for(clone(fresh), C, W)
        errors.append(misfit(a, fresh.transform(B), H) / (a.squared_norm or 1.0))
        converged.append(bool(fresh.converged_))
    return Fold(errors, converged)


def pca_fold(model: Any, parts: Quarters, fold: tuple[Any, ...], ranks: Sequence[int], seed: int) -> Fold:
    """PCA and truncated SVD: the columns of C are regressed on the scores of D, one decomposition for all."""
    A, B, C, D = fold
    a, c = parts.source(A), parts.source(C)
    fresh = clone(model).set_params(n_components=max(ranks), random_state=seed)
    if "whiten" in fresh.get_params():
        fresh.set_params(whiten=False)
    fresh.fit(D)
    T, scores = fresh.transform(D), fresh.transform(B)
    weights = np.square(T, dtype=np.float64).sum(axis=0)
    rounding = weights.max() * (max(D.shape) * np.finfo(T.dtype).eps) ** 2
    products = c.transposed.product(np.hstack([T, np.ones((len(T), 1), T.dtype)])).T.astype(np.float64)
    mean = products[-1:] / len(T) * (getattr(fresh, "mean_", None) is not None)
    loads = products[:-1] / np.where(weights > rounding, weights, np.inf)[:, None]  # D may be of lower rank
    ones = np.ones((len(scores), 1))
    total = misfit(a, ones, mean)
    errors = [
        misfit(a, np.hstack([ones, scores[:, :rank]]), np.vstack([mean, loads[:rank]])) / (total or 1.0)
        for rank in ranks
    ]
    return Fold(errors, [True] * len(ranks))


def misfit(x: Source, W: Array, H: Array) -> float:
    """|X - WH|^2."""
    W, H = (np.ascontiguousarray(factor, x.dtype) for factor in (W, H))
    if not x.sparse:
        return float(run(squared_residual, x, H, {"W": W}))
    across = np.ascontiguousarray(H.T)
    cross = np.multiply(x.product(across), W, dtype=np.float64).sum()
    grams = [kernels.gram(f=factor, n_threads=x.n_threads) for factor in (W, across)]
    return max(0.0, float(x.squared_norm - 2 * cross + np.vdot(*grams)))


def largest_rank(X: Any) -> int:
    """Of a fit to half the rows and columns."""
    return int(min(X.shape) // 2)


def fold_errors(model: Any, X: Any, ranks: Sequence[int], seeds: Sequence[int]) -> tuple[Array, Array]:
    """Errors, and whether fits converged, each of shape (n_ranks, n_restarts, 4)."""
    most = largest_rank(X)
    if ranks[-1] > most:
        raise ValueError(
            f"method='bcv' fits to half the rows and columns: ranks must be at most {most}, got {ranks[-1]}"
        )
    errors_of = nmf_fold if isinstance(model, NMF) else pca_fold
    found = []
    for seed in seeds:
        parts = Quarters(X, np.random.RandomState(seed), effective_threads(model.n_threads))
        found.append([errors_of(model, parts, fold, ranks, seed) for fold in parts.folds()])
    errors, converged = (np.array([[fold[i] for fold in run] for run in found]) for i in (0, 1))
    return errors.transpose(2, 0, 1), converged.transpose(2, 0, 1)
