"""Principal component pursuit of given data: what is minimised, and where a fit of it begins."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fold.engine import run
from ..fold.source import Source
from . import dense_passes, sparse_passes
from .certificate import Certificate
from .dense import DenseState
from .low_rank import LowRank
from .noise import Level, Noise, NoNoise, SquareRoot
from .numbers import Numbers
from .observed import Seen
from .packing import Packing
from .pieces import Largest
from .solve import Driver
from .sparse import SparseState
from .steps import BALANCE, GROWTH, HOLD, Steps

Array = NDArray[Any]

FIRST_MU = 1.25


class Pursuit:
    """What is minimised.

    Parameters
    ----------
    x : Source
        Dense with NaN where nothing is observed, or CSR of the observed entries.
    seen : Seen
        Of x.
    weights : ndarray or None
        lam of each entry of X, or of each stored one.
    lam : float
        Where there are no weights.
    by_row : bool
        Whether outliers are rows.
    noise : float, 'sqrt' or None
        As for `RobustPCA`.
    most : int
        The largest rank allowed.

    Attributes
    ----------
    unit : int
        What is worked with as `x` is X / 2^unit, so that squares stay in range.
    zero : bool
        Whether X is.
    """

    def __init__(
        self, x: Source, seen: Seen, weights: Array | None, lam: float, by_row: bool,
        noise: float | str | None, most: int,
    ) -> None:  # fmt: skip
        self.unit, self.observed, self.zero = seen.unit(x.dtype), seen.observed, seen.largest.value == 0
        self._seen = seen
        self.x = x.times_power(-self.unit)
        self.weights, self.lam, self.by_row, self.noise, self.most = weights, lam, by_row, noise, most

    @property
    def turned(self) -> bool:
        """Whether the columns of X are the rows of the passes: where X is dense and wide."""
        return not self.x.sparse and not self.by_row and self.x.rows < self.x.cols

    @property
    def bounded(self) -> bool:
        """Whether the bound of the rank can bind."""
        return self.most < min(self.x.rows, self.x.cols)

    def state(self) -> DenseState | SparseState:
        """The iterate, at zero."""
        if self.x.sparse:
            return SparseState(self.x, self.weights, self.by_row)
        if not self.turned:
            return DenseState(self.x, self.weights, self.by_row)
        weights = None if self.weights is None else self.weights.T
        return DenseState(self.x.transposed, weights, self.by_row)

    def begin(self, state: DenseState | SparseState, tol: float) -> Driver | None:
        """Start from L = 0, and S and Y for that; None if X is zero."""
        state.prepare(Numbers(self.lam, 1.0, 1.0, 1.0))
        norm = state.norm()
        if norm == 0:
            return None
        measured = self._measured(state)
        mu = FIRST_MU / norm
        state.start(max(norm, measured.ratio.value))
        state.advance(Numbers(self.lam, 1.0, mu, mu))
        hold = max(1.0, HOLD * self._share()) * mu
        return self._driver(state, Numbers(self.lam, mu, mu, GROWTH * mu), hold, measured.squares, tol)

    def go_on(
        self, state: DenseState | SparseState, low: LowRank, sparse: Any, dual: Any, mu: float, tol: float
    ) -> Driver:
        """Start from an earlier solution of X with another lam."""
        numbers = Numbers(self.lam, mu, mu, mu)
        if self.turned:
            low, sparse, dual = low.T, sparse.T, dual.T
        sparse = sparse.tocsr() if hasattr(sparse, "tocsr") else sparse
        state.resume(Packing.of(numbers, self.by_row), low.U * low.s, low.V, sparse, dual)
        state.prepare(numbers)
        return self._driver(state, numbers, 0.0, self._measured(state).squares, tol)

    def _share(self) -> float:
        """What the best mu is multiplied by for the entries that a sparse X does not store.

        Where nothing is observed L begins at 0 and moves by about 1 / mu an iteration, so a small mu gets it
        there sooner. That pays where the rank is bounded; where it is not, it did in no problem tried.
        """
        return self.observed / (self.x.rows * self.x.cols) if self.x.sparse and self.bounded else 1.0

    def _measured(self, state: DenseState | SparseState) -> dense_passes.Measured:
        if self.unit == 0 and self.weights is None and not self.by_row:
            largest = np.array([self._seen.largest.value], self.x.dtype)
            return dense_passes.Measured(self._seen.squares, Largest(float(np.max(largest / self.lam))))
        pass_: Any = sparse_passes.measure if self.x.sparse else dense_passes.measure
        own: Any = {"entries": state.entries} if isinstance(state, SparseState) else {"weights": self.weights}
        measured: dense_passes.Measured = run(
            partial(pass_, by_row=self.by_row), self.x, self.lam, fixed=own
        )  # fmt: skip
        return measured

    def _driver(self, state: Any, numbers: Numbers, hold: float, squares: float, tol: float) -> Driver:
        size = float(np.sqrt(squares))
        noise = self._noise_term(size)
        steps = Steps(hold, BALANCE * self._share(), state.relaxes, float(np.finfo(self.x.dtype).eps))
        return Driver(
            state=state,
            numbers=numbers,
            size=size,
            noise=noise,
            steps=steps,
            certificate=Certificate(state, noise, tol),
            most=self.most,
            bounded=self.bounded,
            unit=self.unit,
        )

    def _noise_term(self, size: float) -> Noise:
        if self.noise is None:
            return NoNoise()
        if isinstance(self.noise, str):
            longer = max(self.x.rows, self.x.cols)
            weight = float(np.sqrt(self.observed / longer / 2))  # sqrt(p min(n, m) / 2)
            return SquareRoot(weight, 10 * weight / size, size)
        level = float(np.ldexp(float(self.noise), -self.unit)) * float(np.sqrt(self.observed))
        return Level(level, 1 / level)
