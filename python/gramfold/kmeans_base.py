"""What KMeans and its mini-batch form share: checks, the start, predict and transform."""

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import normalize
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ._arguments import Seed, choice, effective_threads, real, whole
from .fold import Array, Source, dense_rows
from .inputs import read_array, read_rows
from .lloyd import Assigned, Assigner, Prior
from .monitor import Callback
from .seeding import INITS, checked_weights, parallel, plus_plus, probabilities

Labels = NDArray[np.int32]


class BaseKMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Parameters, checks, and what is done with fixed centroids."""

    n_clusters: int
    init: Any
    n_init: int | str
    max_iter: int
    tol: float
    verbose: int
    random_state: Seed
    ridge: float
    prior_mean: Any
    metric: str
    frozen: Any
    n_threads: int | None
    callback: Callback | None
    max_time: float | None
    cluster_centers_: Array
    labels_: Labels
    inertia_: float

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Labels:
        """Learn the centroids and return the label of each row."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Array:
        """Learn the centroids and return the distances of the rows to them, (n_samples, n_clusters)."""
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def predict(self, X: Any) -> Labels:
        """Give each row of X the number of its nearest centroid, of equally near ones the least.

        Parameters
        ----------
        X : array-like or CSR/CSC matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), int32
        """
        check_is_fitted(self)
        return self._assign(self._rows(X, reset=False), None)[0]

    def transform(self, X: Any) -> Array:
        """Return the distances of the rows of X to the centroids, (n_samples, n_clusters)."""
        check_is_fitted(self)
        x = self._rows(X, reset=False)
        return euclidean_distances(x.x, self.cluster_centers_.astype(x.dtype, copy=False))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return minus the sum of w |x - c|^2 over the rows of X and their nearest centroids."""
        check_is_fitted(self)
        x = self._rows(X, reset=False)
        return -self._assign(x, checked_weights(sample_weight, x.x))[1].inertia

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _assign(self, x: Source, weights: Array | None) -> tuple[Labels, Assigned]:
        assign = Assigner(x, weights)
        found = assign(np.ascontiguousarray(self.cluster_centers_, dtype=x.dtype), sums=False)
        return assign.labels, found

    def _rows(self, X: Any, *, reset: bool) -> Source:
        X = read_rows(X, self, reset=reset)
        if self.metric == "cosine":
            X = normalize(X)
        return Source(X, effective_threads(self.n_threads))

    def _check_parameters(self) -> None:
        whole(self.n_clusters, "n_clusters")
        if isinstance(self.init, str):
            choice(self.init, "init", INITS)
        elif self.init is None or (np.ndim(self.init) == 0 and not callable(self.init)):
            raise ValueError(f"init must be one of {INITS}, an array or a callable, got {self.init!r}")
        if self.n_init != "auto":
            whole(self.n_init, "n_init")
        whole(self.max_iter, "max_iter")
        real(self.tol, "tol")
        real(self.ridge, "ridge")
        choice(self.metric, "metric", ("euclidean", "cosine"))
        if not isinstance(self.verbose, (bool, Integral)) or self.verbose < 0:
            raise ValueError(f"verbose must be a whole number of at least 0, got {self.verbose!r}")
        if self.max_time is not None:
            real(self.max_time, "max_time")
        if self.callback is not None and not callable(self.callback):
            raise ValueError(f"callback must be callable, got {self.callback!r}")

    def _runs(self, default: int) -> int:
        """How many starts to try: several only for those that may go wrong by chance."""
        given = not isinstance(self.init, str) and not callable(self.init)
        if self.n_init == "auto":
            return 1 if given or self.init in ("k-means++", "k-means||") else default
        if given and self.n_init != 1:
            warnings.warn(
                f"Explicit initial center position passed: performing only one init in "
                f"{type(self).__name__} instead of n_init={self.n_init}.",
                RuntimeWarning,
                stacklevel=5,
            )
            return 1
        return int(self.n_init)

    def _prior(self, x: Source) -> tuple[Prior, Array]:
        """The prior on the centroids, and those that are frozen."""
        if x.rows < self.n_clusters:
            raise ValueError(f"n_samples={x.rows} should be >= n_clusters={self.n_clusters}.")
        mean = np.zeros(x.cols)
        if self.prior_mean is not None:
            if np.shape(self.prior_mean) != (x.cols,):
                raise ValueError(f"prior_mean must have shape {(x.cols,)}, got {np.shape(self.prior_mean)}")
            mean = read_array(self.prior_mean, "prior_mean", ensure_2d=False, dtype=np.float64)
        frozen = np.empty((0, x.cols), x.dtype)
        if self.frozen is not None:
            frozen = self._centers(self.frozen, "frozen", x, None)
            if len(frozen) > self.n_clusters:
                raise ValueError(f"frozen has {len(frozen)} centroids, more than {self.n_clusters} clusters")
        unit = self.metric == "cosine"
        return Prior(mean, float(self.ridge), len(frozen), unit), frozen

    def _start(self, x: Source, weights: Array | None, frozen: Array, rng: np.random.RandomState) -> Array:
        """Centroids to start from: the frozen ones, then those of `init`."""
        k = self.n_clusters - len(frozen)
        if k == 0:
            return frozen
        if isinstance(self.init, str):
            if self.init == "k-means++":
                made = plus_plus(x, weights, k, rng, fixed=frozen)[0]
            elif self.init == "k-means||":
                made = parallel(x, weights, k, rng, fixed=frozen)
            else:
                p = probabilities(x.rows, weights)
                made = dense_rows(x.x, rng.choice(x.rows, size=k, replace=False, p=p))
        else:
            given = self.init(x.x, k, random_state=rng) if callable(self.init) else self.init
            made = self._centers(given, "init", x, k)
        return np.concatenate([frozen, made])

    def _centers(self, given: Any, name: str, x: Source, k: int | None) -> Array:
        """Check centroids that were given, of unit norm for the cosine metric."""
        centers = read_array(given, name, dtype=x.dtype, order="C", copy=True)
        shape = (len(centers) if k is None else k, x.cols)
        if len(centers) != shape[0]:
            raise ValueError(
                f"The shape of the initial centers {centers.shape} does not match the number of clusters {k}."
            )
        if centers.shape != shape:
            raise ValueError(
                f"The shape of the initial centers {centers.shape} does not match the number of features of "
                f"the data {x.cols}."
            )
        return normalize(centers) if self.metric == "cosine" else centers
