"""Robust PCA beside pyrpca, and completion of a corrupted sparse matrix beside cmfrec."""

import resource
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bench.frame import Case, Lap, Row, Settings, compare, interleave
from bench.machine import Limits
from bench.objective import pursuit

Array = NDArray[Any]

SQUARE = ((500, 15), (1000, 15), (2000, 30))
TALL = (20_000, 200, 10)
VIDEO = (25_344, 200)

LEGEND = """\
Both minimise |L|_* + lam |S|_1 with lam = 1 / sqrt(max(n, m)). Objective: |L|_* + lam |X - L|_1 of the
returned L, in float64 by NumPy and LAPACK. Ours runs to a certified relative duality gap of 1e-6 (column
gap), pyrpca to its defaults (a relative residual of 1e-7). err L: |L - L0| / |L0| of the planted L0.
% FMA: 4 n m (rank + 8) flop an iteration at our s/it, of the measured peak. % read: X and z read, z written,
twice an iteration, at our s/it, of the measured read bandwidth; above 100 where both stay in cache.
Completion: 20,000 x 2,000 of rank 10, 5% observed, 2% of these corrupted. Objective: the error of held-out
entries relative to their size. Both are told the rank; cmfrec runs its defaults. MiB: growth of the peak
memory of the process in our fit."""


def _digits(value: float) -> str:
    return f"{value:.9g}"


COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None, "dtype": None, "our its": None, "rank": None, "gap": None, "ours err L": None,
    "peer err L": None, "MiB": None, "ours s/it": None, "% FMA": None, "% read": None, "ours s": None,
    "peer s": None, "ratio": None, "our objective": _digits, "target objective": _digits,
}  # fmt: skip


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    for n, bar in SQUARE:
        name, make = f"{n}x{n} rank 5%, 5% corrupted", partial(planted, n, n, n // 20)
        yield Case("pcp", name, "float64", f"time at {n}x{n}", bar, partial(_fit, make))
    n, m, rank = TALL
    yield Case(
        "pcp",
        f"{n}x{m} rank {rank}, 5% corrupted",
        "float64",
        "time, tall",
        10,
        partial(_fit, partial(planted, n, m, rank)),
    )
    yield Case("pcp", f"{VIDEO[0]}x{VIDEO[1]} video", "float64", "time, video", 10, partial(_fit, _video))
    yield Case("completion", "20000x2000, 5% observed", "float64", "completion", 1, _complete)


def planted(n: int, m: int, rank: int) -> tuple[Array, Array]:
    """X and L0 as in Candes et al. 2011, table 1."""
    rng = np.random.default_rng(0)
    low = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, m)) / max(n, m)
    X = low.copy()
    some = rng.choice(n * m, n * m // 20, replace=False)
    X.flat[some] += rng.choice([-1.0, 1.0], len(some))
    return X, low


def _video() -> tuple[Array, None]:
    from gramfold.datasets import make_video

    frames = make_video(VIDEO[1], (144, 176), dead=0.0, random_state=0)[0]
    return np.ascontiguousarray(frames.reshape(VIDEO[1], -1).T), None


def _fit(make: Callable[[], tuple[Array, Array | None]], settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X, low = make()
    lam = 1 / np.sqrt(max(X.shape))
    model = gf.RobustPCA(n_threads=settings.threads)
    ours = Lap(lambda: model.fit(X), settings.repeat)
    try:
        solver = import_module("pyrpca").rpca_pcp_ialm
    except ImportError:
        print("  pyrpca is not installed", flush=True)
        solver = None
    peer = Lap(lambda: solver(X, lam, verbose=False) if solver else (np.full_like(X, np.nan), None))
    peer.run()
    peer.repeat = settings.peer_repeats(peer.seconds[0])
    interleave(peer, ours)
    flop = 4 * X.size * (model.rank_ + 8)
    per_iteration = ours.median / model.n_iter_

    def error(L: Array) -> float | None:
        return None if low is None else float(np.linalg.norm(L - low) / np.linalg.norm(low))

    theirs = peer.result[0] if solver else np.zeros_like(X)
    return {
        "our its": model.n_iter_, "rank": model.rank_, "gap": model.dual_gap_, "ours err L":
        error(model.complete()), "peer err L": error(theirs), "ours s/it": per_iteration,
        "% FMA": 100 * flop / per_iteration / limits.peak["float64"],
        "% read": 100 * 6 * X.nbytes / per_iteration / limits.bandwidth,
        **compare(ours, peer, *(pursuit(X, L, lam) for L in (model.complete(), theirs)), "float64"),
    }  # fmt: skip


def _complete(settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    rng = np.random.default_rng(0)
    n, m, rank, seen = 20_000, 2_000, 10, 2_000_000
    U, V = rng.standard_normal((n, rank)), rng.standard_normal((m, rank))
    places = rng.choice(n * m, seen + seen // 10, replace=False)
    rows, columns = np.divmod(places, m)
    values = np.einsum("ij,ij->i", U[rows], V[columns])
    kept, held = slice(0, seen), slice(seen, None)
    given = values[kept] + np.where(rng.random(seen) < 0.02, rng.choice([-20.0, 20.0], seen), 0)
    X = sparse.coo_array((given, (rows[kept], columns[kept])), shape=(n, m)).tocsr()
    model = gf.RobustPCA(max_rank=rank, tol=1e-3, n_threads=settings.threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours = Lap(lambda: model.fit(X))
    ours.run()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    def error(found: Array) -> float:
        return float(np.linalg.norm(found - values[held]) / np.linalg.norm(values[held]))

    row: Row = {"our its": model.n_iter_, "rank": model.rank_, "gap": model.dual_gap_, "MiB": grown / 1024}
    reached = error(model.low_rank_.entries(rows[held], columns[held]))
    try:
        maker = import_module("cmfrec").CMF
    except ImportError:
        print("  cmfrec is not installed", flush=True)
        return row | {
            "ours s": ours.median,
            "our objective": reached,
            "equal_quality": False,
            "ratio": 0.0,
        }
    peer = Lap(lambda: maker(k=rank, nthreads=settings.threads, verbose=False).fit(X.tocoo()))
    peer.run()
    found = peer.result.predict(rows[held], columns[held])
    return row | compare(ours, peer, reached, error(found), "float64")
