"""Single entries left out, for an X that is small or whose loss has no Gram matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import kl_div
from sklearn.base import clone

from ..fold.segments import source_of
from ..fold.source import Array

FOLDS, SHARE = 4, 0.1  # as many sets of entries a restart, each this share of X
MOST = 1 << 32  # bytes of X
LEAST = 0.01  # of the mean, what Kullback-Leibler takes a prediction for that is 0 or near it


def fold_errors(model: Any, X: Any, ranks: Sequence[int], seeds: Sequence[int]) -> tuple[Array, Array]:
    """Errors, and whether fits converged, each of shape (n_ranks, n_restarts, FOLDS).

    An error is the loss over the entries that a fit did not see, relative to that without components: of
    zeros, or for Kullback-Leibler of the mean.
    """
    taken = X.shape[0] * X.shape[1] * X.dtype.itemsize
    if taken > MOST:
        raise ValueError(
            f"method='speckled' makes X dense, and {X.shape[0]} x {X.shape[1]} take {taken:.2g} bytes: give "
            "some of its rows"
        )
    x = np.asarray(source_of(X, 1).take(slice(None)))
    seen = np.flatnonzero(~np.isnan(x)) if model.missing == "mask" else np.arange(x.size)
    size, span = max(1, int(SHARE * len(seen))), (x.flat[seen].min(), x.flat[seen].max())
    shape = len(ranks), len(seeds), FOLDS
    errors, converged = np.empty(shape), np.empty(shape, bool)
    for j, seed in enumerate(seeds):
        order = np.random.RandomState(seed).permutation(seen)
        for f in range(FOLDS):
            out = order[f * size : (f + 1) * size]
            mask = np.zeros(x.size, bool)
            mask[seen] = True
            mask[out] = False
            for i, rank in enumerate(ranks):
                fresh = clone(model).set_params(
                    n_components=rank, random_state=seed, missing="mask", solver="cd"
                )
                W = fresh.fit_transform(x, mask=mask.reshape(x.shape))
                product = W[out // x.shape[1]] * fresh.components_.T[out % x.shape[1]]
                predicted = product.sum(axis=1).clip(*span)  # what little was seen of may be predicted anyhow
                errors[i, j, f] = _relative(x.flat[out], predicted, float(x.flat[seen].mean()), model)
                converged[i, j, f] = fresh.converged_
    return errors, converged


def _relative(x: Array, y: Array, mean: float, model: Any) -> float:
    """The loss of predicting y for x over that without components."""
    if model._beta() == 2:
        return float(np.sum(np.square(x - y)) / (np.sum(np.square(x)) or 1.0))
    least = LEAST * mean

    def divergence(y: Array) -> float:
        return float(np.sum(kl_div(x, np.maximum(y, least))))

    return divergence(y) / (divergence(np.full(len(x), mean)) or 1.0)
