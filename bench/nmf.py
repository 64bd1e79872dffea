"""NMF beside scikit-learn: time to the objective its `cd` (KL: `mu`) reaches in 100 iterations."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import NMF as SklearnNMF

from bench import data
from bench.frame import Case, Lap, Row, Settings, compare, interleave, no_worse
from bench.machine import Limits
from bench.objective import half_squared_error, kullback_leibler

PEER_ITERATIONS = 100
MOST_ITERATIONS = 500  # of ours on the way to the target
FIT_ROWS = 2000  # rows that the components of the transform cases are fitted on
DTYPES = ("float32", "float64")
TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)

DENSE = ((10_000, 1_000, 32), (5_000, 5_000, 64), (2_000, 500, 16), (200_000, 64, 8))
WIDE = (300, 20_000, 16)

LEGEND = f"""\
s/it: a whole call of fit_transform from the same start, tol=0, by its {PEER_ITERATIONS} iterations.
% FMA: the products alone (dense 4nmk, sparse 4 nnz k, KL 8 nnz k flop an iteration) at our s/it,
  of the measured peak. % read: X read once an iteration at our s/it, of the measured bandwidth;
  above 100 where X stays in cache.
ours s: a whole call stopped at the objective scikit-learn reaches in {PEER_ITERATIONS} iterations;
  transform: whole calls, scikit-learn at its defaults, ours at the first tol that is no worse.
peer s: scikit-learn's whole call. Objectives: in float64 from the returned factors, by NumPy."""


def _digits(value: float) -> str:
    return f"{value:.9g}"


COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None,
    "size": None,
    "dtype": None,
    "ours s/it": None,
    "peer s/it": None,
    "ratio/it": None,
    "% FMA": None,
    "% read": None,
    "our its": None,
    "tol": None,
    "ours s": None,
    "peer s": None,
    "ratio": None,
    "our objective": _digits,
    "target objective": _digits,
}


@dataclass(frozen=True)
class Loss:
    """A loss, scikit-learn's solver for it, and its flop per entry of X and component."""

    name: str
    peer_solver: str
    objective: Callable[[Any, Any, Any], float]
    flop: int


FROBENIUS = Loss("frobenius", "cd", half_squared_error, 4)
KULLBACK_LEIBLER = Loss("kullback-leibler", "mu", kullback_leibler, 8)


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    for n, m, k in (*DENSE, WIDE):
        yield from _fits("dense", f"{n}x{m} k={k}", partial(data.planted, n, m, k), k, (10, 6))
    yield from _fits("dense", "patches 100000x256 k=49", data.patches, 49, (10, 6))
    yield from _fits("sparse", "corpus tf-idf k=20", data.corpus_tfidf, 20, (8, 8))
    yield from _fits("sparse", "zipf k=20", data.zipf, 20, (8, 8))
    for name, make in (("corpus counts k=20", data.corpus_counts), ("zipf k=20", data.zipf)):
        yield from _fits("sparse KL", name, make, 20, (10, 10), KULLBACK_LEIBLER)
    dense = partial(data.planted, 10_000 + FIT_ROWS, 1_000, 32)
    yield from _transforms("10000x1000 k=32", dense, 32)
    yield from _transforms("corpus tf-idf k=20", data.corpus_tfidf, 20)


def _fits(
    group: str,
    name: str,
    make: Callable[[], Any],
    k: int,
    bars: tuple[float, float],
    loss: Loss = FROBENIUS,
) -> Iterator[Case]:
    for dtype, bar in zip(DTYPES, bars, strict=True):
        criterion = f"time to objective, {group}, {dtype}"
        yield Case(group, name, dtype, criterion, bar, partial(_fit, make, dtype, k, loss))


def _transforms(name: str, make: Callable[[], Any], k: int) -> Iterator[Case]:
    for dtype in DTYPES:
        yield Case("transform", name, dtype, "transform", 20, partial(_transform, make, dtype, k))


