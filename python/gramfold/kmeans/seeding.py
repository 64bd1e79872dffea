"""Where k-means starts: k-means++, k-means|| and random rows."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fit.arguments import Seed, effective_threads, seeded, whole
from ..fit.inputs import read_rows
from ..fold.engine import run
from ..fold.segments import source_of
from ..fold.source import Array, Source
from . import passes
from .lloyd import Assigner
from .rows import Rows, checked_weights, exponent_for

INITS = ("k-means++", "k-means||", "random")
BLOCK = 96  # rows whose potential is summed by the kernel, see cpp/kmeans/seed.hpp
ROUNDS = 5  # of k-means||; as Bahmani et al. found enough
# A sketch of X in float64 (float32 is as fast without) is made for at least so many seeds still to come and
# columns, and rests once it spares less than SPARED.
SKETCH_SEEDS, SKETCH_COLUMNS, SPARED = 16, 16, 0.25


class Sketch:
    """X in one byte an entry: which rows are too far from some points to be read; see cpp/kmeans/sketch.hpp.

    Where it spares few rows it is left alone for as many seeds again.
    """

    def __init__(self, x: Source) -> None:
        sample = x.take(slice(None, None, max(1, x.rows // 1000))).astype(np.float64)
        self.shift = np.ascontiguousarray(sample.mean(axis=0), dtype=x.dtype)
        self.step = 4 * float(np.sqrt(np.mean(np.square(sample - self.shift)))) / 127
        self.codes = self.errors = None
        if np.isfinite(self.step) and self.step**2 > 1e12 * np.finfo(x.dtype).tiny:
            padded = -(-x.rows // BLOCK) * BLOCK
            self.codes, self.errors = (
                np.empty(padded * -(-x.cols // 4), np.int32),
                np.empty(padded, np.float32),
            )
            kernels.sketch(
                x=x.kernel,
                shift=self.shift,
                step=self.step,
                codes=self.codes,
                errors=self.errors,
                n_threads=x.n_threads,
            )
        self._seeds, self._rest = 0, 0

    def arguments(self) -> dict[str, Any]:
        """What the pass takes."""
        self._seeds += 1
        self._rest -= 1
        use = {"codes": self.codes, "errors": self.errors} if self._rest < 0 else {}
        return {**use, "shift": self.shift, "step": self.step}

    def learn(self, share_read: float) -> None:
        """Note how many rows the kernel read."""
        if self._rest < 0 and share_read > 1 - SPARED:
            self._rest = self._seeds


class Potential:
    """The squared distance of each row to the nearest seed so far, and draws in proportion to it."""

    def __init__(self, x: Source, weights: Array | None) -> None:
        self.x, self.weights = x, weights
        self.closest: Array | None = None
        self.sums: NDArray[np.float64] = np.empty(0)
        self.sketch: Sketch | None = None
        self._room: list[Array] = []
        firsts = [np.arange(span.start, span.stop, BLOCK) for span in x.spans]
        self._starts = np.concatenate([*firsts, [x.rows]])  # of the blocks, and the end

    @property
    def total(self) -> float:
        """Sum of w D^2 over all rows."""
        return float(self.sums.sum())

    def reduce(self, candidates: Array) -> int:
        """Add the one of `candidates`, (n, cols), that leaves the least potential; gives its number."""
        out = self._take(len(candidates))
        sketch = self.sketch.arguments() if self.sketch and self.closest is not None else {}
        read, potentials = run(
            partial(passes.seed, block=BLOCK, **sketch), self.x, candidates,
            {"closest": self.closest, "weights": self.weights, "out": out.T},
        )  # fmt: skip
        if self.sketch:
            self.sketch.learn(read / self.x.rows)
        sums = np.concatenate(potentials)
        best = int(np.argmin(sums.sum(axis=0)))
        self.closest, self.sums = out[best], np.ascontiguousarray(sums[:, best])
        return best

    def _take(self, n: int) -> Array:
        """Room for n distances a row, other than where `closest` is; two such arrays serve all seeds."""
        self._room = self._room[1:] + self._room[:1] if len(self._room) == 2 else [np.empty(0), *self._room]
        if len(self._room[0]) < n:
            self._room[0] = np.empty((n, self.x.rows), self.x.dtype)
        return self._room[0][:n]

    def draw(self, uniform: NDArray[np.float64]) -> NDArray[np.intp]:
        """Rows at which the running sum of w D^2 passes `uniform` times the total."""
        assert self.closest is not None
        running = np.cumsum(self.sums)
        if running[-1] == 0:  # every row that counts is a seed
            return np.full(
                len(uniform), 0 if self.weights is None else np.argmax(self.weights), dtype=np.intp
            )
        rows = []
        for value in uniform * running[-1]:
            block = min(int(np.searchsorted(running, value)), len(running) - 1)
            part = slice(int(self._starts[block]), int(self._starts[block + 1]))
            mass = self.closest[part].astype(np.float64)
            if self.weights is not None:
                mass *= self.weights[part]
            before = running[block - 1] if block else 0.0
            at = int(np.searchsorted(np.cumsum(mass) + before, value))
            rows.append(min(part.start + at, self.x.rows - 1))
        return np.array(rows, dtype=np.intp)


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

    One read of X for each seed, whatever the number of trials; of many seeds, a read of a sketch of X and of
    the rows that it leaves open. Neither changes a bit.
    """
    n_trials = 2 + int(np.log(k)) if n_local_trials is None else n_local_trials
    potential = Potential(x, weights)
    chosen: list[int] = []
    if fixed is not None and len(fixed):
        for seed in fixed:
            potential.reduce(np.ascontiguousarray(seed[None]))
    else:
        chosen.append(int(rng.choice(x.rows, p=probabilities(x.rows, weights))))
        potential.reduce(x.take(chosen))
    long_rows = not x.sparse and len(x.segments) == 1 and x.cols >= SKETCH_COLUMNS and x.dtype == np.float64
    if long_rows and k - len(chosen) >= SKETCH_SEEDS:
        potential.sketch = Sketch(x)
    while len(chosen) < k:
        candidates = potential.draw(rng.uniform(size=n_trials))
        chosen.append(int(candidates[potential.reduce(x.take(candidates))]))
    rows = np.array(chosen, dtype=np.intp)
    return x.take(rows), rows


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
    closest = np.full(x.rows, np.inf, x.dtype)
    nearest = np.zeros(x.rows, np.intp)
    for last in [False] * ROUNDS + [True]:
        assign = Assigner(x, weights)
        assign(new, sums=False)
        distances = assign.distances(new)
        closer = distances < closest
        closest[closer] = distances[closer]
        nearest[closer] = assign.labels[closer] + len(seeds)
        seeds = np.concatenate([seeds, new])
        mass = closest.astype(np.float64) if weights is None else closest * weights.astype(np.float64)
        drawn = np.flatnonzero(rng.uniform(size=x.rows) * mass.sum() < 2 * k * mass)
        if last or not len(drawn):
            break
        new = x.take(drawn)
    counts = np.bincount(nearest, weights, len(seeds))
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
    each seed.

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
    X = read_rows(X, segments=True, n_threads=effective_threads(n_threads))
    if X.shape[0] < whole(n_clusters, "n_clusters"):
        raise ValueError(f"n_samples={X.shape[0]} should be >= n_clusters={n_clusters}.")
    if n_local_trials is not None:
        whole(n_local_trials, "n_local_trials")
    if x_squared_norms is not None and np.shape(x_squared_norms) != (X.shape[0],):
        raise ValueError(
            f"The length of x_squared_norms {np.shape(x_squared_norms)} should be equal to the length of "
            f"n_samples {X.shape[0]}."
        )
    weights, _ = checked_weights(sample_weight, X)
    x = Rows(X, effective_threads(n_threads), exponent_for(X))
    rows = plus_plus(x.x, weights, n_clusters, seeded(random_state), n_local_trials=n_local_trials)[1]
    return source_of(X, 1).take(rows), rows
