"""Ridge regression beside scikit-learn's fastest solver for each problem."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import Ridge as SklearnRidge

from bench.frame import Case, Lap, Row, Settings, compare, interleave, quietly
from bench.machine import Limits
from bench.objective import ridge

DTYPES = ("float32", "float64")
DENSE_SOLVERS = ("cholesky", "lsqr", "sparse_cg")
SPARSE_SOLVERS = ("sparse_cg", "lsqr")

LEGEND = f"""\
ours s: whole calls of fit with the default solver. peer s: the fastest of scikit-learn's {DENSE_SOLVERS}
  (CSR: {SPARSE_SOLVERS}) at their defaults, each tried once ('svd', 'sag', 'saga' take many times as long);
  path: one fit of 'cholesky' for each alpha.
Objectives: 1/2 |Xb + c - y|^2 + alpha/2 |b|^2 in float64 from the returned coefficients, by NumPy.
% FMA: n p (p + 1) / 2 FMA for the Gram matrix of a dense X at our seconds, of the measured peak.
% read: X read once at our seconds, of the measured bandwidth.
scikit-learn-intelex: {"timed as solver 'intelex'" if find_spec("sklearnex") else "not installed"}."""

COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None,
    "dtype": None,
    "solver": None,
    "peer solver": None,
    "% FMA": None,
    "% read": None,
    "ours s": None,
    "peer s": None,
    "ratio": None,
    "our objective": "{:.9g}".format,
    "target objective": "{:.9g}".format,
}


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    for dtype in DTYPES:
        for intercept in (True, False):
            name = f"1000000x100{'' if intercept else ', no intercept'}"
            run = partial(_fit, partial(_dense, 1_000_000, 100), dtype, intercept, DENSE_SOLVERS)
            yield Case("dense", name, dtype, f"dense, {dtype}", 1.5, run)
        run = partial(_fit, partial(_dense, 500, 10_000), dtype, True, ("cholesky", "lsqr", "sparse_cg"))
        yield Case("wide", "500x10000", dtype, "wide", 1.0, run)
        run = partial(_fit, partial(_csr, 500_000, 500), dtype, True, SPARSE_SOLVERS)
        yield Case("sparse", "500000x500, 2%", dtype, "sparse", 1.0, run)
        yield Case("path", "100000x100, 50 alphas", dtype, "path", 1.5, partial(_path, dtype))


def _dense(n: int, p: int, dtype: str, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p), dtype=np.dtype(dtype).type) + 1
    return X, _target(X, rng)


def _csr(n: int, p: int, dtype: str, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = sparse.random_array((n, p), density=0.02, format="csr", dtype=dtype, rng=rng)
    return X, _target(X, rng)


def _target(X: Any, rng: np.random.Generator) -> Any:
    y = X @ rng.standard_normal(X.shape[1]).astype(X.dtype)
    return (y + rng.standard_normal(len(y)).astype(X.dtype) * y.std()).astype(X.dtype)


def _peer_fit(X: Any, y: Any, intercept: bool, solver: str) -> Any:
    if solver == "intelex":
        model = import_module("sklearnex.linear_model").Ridge(fit_intercept=intercept)
    else:
        model = SklearnRidge(fit_intercept=intercept, solver=solver)
    return quietly(model.fit, X, y)


def _fit(
    make: Callable[[str, int], tuple[Any, Any]],
    dtype: str,
    intercept: bool,
    solvers: tuple[str, ...],
    settings: Settings,
    limits: Limits,
) -> Row:
    import gramfold as gf

    X, y = make(dtype, settings.seed)
    if find_spec("sklearnex") and not sparse.issparse(X):
        solvers = (*solvers, "intelex")
    laps = {solver: Lap(partial(_peer_fit, X, y, intercept, solver)) for solver in solvers}
    interleave(*laps.values())
    name = min(laps, key=lambda solver: laps[solver].seconds[0])
    peer = laps[name]
    peer.repeat = settings.peer_repeats(peer.seconds[0])
    ours = Lap(
        lambda: gf.Ridge(fit_intercept=intercept, n_threads=settings.threads).fit(X, y), settings.repeat
    )
    interleave(peer, ours)
    reached, target = (ridge(X, y, m.coef_, m.intercept_) for m in (ours.result, peer.result))
    row: Row = {"solver": ours.result.solver_, "peer solver": name}
    if not sparse.issparse(X):
        row["% FMA"] = 100 * X.size * (min(X.shape) + 1) / ours.median / limits.peak[dtype]
        row["% read"] = 100 * X.nbytes / ours.median / limits.bandwidth
    row |= compare(ours, peer, reached, target, dtype)
    return row | {"all_peers": {solver: lap.seconds for solver, lap in laps.items()}}


def _path(dtype: str, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X, y = _dense(100_000, 100, dtype, settings.seed)
    alphas = np.geomspace(1e-2, 1e5, 50).tolist()
    peer = Lap(lambda: [SklearnRidge(alpha, solver="cholesky").fit(X, y) for alpha in alphas])
    peer.run()
    peer.repeat = settings.peer_repeats(peer.seconds[0])
    ours = Lap(lambda: gf.ridge_path(X, y, alphas, n_threads=settings.threads), settings.repeat)
    interleave(peer, ours)
    reached = sum(ridge(X, y, b, c, a) for b, c, a in zip(*ours.result, alphas, strict=True))
    target = sum(ridge(X, y, m.coef_, m.intercept_, a) for m, a in zip(peer.result, alphas, strict=True))
    return {"peer solver": "cholesky"} | compare(ours, peer, reached, target, dtype)
