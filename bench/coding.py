"""Coding and dictionary learning beside SPAMS, scikit-learn and scipy: seconds at equal objective."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.decomposition import sparse_encode

from bench.frame import Case, Lap, Row, Settings, compare, interleave, no_worse, quietly
from bench.machine import Limits
from bench.objective import lasso

ROWS = 100_000
SKLEARN_ROWS = 2000  # scikit-learn's and scipy's loops are timed on so many rows, and their time scaled up
DTYPES = ("float32", "float64")
ALPHA = 0.15
STEPS, BATCH = 200, 512

LEGEND = """\
us/row: ours. % FMA: the projection alone (2 m K flop a row) at our seconds, of the measured peak.
Objectives: in float64 from the returned codes, by NumPy. OLS beside spams.omp, which is order-recursive;
OMP beside the same, for time alone (it chooses other atoms). scikit-learn and scipy: the seconds of
their loop over 2000 rows, scaled up; objectives over these rows. nnls: k = 32 atoms of positive entries,
dense codes from both."""


def _digits(value: float) -> str:
    return f"{value:.9g}"


COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None, "dtype": None, "nnz/row": None, "us/row": None, "% FMA": None, "ours s": None,
    "peer s": None, "ratio": None, "our objective": _digits, "target objective": _digits, "note": None,
}  # fmt: skip


def _spams() -> Any:
    try:
        import spams
    except ImportError:
        return None
    return spams


@cache
def _patches(k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """100,000 centred 8x8 patches of photographs, of norm 1 unless flat, and k of them as atoms."""
    from gramfold.datasets import image_patches

    X = image_patches((8, 8), n_patches=ROWS, dtype=np.float64, random_state=0)
    X = X - X.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    X /= np.maximum(norms, 1e-3 * norms.max())
    rng = np.random.default_rng(0)
    D = X[rng.choice(ROWS, k, replace=False)] + 0.01 * rng.standard_normal((k, 64))
    return X, D / np.linalg.norm(D, axis=1, keepdims=True)


@cache
def _random(m: int, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and atoms of norm 1, normal: the configurations of SPAMS' own tests."""
    rng = np.random.default_rng(0)
    X, D = rng.standard_normal((ROWS, m)), rng.standard_normal((k, m))
    return X / np.linalg.norm(X, axis=1, keepdims=True), D / np.linalg.norm(D, axis=1, keepdims=True)


def _positive() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    X, D = _random(64, 32)
    return np.abs(X), np.abs(D)


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    shapes = [("patches K=128", partial(_patches, 128)), ("patches K=256", partial(_patches, 256))]
    lasso_shapes = [*shapes, ("F1 100x200", partial(_random, 100, 200))]
    for name, make in lasso_shapes:
        for dtype in DTYPES:
            yield Case("lasso", f"{name} spams", dtype, "lasso, spams", 2, partial(_lasso, make, dtype, True))
    for name, make in shapes:
        for dtype in DTYPES:
            yield Case("lasso", f"{name} scikit-learn", dtype, "lasso, scikit-learn's lasso_cd", 50,
                       partial(_lasso, make, dtype, False))  # fmt: skip
    omp_shapes = [(*shape, size) for shape in shapes for size in (5, 10)]
    omp_shapes += [
        ("F2 64x200", partial(_random, 64, 200), 10),
        ("F7 256x1024", partial(_random, 256, 1024), 32),
    ]
    for algorithm in ("ols", "omp"):
        for name, make, size in omp_shapes:
            for dtype in DTYPES:
                run = partial(_pursuit, make, dtype, algorithm, size)
                yield Case(algorithm, f"{name} L={size}", dtype, f"{algorithm}, spams", 2, run)
    for dtype in DTYPES:
        yield Case("nnls", "64x32", dtype, "nnls, a loop over scipy", 100, partial(_nnls, dtype))
    for dtype in DTYPES:
        yield Case("learning", "patches K=256", dtype, "learning, spams.trainDL", 2, partial(_learn, dtype))


def _data(make: Callable[[], Any], dtype: str, rows: int = ROWS) -> tuple[Any, Any]:
    X, D = make()
    return X[:rows].astype(dtype), D.astype(dtype)


def _judge(
    X: Any, D: Any, ours: Lap, peer: Lap | None, codes: Callable[[Any], Any], alpha: float, dtype: str,
    limits: Limits, judged: bool = True, peer_rows: int = ROWS,
) -> Row:  # fmt: skip
    """Time both, and compare what they reached."""
    if peer is None:
        ours.run()
        return {"note": "spams not installed", "ratio": 0.0, "ours s": ours.median, "equal_quality": False}
    interleave(peer, ours)
    peer.seconds = [s * len(X) / peer_rows for s in peer.seconds]
    some = slice(0, peer_rows)
    reached = lasso(X[some], D, ours.result[some].astype(np.float64), alpha)
    target = lasso(X[some], D, codes(peer.result), alpha)
    flop = 2 * D.size * len(X)
    row = {
        "nnz/row": sp.csr_matrix(ours.result).nnz / len(X), "us/row": 1e6 * ours.median / len(X),
        "% FMA": 100 * flop / ours.median / limits.peak[dtype],
    } | compare(ours, peer, reached, target, dtype)  # fmt: skip
    return row if judged else row | {"equal_quality": True}


