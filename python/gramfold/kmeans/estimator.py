"""k-means by Lloyd's iteration."""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..fit.arguments import Seed, choice, effective_threads, flag, seeded
from ..fit.callbacks import fit_task, told
from ..fit.checkpoint import Runs, kept_by, resumable
from ..fit.monitor import Callback, History, Monitor
from ..fit.warn import warn
from ..fold.in_step import in_files
from ..fold.side_by_side import runs_beside
from ..fold.source import Array, Source
from .base import BaseKMeans, Given
from .lloyd import Clustering, Prior, lloyd
from .rows import Rows, are_in_range, checked_weights
from .seeding import draw_past
from .spread import mean_variance, spread_of


@dataclass(frozen=True, slots=True)
class Problem:
    """What the runs of a fit share; `watch` makes a monitor."""

    x: Rows
    weights: Array | None
    mass: int
    given: Given
    prior: Prior
    rng: np.random.RandomState
    max_iter: int
    tol: float
    watch: Callable[..., Monitor]

    def run(self, start: Array, source: Source, monitor: Monitor) -> tuple[Clustering, History]:
        """Iterate over a source of the rows."""
        found = lloyd(
            self.x.over(source), self.weights, self.mass, start, self.prior, monitor, self.max_iter, self.tol
        )
        return found, monitor.history


