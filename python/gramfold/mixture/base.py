"""What mixtures share: parameters, checks, the starts of EM, and everything that asks for the posterior."""

import time
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import DensityMixin
from sklearn.exceptions import ConvergenceWarning

from ..fit.arguments import Seed, check_reporting, check_room, choice, flag, real, seeded, whole
from ..fit.callbacks import told
from ..fit.checkpoint import Runs, kept_by
from ..fit.estimator import Estimator
from ..fit.inputs import read_array
from ..fit.monitor import Callback, History, Monitor
from ..fit.out import rows_to_file
from ..fit.warn import warn
from ..fold.in_step import in_files
from ..fold.side_by_side import runs_beside
from ..fold.source import Array, Source
from ..linalg.powers import scaled
from . import em
from .start import INITS

Double = NDArray[np.float64]


class Posterior(NamedTuple):
    """Of each row: log-likelihood, most probable component and, if asked for, all responsibilities."""

    score: Double
    labels: NDArray[np.int64]
    resp: Array | None


class BaseMixture(DensityMixin, Estimator):
    """Parameters, checks and posterior of a mixture."""

    n_components: int
    tol: float
    max_iter: int
    n_init: int
    init_params: str
    random_state: Seed
    accelerate: bool
    warm_start: bool
    verbose: int
    verbose_interval: int
    n_threads: int | None
    callback: Callback | None
    max_time: float | None
    lower_bound_: float
    weights_: Array
    converged_: bool

    @abstractmethod
    def _posterior(self, X: Any, *, resp: bool = False) -> Posterior:
        """Check X and give the posterior of its rows."""

    @abstractmethod
    def _n_parameters(self) -> int:
        """Count the free parameters."""

    @rows_to_file
    def predict(self, X: Any) -> NDArray[np.int64]:
        """Give the most probable component of each row, of shape (n_samples,)."""
        return self._posterior(X).labels

    @rows_to_file
    def predict_proba(self, X: Any) -> Array:
        """Give the probabilities of the components for each row, of shape (n_samples, n_components)."""
        resp = self._posterior(X, resp=True).resp
        assert resp is not None
        return resp

    @rows_to_file
    def score_samples(self, X: Any) -> Double:
        """Give the log-likelihood of each row, of shape (n_samples,)."""
        return self._posterior(X).score

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean log-likelihood of the rows."""
        return self._mean(np.asarray(self.score_samples(X)), sample_weight)

    def aic(self, X: Any, *, sample_weight: Any = None) -> float:
        """Akaike's information criterion of the model on X; lower is better."""
        return self._criterion(np.asarray(self.score_samples(X)), sample_weight, price=2.0)

    def bic(self, X: Any, *, sample_weight: Any = None) -> float:
        """Schwarz's (Bayesian) information criterion of the model on X; lower is better."""
        return self._criterion(np.asarray(self.score_samples(X)), sample_weight)

    @staticmethod
    def _mean(score: Double, sample_weight: Any) -> float:
        """Mean log-likelihood of the rows."""
        weights = relative(check_weights(sample_weight, len(score)))[0]
        if weights is None:
            return float(score.mean())
        counted = weights > 0  # 0 times -infinity would not be 0
        return float(weights[counted] @ score[counted] / weights.sum())

    def _criterion(self, score: Double, sample_weight: Any, price: float | None = None) -> float:
        """-2 log-likelihood and `price` per parameter, by default the logarithm of the number of rows."""
        weights = check_weights(sample_weight, len(score))
        n = len(score) if weights is None else float(weights.sum())
        per_parameter = float(np.log(n)) if price is None else price
        return -2 * self._mean(score, sample_weight) * n + self._n_parameters() * per_parameter

    def _check_parameters(self) -> None:
        for name in ("n_components", "n_init", "verbose_interval"):
            whole(getattr(self, name), name)
        whole(self.max_iter, "max_iter", 0)
        real(self.tol, "tol")
        choice(self.init_params, "init_params", INITS)
        flag(self.warm_start, "warm_start")
        flag(self.accelerate, "accelerate")
        check_reporting(self)

    def _check_rows(self, n: int, weights: Double | None) -> None:
        count = n if weights is None else np.count_nonzero(weights)
        if count < self.n_components:
            raise ValueError(
                f"Expected n_samples >= n_components but got n_components = {self.n_components}, "
                f"n_samples = {n}" + ("" if count == n else f", of which {count} have a weight above 0")
            )

    def _check_warm(self, now: dict[str, Any], fitted: dict[str, Any]) -> None:
        """Refuse to go on from a fit of another model."""
        for name, value in now.items():
            if fitted[name] != value:
                raise ValueError(
                    f"warm_start=True goes on from the last fit, whose {name} was {fitted[name]!r}, but now "
                    f"it is {value!r}: set warm_start=False, or fit a clone, to start afresh"
                )

    @property
    def _is_warm(self) -> bool:
        return self.warm_start and hasattr(self, "converged_")

    def _run(self, model: Any, resume: Callable[[], Any]) -> em.Trace:
        """Start, iterate, and keep the best of n_init runs: its bounds, not yet its parameters."""
        warm, kept = self._is_warm, kept_by(self)
        rng, count = seeded(self.random_state), 1 if warm else self.n_init
        watch = partial(
            Monitor, self.max_iter, max_time=self.max_time, begun=time.perf_counter(),
            every=self.verbose_interval,
        )  # fmt: skip

        def run(model: Any, theta: Any, monitor: Monitor) -> tuple[em.Trace, History]:
            trace = em.run(
                model, theta, monitor, tol=self.tol, max_iter=self.max_iter, accelerate=self.accelerate,
                bound=self.lower_bound_ if warm else -np.inf,
            )  # fmt: skip
            return trace, monitor.history

        def beside(start: Any, x: Source, monitor: Monitor) -> tuple[em.Trace, History]:
            mine = model.over(x)
            return run(mine, mine.begin(start), monitor)

        runs = Runs(kept, count, [rng])
        if count > 1 and kept is None and in_files(model.source):
            whole, silent = watch(verbose=self.verbose, callback=told(self)), partial(watch, 0)
            tasks = [partial(beside, start) for start in model.draw(rng, count)]
            found = runs_beside(model.source, whole, silent, tasks, best=max)
            runs.best = max(found, key=lambda one: one[0].bound)
        else:
            for _ in runs:
                with watch(verbose=self.verbose, callback=told(self), kept=kept) as monitor:
                    theta = None
                    if monitor.state is None:
                        theta = resume() if warm else model.begin(*model.draw(rng, 1))
                    one = run(model, theta, monitor)
                if runs.best is None or one[0].bound > runs.best[0].bound:
                    runs.best = one
                if monitor.stopped:
                    break
        best: em.Trace = runs.best[0]
        self.history_ = runs.best[1]
        self.converged_, self.n_iter_ = best.converged, len(best.bounds)
        self.lower_bound_, self.lower_bounds_ = best.bound, best.bounds
        if self.tol > 0 and self.max_iter > 0 and not best.converged and not best.stopped:
            warn(
                "Best performing initialization did not converge. Try different init parameters, or increase "
                f"max_iter, tol, or check for degenerate data: n_init={self.n_init}, "
                f"max_iter={self.max_iter}, tol={float(self.tol):g}",
                ConvergenceWarning,
            )
        return best


