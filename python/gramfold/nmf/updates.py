"""Multiplicative updates of a factor: the pass that updates the rows, and the step from sums."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .._core import kernels
from .._core.results import Multiplied
from ..fold.engine import State
from ..fold.source import Array, Source
from ..least_squares.rows import Penalty

# Results below are 0, as in scikit-learn, in units in which X and H are about 1.
FLOOR = float(np.finfo(np.float64).eps)


class Shared(NamedTuple):
    """The fixed factor (cols, k), and the mean of each component of the rows, (k,)."""

    factor: Array
    mean: NDArray[np.float64]


class Updates(NamedTuple):
    """What updated rows Z leave: sums num and den for the fixed factor's update, and those of the kernel.

    den is None where it follows from others: from `total` for beta = 1, from Z'Z for 2.
    """

    num: Array | None
    den: Array | None
    gram: NDArray[np.float64] | None
    rows: Multiplied

    def denominator(self, factor: Array) -> Array:
        """den, for the fixed factor."""
        if self.den is not None:
            return self.den
        if self.gram is not None:
            return np.asarray(factor @ self.gram.astype(factor.dtype))
        return np.broadcast_to(self.rows.total.astype(factor.dtype), factor.shape)


def multiply(
    rows: Source, shared: Shared, state: State, *, beta: float, penalty: Penalty, floor: float,
    max_sweeps: int, tol: float = 0.0, loss_at_start: bool = False, measure: bool = True,
) -> Updates:  # fmt: skip
    """A pass: update rows from `start` into `out`, in `units` if not None; see `kernels.multiplicative`.

    With `measure` sums for the other factor, the divergence and the KKT residual at the end are wanted too.
    """
    num = np.empty_like(shared.factor) if measure else None
    den = np.empty_like(shared.factor) if measure and beta not in (1, 2) else None
    done = kernels.multiplicative(
        x=rows.kernel,
        f=shared.factor,
        beta=beta,
        start=state["start"],
        out=state["out"],
        num=num,
        den=den,
        l1=penalty.l1,
        l2=penalty.l2,
        floor=floor,
        scale=shared.mean,
        max_sweeps=max_sweeps,
        tol=tol,
        loss_at_start=loss_at_start,
        measure_at_end=measure,
        n_threads=rows.n_threads,
        units=state["units"],
    )
    gram = kernels.gram(f=state["out"], n_threads=rows.n_threads) if measure and beta == 2 else None
    return Updates(num, den, gram, done)


def exponent(beta: float) -> float:
    """Give the power that makes a multiplicative update monotone (Fevotte & Idier 2011)."""
    return 1 / (2 - beta) if beta < 1 else 1 / (beta - 1) if beta > 2 else 1.0


def updated(z: Array, num: Array, den: Array, beta: float, floor: float) -> Array:
    """Give z (num / den)^gamma; what is below `floor`, or has no denominator, is 0."""
    ratio = np.divide(num, den, out=np.zeros_like(z), where=den > 0)
    ratio **= exponent(beta)
    new = z * ratio
    new[~(new >= floor)] = 0
    return new


def least_of(dtype: DTypeLike) -> float:
    """The floor where scikit-learn has none: squares of what is above it are normal numbers."""
    return float(np.sqrt(np.finfo(dtype).tiny))
