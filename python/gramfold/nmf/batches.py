"""One step of mini-batch NMF: solve a batch for its rows of W, let its sums join, solve H from them."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from .._core.results import OwnSwept
from ..fold.engine import State, run
from ..fold.observed import Observed
from ..fold.source import Array, Source
from ..least_squares import masked
from ..least_squares.rows import Fixed, Penalty, Sweeps, solve, solve_all, solve_rows
from ..linalg.powers import power_of_two, shifted
from .divergence import BetaDivergence
from .losses import Frobenius
from .masked import MaskedFrobenius
from .row_units import level_rows
from .start import half_exponent
from .units import Units
from .updates import FLOOR, Shared, Updates, exponent, least_of, multiply, updated

BatchLoss = Frobenius | MaskedFrobenius | BetaDivergence
SWEEPS = Sweeps(20, shrink=0.1)
FRESH = Sweeps(200, tol=1e-4, polish=8)  # rows from 0 that end far from their optimum would bias H for good


@dataclass
class FadingSums:
    """What H is solved from: sums over the batches so far, each fading with every later one.

    For least squares X'W and W'W; for other losses the numerator and the denominator of the
    multiplicative update, each batch's weighted with the H that it met (Lefevre, Bach & Fevotte 2011).
    """

    beta: float
    first: Array | float = 0.0
    second: Array | float = 0.0
    rows: float = 0.0

    def add(self, first: Array, second: Array, rows: int, fade: float) -> tuple[Array, Array]:
        """Fade what is there and add one batch; returns both sums."""
        first, second = fade * self.first + first, fade * self.second + second
        self.first, self.second, self.rows = first, second, fade * self.rows + rows
        return first, second


class Stepped(NamedTuple):
    """H (m, k) and the batch's rows of W after a step, the cost per row, and the KKT residual."""

    H: Array
    W: Array
    cost: float
    kkt: float


def step(
    loss: BatchLoss, start: Array | None, H: Array, sums: FadingSums, fade: float, fresh_sweeps: int
) -> Stepped:
    """Solve one batch for its rows of W, from `start` or anew, then H (m, k).

    Anew, multiplicative updates are made `fresh_sweeps` times.
    """
    if isinstance(loss, BetaDivergence):
        return _multiplied(loss, start, H, sums, fade, fresh_sweeps if start is None else 1)
    x = loss.x
    W, batch = _solved(x, H, loss.penalty_W, start)
    products, gram = sums.add(batch.products, batch.gram, x.rows, fade)
    scale, given = sums.rows / x.rows, loss.penalty_H
    penalty = Penalty(given.l1 * scale, given.l2 * scale, given.nonneg)
    cols = solve_rows(None, W, gram, penalty, SWEEPS, products=products, start=H, n_threads=x.n_threads)
    norm2 = x.squared_norm
    cost = (batch.objective + given(H)) / x.rows
    kkt = np.sqrt((batch.residual + cols.step / scale) / norm2) if norm2 else 0.0
    return Stepped(cols.factor, W, cost, float(kkt))


class BatchSums(NamedTuple):
    """X'W and W'W for H, the objective, and the squared KKT residual of W."""

    products: Array
    gram: NDArray[np.float64]
    objective: float
    residual: float


def _solved(
    x: Source | Observed, H: Array, penalty: Penalty, start: Array | None
) -> tuple[Array, BatchSums]:  # fmt: skip
    """A batch solved for its rows of W, with sums for H."""
    gram, sweeps = kernels.gram(f=H, n_threads=x.n_threads), FRESH if start is None else SWEEPS
    if isinstance(x, Source):
        rows = solve_all(x, H, gram, penalty, sweeps, start=start, sums=True)
        assert rows.sums is not None
        objective = 0.5 * x.squared_norm + rows.objective
        return rows.factor, BatchSums(rows.sums, rows.gram, objective, rows.residual)
    W = np.empty((x.rows, H.shape[1]), x.dtype)
    state = {"start": start, "out": W}
    pass_ = partial(solve_and_fill, penalty=penalty, sweeps=sweeps)
    own, products, squares = run(pass_, x, Fixed(H, gram), state)
    return W, BatchSums(products, squares, own.objective, own.residual)


def solve_and_fill(
    rows: Observed, shared: Fixed, state: State, *, penalty: Penalty, sweeps: Sweeps
) -> tuple[OwnSwept, Array, NDArray[np.float64]]:  # fmt: skip
    """A pass: solve rows into `out` for what is observed; gives X'W and W'W too, X filled in with W H."""
    own, W = masked.solve(rows, shared.factor, state, penalty=penalty, sweeps=sweeps), state["out"]
    filled = Source(np.where(rows.seen, rows.x, W @ shared.factor.T), rows.n_threads)
    judged = {"start": W, "previous": None, "out": np.empty_like(W)}
    products, swept = solve(filled, shared, judged, penalty=penalty, sweeps=Sweeps(0), sums=True)
    assert products is not None
    assert swept.gram is not None
    return own, products, swept.gram


def _multiplied(
    loss: BetaDivergence, start: Array | None, H: Array, sums: FadingSums, fade: float, sweeps: int
) -> Stepped:
    """Update a batch's rows of W, then H."""
    x, beta = loss.x, loss.beta
    units = Units.of(x, H, beta)
    W = shifted(level_rows(x, H) if start is None else start, -units.W)
    fixed = Shared(shifted(H, -units.H), W.mean(axis=0, dtype=np.float64))
    floor = FLOOR if beta < 1 else least_of(x.dtype)
    penalty = units.penalty(loss.penalty_W, units.H)
    pass_ = partial(multiply, beta=beta, penalty=penalty, floor=floor, max_sweeps=sweeps)
    batch: Updates = run(pass_, x, fixed, {"start": W, "out": W, "units": units.rows(x.rows)})
    assert batch.num is not None
    num, den, W = batch.num, batch.denominator(H), shifted(W, units.W)
    gamma, natural = exponent(beta), power_of_two(units.W + units.x * (beta - 1))
    if sums.rows == 0:  # the H at hand, with scikit-learn's weight in units in which that fits X
        weight = power_of_two(half_exponent(x.mean) * (2 * beta - 1))
        sums.first, sums.second = H.astype(np.float64) ** (1 / gamma) * weight, np.full(H.shape, weight)
    first, second = sums.add(H ** (1 / gamma) * (natural * num), natural * den, x.rows, fade)
    scale = sums.rows / x.rows
    second = second + scale * (loss.penalty_H.l1 + loss.penalty_H.l2 * H)
    floor = power_of_two(units.H) * (FLOOR if beta <= 1 else least_of(x.dtype))
    new = updated(np.ones(H.shape), first, second, beta, floor).astype(H.dtype)
    rows = batch.rows
    cost = (units.loss * rows.loss_end + loss.penalty_W(W) + loss.penalty_H(H)) / x.rows
    return Stepped(new, W, cost, float(np.sqrt(rows.residual / rows.size)) if rows.size > 0 else 0.0)
