"""Mixtures beside scikit-learn (Gaussian) and pomegranate (Poisson): as many EM steps from the same start.

Truncated ones beside our own exact ones.
"""

import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture as SklearnMixture

from bench.frame import Case, Lap, Row, Settings, compare, interleave, quietly
from bench.machine import Limits
from bench.objective import minus_log_likelihood

ITERATIONS = {"gaussian": 10, "poisson": 3}  # pomegranate takes seconds for one
DTYPES = ("float32", "float64")
ROWS, FEATURES, COMPONENTS = 100_000, 30, 30
COUNT_ROWS, COUNT_FEATURES, COUNT_COMPONENTS = 200_000, 50, 10
BARS = {"full": 8, "tied": 8, "diag": 4, "spherical": 4}
FEW_ROWS, CANDIDATES, STEPS, LOSS = 50_000, 32, 20, 1e-3  # of truncated fits
SPREADS = {"overlapping": 0.5, "separated": 2.0}  # standard deviation of the means, that of the rows being 1

# Flop for each row and component: the triangular product and the weighted squares of full covariances, a
# difference and its square otherwise (density, then moments), two products for counts.
FLOP = {
    "full": 2 * FEATURES * (FEATURES + 1),
    "tied": 7 * FEATURES,
    "diag": 10 * FEATURES,
    "spherical": 9 * FEATURES,
    "poisson": 4 * COUNT_FEATURES,
}

LEGEND = f"""\
Whole calls of fit, {ITERATIONS["gaussian"]} (Gaussian) or {ITERATIONS["poisson"]} (Poisson) steps of EM, \
tol=0, from the same weights, means and
precisions, or rates. Objectives: minus the mean log-likelihood of a row, in float64 by NumPy from the
parameters that came back. Truncated: {CANDIDATES} candidates beside our own exact steps, both on one thread;
seconds of the CPU for a step, the mean of all after the first of {STEPS}; equal quality: up to {LOSS:g} of
the likelihood. % FMA: {FLOP["full"]} (full), {FLOP["tied"]} (tied), {FLOP["diag"]} (diag), \
{FLOP["spherical"]} (spherical) or {FLOP["poisson"]} (Poisson) flop for
each row and component, of the measured peak: exponentials, checks and conversions show as a loss, rows that a
component has no share in as a gain. % read: X read once a step, of the measured bandwidth."""


def _digits(value: float) -> str:
    return f"{value:.9g}"


COLUMNS: dict[str, Callable[[Any], str] | None] = {
    "case": None,
    "dtype": None,
    "peer": None,
    "% FMA": None,
    "% read": None,
    "ours s": None,
    "peer s": None,
    "ratio": None,
    "our objective": _digits,
    "target objective": _digits,
}


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    for spread in SPREADS:
        for kind, bar in BARS.items():
            for dtype in DTYPES:
                run = partial(_gaussian, spread, kind, dtype)
                yield Case("gaussian", f"{kind}, {spread}", dtype, f"gaussian, {kind}", bar, run)
    for data in ("planted", "patches"):
        for d in (16, 32):
            for k in (256, 512):
                for kind in ("diag", "spherical"):
                    run = partial(_truncated, data, d, k, kind)
                    name = f"{data}, {kind}, d={d}, k={k}"
                    yield Case("truncated", name, "float32", "truncated", 5, run)
    for dtype in DTYPES:
        yield Case("poisson", "200000x50 k=10", dtype, "poisson", 50, partial(_poisson, dtype))


@cache
def _points(spread: str) -> Any:
    rng = np.random.default_rng(0)
    means = SPREADS[spread] * rng.normal(size=(COMPONENTS, FEATURES))
    return means[rng.integers(COMPONENTS, size=ROWS)] + rng.normal(size=(ROWS, FEATURES))


@cache
def _counts() -> Any:
    rng = np.random.default_rng(0)
    rates = rng.gamma(2.0, 1.0, (COUNT_COMPONENTS, COUNT_FEATURES))
    return rng.poisson(rates[rng.integers(COUNT_COMPONENTS, size=COUNT_ROWS)]).astype(np.float64)