def _lasso(make: Callable[[], Any], dtype: str, with_spams: bool, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X, D = _data(make, dtype)
    encode = partial(
        gf.sparse_encode, algorithm="lasso_cd", alpha=ALPHA, output="csr", n_threads=settings.threads
    )
    ours = Lap(lambda: encode(X, D), settings.repeat)
    if not with_spams:
        some = X[:SKLEARN_ROWS]
        peer = Lap(partial(quietly, sparse_encode, some, D, algorithm="lasso_cd", alpha=ALPHA), 1)
        return _judge(X, D, ours, peer, np.asarray, ALPHA, dtype, limits, peer_rows=SKLEARN_ROWS)
    spams = _spams()
    XF, DF = np.asfortranarray(X.T), np.asfortranarray(D.T)
    peer = spams and Lap(
        lambda: spams.lasso(XF, DF, lambda1=ALPHA, mode=2, numThreads=settings.threads), settings.repeat
    )
    return _judge(X, D, ours, peer, lambda A: sp.csr_matrix(A.T).astype(np.float64), ALPHA, dtype, limits)


def _pursuit(
    make: Callable[[], Any], dtype: str, algorithm: str, size: int, settings: Settings, limits: Limits
) -> Row:
    import gramfold as gf

    X, D = _data(make, dtype, 5000 if size > 10 else ROWS)
    encode = partial(
        gf.sparse_encode, algorithm=algorithm, n_nonzero_coefs=size, output="csr", n_threads=settings.threads
    )
    ours = Lap(lambda: encode(X, D), settings.repeat)
    spams = _spams()
    XF, DF = np.asfortranarray(X.T), np.asfortranarray(D.T)
    peer = spams and Lap(
        lambda: spams.omp(XF, DF, L=size, eps=0.0, numThreads=settings.threads), settings.repeat
    )

    def codes(A: Any) -> Any:
        return sp.csr_matrix(A.T).astype(np.float64)

    return _judge(X, D, ours, peer, codes, 0.0, dtype, limits, algorithm == "ols", peer_rows=len(X))


def _nnls(dtype: str, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X, D = _data(_positive, dtype)
    encode = partial(gf.sparse_encode, alpha=0.0, positive=True, n_threads=settings.threads)
    ours = Lap(lambda: encode(X, D), settings.repeat)
    A = D.T.astype(np.float64)
    peer = Lap(lambda: np.array([nnls(A, x)[0] for x in X[:SKLEARN_ROWS].astype(np.float64)]), 1)
    return _judge(X, D, ours, peer, np.asarray, 0.0, dtype, limits, peer_rows=SKLEARN_ROWS)


def _learn(dtype: str, settings: Settings, limits: Limits) -> Row:
    """200 steps of 512 patches from the same atoms; the objective is that of 20,000 patches held out."""
    import gramfold as gf

    X, D = _data(partial(_patches, 256), dtype)
    train, held = X[:80_000], X[80_000:]
    spams = _spams()
    if spams is None:
        return {"note": "spams not installed", "ratio": 0.0, "equal_quality": False}
    XF, DF = np.asfortranarray(train.T), np.asfortranarray(D.T)
    learn = partial(
        spams.trainDL, XF, D=DF, lambda1=ALPHA, mode=2, iter=STEPS, batchsize=BATCH,
        numThreads=settings.threads, verbose=False,
    )  # fmt: skip
    peer = Lap(learn, settings.repeat)
    model = gf.MiniBatchDictionaryLearning(
        256, alpha=ALPHA, batch_size=BATCH, max_iter=10, tol=0, max_no_improvement=None, dict_init=D,
        random_state=settings.seed, n_threads=settings.threads, callback=lambda info: info.iteration == STEPS,
    )  # fmt: skip
    ours = Lap(lambda: model.fit(train).components_, settings.repeat)
    interleave(peer, ours)

    def cost(atoms: Any) -> float:
        Z = gf.sparse_encode(held.astype(np.float64), atoms.astype(np.float64), alpha=ALPHA, output="csr")
        return lasso(held, atoms, Z, ALPHA)

    reached, target = cost(ours.result), cost(np.ascontiguousarray(peer.result.T))
    row = compare(ours, peer, reached, target, dtype)
    return row | {"equal_quality": no_worse(reached, 1.001 * target, dtype)}
