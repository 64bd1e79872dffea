"""Where k-means starts: k-means++, k-means|| and random rows."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.arguments import Seed, check_room, effective_threads, seeded, whole
from ..fit.inputs import dimensions, read_rows
from ..fold.cluster import goes_to
from ..fold.engine import run, run_state
from ..fold.segments import source_of
from ..fold.source import Array, Source
from . import passes
from .lloyd import Assigner
from .potential import Potential
from .rows import Rows, checked_weights, exponent_for

INITS = ("auto", "k-means++", "k-means||", "random")
MANY = 15  # seeds that take as many passes as k-means||
ROUNDS = 5  # of k-means||; as Bahmani et al. found enough


def plus_plus(
    x: Source,
    weights: Array | None,
    k: int,
    rng: np.random.RandomState,
    *,
    n_local_trials: int | None = None,
    fixed: Array | None = None,
) -> tuple[Array, NDArray[np.intp]]:
    """Greedy k-means++ with scikit-learn's draws: k rows and their numbers, given `fixed` seeds.

    One read of X for each seed, whatever the number of trials; where many seeds are to come, of what a sieve
    leaves of it. Neither changes a bit.
    """
    n_trials = trials(k) if n_local_trials is None else n_local_trials
    potential = Potential(x, weights)
    chosen: list[int] = []
    if fixed is not None and len(fixed):
        first = fixed
    else:
        chosen.append(int(rng.choice(x.rows, p=probabilities(x.rows, weights))))
        first = x.take(chosen)
    for seed in first:
        potential.reduce(np.ascontiguousarray(seed[None]))
    potential.expect(first[-1], k - len(chosen), n_trials)
    uniform = rng.uniform(size=(k - len(chosen), n_trials))
    while len(chosen) < k:
        chosen.extend(potential.add(uniform[len(uniform) - (k - len(chosen)) :]))
    rows = np.array(chosen, dtype=np.intp)
    return x.take(rows), rows


def in_few_passes(x: Source, k: int) -> bool:
    """Whether k seeds are better drawn by `parallel`: tasks of a cluster run passes, which wait for all."""
    return k > MANY and goes_to(x.segments)[0]


def trials(k: int) -> int:
    """How many candidates there are for each of k seeds, but the first."""
    return 2 + int(np.log(k))


def draw_past(rng: np.random.RandomState, k: int, fixed: int) -> None:
    """Leave a generator where `plus_plus` would, given so many `fixed` seeds."""
    seeds = k if fixed else k - 1
    rng.random_sample(seeds * trials(k) + (0 if fixed else 1))


def probabilities(n: int, weights: Array | None) -> NDArray[np.float64]:
    """Probability of each of n rows to be drawn by its weight."""
    if weights is None:
        return np.full(n, 1 / n)
    exact = weights.astype(np.float64)
    return exact / exact.sum()


def random_rows(x: Source, weights: Array | None, k: int, rng: np.random.RandomState) -> Array:
    """Draw k rows by their weights, none twice unless fewer than k have any."""
    p = probabilities(x.rows, weights)
    some = rng.choice(x.rows, min(k, int(np.count_nonzero(p))), replace=False, p=p)
    return x.take(np.resize(some, k))


def parallel(
    x: Source, weights: Array | None, k: int, rng: np.random.RandomState, *, fixed: Array | None = None
) -> Array:
    """k-means|| (Bahmani et al. 2012): a few rounds that draw about 2 k rows each, then k of these.

    A row is drawn with probability 2 k w D^2 / sum of w D^2. The rows drawn, weighted with what is nearest
    to them, are reduced to k by k-means++.
    """
    first = x.take([rng.choice(x.rows, p=probabilities(x.rows, weights))])
    new = first if fixed is None else np.concatenate([fixed, first])
    seeds = new[:0]
    closest, nearest = x.kept(start=np.inf), x.kept(dtype=np.intp, start=0)
    own = {"weights": weights}
    for last in [False] * ROUNDS + [True]:
        assign = Assigner(x, weights)
        assign(new, sums=False)
        state = {"labels": assign.labels, "distances": x.kept(), "closest": closest, "nearest": nearest}
        mass, counts = run(
            partial(passes.nearer, wide=assign.wide, before=len(seeds)), x, new, state, fixed=own,
            writes=("closest", "nearest"),
        )  # fmt: skip
        seeds = np.concatenate([seeds, new])
        state = {"closest": closest, "uniform": x.drawn(rng, "uniform")}
        if last:
            break
        found = run_state(partial(passes.drawn, share=2 * k), x, mass, state, fixed=own)
        drawn = np.concatenate([at.start + rows for at, rows in zip(x.spans, found, strict=True)])
        if not len(drawn):
            break
        new = x.take(drawn)
    pool = np.flatnonzero(counts)
    pool = pool[pool >= (0 if fixed is None else len(fixed))]
    if len(pool) < k:
        return np.concatenate([seeds[pool], random_rows(x, weights, k - len(pool), rng)])
    reduced = Source(np.ascontiguousarray(seeds[pool]), x.n_threads)
    return plus_plus(reduced, counts[pool].astype(x.dtype), k, rng, fixed=fixed)[0]


def kmeans_plusplus(
    X: Any,
    n_clusters: int,
    *,
    sample_weight: Any = None,
    x_squared_norms: Any = None,
    random_state: Seed = None,
    n_local_trials: int | None = None,
    n_threads: int | None = None,
) -> tuple[Array, NDArray[np.intp]]:
    """Draw rows of X as seeds for k-means, far from each other (greedy k-means++).

    Draws are scikit-learn's: the same `random_state` gives the same seeds, up to rounding. X is read once for
    each seed; where that is much, only rows are that may be nearer to it. The bounds that tell these take a
    byte for each entry of a dense X meanwhile.

    Parameters
    ----------
    X : array-like or CSR matrix of shape (n_samples, n_features)
    n_clusters : int
    sample_weight : array-like of shape (n_samples,), optional
    x_squared_norms : array-like of shape (n_samples,), optional
        Checked and not used: distances come from differences. Taken so that scikit-learn's calls work.
    random_state : int, RandomState or None
    n_local_trials : int, optional
        Candidates for each seed but the first, of which the best is taken. Default 2 + log(n_clusters).
    n_threads : int, optional
        Default: OMP_NUM_THREADS, else the CPUs that this process may use. Results do not depend on it.

    Returns
    -------
    centers : ndarray of shape (n_clusters, n_features)
    indices : ndarray of shape (n_clusters,)
        The rows of X that they are.

    Raises
    ------
    ValueError
        If an argument is not as described.

    References
    ----------
    Arthur & Vassilvitskii (2007), k-means++: the advantages of careful seeding.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> centers, indices = gf.kmeans_plusplus(X, n_clusters=2, random_state=0)
    >>> indices
    array([3, 2])
    """
    threads = effective_threads(n_threads)
    X = read_rows(X, segments=True, n_threads=threads, ensure_all_finite=False)
    source = source_of(X, threads)
    source.check_finite()  # by the scan that tells the largest
    if X.shape[0] < whole(n_clusters, "n_clusters"):
        raise ValueError(f"n_samples={X.shape[0]} should be >= n_clusters={n_clusters}.")
    if n_local_trials is not None:
        trials = whole(n_local_trials, "n_local_trials")
        check_room(trials, "n_local_trials", trials * X.shape[0])
    if x_squared_norms is not None and dimensions(x_squared_norms, "x_squared_norms") != (X.shape[0],):
        raise ValueError(
            f"The length of x_squared_norms {np.shape(x_squared_norms)} should be equal to the length of "
            f"n_samples {X.shape[0]}."
        )
    weights, _ = checked_weights(sample_weight, X)
    x = Rows(X, threads, exponent_for(source))
    rows = plus_plus(x.x, weights, n_clusters, seeded(random_state), n_local_trials=n_local_trials)[1]
    return source_of(X, 1).take(rows), rows
