"""k-means from mini-batches: each centroid is the mean of all rows that were ever nearest to it."""

import copy
from typing import Any, Self

import numpy as np

from ..fit.arguments import Seed, effective_threads, flag, real, seeded, whole
from ..fit.callbacks import fit_task, told
from ..fit.checkpoint import kept_by, resumable
from ..fit.monitor import Callback, Monitor
from ..fit.unchanged import unchanged_on_error
from ..fit.warn import warn
from ..fold.runs import Draws
from ..fold.segments import source_of
from ..fold.source import Array
from .base import BaseKMeans, Given
from .batches import Progress, Tally, some_rows
from .lloyd import Assigner
from .rows import Rows, checked_weights, exponent_for
from .seeding import probabilities
from .spread import mean_variance


class MiniBatchKMeans(BaseKMeans):
    """k-means from mini-batches, also one by one with `partial_fit`.

    The rows of each batch are assigned to their nearest centroids, and each centroid moves to the mean of all
    rows that it was given so far (Sculley 2010, with scikit-learn's reassignment of centroids that get few).

    Parameters
    ----------
    n_clusters : int, default=8
    init : {'k-means++', 'auto', 'k-means||', 'random'}, array-like or callable, default='k-means++'
        As in `KMeans`, from `init_size` rows.
    max_iter : int, default=100
        Rounds through X.
    batch_size : int, default=1024
        Rows drawn for a batch; of X in files of more than 1 GiB, without weights, it is runs of rows that
        follow each other (256 KiB, in compressed files 4 MiB).
    verbose : int, default=0
    compute_labels : bool, default=True
        Whether `labels_` and `inertia_` of all rows are found at the end.
    random_state : int, RandomState or None
        Draws are scikit-learn's.
    tol : float, default=0
        The fit has converged when the squared steps of a batch add up to at most `tol` times the mean
        variance of the features. 0: never.
    max_no_improvement : int or None, default=10
        The fit has also converged after so many batches without a better smoothed inertia.
    init_size : int, optional
        Rows from which the start is made; default 3 batch_size, or 3 n_clusters if that is more.
    n_init : int or 'auto', default='auto'
        Starts, of which the best is used. 'auto' is 3 for 'random' or a callable, else 1.
    reassignment_ratio : float, default=0.01
        A centroid with less than this share of the largest count, at most 1, is moved to a row drawn at
        random.
    ridge, prior_mean, metric, frozen, n_threads, callback, max_time
        As in `KMeans`; the callback is called after each batch.

    Attributes
    ----------
    cluster_centers_, labels_, inertia_, n_features_in_, feature_names_in_
        As in `KMeans`.
    n_iter_, n_steps_ : int
        Rounds through X that were begun, and batches.
    converged_ : bool
    history_ : dict of ndarray of shape (n_steps_,)
        As in `KMeans`, per batch; 'objective' is the inertia of the batch per row.

    References
    ----------
    Sculley (2010), Web-scale k-means clustering.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [4, 2], [4, 0], [4, 4]])
    >>> model = gf.MiniBatchKMeans(2, random_state=0, batch_size=6).fit(X)
    >>> model.predict([[0, 0], [4.5, 4]]).tolist() in ([0, 1], [1, 0])
    True
    """

    _fitted_points: Given
    _tally: Tally

    def __init__(
        self, n_clusters: int = 8, *, init: Any = "k-means++", max_iter: int = 100, batch_size: int = 1024,
        verbose: int = 0, compute_labels: bool = True, random_state: Seed = None, tol: float = 0.0,
        max_no_improvement: int | None = 10, init_size: int | None = None, n_init: int | str = "auto",
        reassignment_ratio: float = 0.01, ridge: float = 0.0, prior_mean: Any = None,
        metric: str = "euclidean", frozen: Any = None, n_threads: int | None = None,
        callback: Callback | None = None, max_time: float | None = None,
    ) -> None:  # fmt: skip
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.verbose = verbose
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.init_size = init_size
        self.n_init = n_init
        self.reassignment_ratio = reassignment_ratio
        self.ridge = ridge
        self.prior_mean = prior_mean
        self.metric = metric
        self.frozen = frozen
        self.n_threads = n_threads
        self.callback = callback
        self.max_time = max_time

    @resumable
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the centroids from batches drawn at random; see `KMeans.fit`."""
        with fit_task(self, X, y):
            self._check_parameters()
            X = self._read(X, reset=True)
            weights, mass = checked_weights(sample_weight, X)
            x, given = self._ready(X)
            n = x.x.rows
            steps = max(1, self.max_iter * n // min(self.batch_size, n))
            with Monitor(
                steps, self.verbose, told(self), self.max_time, objective="mean inertia", kept=kept_by(self)
            ) as monitor:
                centers = self._run(x, weights, mass, given, monitor)
            self.history_ = monitor.history
            self._settle(x, centers, weights, mass)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from one batch more.

        Parameters
        ----------
        X : array-like or CSR/CSC matrix of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self
        """
        with unchanged_on_error(self):
            self._check_parameters()
            first = not hasattr(self, "cluster_centers_")
            X, centers = self._batch(X, first)
            weights, mass = checked_weights(sample_weight, X)
            if first:
                self._rng = seeded(self.random_state)
                x, given = self._ready(X)
                centers = self._start_from_some(x, weights, given, self._rng)
                self._begin(x, given)
            else:
                threads = effective_threads(self.n_threads)
                x = Rows(X, threads, exponent_for(source_of(X, threads), centers))
                centers = np.ascontiguousarray(x.inside(centers))
            prior = self._prior(self._fitted_points.inside(x), mass)
            self._tally, centers, _ = self._tally.step(
                x.x, weights, mass, centers, prior, self.reassignment_ratio, self._rng
            )
            self.n_steps_ += 1
            self._settle(x, centers, weights, mass)
        return self

    def _batch(self, X: Any, first: bool) -> tuple[Any, Any]:
        """Check the rows of a batch, which must go with those before; gives them and the centroids so far."""
        if first:
            return self._read(X, reset=True), None
        for name, value in self._started.items():
            now = getattr(self, name)
            if now is not value and not np.array_equal(now, value):
                raise ValueError(
                    f"{name} was {value!r} when the fit began and is {now!r} now; set it back, or start anew "
                    "with fit or with a clone"
                )
        centers = self._checked_centers()
        if len(centers) != self.n_clusters:
            raise ValueError(f"cluster_centers_ has {len(centers)} rows, and n_clusters is {self.n_clusters}")
        return self._read(X, reset=False, dtype=centers.dtype), centers

    def _begin(self, x: Rows, given: Given) -> None:
        """Note with what the first batch meets."""
        names = ("n_clusters", "metric", "ridge", "prior_mean", "frozen")
        self._started = {name: copy.deepcopy(getattr(self, name)) for name in names}
        self._fitted_points = given.outside(x)
        self._tally, self.n_steps_ = Tally(np.zeros(self.n_clusters)), 0

    def _settle(self, x: Rows, centers: Array, weights: Array | None, mass: int) -> None:
        self.cluster_centers_ = x.outside(centers)
        if self.compute_labels:
            self.labels_, self.inertia_ = self._assign(x, centers, weights, mass)

    def _run(self, x: Rows, weights: Array | None, mass: int, given: Given, monitor: Monitor) -> Array:
        """Go through random batches until converged or stopped; gives the centroids."""
        rng = self._rng = seeded(self.random_state)
        n = x.x.rows
        batch = min(self.batch_size, n)
        centers = self._best_start(x, weights, given, rng)
        # The scale of tol, from as many rows as the start.
        tol = self.tol * mean_variance(x.x) if self.tol else 0.0
        self._begin(x, given)
        prior = self._prior(given, 0)
        progress = Progress(n, self.max_no_improvement)
        draws = Draws(x.x, probabilities(n, weights), alike=weights is None)
        self.converged_, inertia = False, 0.0
        steps = done = len(monitor.rows)
        if monitor.state is not None:
            centers, self._tally, progress, inertia = (
                monitor.state[name] for name in ("centers", "tally", "progress", "inertia")
            )
            rng.set_state(monitor.state["rng"].get_state())
        assert monitor.max_iter is not None
        for steps in range(done + 1, monitor.max_iter + 1):
            part = draws.batch(rng, batch)
            self._tally, new, inertia = self._tally.step(
                part, None, 0, centers, prior, self.reassignment_ratio, rng
            )
            moved = float(np.sum(np.square(new.astype(np.float64) - centers)))
            centers = new
            stop = monitor.record(
                x.objective(inertia / batch, 0), float(np.sqrt(moved / inertia)) if inertia else 0.0
            )
            # The first inertia is that of the start.
            small = bool(steps > 1 and tol and moved <= tol)
            if steps > 1 and (small or progress.add(inertia / batch, batch)):
                why = "small centers change" if small else "lack of improvement in inertia"
                monitor.say(f"Converged ({why}) at batch {steps}")
                self.converged_ = True
                break
            if stop:
                break
            monitor.keep(centers=centers, tally=self._tally, progress=progress, inertia=inertia, rng=rng)
        self.n_steps_, self.n_iter_ = steps, -(-steps * batch // n)
        if not self.compute_labels:
            total = n if weights is None else float(weights.sum(dtype=np.float64))
            self.inertia_ = x.objective(
                total * (inertia / batch if progress.smooth is None else progress.smooth), mass
            )
        return centers

    def _best_start(self, x: Rows, weights: Array | None, given: Given, rng: np.random.RandomState) -> Array:
        """The start of least inertia on rows drawn for that."""
        valid, chosen = some_rows(x, weights, self._start_rows(x.x.rows), rng)
        best, least = None, np.inf
        for _ in range(self._runs(3)):
            centers = self._start_from_some(x, weights, given, rng)
            inertia = Assigner(valid.x, chosen)(centers, sums=False).inertia
            if best is None or inertia < least:
                best, least = centers, inertia
        assert best is not None
        return best

    def _start_rows(self, n: int) -> int:
        size = 3 * min(self.batch_size, n) if self.init_size is None else self.init_size
        if size < self.n_clusters:
            if self.init_size is not None:
                warn(
                    f"init_size={size} should be larger than n_clusters={self.n_clusters}. Setting it to "
                    "min(3*n_clusters, n_samples)",
                    RuntimeWarning,
                )
            size = 3 * self.n_clusters
        self._init_size = min(size, n)  # by scikit-learn's name
        return self._init_size

    def _start_from_some(
        self, x: Rows, weights: Array | None, given: Given, rng: np.random.RandomState
    ) -> Array:
        size = self._start_rows(x.x.rows)
        if size < x.x.rows:
            x, weights = some_rows(x, weights, size, rng)
        return self._start(x, weights, given, rng)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        whole(self.batch_size, "batch_size")
        flag(self.compute_labels, "compute_labels")
        real(self.reassignment_ratio, "reassignment_ratio", high=1.0)
        for name in ("max_no_improvement", "init_size"):
            if getattr(self, name) is not None:
                whole(getattr(self, name), name)