class KMeans(BaseKMeans):
    """k-means clustering.

    Minimises sum_i w_i |x_i - c_z(i)|^2 + ridge sum_j |c_j - prior_mean|^2 over the centroids c and the
    labels z. X is read once an iteration: labels, sums, counts and inertia in one pass.

    Parameters
    ----------
    n_clusters : int, default=8
    init : {'auto', 'k-means++', 'k-means||', 'random'}, array-like or callable, default='auto'
        The start: seeds far from each other, the same in about fifteen passes, random rows, the centroids
        themselves, or ``init(X, n_clusters, random_state=...)`` that gives them. 'auto' is 'k-means++', which
        takes a pass for each seed; where Dask runs passes over X, for more than 15 seeds 'k-means||'.
    n_init : int or 'auto', default='auto'
        Starts, of which the best result is kept. 'auto' is 10 for 'random' or a callable, else 1. Of X in
        files they run side by side, and X is read once for all, unless a checkpoint is kept; the callback
        then hears of them as of one fit, in another thread.
    max_iter : int, default=300
    tol : float, default=1e-4
        The fit has converged when no label changes, or when the squared steps of the centroids add up to at
        most `tol` times the mean variance of the features.
    verbose : int, default=0
        If not 0, prints each iteration, by the logger "gramfold".
    random_state : int, RandomState or None
        Draws are scikit-learn's: the same seed gives the same start.
    copy_x : bool, default=True
        X is never modified; taken so that scikit-learn's calls work.
    algorithm : {'lloyd', 'elkan'}, default='lloyd'
        Both names mean the one algorithm here, which spares rows their search by a bound where that pays.
    ridge : float, default=0
        Weight of an L2 prior on each centroid: c = (ridge prior_mean + sum w x) / (ridge + sum w). An empty
        cluster then sits at `prior_mean`; without a ridge it takes the row of the largest w |x - c|^2.
    prior_mean : array-like of shape (n_features,), optional
        Default: the origin.
    metric : {'euclidean', 'cosine'}, default='euclidean'
        'cosine': rows and centroids are scaled to norm 1 (spherical k-means), in a copy of X.
    frozen : array-like of shape (n_frozen, n_features), optional
        The first centroids, which never move; `init` makes the others.
    n_threads : int or None
        Default: OMP_NUM_THREADS, else the CPUs that this process may use. Results do not depend on it.
    callback : callable or None
        Called with an `IterationInfo` after each iteration; a true return value stops the fit.
    max_time : float or None
        Seconds after which no further iteration begins.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
    labels_ : ndarray of shape (n_samples,), int32
        The number of the nearest centroid by distances in float64; of equally near ones the least.
    inertia_ : float
        Sum of w |x - c|^2.
    objective_ : float
        The inertia and the penalty of the ridge.
    n_iter_, n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X has string names.
    converged_ : bool
    history_ : dict of ndarray of shape (n_iter_,)
        Of the best start: 'objective' (never rises), 'kkt' (the root of what the means gain, sum of weight
        times squared step, over the objective) and 'seconds' since the start of the fit, per iteration.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM. Hamerly (2010), Making k-means even faster, for the
    bound. Bahmani et al. (2012), Scalable k-means++.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = gf.KMeans(2, random_state=0).fit(X)
    >>> model.cluster_centers_
    array([[10.,  2.],
           [ 1.,  2.]])
    >>> model.predict([[0, 0], [12, 3]])
    array([1, 0], dtype=int32)
    """

    objective_: float

    def __init__(
        self, n_clusters: int = 8, *, init: Any = "auto", n_init: int | str = "auto",
        max_iter: int = 300, tol: float = 1e-4, verbose: int = 0, random_state: Seed = None,
        copy_x: bool = True, algorithm: str = "lloyd", ridge: float = 0.0, prior_mean: Any = None,
        metric: str = "euclidean", frozen: Any = None, n_threads: int | None = None,
        callback: Callback | None = None, max_time: float | None = None,
    ) -> None:  # fmt: skip
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.ridge = ridge
        self.prior_mean = prior_mean
        self.metric = metric
        self.frozen = frozen
        self.n_threads = n_threads
        self.callback = callback
        self.max_time = max_time

    @resumable
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the centroids.

        Parameters
        ----------
        X : array-like or CSR/CSC matrix of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        with fit_task(self, X, y):
            best, self.history_ = self._fit(X, sample_weight)
            self.cluster_centers_, self.labels_ = best.centers, np.asarray(best.labels)
            self.inertia_, self.objective_ = best.inertia, best.objective
            self.n_iter_, self.converged_ = best.n_iter, best.converged
        return self

    def _fit(self, X: Any, sample_weight: Any) -> tuple[Clustering, History]:
        """Check everything and run from each start; returns the best, and its history."""
        problem, kept = self._problem(X, sample_weight), kept_by(self)
        runs = Runs(kept, self._runs(10), [problem.rng])
        if self._n_init > 1 and kept is None and in_files(problem.x.x):
            found = self._side_by_side(problem, self._n_init)
            runs.best = reduce(lambda old, new: new if better(new[0], old[0]) else old, found)
        else:
            for _ in runs:
                with problem.watch(verbose=self.verbose, callback=told(self), kept=kept) as monitor:
                    start = problem.given.frozen
                    if monitor.state is None:
                        start = self._drawn(problem)
                        monitor.say("Initialization complete")
                    one = problem.run(start, problem.x.x, monitor)
                if runs.best is None or better(one[0], runs.best[0]):
                    runs.best = one
                if monitor.stopped:
                    break
        self._warn(runs.best[0], problem.prior)
        return runs.best

    def _problem(self, X: Any, sample_weight: Any) -> Problem:
        """Check everything."""
        begun = time.perf_counter()
        self._check_parameters()
        x, given, variance = (
            self._spread_out(X) if self.tol else (*self._ready(self._read(X, reset=True)), 0.0)
        )
        weights, mass = checked_weights(sample_weight, x.given)
        prior = self._prior(given, mass)
        rng = seeded(self.random_state)
        tol = self.tol * variance
        watch = partial(
            Monitor, self.max_iter, max_time=self.max_time, begun=begun,
            objective="inertia and penalty" if prior.ridge else "inertia",
        )  # fmt: skip
        return Problem(x, weights, mass, given, prior, rng, self.max_iter, tol, watch)

    def _spread_out(self, X: Any) -> tuple[Rows, Given, float]:
        """Rows and points of the parameters in one space, and the rows' variance there.

        The read that tells this tells as a rule too that X is finite, and that its squares are in range.
        """
        rows = self._read(X, reset=True, unread=True)
        given, x = self._given(rows), Rows(rows, effective_threads(self.n_threads))
        spread, points = spread_of(x.x), (given.frozen, given.init, given.mean)
        if spread is not None and are_in_range(spread.least, spread.most, x.dtype, *points):
            return x, given.inside(x), spread.variance
        x, given = self._ready(self._read(X, reset=True))
        return x, given, mean_variance(x.x)

    def _drawn(self, problem: Problem) -> Array:
        """Draw the centroids that a run starts from."""
        return self._start(problem.x, problem.weights, problem.given, problem.rng)

    def _side_by_side(self, problem: Problem, count: int) -> list[tuple[Clustering, History]]:
        """Run from several starts, which share their reads of files."""
        frozen = len(problem.given.frozen)
        free = self.n_clusters - frozen
        runs = []
        for _ in range(count):
            if free and isinstance(self.init, str) and self.init in ("auto", "k-means++"):
                runs.append(partial(self._seeded, problem, deepcopy(problem.rng)))
                draw_past(problem.rng, free, frozen)
            else:
                runs.append(partial(problem.run, self._drawn(problem)))
        whole, silent = problem.watch(verbose=self.verbose, callback=told(self)), partial(problem.watch, 0)
        return runs_beside(problem.x.x, whole, silent, runs)

    def _seeded(
        self, problem: Problem, rng: np.random.RandomState, source: Source, monitor: Monitor
    ) -> tuple[Clustering, History]:
        """Draw seeds and iterate, over a source of the rows."""
        start = self._start(problem.x.over(source), problem.weights, problem.given, rng)
        return problem.run(start, source, monitor)

    def _warn(self, best: Clustering, prior: Prior) -> None:
        distinct = np.count_nonzero(best.counts)
        if distinct < self.n_clusters and not prior.ridge and not prior.frozen:
            warn(
                f"Number of distinct clusters ({distinct}) found smaller than n_clusters "
                f"({self.n_clusters}). Possibly due to duplicate points in X.",
                ConvergenceWarning,
            )
        if not best.converged and self.tol > 0 and best.n_iter == self.max_iter:
            warn(
                f"Maximum number of iterations {self.max_iter} reached before tol={float(self.tol):g}; "
                "raise max_iter or tol",
                ConvergenceWarning,
            )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        flag(self.copy_x, "copy_x")
        choice(self.algorithm, "algorithm", ("lloyd", "elkan"))


def clusterings(model: KMeans, X: Any, sample_weight: Any = None) -> list[Clustering]:
    """Give the clusterings from all `n_init` starts of a model, which draw in turn."""
    problem = model._problem(X, sample_weight)
    runs = range(model._runs(10))
    if len(runs) > 1 and in_files(problem.x.x):
        found = [one for one, _ in model._side_by_side(problem, len(runs))]
    else:
        found = [problem.run(model._drawn(problem), problem.x.x, problem.watch(0, None))[0] for _ in runs]
    for one in found:
        model._warn(one, problem.prior)
    return found


def better(new: Clustering, old: Clustering) -> bool:
    """Whether a run is better than another, and not the same but for its numbering and rounding."""
    if not new.objective < old.objective:
        return False
    k, mine, other = len(old.centers), np.asarray(new.labels), np.asarray(old.labels)
    pairs = np.unique(mine.astype(np.int64) * k + other)
    return not len(pairs) == len(np.unique(mine)) == len(np.unique(other))