def check_weights(
    weights: Any, n: int, name: str = "sample_weight", *, positive: bool = False
) -> Double | None:
    """Return non-negative weights of n rows, not all 0, as float64; None if there are none."""
    if weights is None:
        return None
    w = read_array(weights, name, dtype=np.float64, ensure_2d=False, order="C")
    if w.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {w.shape}")
    if positive and not (w > 0).all():
        raise ValueError(f"{name} must be positive, got {w.min():g}")
    if (w < 0).any():
        raise ValueError(f"{name} must not be negative, got {w.min():g}")
    if not w.any():
        raise ValueError(f"{name} must not be all zero")
    return w


def check_samples(n_samples: Any, cols: int) -> int:
    """Return how many rows are to be drawn."""
    if isinstance(n_samples, Integral) and n_samples < 1:
        raise ValueError(f"Invalid value for 'n_samples': {n_samples}. The sampling requires at least one")
    n = whole(n_samples, "n_samples")
    check_room(n, "n_samples", n * cols)
    return n


def relative(weights: Double | None) -> tuple[Double | None, int]:
    """Divide weights by a power of 2 such that the largest is about 1; also give its exponent."""
    if weights is None:
        return None, 0
    exponent = int(np.frexp(weights.max())[1])
    return scaled(weights, -exponent), exponent


def narrowed(a: Double, dtype: Any, name: str, given: str = "X", *, positive: bool = False) -> Array:
    """Give an attribute in the type of X; if `positive`, also what is lost below its range is an error."""
    with np.errstate(over="ignore", under="ignore"):
        found = a.astype(dtype)
    if not np.isfinite(found).all() or (positive and (found < np.finfo(dtype).tiny).any()):
        raise ValueError(
            f"{name} leaves the range of {np.dtype(dtype)}: rescale {given}"
            + ("" if dtype == np.float64 else ", or pass X as float64")
        )
    return found


def check_mixing(weights: Any, k: int) -> Double | None:
    """Return weights_init as float64: k shares that sum to 1."""
    if weights is None:
        return None
    w = read_array(weights, "weights_init", dtype=np.float64, ensure_2d=False)
    if w.shape != (k,):
        raise ValueError(
            f"The parameter 'weights' should have the shape of ({k},), but got {w.shape} as weights_init"
        )
    if (w < 0).any() or (w > 1).any():
        raise ValueError(
            f"The parameter 'weights' should be in the range [0, 1], but got max value {w.max():.5f}, "
            f"min value {w.min():.5f} in weights_init"
        )
    if abs(w.sum() - 1) > 1e-6:
        raise ValueError(
            f"The parameter 'weights' should be normalized, but got sum(weights) = {w.sum():.5f} of "
            "weights_init"
        )
    return w / w.sum()