def _fit(make: Callable[[], Any], dtype: str, k: int, loss: Loss, settings: Settings, limits: Limits) -> Row:
    X = make().astype(dtype)
    start = _random_start(X, k, settings.seed)
    peer = Lap(partial(_peer_fit, X, start, loss))
    peer.run()
    target = loss.objective(X, *peer.result)
    peer.repeat = settings.peer_repeats(peer.seconds[0])
    ours = partial(_our_fit, X, start, loss, settings.threads)
    steady = Lap(ours, settings.repeat)
    stopped = Lap(partial(ours, target), settings.repeat)
    interleave(peer, steady, stopped)

    W, H, n_iter = stopped.result
    reached = loss.objective(X, W, H)
    per_iteration = steady.median / steady.result[2]
    entries = X.nnz if sparse.issparse(X) else X.size
    flop = loss.flop * entries * k
    return _sizes(X) | {
        "ours s/it": per_iteration,
        "peer s/it": peer.median / PEER_ITERATIONS,
        "ratio/it": peer.median / PEER_ITERATIONS / per_iteration,
        "% FMA": 100 * flop / per_iteration / limits.peak[dtype],
        "% read": 100 * _bytes(X) / per_iteration / limits.bandwidth,
        "our its": n_iter,
        **compare(stopped, peer, reached, target, dtype),
    }


def _random_start(X: Any, k: int, seed: int) -> tuple[Any, Any]:
    """W0, H0 drawn as scikit-learn's init='random' scales them."""
    rng = np.random.default_rng(seed)
    scale = np.sqrt(X.mean() / k)
    H = scale * np.abs(rng.standard_normal((k, X.shape[1])))
    W = scale * np.abs(rng.standard_normal((X.shape[0], k)))
    return W.astype(X.dtype), H.astype(X.dtype)


def _peer_fit(X: Any, start: tuple[Any, Any], loss: Loss) -> tuple[Any, Any]:
    W, H = (a.copy() for a in start)  # scikit-learn overwrites them
    model = SklearnNMF(
        n_components=len(H),
        init="custom",
        solver=loss.peer_solver,
        beta_loss=loss.name,
        tol=0,
        max_iter=PEER_ITERATIONS,
    )
    return model.fit_transform(X, W=W, H=H), model.components_


def _our_fit(
    X: Any, start: tuple[Any, Any], loss: Loss, n_threads: int, target: float | None = None
) -> tuple[Any, Any, int]:
    import gramfold as gf

    W, H = (a.copy() for a in start)
    model = gf.NMF(
        n_components=len(H),
        init="custom",
        solver="cd",
        beta_loss=loss.name,
        tol=0,
        max_iter=PEER_ITERATIONS if target is None else MOST_ITERATIONS,
        n_threads=n_threads,
        callback=None if target is None else lambda info: info.objective <= target,
    )
    W = model.fit_transform(X, W=W, H=H)
    return W, model.components_, model.n_iter_


def _transform(make: Callable[[], Any], dtype: str, k: int, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X = make().astype(dtype)
    train, X = X[:FIT_ROWS], X[FIT_ROWS:]
    theirs = SklearnNMF(n_components=k, init="nndsvda", tol=0, max_iter=50).fit(train)
    theirs.set_params(tol=1e-4, max_iter=200)
    ours = gf.NMF(n_components=k, init="nndsvda", tol=0, max_iter=1, n_threads=settings.threads)
    ours.fit(train)
    ours.components_ = H = theirs.components_

    peer = Lap(lambda: theirs.transform(X))
    peer.run()
    target = half_squared_error(X, peer.result, H)
    peer.repeat = settings.peer_repeats(peer.seconds[0])
    for tol in TOLERANCES:
        ours.set_params(tol=tol, max_iter=MOST_ITERATIONS)
        if no_worse(half_squared_error(X, ours.transform(X), H), target, dtype):
            break
    lap = Lap(lambda: ours.transform(X), settings.repeat)
    interleave(peer, lap)
    reached = half_squared_error(X, lap.result, H)
    return _sizes(X) | {"tol": tol} | compare(lap, peer, reached, target, dtype)


def _sizes(X: Any) -> Row:
    """The size of a data set that the case's name does not give."""
    if not sparse.issparse(X):
        return {}
    return {"size": f"{X.shape[0]}x{X.shape[1]}, {X.nnz} nnz"}


def _bytes(X: Any) -> int:
    if sparse.issparse(X):
        return int(X.data.nbytes + X.indices.nbytes + X.indptr.nbytes)
    return int(X.nbytes)
