"""EM for mixtures of independent Poisson counts: parameters, data and one step."""

from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .._core.results import PoissonSums
from ..fit.blocks import Blocks
from ..fit.floats import changed_in_file, stored
from ..fit.on_disk import in_file
from ..fold.engine import run
from ..fold.segments import source_of
from ..fold.source import Array, Source
from ..linalg.powers import scaled
from . import passes
from .base import Double, relative
from .em import SHRINK
from .start import CLUSTERED, Start, starts, with_start

LARGEST = 1e198  # of a log-likelihood, so that no row seems to be impossible
LOG_OF_ZERO = -1e200  # as in cpp/mixture/poisson.hpp: finite, so that 0 of it is 0
PRIOR = 1e-3  # of what a component has on average: as much each gets of all rows at the start


@dataclass(frozen=True, slots=True)
class PoissonParameters:
    """Shares (k,) and rates (k, d) of the components."""

    weights: Double
    rates: Double

    def vector(self) -> Double:
        """Give weights and rates; steps of EM are nearly linear in them."""
        return np.concatenate([self.weights, self.rates.ravel()])

    def moved(self, vector: Double) -> "PoissonParameters":
        """Give the parameters at `vector`, no nearer to 0 than a tenth of these."""
        k = len(self.weights)
        weights = np.maximum(vector[:k], SHRINK * self.weights)
        rates = np.maximum(vector[k:].reshape(self.rates.shape), SHRINK * self.rates)
        return PoissonParameters(weights / weights.sum(), rates)


class Counts:
    """Counts, exposures and weights of a data set, with what its likelihood needs only once.

    Parameters
    ----------
    X : ndarray or CSR/CSC matrix of shape (n, d), float32 or float64
    exposure, weights : ndarray of shape (n,), optional
        Weights are kept divided by 2 ** `exponent`, see `relative`.
    n_threads : int
    estimator : object, optional
        What messages about NaN in X name.

    Raises
    ------
    ValueError
        If an entry of X is negative, not whole or not finite.
    """

    def __init__(
        self, X: Any, exposure: Double | None, weights: Double | None, n_threads: int, estimator: Any = None
    ) -> None:
        self.source = source_of(X, n_threads)
        self.exposure = exposure
        self.weights, self.exponent = relative(weights)
        totals, factorials = (self.source.kept(dtype=np.float64) for _ in range(2))
        least, whole = run(passes.count, self.source, None, {"totals": totals, "factorials": factorials})
        totals, factorials = np.asarray(totals), np.asarray(factorials)
        if not np.isfinite(totals).all():
            self.source.check_finite(estimator)
        if least < 0:
            raise ValueError(
                f"Negative values in data passed to PoissonMixture: X holds {least:g}, not a count"
            )
        if not whole:
            raise ValueError("X must hold counts, but some of its entries are not whole numbers")
        with np.errstate(over="ignore"):
            total = totals.sum()
            unlikely = total + factorials.sum()
        if not unlikely < LARGEST:
            raise ValueError(
                f"X is too large: the sum of its counts is {total:.3g}, and rows of so many are as "
                "unlikely as impossible ones; rescale X"
            )
        self.constants = -factorials if exposure is None else totals * np.log(exposure) - factorials

    @property
    def _state(self) -> dict[str, Any]:
        return {"exposure": self.exposure, "weights": self.weights}

    @property
    def weight(self) -> float:
        """Sum of the weights of all rows."""
        return float(self.source.rows if self.weights is None else self.weights.sum())

    @property
    def constant(self) -> float:
        """The part of the log-likelihood that no parameter changes."""
        return float(self.constants.sum() if self.weights is None else self.weights @ self.constants)

    def run(
        self, theta: PoissonParameters, *, sums: bool = False, resp: Array | None = None,
        score: Double | None = None, labels: NDArray[np.int64] | None = None,
    ) -> tuple[PoissonSums, Double | None]:  # fmt: skip
        """One pass; see `passes.poisson`."""
        with np.errstate(divide="ignore"):
            bias, logs = np.log(theta.weights), np.log(theta.rates.T)
        f = np.ascontiguousarray(np.maximum(logs, LOG_OF_ZERO))
        found: tuple[PoissonSums, Double | None] = run(
            partial(passes.poisson, sums=sums), self.source,
            {"f": f, "bias": bias, "slope": theta.rates.sum(axis=1)},
            {"resp": resp, "score": score, "labels": labels}, fixed=self._state,
        )  # fmt: skip
        return found

    def sums(self, k: int, start: Start | None) -> tuple[Double, Double, Double]:
        """Sums R'X (k, d), R'1 (k,) and R's (k,) for the responsibilities of a start, or 1 for all rows."""
        nothing = {"f": np.zeros((self.source.cols, k)), "bias": np.zeros(k), "slope": np.zeros(k)}
        pass_ = partial(passes.poisson, sums=True)
        total = with_start(pass_, self.source, nothing, start, k, self._state)
        return total[1].T, total[0].counts, total[0].exposure


