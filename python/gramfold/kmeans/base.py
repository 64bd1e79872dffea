"""What KMeans and its mini-batch form share: checks, the start, predict and transform."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils import Tags

from ..fit.arguments import Seed, check_reporting, choice, effective_threads, real, shown, whole
from ..fit.estimator import Estimator, check_fitted
from ..fit.inputs import FLOATS, dimensions, read_array, read_rows
from ..fit.monitor import Callback
from ..fit.out import rows_to_file
from ..fit.warn import warn
from ..fold.engine import run
from ..fold.segments import source_of
from ..fold.source import Array
from . import passes
from .lloyd import Assigner, Prior
from .rows import Overflow, Rows, beside, checked_weights, exponent_for, in_range, unit_rows
from .seeding import INITS, in_few_passes, parallel, plus_plus, random_rows

Labels = NDArray[np.int32]
Found = TypeVar("Found")
METRICS = ("euclidean", "cosine")


@dataclass(frozen=True, slots=True)
class Given:
    """Points that came with the parameters: frozen centroids, those to start from, the mean of the prior."""

    frozen: Array
    init: Array | None
    mean: NDArray[np.float64]

    def inside(self, x: Rows) -> "Given":
        """The same in the space of the rows."""
        init = None if self.init is None else x.inside(self.init)
        return Given(x.inside(self.frozen), init, x.inside(self.mean))

    def outside(self, x: Rows) -> "Given":
        """The frozen centroids and the mean, in the space of what was given."""
        return Given(x.outside(self.frozen), None, x.outside(self.mean))


class BaseKMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, Estimator):
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

    @rows_to_file
    def predict(self, X: Any) -> Labels:
        """Give each row of X the number of its nearest centroid, of equally near ones the least.

        Parameters
        ----------
        X : array-like or CSR/CSC matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), int32
        """
        return self._with_fixed(X, lambda x, centers: self._assign(x, centers, None, 0)[0])

    @rows_to_file
    def transform(self, X: Any) -> Array:
        """Return the distances of the rows of X to the centroids, (n_samples, n_clusters).

        As exact as from differences in float64: the least of a row is that to its label.
        """

        def distances(x: Rows, centers: Array) -> Array:
            out = np.empty((x.x.rows, len(centers)), x.dtype)
            run(passes.distances, x.x, centers, {"out": out})
            if not np.isfinite(out).all():
                raise Overflow(x.dtype)
            return x.outside(out)

        return self._with_fixed(X, distances)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return minus the sum of w |x - c|^2 over the rows of X and their nearest centroids."""

        def inertia(x: Rows, centers: Array) -> float:
            return self._assign(x, centers, *checked_weights(sample_weight, x.given))[1]

        return -self._with_fixed(X, inertia)

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _assign(self, x: Rows, centers: Array, weights: Array | None, mass: int) -> tuple[Labels, float]:
        """Labels and inertia for fixed centroids, which are in the space of x."""
        assign = Assigner(x.x, weights)
        found = assign(np.ascontiguousarray(centers), sums=False)
        return np.asarray(assign.labels), x.objective(found.inertia, mass)

    def _with_fixed(self, X: Any, find: Callable[[Rows, Array], Found]) -> Found:
        """Find something of rows and the centroids of the fit, in the wider of their types and in one space.

        Rows are taken as they are at first, if the centroids are in the range: NaN, infinities and what is
        too large show in what is found, so that X need not be read for them before.
        """
        check_fitted(self)
        X = self._read(X, reset=False, finite=False)
        centers = self._checked_centers()
        dtype = np.result_type(X.dtype, centers.dtype)
        X, centers = X.astype(dtype, copy=False), np.ascontiguousarray(centers, dtype=dtype)
        threads = effective_threads(self.n_threads)
        if in_range(centers):
            try:
                return find(Rows(X, threads), centers)
            except Overflow:
                pass
        source = source_of(X, threads)
        source.check_finite(self)
        x = Rows(X, threads, exponent_for(source, centers))
        return find(x, np.ascontiguousarray(x.inside(centers)))

    def _checked_centers(self) -> Array:
        """The centroids of the fit, which a user may have changed."""
        centers = read_array(self.cluster_centers_, "cluster_centers_", dtype=FLOATS)
        if centers.shape[1] != self.n_features_in_:
            raise ValueError(
                f"cluster_centers_ has {centers.shape[1]} columns, and X had {self.n_features_in_} in the fit"
            )
        return centers

    def _read(
        self, X: Any, *, reset: bool, dtype: Any = FLOATS, unread: bool = False, finite: bool = True
    ) -> Any:
        """Rows that were checked, if `finite` for NaN too; so are those whose norms are needed at once."""
        cosine = choice(self.metric, "metric", METRICS) == "cosine"
        X = read_rows(
            X, self, reset=reset, dtype=dtype, segments=True, unread=unread and not cosine,
            ensure_all_finite=finite or cosine,
        )  # fmt: skip
        return unit_rows(X) if cosine else X

    def _check_parameters(self) -> None:
        whole(self.n_clusters, "n_clusters")
        if isinstance(self.init, str):
            choice(self.init, "init", INITS)
        elif self.init is None or not (callable(self.init) or dimensions(self.init, "init")):
            raise ValueError(f"init must be one of {INITS}, an array or a callable, got {shown(self.init)}")
        if not isinstance(self.n_init, str) or self.n_init != "auto":
            whole(self.n_init, "n_init")
        whole(self.max_iter, "max_iter")
        real(self.tol, "tol")
        real(self.ridge, "ridge")
        choice(self.metric, "metric", METRICS)
        check_reporting(self)

    def _runs(self, default: int) -> int:
        """How many starts to try: several only for those that may go wrong by chance."""
        self._n_init = self._starts(default)  # by scikit-learn's name
        return self._n_init

    def _starts(self, default: int) -> int:
        given = not isinstance(self.init, str) and not callable(self.init)
        if self.n_init == "auto":
            return 1 if given or self.init in ("auto", "k-means++", "k-means||") else default
        if given and self.n_init != 1:
            warn(
                f"Explicit initial center position passed: performing only one init in "
                f"{type(self).__name__} instead of n_init={self.n_init}.",
                RuntimeWarning,
            )
            return 1
        return int(self.n_init)

    def _given(self, X: Any) -> Given:
        """Check the points among the parameters, as rows of X."""
        rows, cols = X.shape
        if rows < self.n_clusters:
            raise ValueError(f"n_samples={rows} should be >= n_clusters={self.n_clusters}.")
        mean = np.zeros(cols)
        if self.prior_mean is not None:
            if (shape := dimensions(self.prior_mean, "prior_mean")) != (cols,):
                raise ValueError(f"prior_mean must have shape {(cols,)}, got {shape}")
            mean = read_array(self.prior_mean, "prior_mean", ensure_2d=False, dtype=np.float64)
        frozen, init = np.empty((0, cols), X.dtype), None
        if self.frozen is not None:
            frozen = self._centers(self.frozen, "frozen", X, None)
            if len(frozen) > self.n_clusters:
                raise ValueError(f"frozen has {len(frozen)} centroids, more than {self.n_clusters} clusters")
        free = self.n_clusters - len(frozen)
        if free and not isinstance(self.init, str) and not callable(self.init):
            init = self._centers(self.init, "init", X, free)
        return Given(frozen, init, mean)

    def _ready(self, X: Any) -> tuple[Rows, Given]:
        """Rows and points of the parameters in one space."""
        given = self._given(X)
        threads = effective_threads(self.n_threads)
        exponent = exponent_for(source_of(X, threads), given.frozen, given.init, given.mean)
        x = Rows(X, threads, exponent)
        return x, given.inside(x)

    def _prior(self, given: Given, mass: int) -> Prior:
        """The prior on the centroids, beside weights of `checked_weights`."""
        return Prior(
            given.mean, float(beside(float(self.ridge), mass)), len(given.frozen), self.metric == "cosine"
        )

    def _start(self, x: Rows, weights: Array | None, given: Given, rng: np.random.RandomState) -> Array:
        """Centroids to start from: the frozen ones, then those of `init`."""
        k = self.n_clusters - len(given.frozen)
        if k == 0:
            return given.frozen
        if given.init is not None:
            made = given.init
        elif callable(self.init):
            made = self._centers(self.init(x.handed, k, random_state=rng), "init", x.given, k)
            made = x.inside(made)
        elif self.init == "k-means++" or (self.init == "auto" and not in_few_passes(x.x, k)):
            made = plus_plus(x.x, weights, k, rng, fixed=given.frozen)[0]
        elif self.init in ("auto", "k-means||"):
            made = parallel(x.x, weights, k, rng, fixed=given.frozen)
        else:
            made = random_rows(x.x, weights, k, rng)
        return np.concatenate([given.frozen, made])

    def _centers(self, points: Any, name: str, X: Any, k: int | None) -> Array:
        """Check centroids that were given, of unit norm for the cosine metric."""
        centers = read_array(points, name, dtype=X.dtype, order="C", copy=True)
        cols = X.shape[1]
        if k is not None and len(centers) != k:
            raise ValueError(
                f"The shape of the initial centers {centers.shape} does not match the number of clusters {k} "
                f"as {name}."
            )
        if centers.shape[1] != cols:
            raise ValueError(
                f"The shape of the initial centers {centers.shape} does not match the number of features of "
                f"the data {cols} as {name}."
            )
        return unit_rows(centers) if self.metric == "cosine" else centers
