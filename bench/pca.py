"""PCA and truncated SVD beside scikit-learn's solvers and Intel's extension."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import decomposition

from bench import data
from bench.frame import Case, Lap, Row, Settings, compare, interleave
from bench.machine import Limits

LEGEND = """\
Objective: the squared error of X by the components found, relative to the one of a rank-0 fit: 1 - sum of the
explained variance ratios; for the sparse case 1 - sum of the squared singular values / |X|^2. peer: the
fastest of those that ran to the end, each timed once to choose. Ours and the peer fit only. % FMA: n m^2
flop (Gram: half of it is computed) or 4 n m (k + 10) 5 (Krylov) at our time, of the measured peak. % read: X
read once (Gram) or 6 times (Krylov), of the measured bandwidth."""


def _digits(value: float) -> str:
    return f"{value:.9g}"


COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None, "dtype": None, "peer": None, "% FMA": None, "% read": None, "ours s": None, "peer s": None,
    "ratio": None, "our objective": _digits, "target objective": _digits,
}  # fmt: skip


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    for n, m, k, dtype in ((200_000, 200, 20, "float32"), (5_000, 5_000, 20, "float32"), (5_000, 5_000, 20,
    "float64"),
                           (1_000_000, 50, 10, "float32"), (1_000_000, 50, 10, "float64")):  # fmt: skip
        make = partial(data.decaying, n, m, dtype)
        yield Case("dense", f"{n}x{m} k={k}", dtype, "PCA, dense", 1.5, partial(_dense, make, k))
    for m, k in ((200, 5), (1000, 5), (300, 20), (1000, 20)):
        yield Case("choice", f"choice, 20000x{m} k={k}", "float32", "PCA, solver", 1, partial(_choice, m, k))
    yield Case("sparse", "500000x15000 k=20", "float64", "TruncatedSVD, sparse", 1.5, partial(_sparse, 20))


def _peers(k: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    for solver in ("covariance_eigh", "randomized", "full"):
        yield f"scikit-learn {solver}", partial(decomposition.PCA, k, svd_solver=solver, random_state=0)
    try:
        peer = import_module("sklearnex.decomposition").PCA
        yield "sklearnex covariance_eigh", partial(peer, k, svd_solver="covariance_eigh")
    except ImportError:
        print("  scikit-learn-intelex is not installed", flush=True)


def _peer_fit(maker: Callable[[], Any], X: Any) -> Any:
    return maker().fit(X)


def _dense(make: Callable[[], Any], k: int, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X = make()
    laps = {}
    for name, maker in _peers(k):
        if name.endswith("full") and X.size * min(X.shape) > 1e10:
            continue
        laps[name] = Lap(partial(_peer_fit, maker, X))
        try:
            laps[name].run()
        except MemoryError:
            del laps[name]
    best = min(laps, key=lambda name: laps[name].median)
    peer = laps[best]
    peer.repeat = settings.peer_repeats(peer.seconds[0])
    model = gf.PCA(k, random_state=0, n_threads=settings.threads)
    ours = Lap(lambda: model.fit(X), settings.repeat)
    interleave(peer, ours)
    n, m = X.shape
    krylov = min(n, m) > 1200
    flop, reads = (4.0 * n * m * (k + 10) * 5, 6) if krylov else (float(n) * m * m, 1)
    left = [
        1 - float(np.sum(fit.explained_variance_ratio_, dtype=np.float64)) for fit in (model, peer.result)
    ]
    return {
        "peer": best, "% FMA": 100 * flop / ours.median / limits.peak[X.dtype.name],
        "% read": 100 * reads * X.nbytes / ours.median / limits.bandwidth,
        **compare(ours, peer, *left, X.dtype.name),
    }  # fmt: skip


def _choice(m: int, k: int, settings: Settings, limits: Limits) -> Row:
    """svd_solver='auto' beside the solver that it did not take."""
    import gramfold as gf

    X = data.decaying(20_000, m, "float32")
    few = m > max(500, 20 * (k + 10))
    names = ("randomized", "covariance_eigh")[:: 1 if few else -1]
    ours, peer = (
        Lap(
            partial(
                _peer_fit, partial(gf.PCA, k, svd_solver=s, random_state=0, n_threads=settings.threads), X
            ),
            settings.repeat,
        )
        for s in ("auto", names[1])
    )
    interleave(peer, ours)
    total = float(np.var(X, axis=0, dtype=np.float64).sum()) * 20_000 / 19_999
    left = [
        1 - float(np.sum(lap.result.explained_variance_, dtype=np.float64)) / total for lap in (ours, peer)
    ]
    return {"peer": f"gramfold {names[1]}", **compare(ours, peer, *left, "float32")}


def _sparse(k: int, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X = sparse.csr_matrix(data.zipf(), dtype=np.float64)
    model = gf.TruncatedSVD(k, random_state=0, n_threads=settings.threads)
    ours = Lap(lambda: model.fit(X), settings.repeat)
    peers = {"randomized": {"n_iter": 5}, "arpack": {}}
    laps = {}
    for name, options in peers.items():
        laps[name] = Lap(
            partial(
                lambda a, o: decomposition.TruncatedSVD(k, algorithm=a, random_state=0, **o).fit(X),
                name,
                options,
            )
        )
        laps[name].run()
    best = min(laps, key=lambda name: laps[name].median)
    peer = laps[best]
    peer.repeat = settings.peer_repeats(peer.seconds[0])
    interleave(peer, ours)
    norm = float(np.sum(X.data**2))
    left = [1 - float(np.sum(fit.singular_values_**2)) / norm for fit in (model, peer.result)]
    return {"peer": f"scikit-learn {best}", **compare(ours, peer, *left, "float64")}
