"""What `gramfold demo` fits: each model with gramfold and, where it has it, with scikit-learn."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import NMF as PeerNMF

from ..fit.progress import IterationInfo
from ..nmf.function import non_negative_factorization

Array = NDArray[Any]

SEED = 0
# scikit-learn reports nothing while it runs. Its solver keeps no state but W and H, so going on
# from them makes the same iterates as one long run, and the objective is seen between the pieces.
PIECES = (1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 56, 80)
REPEATS, LONG = 3, 0.1


@dataclass(frozen=True, slots=True)
class Setting:
    """One model: its name and the parameters of `NMF` that make it."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def nonneg(self) -> bool:
        """Whether both factors are non-negative, which is what scikit-learn can do."""
        return bool(self.options.get("W_nonneg", True) and self.options.get("H_nonneg", True))


PLAIN = Setting("NMF")
SIGNS = (
    PLAIN,
    Setting("semi-NMF, W free", {"W_nonneg": False}),
    Setting("semi-NMF, H free", {"H_nonneg": False}),
    Setting("ALS, both free", {"W_nonneg": False, "H_nonneg": False}),
)
PENALTIES = (
    Setting("NMF, L1 on W", {"alpha_W": 1e-2, "alpha_H": 0.0, "l1_ratio": 1.0}),
    Setting("NMF, L1 on H", {"alpha_W": 0.0, "alpha_H": 1e-3, "l1_ratio": 1.0}),
    Setting("NMF, L1 on both", {"alpha_W": 2e-4, "alpha_H": 2e-4, "l1_ratio": 1.0}),
    Setting("NMF, L2 on W", {"alpha_W": 2e-3, "alpha_H": 0.0, "l1_ratio": 0.0}),
    Setting("NMF, L2 on H", {"alpha_W": 0.0, "alpha_H": 2e-3, "l1_ratio": 0.0}),
    Setting("NMF, L2 on both", {"alpha_W": 2e-3, "alpha_H": 2e-3, "l1_ratio": 0.0}),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Data to factorise: rows are images of `shape` pixels."""

    name: str
    X: Array
    shape: tuple[int, int]

    def start(self, rank: int) -> tuple[Array, Array]:
        """W and H at random, of the scale of X."""
        rng = np.random.default_rng(SEED)
        scale = np.sqrt(self.X.mean() / rank)
        W = scale * np.abs(rng.standard_normal((len(self.X), rank)))
        H = scale * np.abs(rng.standard_normal((rank, self.X.shape[1])))
        return W.astype(self.X.dtype), H.astype(self.X.dtype)

    def objective(self, W: Array, H: Array, setting: Setting) -> float:
        """½|X − WH|² and the penalties in scikit-learn's scaling, in float64."""
        W, H = W.astype(np.float64), H.astype(np.float64)
        value = 0.5 * float(np.sum((self.X - W @ H) ** 2))
        l1 = setting.options.get("l1_ratio", 0.0)
        n_samples, n_features = self.X.shape
        for factor, alpha, scale in ((W, "alpha_W", n_features), (H, "alpha_H", n_samples)):
            weight = scale * setting.options.get(alpha, 0.0)
            value += weight * float(l1 * np.abs(factor).sum() + (1 - l1) / 2 * np.square(factor).sum())
        return value


@dataclass(frozen=True, slots=True)
class Fit:
    """Factors, their objective, and how they were reached.

    `curve` holds (objective, seconds) along the way.
    """

    W: Array
    H: Array
    seconds: float
    n_iter: int
    objective: float
    curve: Array


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row of the table; `peer` is scikit-learn where it has the model."""

    problem: Problem
    rank: int
    setting: Setting
    ours: Fit
    peer: Fit | None

    @property
    def speedup(self) -> float | None:
        """How many times as long scikit-learn took; None if ours did not get as far."""
        if self.peer is None or self.ours.objective > self.peer.objective * (1 + 1e-5):
            return None
        return self.peer.seconds / self.ours.seconds


def fit_peer(problem: Problem, rank: int, setting: Setting, iterations: int) -> Fit:
    """Run scikit-learn for so many iterations; the clock runs only inside it."""
    W, H = problem.start(rank)
    seconds, rows, done = 0.0, [], 0
    for end in (*(n for n in PIECES if n < iterations), iterations):
        model = PeerNMF(rank, init="custom", tol=0, max_iter=end - done, **setting.options)
        begun = time.perf_counter()
        W = model.fit_transform(problem.X, W=W, H=H)
        seconds += time.perf_counter() - begun
        H, done = model.components_, end
        rows.append((problem.objective(W, H, setting), seconds))
    return Fit(W, H, seconds, iterations, rows[-1][0], np.array(rows))


def fit_ours(
    problem: Problem,
    rank: int,
    setting: Setting,
    iterations: int,
    n_threads: int,
    *,
    target: float = -np.inf,
) -> Fit:
    """Run gramfold until the objective is down to `target`, or for so many iterations."""
    W, H = problem.start(rank)
    rows: list[tuple[float, float]] = []

    def note(info: IterationInfo) -> bool:
        rows.append((info.objective, info.seconds))
        return bool(info.objective <= target)

    begun = time.perf_counter()
    W, H, n_iter = non_negative_factorization(
        problem.X, W, H, rank, init="custom", tol=0, max_iter=iterations, n_threads=n_threads,
        callback=note, **setting.options,
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    return Fit(W, H, seconds, n_iter, problem.objective(W, H, setting), np.array(rows))


def fastest(fit: Callable[[], Fit]) -> Fit:
    """Repeat a short fit, which the machine's other work disturbs most, and keep the fastest."""
    fits = [fit()]
    while len(fits) < REPEATS and sum(one.seconds for one in fits) < LONG:
        fits.append(fit())
    return min(fits, key=lambda one: one.seconds)


def compare(problem: Problem, rank: int, setting: Setting, iterations: int, n_threads: int) -> Comparison:
    """Fit one model with both libraries from the same start, ours until it is as good."""
    if not setting.nonneg:
        ours = fastest(lambda: fit_ours(problem, rank, setting, iterations, n_threads))
        return Comparison(problem, rank, setting, ours, None)
    peer = fastest(lambda: fit_peer(problem, rank, setting, iterations))
    most, target = 10 * iterations, peer.objective
    ours = fastest(lambda: fit_ours(problem, rank, setting, most, n_threads, target=target))
    return Comparison(problem, rank, setting, ours, peer)
