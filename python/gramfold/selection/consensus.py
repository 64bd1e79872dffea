"""Components that several fits agree on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics import silhouette_samples
from sklearn.utils import gen_batches

from ..fit.arguments import Seed, members, real
from ..fit.inputs import read_array
from ..kmeans.estimator import KMeans
from ..plot.axes import axes

Double = NDArray[np.float64]

NEIGHBOURS = 0.3  # of a component, that many times the number of fits
STARTS = 10  # of k-means
TOGETHER = 256  # components of which distances are found together


@dataclass(frozen=True, repr=False)
class Consensus:
    """What `consensus` found.

    Attributes
    ----------
    components_ : ndarray of shape (k, n_features)
        The median of each group: of components of norm 1, or of centroids as they are.
    labels_ : ndarray of shape (n_models, k)
        The group of each component of each model, -1 for outliers.
    stability_ : ndarray of shape (k,)
        The mean silhouette of each group: 1 where all fits found the same. NaN for a single group.
    silhouette_ : float
        The mean over all components that are no outliers.
    density_ : ndarray of shape (n_models, k)
        The mean distance of each component to its nearest others, as many as 0.3 times the models.
    distances_ : ndarray of shape (n_models k, n_models k)
        Between all components.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> found = gf.consensus([np.eye(3), np.eye(3)[::-1], np.eye(3)])
    >>> found.stability_
    array([1., 1., 1.])
    """

    components_: NDArray[Any]
    labels_: NDArray[np.intp]
    stability_: Double
    silhouette_: float
    density_: Double
    distances_: Double

    def __repr__(self) -> str:
        models, k = self.labels_.shape
        return (
            f"Consensus of {models} fits on {k} components: silhouette {self.silhouette_:.3f}, "
            f"{np.count_nonzero(self.labels_ < 0)} of {self.labels_.size} outliers"
        )

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the distances between all components, group by group, outliers last.

        Dark squares on the diagonal are groups on which the fits agree. Needs the extra `plot`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.

        Returns
        -------
        ax : matplotlib.axes.Axes
        """
        ax = axes(ax, figsize=(5.6, 5))
        labels = self.labels_.ravel()
        k = len(self.components_)
        order = np.argsort(np.where(labels < 0, k, labels), kind="stable")
        image = ax.imshow(self.distances_[np.ix_(order, order)], cmap="viridis", interpolation="nearest")
        ends = np.cumsum(np.bincount(np.where(labels < 0, k, labels), minlength=k + 1))[:-1]
        for end in ends[ends < len(labels)]:
            ax.axhline(end - 0.5, color="white", linewidth=0.8)
            ax.axvline(end - 0.5, color="white", linewidth=0.8)
        ax.figure.colorbar(image, ax=ax, label="distance")
        ax.set_title(f"silhouette {self.silhouette_:.3f}", fontsize="medium")
        ax.set_xlabel("components of all fits, by group")
        ax.set_xticks([])
        ax.set_yticks([])
        return ax


