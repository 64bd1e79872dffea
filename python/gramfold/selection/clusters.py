"""The number of clusters: inertia, silhouette, Calinski-Harabasz, gap statistic.

Rousseeuw (1987), Silhouettes; here with distances to centroids. Calinski & Harabasz (1974), A dendrite method
for cluster analysis. Tibshirani, Walther & Hastie (2001), Estimating the number of clusters in a data set via
the gap statistic.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

from ..fit.blocks import Blocks, gathered
from ..fold.source import Array
from .fits import pieces, restarted
from .found import Found
from .rule import Choice, inner

REFERENCES = 10  # sets of data without clusters
EQUAL = "all rows of X are equal"
APART = 0.25  # the silhouette below which no structure is seen (Kaufman & Rousseeuw 1990)


def select(model: Any, X: Any, ranks: Sequence[int], seeds: Sequence[int], method: str) -> Found:
    """Fit each number of clusters from each seed, and compare the best of each."""
    one = clone(model).set_params(n_clusters=1, random_state=seeds[0]).fit(X)
    whole = one.inertia_ if one.inertia_ > X.shape[0] * _rounding(one.cluster_centers_) ** 2 else 0.0
    found = restarted(model, X, ranks, seeds, partial(criteria, whole=whole))
    records, models, scores = [], {}, []
    for j, rank in enumerate(ranks):
        some = found[j * len(seeds) : (j + 1) * len(seeds)]
        order = sorted(range(len(seeds)), key=lambda i: some[i][0].inertia_)
        models[rank] = [some[i][0] for i in order]
        records += [{"rank": rank, "restart": i, **said} for i, (_, said) in enumerate(some)]
        scores.append(some[order[0]][1])
    if method == "gap":
        return _gap(model, X, ranks, seeds, Found(records, "gap", np.empty(0), None, Choice(None), models))
    values = np.array([score[method] for score in scores])
    return Found(records, method, values, None, _chosen(ranks, values, method), models)


def _rounding(centers: Array) -> float:
    """How far equal rows may lie from their mean."""
    return float(8 * np.finfo(centers.dtype).eps * np.linalg.norm(centers.astype(np.float64)))


def _chosen(ranks: Sequence[int], values: Array, method: str) -> Choice:
    if np.isnan(values).all():
        return Choice(None, f"{method} compares two clusters or more, and ranks has none of them")
    best = int(np.nanargmax(values))
    if not values[best] > 0:
        return Choice(None, EQUAL)
    if method == "silhouette" and values[best] < APART:
        return Choice(
            None,
            f"the silhouette is at most {values[best]:.2g}; where clusters stand apart it is {APART} or more",
        )
    return inner(ranks, best, 2)


def criteria(model: Any, X: Any, whole: float) -> dict[str, Any]:
    """What a clustering of X comes to; of a single cluster some are not defined."""
    several = len(model.cluster_centers_) > 1
    return {
        "inertia": float(model.inertia_),
        "silhouette": (silhouette(model, X) if whole > 0 else 0.0) if several else np.nan,
        "calinski_harabasz": calinski_harabasz(model, whole, X.shape[0]) if several else np.nan,
        "converged": bool(getattr(model, "converged_", True)),
    }


def silhouette(model: Any, X: Any) -> float:
    """The mean over the rows of 1 - a/b: a, b are the distances to the nearest centroid and to the next.

    0 of a row that two centroids lie on.
    """
    total, count = 0.0, 0
    for rows in pieces(X, len(model.cluster_centers_)):
        a, b = np.partition(model.transform(rows).astype(np.float64), 1, axis=1)[:, :2].T
        total += float(np.sum(1 - np.divide(a, b, out=np.ones_like(a), where=b > 0)))
        count += len(a)
    return total / count


def calinski_harabasz(model: Any, whole: float, n: int) -> float:
    """The scatter between clusters over that within, each per degree of freedom; `whole` is both."""
    k, within = len(model.cluster_centers_), float(model.inertia_)
    between = (whole - within) / (k - 1)
    if whole == 0:
        return 0.0
    return between / (within / (n - k)) if within > 0 and n > k else np.inf


def _gap(model: Any, X: Any, ranks: Sequence[int], seeds: Sequence[int], found: Found) -> Found:
    """How far the logarithm of the inertia lies below that of rows without clusters, uniform in a box."""
    if sp.issparse(X) or (isinstance(X, Blocks) and (X.sparse or not isinstance(X.parts, tuple))):
        raise ValueError(
            "method='gap' draws rows like those of X, and takes an X that is dense and in memory"
        )
    x = np.asarray(gathered(X))
    low, high = x.min(axis=0), x.max(axis=0)
    if np.array_equal(low, high):
        zeros = np.zeros(len(ranks))
        return found._replace(scores=zeros, spreads=zeros, choice=Choice(None, EQUAL))
    rng = np.random.RandomState(seeds[0])
    logs = np.empty((REFERENCES, len(ranks)))
    for b in range(REFERENCES):
        drawn = (low + (high - low) * rng.random_sample(x.shape)).astype(x.dtype)
        for j, rank in enumerate(ranks):
            logs[b, j] = np.log(restarted(model, drawn, [rank], seeds[:1])[0].inertia_)
    with np.errstate(divide="ignore"):  # as many clusters as rows differ leave no inertia
        own = np.log([found.models[rank][0].inertia_ for rank in ranks])
    gaps, errors = logs.mean(axis=0) - own, logs.std(axis=0) * np.sqrt(1 + 1 / REFERENCES)
    enough = np.flatnonzero(gaps[:-1] >= gaps[1:] - errors[1:])
    at = int(enough[0]) if len(enough) else len(ranks) - 1
    for record in found.records:
        j = ranks.index(record["rank"])
        record |= {"gap": float(gaps[j]), "gap_error": float(errors[j])}
    return found._replace(scores=gaps, spreads=errors, choice=inner(ranks, at, 1))
