"""What robust PCA is given: X with what is observed of it, lam, and the start."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fit.arguments import real
from ..fit.floats import missing
from ..fit.inputs import read_rows, refuse_mask
from ..fit.warn import warn
from ..fold.observe import observe
from .decode import multipliers, outliers, row_scale
from .dense import DenseState
from .low_rank import LowRank
from .noise import Level, Noise, NoNoise, SquareRoot
from .numbers import Numbers
from .scale import parts, pieces
from .solve import BALANCE, GROWTH, HOLD, Driver, Solution
from .sparse import SparseState

Array = NDArray[Any]

FIRST_MU = 1.25


@dataclass(slots=True)
class Problem:
    """X as (n_samples, n_features), with `weights` the lam of each entry or None.

    x is an ndarray with NaN where nothing is observed, or a CSR matrix of the observed entries with
    weights in its order. x is X / 2^unit, so that squares stay in range.
    """

    x: Any
    weights: Array | None
    lam: float
    by_row: bool
    noise: float | str | None
    n_threads: int
    unit: int = 0

    @property
    def values(self) -> Array:
        """The observed entries, and NaN."""
        values: Array = self.x.data if sp.issparse(self.x) else self.x
        return values

    @property
    def turned(self) -> bool:
        """Whether the columns of X are the rows of the pass: where X is wide."""
        return not sp.issparse(self.x) and not self.by_row and self.x.shape[0] < self.x.shape[1]

    @property
    def observed(self) -> int:
        """Number of observed entries."""
        return int(self.values.size - missing(self.values))

    def _share(self, most: int) -> float:
        """How much smaller the best mu is where few entries are observed and the rank is bounded.

        L then gets away from zero where nothing is observed by about 1 / mu an iteration. Unbounded,
        so small a mu did not pay in any problem tried.
        """
        if not sp.issparse(self.x) or most >= min(self.x.shape):
            return 1.0
        return self.observed / (self.x.shape[0] * self.x.shape[1])

    def state(self) -> DenseState | SparseState:
        """The state, at zero."""
        if sp.issparse(self.x):
            return SparseState(self.x, self.weights, self.by_row, self.n_threads)
        weights = self.weights
        if self.turned:
            return DenseState(self.x.T, None if weights is None else weights.T, self.by_row, self.n_threads)
        return DenseState(self.x, weights, self.by_row, self.n_threads)

    def driver(self, state: DenseState | SparseState, most: int) -> Driver | None:
        """Start from L = 0, and S and Y for that; None if X is zero."""
        state.open(Numbers(self.lam, 1.0, 1.0, 1.0))
        norm = state.norm()
        if norm == 0:
            return None
        mu, scale = FIRST_MU / norm, max(norm, self._largest())
        x: Any = state.x.data if sp.issparse(self.x) else state.x
        for some in parts(x):
            state.z[some] = np.where(np.isnan(x[some]), 0, x[some] / scale)
        state.advance(Numbers(self.lam, 1.0, mu, mu))
        hold = max(1.0, HOLD * self._share(most)) * mu
        return self._driver(state, Numbers(self.lam, mu, mu, GROWTH * mu), most, hold)

    def warm_driver(
        self, state: DenseState | SparseState, most: int, low: LowRank, sparse: Any, dual: Any, mu: float
    ) -> Driver:
        """Start from an earlier solution of X with another lam."""
        if isinstance(state, SparseState):
            state.z[:] = dual.data + mu * np.asarray(sparse[state.row, state.x.indices]).ravel()
            state.left, state.right = low.U * low.s, low.V
        else:
            if self.turned:
                low, sparse, dual = low.T, sparse.T, dual.T
            sparse = sp.csr_array(sparse) if sp.issparse(sparse) else sparse
            for some in pieces(state.rows, state.cols):
                outlying = sparse[some].toarray() if sp.issparse(sparse) else sparse[some]
                state.z[some] = np.where(np.isnan(state.x[some]), low.rows(some), dual[some] + mu * outlying)
        state.open(Numbers(self.lam, mu, mu, mu))
        return self._driver(state, Numbers(self.lam, mu, mu, mu), most, 0.0)

    def _driver(self, state: Any, numbers: Numbers, most: int, hold: float) -> Driver:
        squares = (np.nansum(np.square(self.values[p], dtype=np.float64)) for p in parts(self.values))
        size = float(np.sqrt(sum(squares)))
        balance = BALANCE * self._share(most)
        return Driver(state, numbers, size, self._noise_term(size), most, hold, self.unit, balance)

    def _noise_term(self, size: float) -> Noise:
        if self.noise is None:
            return NoNoise()
        n, m = self.x.shape
        if isinstance(self.noise, str):
            weight = float(np.sqrt(self.observed / max(n, m) / 2))  # sqrt(p min(n, m) / 2)
            return SquareRoot(weight, 10 * weight / size, size)
        level = float(np.ldexp(self.noise, -self.unit)) * float(np.sqrt(self.observed))
        return Level(level, 1 / level)

    def _largest(self) -> float:
        """The largest |X_ij| / lam_ij, or |X_i| / lam of a row."""
        if not self.by_row:
            ratios = (np.abs(self.values[p]) / self._bound(p) for p in parts(self.values))
            return float(np.fmax.reduce([np.fmax.reduce(some, axis=None) for some in ratios]))
        squares = np.square(np.nan_to_num(self.values, nan=0.0), dtype=np.float64)
        if sp.issparse(self.x):
            rows = np.repeat(np.arange(self.x.shape[0]), np.diff(self.x.indptr))
            return float(np.sqrt(np.bincount(rows, squares).max()) / self.lam)
        return float(np.sqrt(squares.sum(axis=1).max()) / self.lam)

    def _bound(self, some: slice) -> Any:
        return self.lam if self.weights is None else self.weights[some]


def decode(problem: Problem, state: DenseState | SparseState, solution: Solution) -> tuple[LowRank, Any, Any]:
    """L, S and the feasible multipliers of what a fit ended with; the latter take the place of z."""
    numbers, scale = solution.numbers, 1 / solution.infeasible
    low = LowRank.of(state.left, state.right)
    if isinstance(state, SparseState):
        y = state.multipliers(numbers)
        s = outliers(state.z, y, numbers)
        support = s != 0
        if problem.by_row:
            support = np.bincount(state.row, support, state.rows)[state.row] > 0
        s += _taken_up(state.x.data - s - state.low(low.U * low.s, low.V), support, solution)
        parts = s, (y * scale).astype(state.z.dtype)
        pattern = state.x.indices, state.x.indptr
        made = [sp.csr_array((part, *pattern), shape=state.x.shape, copy=True) for part in parts]
        made[0].eliminate_zeros()
        return low, *made
    few = not solution.spreads and solution.count < state.z.size / 3
    collected: list[Any] = []
    for some in pieces(state.rows, state.cols):
        seen, z = ~np.isnan(state.x[some]), state.z[some]
        by_row = None
        if problem.by_row:
            by_row = row_scale(
                np.sum(np.square(z, where=seen, out=np.zeros_like(z)), axis=1, keepdims=True), numbers
            )
        bound = numbers.lam if state.weights is None else state.weights[some]
        y = np.where(seen, multipliers(z, numbers, bound, by_row), 0)
        s = np.where(seen, outliers(z, y, numbers), 0).astype(z.dtype)
        support = s.any(axis=1, keepdims=True) if problem.by_row else s != 0
        s += np.where(seen, _taken_up(state.x[some] - s - low.rows(some), support, solution), 0)
        collected.append(sp.csr_array(s) if few else s)
        z[:] = y * scale
    sparse: Any = sp.vstack(collected, format="csr") if few else np.vstack(collected)
    if problem.turned:
        return low.T, sparse.T.tocsr() if few else sparse.T, state.z.T
    return low, sparse, state.z


def _taken_up(rest: Array, support: Any, solution: Solution) -> Array:
    """What S takes up of the rest X - L - S."""
    share = rest.dtype.type(solution.excess)
    return rest * share if solution.spreads else np.where(support, rest * share, 0)


def validated(model: Any, X: Any, *, reset: bool, sparse: bool = True) -> Any:
    """X as scikit-learn checks it for `model`, masked entries as NaN."""
    return read_rows(X, model, sparse=sparse, gaps=True, reset=reset)


def observed_entries(X: Any, mask: Any, *, rows_only: bool = False) -> Any:
    """X checked: an ndarray with NaN where nothing is observed, or CSR; warns of what L cannot know."""
    if sp.issparse(X):
        if mask is not None:
            raise ValueError(
                "mask goes with a dense X; the stored entries of a sparse one are what is observed"
            )
        x = sp.csr_array(X)
        if not np.isfinite(x.data).all():
            raise ValueError("X contains NaN or infinity; the stored entries of a sparse X are observed")
        if not x.nnz and not rows_only:
            raise ValueError("X has no observed entry: it stores none")
        return x
    given = observe(X, refuse_mask(mask, "mask"), some=not rows_only)
    if given.weights is not None:
        raise ValueError("mask must be boolean, or 0 and 1; weights of single entries belong in lam")
    if rows_only:
        return given.x
    counts = given.seen.sum(axis=1), given.seen.sum(axis=0)
    for name, count in zip(("row", "column"), counts, strict=True):
        if not count.all():
            warn(
                f"{np.count_nonzero(count == 0)} {name}(s) of X have no observed entry: L is 0 there",
                UserWarning,
            )
    return given.x


def penalty(x: Any, lam: Any, by_row: bool) -> tuple[Any, Array | None, float]:
    """X without the entries of lam 0, lam entry by entry if it is an array, and else as a number."""
    n, m = x.shape
    values = x.data if sp.issparse(x) else x
    if isinstance(lam, str):
        if lam != "auto":
            raise ValueError(f"lam must be 'auto', a number or an array, got {lam!r}")
        if by_row:
            return x, None, 3 / (7 * np.sqrt(0.02 * n))
        return x, None, 1 / np.sqrt(max(1, values.size - missing(values)) / min(n, m))
    if np.ndim(lam) == 0:
        if real(lam, "lam") == 0:
            raise ValueError("lam must be above 0, got 0")
        return x, None, float(lam)
    if by_row:
        raise ValueError("lam must be a number with penalty='l21'")
    return _entry_weights(x, values, lam)


def _entry_weights(x: Any, values: Array, lam: Any) -> tuple[Any, Array, float]:
    weights = np.asarray(refuse_mask(lam, "lam"), dtype=values.dtype)
    if weights.shape != x.shape:
        raise ValueError(f"lam must have the shape of X, {x.shape}, got {weights.shape}")
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise ValueError("lam must be finite and not negative")
    if sp.issparse(x):
        rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
        weights = weights[rows, x.indices]
        if not weights.all():
            raise ValueError("lam must be above 0 where a sparse X stores an entry")
    elif not weights.all():
        x = np.where(weights > 0, x, x.dtype.type(np.nan))
        weights = np.where(weights > 0, weights, 1)
        if np.isnan(x).all():
            raise ValueError("lam is 0 wherever X is observed")
    return x, np.ascontiguousarray(weights), 1.0