class PoissonModel:
    """What EM needs: the data, the Gamma prior of the rates and how to start.

    Parameters
    ----------
    counts : Counts
    k : int
    prior : (shape, rate)
    init : str
        See `mixture_start.Start`.
    weights, rates : ndarray of shape (k,), (k, d), optional
        Those to start from.
    """

    def __init__(
        self, counts: Counts, k: int, prior: tuple[float, float], init: str,
        weights: Double | None, rates: Double | None,
    ) -> None:  # fmt: skip
        self.counts, self.k, self.init = counts, k, init
        # As the weights are: as many rows fewer as the prior is worth.
        self.extra, self.rate = (float(np.ldexp(a, -counts.exponent)) for a in (prior[0] - 1, prior[1]))
        if not np.isfinite(self.extra + self.rate):
            raise ValueError("sample_weight is too small beside prior_shape and prior_rate; rescale it")
        self.weights, self.rates = weights, rates
        self.constant = counts.constant

    @property
    def source(self) -> Source:
        """X."""
        return self.counts.source

    def over(self, source: Source) -> Self:
        """Give this model with another source of the same X."""
        mine = copy(self)
        mine.counts = copy(self.counts)
        mine.counts.source = source
        return mine

    def step(self, theta: PoissonParameters) -> tuple[PoissonParameters, float]:
        """EM (Dempster, Laird & Rubin 1977): rates (shape - 1 + sum r x) / (rate + sum r s)."""
        (weights, exposed, likelihood), sums = self.counts.run(theta, sums=True)
        assert sums is not None
        if np.isneginf(likelihood):
            if theta.rates.all():
                raise ValueError("rates leave the range of float64: prior_shape is too large beside X")
            raise ValueError(
                "rates_init makes a row of X impossible, or exposure leaves the range of float64: every "
                "component has a rate of 0 where the row has a count"
            )
        bound = (likelihood + self.constant + self._log_prior(theta.rates)) / self.counts.weight
        if not np.isfinite(bound) and theta.rates.all():
            raise ValueError("prior_shape or prior_rate is too large beside X: the bound is not finite")
        rates = self._updated(sums.T, exposed, theta.rates)
        return PoissonParameters(weights / weights.sum(), rates), bound

    def _updated(self, sums: Double, exposed: Double, old: Double) -> Double:
        """The most probable rates; those of a component without rows stay as they are."""
        bottom = (self.rate + exposed)[:, None]
        return np.where(bottom > 0, (self.extra + sums) / np.where(bottom > 0, bottom, 1), old)

    def _log_prior(self, rates: Double) -> float:
        """Log density of the prior, not normalised."""
        if self.extra == 0:
            return -self.rate * float(rates.sum())
        with np.errstate(divide="ignore"):
            return float(np.sum(self.extra * np.log(rates) - self.rate * rates))

    def draw(self, rng: np.random.RandomState, count: int) -> list[Start] | list[None]:
        """What runs start from, unless all of it was given."""
        if self.weights is not None and self.rates is not None:
            return [None] * count
        counts = self.counts
        return starts(
            self._features(), self.k, self.init, rng, counts.weights, counts.source.n_threads, count
        )

    def begin(self, start: Start | None) -> PoissonParameters:
        """Rates and shares of responsibilities and of some of all rows for each: no rate starts at 0."""
        if start is None:
            assert self.weights is not None
            assert self.rates is not None
            return PoissonParameters(self.weights, self.rates)
        counts, k = self.counts, self.k
        total, weight, exposed = counts.sums(1, None)
        sums, shares, own = counts.sums(k, start)
        more = shares.sum() / k * (PRIOR if start.complete else 1) / weight
        rates = (sums + more * total) / (own + more * exposed)[:, None]
        shares = shares + more * weight
        shares /= shares.sum()
        return PoissonParameters(
            shares if self.weights is None else self.weights, rates if self.rates is None else self.rates
        )

    def _features(self) -> Blocks:
        """Square roots of X, the largest about 1, for k-means: of counts they have the same variance.

        A copy of X's entries, where the start looks at them; of a file they are made as it is read.
        """
        if self.init not in CLUSTERED:
            return Blocks(self.counts.source.changed(lambda part, at: part.x))
        exponent = int(np.frexp(self.counts.source.largest)[1])
        return Blocks(self.counts.source.changed(partial(_roots, exponent=exponent)))


def _roots(part: Source, at: Any, *, exponent: int) -> Any:
    """Square roots of the entries of X 2^-exponent."""
    x: Any = part.x
    if in_file(stored(x)):
        return changed_in_file(x, -exponent, None)
    roots = scaled(x.data if part.sparse else x, -exponent)
    np.sqrt(roots, out=roots)
    if not part.sparse:
        return roots
    found = copy(x)  # methods of SciPy would sort x in place
    found.data = roots
    return found
