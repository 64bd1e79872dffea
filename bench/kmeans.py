"""k-means beside scikit-learn, its Intel extension and faiss: ten Lloyd iterations, and k-means++."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sklearn.cluster
from scipy import sparse

from bench import data
from bench.frame import Case, Lap, Row, Settings, compare, interleave
from bench.machine import Limits
from bench.objective import inertia

ITERATIONS = 10
# rows, columns, clusters, what the ratio should be at least
DENSE = (
    (1_000_000, 16, 64, 2.5),
    (200_000, 128, 256, 2.5),
    (100_000, 784, 100, 2.5),
    (100_000, 128, 1024, 2.5),
    (1_000_000, 2, 8, 1.0),
)
WIDE_TYPE = (200_000, 128, 256)
SEEDS = (200_000, 128, 256)

LEGEND = f"""\
ours s, peer s: whole calls of fit from the same start, tol=0, {ITERATIONS} iterations; or of k-means++.
peer: the fastest of those that are named with their seconds; "-": not installed, or cannot do this.
% FMA: 2nkd flop for each of the {ITERATIONS} iterations and the final assignment at our seconds, of the
  measured peak; above 100 where bounds spare rows their search, or float64 is searched in float32.
% read: X read as often, of the measured bandwidth.
Objectives: squared distances to the nearest of the returned centroids, in float64 by NumPy."""


def _digits(value: float) -> str:
    return f"{value:.9g}"


COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None,
    "dtype": None,
    "ours s": None,
    "peer": None,
    "peer s": None,
    "ratio": None,
    "% FMA": None,
    "% read": None,
    "sklearn lloyd": None,
    "sklearn elkan": None,
    "sklearnex": None,
    "faiss": None,
    "our objective": _digits,
    "target objective": _digits,
}


@dataclass(frozen=True)
class Problem:
    """Data, a start, and the number of threads for everybody."""

    X: Any
    start: Any
    threads: int

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.start)


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    for n, d, k, bar in DENSE:
        yield _lloyd(f"{n}x{d} k={k}", partial(data.blobs, n, d), "float32", k, bar)
    n, d, k = WIDE_TYPE
    yield _lloyd(f"{n}x{d} k={k}", partial(data.blobs, n, d), "float64", k, 1.0)
    yield _lloyd("corpus tf-idf k=20", data.corpus_tfidf, "float32", 20, 1.0, "csr")
    n, d, k = SEEDS
    for dtype in ("float32", "float64"):
        run = partial(_seeds, partial(data.blobs, n, d), dtype, k)
        yield Case("k-means++", f"{n}x{d} k={k}", dtype, "k-means++", 5, run)


def _lloyd(name: str, make: Callable[[], Any], dtype: str, k: int, bar: float, group: str = "lloyd") -> Case:
    criterion = f"{ITERATIONS} Lloyd iterations, {group}, {dtype}, {name}"
    return Case(group, name, dtype, criterion, bar, partial(_fit, make, dtype, k))


def _fit(make: Callable[[], Any], dtype: str, k: int, settings: Settings, limits: Limits) -> Row:
    X = make().astype(dtype)
    rows = np.sort(np.random.default_rng(settings.seed).choice(X.shape[0], k, replace=False))
    start = X[rows].toarray() if sparse.issparse(X) else X[rows]
    problem = Problem(X, start, settings.threads)
    peers = {name: lap for name, make_lap in PEERS.items() if (lap := make_lap(problem)) is not None}
    for lap in peers.values():
        lap.run()
        lap.repeat = settings.peer_repeats(lap.seconds[0])
    ours = Lap(partial(_our_fit, problem), settings.repeat)
    ours.run()
    ours.seconds.clear()
    interleave(ours, *peers.values())

    best = min(peers, key=lambda name: peers[name].median)
    reads, entries = ITERATIONS + 1, X.nnz if sparse.issparse(X) else X.size
    size = sum(a.nbytes for a in (X.data, X.indices, X.indptr)) if sparse.issparse(X) else X.nbytes
    return {
        "peer": best,
        "% FMA": 100 * 2 * reads * entries * k / ours.median / limits.peak[dtype],
        "% read": 100 * reads * size / ours.median / limits.bandwidth,
        **{name: peers[name].median if name in peers else "-" for name in PEERS},
        **compare(ours, peers[best], inertia(X, ours.result), inertia(X, peers[best].result), dtype),
    }  # fmt: skip


def _our_fit(problem: Problem) -> Any:
    import gramfold as gf

    model = gf.KMeans(problem.k, init=problem.start, max_iter=ITERATIONS, tol=0, n_threads=problem.threads)
    return model.fit(problem.X).cluster_centers_


def _sklearn(algorithm: str, problem: Problem) -> Lap:
    def fit() -> Any:
        model = sklearn.cluster.KMeans(
            problem.k, init=problem.start, n_init=1, max_iter=ITERATIONS, tol=0, algorithm=algorithm
        )
        return model.fit(problem.X).cluster_centers_

    return Lap(fit)


def _sklearnex(problem: Problem) -> Lap | None:
    try:
        cluster = importlib.import_module("sklearnex.cluster")
    except ImportError:
        return None

    def fit() -> Any:
        model = cluster.KMeans(problem.k, init=problem.start, n_init=1, max_iter=ITERATIONS, tol=0)
        return model.fit(problem.X).cluster_centers_

    return Lap(fit)


def _faiss(problem: Problem) -> Lap | None:
    if sparse.issparse(problem.X) or problem.X.dtype != np.float32:
        return None
    try:
        faiss = importlib.import_module("faiss")
    except ImportError:
        return None

    def fit() -> Any:
        faiss.omp_set_num_threads(problem.threads)
        model = faiss.Kmeans(
            problem.X.shape[1], problem.k, niter=ITERATIONS, max_points_per_centroid=len(problem.X)
        )
        model.train(problem.X, init_centroids=problem.start)
        model.index.search(problem.X, 1)  # the labels, which the others give as well
        return model.centroids

    return Lap(fit)


PEERS: dict[str, Callable[[Problem], Lap | None]] = {
    "sklearn lloyd": partial(_sklearn, "lloyd"),
    "sklearn elkan": partial(_sklearn, "elkan"),
    "sklearnex": _sklearnex,
    "faiss": _faiss,
}


def _seeds(make: Callable[[], Any], dtype: str, k: int, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X = make().astype(dtype)
    peer = Lap(lambda: sklearn.cluster.kmeans_plusplus(X, k, random_state=settings.seed)[0])
    peer.run()
    peer.repeat = settings.peer_repeats(peer.seconds[0])
    ours = Lap(
        lambda: gf.kmeans_plusplus(X, k, random_state=settings.seed, n_threads=settings.threads)[0],
        settings.repeat,
    )
    interleave(peer, ours)
    reached, target = inertia(X, ours.result), inertia(X, peer.result)
    return {
        "peer": "sklearn",
        "% read": 100 * k * X.nbytes / ours.median / limits.bandwidth,
        **compare(ours, peer, reached, target, dtype),
    }
