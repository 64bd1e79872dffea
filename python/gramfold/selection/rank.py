"""The rank of a model, by the scores of several."""

import warnings
from collections.abc import Iterable
from math import inf
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..fit.arguments import Seed, choice, members, seeded, shown, whole
from ..fit.inputs import read_rows
from ..fit.warn import warn
from ..kmeans.base import BaseKMeans
from ..mixture.base import BaseMixture
from ..nmf.estimator import NMF
from ..pca.base import LinearComponents
from ..pca.estimator import PCA
from ..pca.truncated_svd import TruncatedSVD
from . import bicross, clusters, mixtures, speckled, spectra
from .fits import restarted
from .found import Found
from .result import RankSelection
from .rule import by_standard_error, standard_error

# What there is for each kind of model; 'auto' is the first, but for an NMF as `_for_nmf` says.
METHODS: list[tuple[type, tuple[str, ...]]] = [
    (NMF, ("bcv", "speckled")),
    (PCA, ("bcv", "mle", "gavish_donoho", "parallel")),
    (TruncatedSVD, ("bcv",)),
    (BaseKMeans, ("silhouette", "calinski_harabasz", "gap")),
    (BaseMixture, ("bic", "aic", "icl")),
]
ENOUGH = 4  # times the largest rank that each side of X has where halves of it will do