def consensus(
    models: Sequence[Any], *, density_threshold: float = 0.5, random_state: Seed = 0
) -> Consensus:  # fmt: skip
    """Match the components of several fits, and take the median of those that match.

    The rule of consensus NMF: components of norm 1 are clustered by k-means into as many groups as a fit has,
    without those that lie far from their nearest neighbours; the silhouette says how stable the groups are.

    Parameters
    ----------
    models : sequence of fitted models or of array-like of shape (k, n_features)
        At least two, with as many components each: NMF, DictionaryLearning and others that have
        `components_`, which may differ in sign; or KMeans and others that have `cluster_centers_`, which are
        compared as they are, in units of how far they lie from their mean.
    density_threshold : float, default=0.5
        Components whose `density_` is above it are outliers; of norm 1, two that have nothing in common are
        1.4 apart. 2 keeps all.
    random_state : int, RandomState or None, default=0
        For k-means.

    Returns
    -------
    Consensus

    Raises
    ------
    ValueError
        If an argument is not as described, or too few components are left.

    References
    ----------
    Kotliar et al. (2019), Identifying gene expression programs of cell-type identity and cellular activity
    with single-cell RNA-Seq, eLife 8.

    Examples
    --------
    >>> import gramfold as gf
    >>> X = gf.datasets.make_nmf(300, 40, 4, separable=True, random_state=0)[0]
    >>> models = [gf.NMF(4, init="random", max_iter=2000, random_state=i).fit(X) for i in range(5)]
    >>> found = gf.consensus(models)
    >>> found.components_.shape, bool(found.silhouette_ > 0.99)
    ((4, 40), True)
    >>> W = gf.non_negative_factorization(X, H=found.components_, update_H=False)[0]
    """
    given, centroids = _components(models)
    fits, k, _ = given.shape
    rows = _placed(given) if centroids else _unit(given)
    distances, density = _distances(rows, max(1, int(NEIGHBOURS * fits)))
    density_threshold = real(density_threshold, "density_threshold")
    kept = density <= density_threshold
    if np.count_nonzero(kept) <= k:
        raise ValueError(
            f"density_threshold={density_threshold:g} leaves {np.count_nonzero(kept)} of {len(rows)} "
            f"components, and {k} groups need more: raise it; the median of density_ is "
            f"{np.median(density):.2g}"
        )
    groups = KMeans(k, n_init=STARTS, random_state=random_state).fit(rows[kept]).labels_
    if len(np.unique(groups)) < k:
        raise ValueError(f"models have fewer than {k} different components, which make no {k} groups")
    labels = np.full(len(rows), -1)
    labels[kept] = groups
    silhouettes = silhouette_samples(rows[kept], groups) if k > 1 else np.full(len(groups), np.nan)
    values = (given.reshape(-1, given.shape[2]) if centroids else rows)[kept]
    return Consensus(
        np.stack([np.median(values[groups == j], axis=0) for j in range(k)]).astype(given.dtype),
        labels.reshape(fits, k),
        np.array([silhouettes[groups == j].mean() for j in range(k)]),
        float(silhouettes.mean()),
        density.reshape(fits, k),
        distances,
    )


def _distances(rows: Double, near: int) -> tuple[Double, Double]:
    """Distances of all rows, and the mean of those to the nearest ones; some rows at a time, for Ctrl-C."""
    distances, density = np.empty((len(rows), len(rows))), np.empty(len(rows))
    for at in gen_batches(len(rows), TOGETHER):
        distances[at] = cdist(rows[at], rows)
        nearest = np.sort(distances[at], axis=1)[:, 1 : near + 1]  # the first is the row itself
        density[at] = nearest.mean(axis=1)
    return distances, density


def _components(models: Sequence[Any]) -> tuple[NDArray[Any], bool]:
    """Those of all fits, (n_models, k, n_features), and whether they are centroids."""
    given = [
        getattr(one, "cluster_centers_", getattr(one, "components_", one))
        for one in members(models, "models")
    ]
    found = [read_array(one, f"models[{i}]") for i, one in enumerate(given)]
    wrong = next((one.shape for one in found if one.ndim != 2 or not one.size), None)
    if wrong is not None:
        raise ValueError(f"models must hold matrices of components, got one of shape {wrong}")
    if len(found) < 2:
        raise ValueError(f"models must hold at least two fits, got {len(found)}")
    for i, one in enumerate(found):
        if one.shape != found[0].shape:
            raise ValueError(
                f"models[{i}] has components of shape {one.shape}, but models[0] {found[0].shape}"
            )
    return np.stack(found), all(hasattr(one, "cluster_centers_") for one in models)


def _unit(given: NDArray[Any]) -> Double:
    """Components of norm 1, each with the sign in which it is most like one of the first fit."""
    rows = given.reshape(-1, given.shape[2]).astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(norms > 0, norms, 1)
    alike = rows @ rows[: given.shape[1]].T
    nearest = np.take_along_axis(alike, np.abs(alike).argmax(axis=1)[:, None], axis=1)
    return np.where(nearest < 0, -rows, rows)


def _placed(given: NDArray[Any]) -> Double:
    """Centroids from their mean, in units of their root mean square distance to it."""
    rows = given.reshape(-1, given.shape[2]).astype(np.float64)
    rows -= rows.mean(axis=0)
    size = np.sqrt(np.mean(np.sum(rows**2, axis=1)))
    return np.asarray(rows / (size or 1.0))