def _gaussian(spread: str, kind: str, dtype: str, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X = _points(spread).astype(dtype)
    k, d = COMPONENTS, FEATURES
    precisions = {
        "full": np.stack([np.eye(d)] * k),
        "tied": np.eye(d),
        "diag": np.ones((k, d)),
        "spherical": np.ones(k),
    }[kind].astype(dtype)
    options = {
        "n_components": k,
        "covariance_type": kind,
        "tol": 0,
        "max_iter": ITERATIONS["gaussian"],
        "weights_init": np.full(k, 1 / k, dtype),
        "means_init": X[np.random.default_rng(settings.seed).choice(len(X), k, replace=False)],
        "precisions_init": precisions,
    }
    ours = gf.GaussianMixture(**options, n_threads=settings.threads)
    return _compare(X, ours, SklearnMixture(**options), kind, dtype, settings, limits, "scikit-learn")


@cache
def _many(data: str, d: int, k: int) -> Any:
    """Rows of as many clusters as are fitted, or patches of photographs, which have none."""
    import gramfold as gf

    if data == "patches":
        return gf.datasets.image_patches((4, d // 4), n_patches=FEW_ROWS, random_state=0)
    rng = np.random.default_rng(0)
    means, widths = rng.normal(size=(k, d)), rng.uniform(0.5, 1.5, (k, d))
    labels = rng.integers(k, size=FEW_ROWS)
    return (means[labels] + widths[labels] * rng.normal(size=(FEW_ROWS, d))).astype(np.float32)


def _truncated(data: str, d: int, k: int, kind: str, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X = _many(data, d, k)
    options = {"covariance_type": kind, "tol": 0, "n_threads": 1}
    start = quietly(gf.GaussianMixture(k, max_iter=1, random_state=settings.seed, **options).fit, X)
    options |= {
        "weights_init": start.weights_,
        "means_init": start.means_,
        "precisions_init": start.precisions_,
    }
    seconds: dict[int | None, list[float]] = {None: [], CANDIDATES: []}
    models = {}
    for _ in range(settings.repeat):
        for truncated, of in seconds.items():
            times: list[float] = []
            models[truncated] = gf.GaussianMixture(
                k, max_iter=STEPS, truncated=truncated, callback=partial(_timed, times), **options
            )
            quietly(models[truncated].fit, X)
            of.append((times[-1] - times[0]) / (STEPS - 1))
    reached = {truncated: minus_log_likelihood(X, model, kind) for truncated, model in models.items()}
    ours, exact = seconds[CANDIDATES], seconds[None]
    return {
        "peer": "exact",
        "ours s": median(ours),
        "peer s": median(exact),
        "ratio": median(exact) / median(ours),
        "our objective": reached[CANDIDATES],
        "target objective": reached[None],
        "equal_quality": reached[CANDIDATES] <= reached[None] + LOSS * abs(reached[None]),
        "ours_seconds": ours,
        "peer_seconds": exact,
        "% FMA": np.nan,
        "% read": 100 * X.nbytes / median(ours) / limits.bandwidth,
    }


def _timed(times: list[float], info: Any) -> None:
    times.append(time.process_time())


def _poisson(dtype: str, settings: Settings, limits: Limits) -> Row:
    import gramfold as gf

    X = _counts().astype(dtype)
    k = COUNT_COMPONENTS
    rates = X[np.random.default_rng(settings.seed).choice(len(X), k, replace=False)] + 0.5
    ours = gf.PoissonMixture(
        k,
        weights_init=np.full(k, 1 / k),
        rates_init=rates,
        tol=0,
        max_iter=ITERATIONS["poisson"],
        accelerate=False,
        n_threads=settings.threads,
    )
    installed = find_spec("pomegranate") is not None
    peer = _Pomegranate(rates, settings.threads) if installed else None
    name = "pomegranate" if installed else "pomegranate (not installed)"
    return _compare(X, ours, peer, "poisson", dtype, settings, limits, name)


class _Pomegranate:
    """A Poisson mixture of pomegranate with the few names that are used here; checks of its input are off."""

    def __init__(self, rates: Any, threads: int) -> None:
        self.rates, self.threads = rates, threads

    def fit(self, X: Any) -> "_Pomegranate":
        import torch
        from pomegranate.distributions import Poisson
        from pomegranate.gmm import GeneralMixtureModel

        torch.set_num_threads(self.threads)
        parts = [Poisson(torch.from_numpy(rates.copy()), check_data=False) for rates in self.rates]
        priors = torch.full((len(parts),), 1 / len(parts), dtype=parts[0].lambdas.dtype)
        model = GeneralMixtureModel(
            parts, priors=priors, max_iter=ITERATIONS["poisson"], tol=-np.inf, check_data=False
        )
        model.fit(torch.from_numpy(X))
        self.weights_ = model.priors.numpy()
        self.rates_ = np.stack([part.lambdas.numpy() for part in model.distributions])
        return self


def _compare(
    X: Any, ours: Any, peer: Any, kind: str, dtype: str, settings: Settings, limits: Limits, name: str
) -> Row:
    lap = Lap(partial(quietly, ours.fit, X), settings.repeat)
    row = {"peer": name}
    if peer is None:
        interleave(lap)
        objective = minus_log_likelihood(X, lap.result, kind)
        row |= {"ours s": lap.median, "our objective": objective, "ratio": np.nan, "equal_quality": True}
    else:
        theirs = Lap(partial(quietly, peer.fit, X))
        theirs.run()
        theirs.repeat = settings.peer_repeats(theirs.seconds[0])
        interleave(theirs, lap)
        reached, target = (minus_log_likelihood(X, one.result, kind) for one in (lap, theirs))
        row |= compare(lap, theirs, reached, target, dtype)
    flop = FLOP[kind] * len(X) * ours.n_components * ours.max_iter
    return row | {
        "% FMA": 100 * flop / lap.median / limits.peak[dtype],
        "% read": 100 * X.nbytes * ours.max_iter / lap.median / limits.bandwidth,
    }