def select_rank(
    model: Any, X: Any, ranks: Iterable[int], *, n_restarts: int = 3, method: str = "auto",
    random_state: Seed = None,
) -> RankSelection:  # fmt: skip
    """Find how many components, or clusters, X speaks for.

    Parameters
    ----------
    model : NMF, PCA, TruncatedSVD, KMeans, MiniBatchKMeans, GaussianMixture or PoissonMixture
        With the parameters to fit with; itself it is not fitted, and its rank and seed are not used. Its
        `callback` is told of every fit, and its `max_time` holds for each.
    X : array-like, CSR/CSC matrix, path or `blocks`, as `fit` of the model takes it
        'speckled' makes X dense, 'gap' needs it dense and in memory.
    ranks : iterable of int
        At least two; those around the one that is looked for, as one at the end does not stand out.
    n_restarts : int, default=3
        Halves of X, or sets of entries, to leave out; seeds of clusterings and mixtures.
    method : str, default='auto'
        - NMF, PCA, TruncatedSVD: 'bcv', bi-cross-validation. A quarter of X, half its rows and half its
          columns, is predicted from the other three, each in turn. It takes a copy of X in memory, unless X
          lies in files.
        - NMF: 'speckled' leaves out a tenth of the entries, four times; for Kullback-Leibler,
          missing='mask', and by 'auto' also where a side of X is less than 4 times the largest rank.
        - PCA: 'mle' by Minka's evidence, 'gavish_donoho' by their threshold for singular values, 'parallel'
          by those that independent columns have. They estimate the rank themselves, from all singular values.
        - k-means: 'silhouette', of distances to centroids; 'calinski_harabasz'; 'gap'.
        - mixtures: 'bic', 'aic', 'icl'.
    random_state : int, RandomState or None
        For everything that is drawn.

    Returns
    -------
    RankSelection
        With `best_rank_`, or None and the `reason`, `table`, `models_` and `plot`.

    Raises
    ------
    TypeError
        If there is no method for the model.
    ValueError
        If an argument is not as described.

    Notes
    -----
    Fits to X in files run side by side and share its reads, unless a `callback` or `verbose` follows them.

    References
    ----------
    Owen & Perry (2009), Bi-cross-validation of the SVD and the nonnegative matrix factorization. For the
    others see the files of `gramfold.selection`.

    Examples
    --------
    >>> import gramfold as gf
    >>> X = gf.datasets.make_nmf(200, 80, 5, density=0.4, noise=0.1, random_state=0)[0]
    >>> found = gf.select_rank(gf.NMF(max_iter=1000), X, range(2, 9), n_restarts=1, random_state=0)
    >>> found.best_rank_
    5
    >>> len(found.models_[5]), found.models_[5][0].components_.shape
    (1, (5, 80))
    """
    known = next((methods for kind, methods in METHODS if isinstance(model, kind)), None)
    if known is None:
        names = "NMF, PCA, TruncatedSVD, KMeans, MiniBatchKMeans, GaussianMixture and PoissonMixture"
        raise TypeError(f"select_rank takes {names} as model, got {shown(model)}")
    choice(method, "method", ("auto", *known))
    tried = _checked(ranks)
    seeds = (
        seeded(random_state).randint(np.iinfo(np.int32).max, size=whole(n_restarts, "n_restarts")).tolist()
    )
    gaps = getattr(model, "missing", "error") == "mask"
    rows = read_rows(X, segments=True, gaps=gaps, ensure_all_finite=False)
    X = X if hasattr(X, "columns") else rows  # the names of columns are for the models
    way = known[0] if method == "auto" else method
    if isinstance(model, NMF):
        way = _for_nmf(model, rows, tried, method)
    elif gaps:
        raise ValueError(f"missing='mask' of {type(model).__name__} does not go with select_rank; NMF has it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the table tells, and the warning below
        if way in ("bcv", "speckled"):
            found = _cross_validated(model, rows, tried, seeds, way)
        else:
            found = _by_criterion(model, X, tried, seeds, way)
    open_ = sum(not record.get("converged", True) for record in found.records)
    if open_:
        warn(
            f"{open_} of {len(found.records)} records of the table are of fits that ended before they had "
            "converged: see 'converged' there, and raise max_iter if that may decide",
            ConvergenceWarning,
        )
    best = found.choice.rank
    if best is not None and not found.models:
        found = found._replace(models={best: _fitted(model, X, best, seeds)})
    return RankSelection(way, np.array(tried), found)


def _fitted(model: Any, X: Any, rank: int, seeds: list[int]) -> list[Any]:
    """Models of a rank, the best first; principal components depend on no seed."""
    if isinstance(model, LinearComponents):
        return restarted(model, X, [rank], seeds[:1])
    fitted = restarted(model, X, [rank], seeds)
    return sorted(fitted, key=lambda one: float(one.history_["objective"][-1]))


def _checked(ranks: Iterable[int]) -> list[int]:
    given = [whole(rank, "ranks") for rank in members(ranks, "ranks")]
    if len(set(given)) < 2:
        raise ValueError(f"ranks must hold at least two different numbers, got {given}")
    return sorted(set(given))


def _for_nmf(model: NMF, X: Any, ranks: list[int], method: str) -> str:
    """The method for an NMF, which must go with its parameters."""
    beta = model._beta()
    if beta not in (1, 2):
        raise ValueError(f"select_rank compares squared errors or Kullback-Leibler, not beta_loss={beta:g}")
    if model.frozen is not None or model.init == "custom" or model.missing == "unstored":
        raise ValueError("select_rank leaves out parts of X: frozen, init='custom' and missing='unstored' do "
                         "not go with it")  # fmt: skip
    only = beta == 1 or model.missing == "mask"
    if only and method == "bcv":
        raise ValueError("method='bcv' needs beta_loss='frobenius' and missing='error'; take 'speckled'")
    small = min(X.shape) < ENOUGH * ranks[-1]
    return ("speckled" if only or small else "bcv") if method == "auto" else method


def _by_criterion(model: Any, X: Any, ranks: list[int], seeds: list[int], method: str) -> Found:
    if isinstance(model, BaseKMeans):
        return clusters.select(model, X, ranks, seeds, method)
    if isinstance(model, BaseMixture):
        return mixtures.select(model, X, ranks, seeds, method)
    return spectra.select(model, X, ranks, seeds, method)


def _cross_validated(model: Any, X: Any, ranks: list[int], seeds: list[int], method: str) -> Found:
    if method == "speckled":
        (errors, converged), most = speckled.fold_errors(model, X, ranks, seeds), inf
    else:
        (errors, converged), most = bicross.fold_errors(model, X, ranks, seeds), bicross.largest_rank(X)
    records = [
        {"rank": rank, "restart": j, "error": float(errors[i, j].mean()), "converged": converged[i, j].all()}
        for i, rank in enumerate(ranks)
        for j in range(len(seeds))
    ]
    values = errors.reshape(len(ranks), -1)
    spreads = np.array([standard_error(some) for some in values])
    without = "the mean" if method == "speckled" and model._beta() == 1 else "0"
    baseline = "the column means" if isinstance(model, PCA) else without
    chosen = by_standard_error(ranks, values, baseline, most)
    return Found(records, "error", values.mean(axis=1), spreads, chosen, {})
