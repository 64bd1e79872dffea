"""Where alternating solvers start."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..fit.arguments import Seed, seeded
from ..fit.monitor import History
from ..fold.engine import State, run_state
from ..fold.filled import columns_of, filled, rows_of
from ..fold.leading import foresee, leading
from ..fold.observed import Observed
from ..fold.row_state import fill_zeros, random_rows
from ..fold.source import Array, Source
from ..least_squares.rows import Penalty

INITS = ("random", "nndsvd", "nndsvda", "nndsvdar", "custom")
NEGLIGIBLE = 1e-6
ORDINARY = 0.26  # X of this mean, and up to 4 times that, start as in scikit-learn
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Start:
    """What an alternating solver begins with: X with its penalties, and factors, kept as rows.

    Parameters
    ----------
    x : Source or Observed of shape (n, m)
    W, H : ndarray of shape (n, k) and (m, k)
        Not modified.
    penalty_W, penalty_H : Penalty
    frozen : int
        How many components of H, the first, stay as they are; passes then run over the rows of X.
    """

    x: Any
    W: Array
    H: Array
    penalty_W: Penalty
    penalty_H: Penalty
    frozen: int = 0

    @property
    def without_W(self) -> "Start":
        """The same when W has been taken, which holds it no more."""
        return replace(self, W=self.W[:0].copy())

    @property
    def tall(self) -> bool:
        """Whether passes run over the rows of X, and not over its columns."""
        return self.x.rows >= self.x.cols or self.frozen > 0

    @property
    def longer(self) -> Any:
        """X with what passes run over as rows."""
        return self.x if self.tall else self.x.transposed

    def turned(self, one: Part, other: Part) -> tuple[Part, Part]:
        """What belongs to W and H as that of the longer and the shorter side, and the other way round."""
        return (one, other) if self.tall else (other, one)


@dataclass(frozen=True, slots=True)
class Factors:
    """Where a run ended: W (n, k) and H (m, k), how, and its history."""

    W: Array
    H: Array
    n_iter: int
    converged: bool
    history: History

    @property
    def objective(self) -> float:
        """The last one."""
        return float(self.history["objective"][-1])


def rounding(x: Any) -> float:
    """A relative KKT residual that sums over X do not fall below."""
    return 8 * float(np.finfo(x.dtype).eps)


def with_frozen(frozen: Array, H: Array) -> Array:
    """H (k, m) with the components of `frozen` in place of its first."""
    if len(frozen) > len(H):
        raise ValueError(f"frozen has {len(frozen)} components, more than n_components={len(H)}")
    return np.concatenate([frozen, H[len(frozen) :]])


def initialize(
    x: Source | Observed, n_components: int, init: str | None, random_state: Seed, nonneg: tuple[bool, bool]
) -> tuple[Array, Array]:
    """Starting factors W (n, k) and H (k, m) for X ~ WH.

    'random' draws from |N(0, 1)| sqrt(mean(X) / k), H before W; where just one factor may be signed, that
    one starts as random rows (columns) of X, slightly perturbed, so that the other cannot be 0. The
    other kinds rest on the truncated SVD (Boutsidis & Gallopoulos 2008): of each pair of singular vectors
    the non-negative or the negated negative parts, whichever are larger; zeros stay ('nndsvd'), become
    the mean of X ('nndsvda'; in units of 4^j in which that is about 1/2) or small random numbers
    ('nndsvdar'). None is 'nndsvda' where it is defined, else 'random'.
    A factor that may be signed keeps the sign of its draws.
    """
    smaller, signed_x = min(x.rows, x.cols), x.least < 0
    if init is None:
        init = "nndsvda" if n_components <= smaller and not signed_x else "random"
    elif init not in INITS:
        raise ValueError(f"init must be None or one of {', '.join(INITS)}, got {init!r}")
    if init == "random":
        return _random(x, n_components, random_state, nonneg)
    if n_components > smaller:
        raise ValueError(
            f"init = {init!r} can only be used when n_components <= min(n_samples, n_features) = {smaller}, "
            f"got n_components={n_components}"
        )
    if signed_x:
        raise ValueError(f"init={init!r} needs a non-negative X; use init='random' or 'custom'")
    return _nndsvd(x, n_components, init, random_state)


def foresee_start(x: Source, n_components: Any, init: str | None, random_state: Seed) -> None:
    """Read X in a file for its scan and for what `initialize` is to read first, in one; see `foresee`."""
    k = x.cols if n_components in ("auto", None) else int(n_components)
    if init not in ("random", "custom") and k <= min(x.rows, x.cols):
        foresee(x, k, random_state)


def _random(
    x: Source | Observed, k: int, random_state: Seed, nonneg: tuple[bool, bool]
) -> tuple[Array, Array]:
    rng = seeded(random_state)
    size = x.mean if x.least >= 0 else np.sqrt(x.squared_norm / (x.rows * x.cols))
    scale = np.sqrt(size / k)
    H = _sized(rng.standard_normal((k, x.cols)), scale=scale, dtype=x.dtype, nonneg=False)
    W = random_rows(x, rng, k, partial(_sized, scale=scale, dtype=x.dtype, nonneg=nonneg[0]))
    if nonneg[0] and not nonneg[1]:
        H = _of_size(rows_of(x, rng.randint(x.rows, size=k)), H, scale)
    elif nonneg[1] and not nonneg[0]:
        W = _of_size(columns_of(x, rng.randint(x.cols, size=k)), np.asarray(W).T, scale).T
    return W, np.abs(H) if nonneg[1] else H


def _sized(drawn: Array, *, scale: float, dtype: Any, nonneg: bool) -> Array:
    """Normal numbers in the size of a factor."""
    factor: Array = (scale * drawn.astype(dtype, copy=False)).astype(dtype, copy=False)
    return np.abs(factor) if nonneg else factor


def _of_size(rows: Array, noise: Array, scale: float) -> Array:
    """Rows brought to the size `scale` on average, and a tenth of the noise."""
    size = np.sqrt(np.mean(np.square(rows, dtype=np.float64)))
    return (rows * (scale / size if size else 0) + 0.1 * noise).astype(noise.dtype)


def _nndsvd(x: Source | Observed, k: int, init: str, random_state: Seed) -> tuple[Array, Array]:
    W, s, V = leading(filled(x), k, seeded(random_state))
    H = np.ascontiguousarray(V.T)
    squares = run_state(_squares_of_parts, x, None, {"factor": W})
    signs, sizes = _larger_parts(np.sqrt(squares), np.sqrt(_squares_of_parts(None, None, {"factor": H})))
    times = signs * np.sqrt(s * sizes.prod(axis=0))
    times[0], sizes[:, 0] = np.sqrt(s[0]), 1
    sizes[:, times == 0] = 1
    half = half_exponent(x.mean)
    fill = np.ldexp(x.mean, -half)
    pass_ = partial(_of_parts, least=np.ldexp(NEGLIGIBLE, half), fill=fill if init == "nndsvda" else 0.0)
    of_W, of_H = (np.array([times, size], dtype=x.dtype) for size in sizes)
    run_state(pass_, x, of_W, {"factor": W}, writes=("factor",))
    pass_(None, of_H, {"factor": H})
    H = np.ascontiguousarray(H.T)
    if init == "nndsvdar":
        rng = seeded(random_state)
        for rows, factor in ((x, W), (None, H)):
            fill_zeros(rows, rng, factor, partial(_small, fill=fill))
    return W, H


def _small(drawn: Array, *, fill: float) -> Array:
    """Normal numbers in the place of zeros."""
    small: Array = abs(fill * drawn / 100)
    return small


def _squares_of_parts(rows: None, shared: None, state: State) -> NDArray[np.float64]:
    """A pass: the sums of the squares of positive and of negative entries of columns."""
    factor = state["factor"]
    parts = np.maximum(factor, 0), np.minimum(factor, 0)
    return np.array([np.square(part, dtype=np.float64).sum(axis=0) for part in parts])


def _larger_parts(left: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[Array, Array]:
    """1 where the positive parts have the larger product of norms, else -1; and those norms, (2, k)."""
    positive = left[0] * right[0] > left[1] * right[1]
    return np.where(positive, 1, -1), np.where(positive, [left[0], right[0]], [left[1], right[1]])


def _of_parts(rows: None, shared: Array, state: State, *, least: float, fill: float) -> None:
    """A pass: singular vectors times and by what is shared; of the first both parts are taken."""
    factor = state["factor"]
    factor *= shared[0]
    factor /= shared[1]
    np.abs(factor[:, 0], out=factor[:, 0])
    factor[factor < least] = fill


def half_exponent(mean: float) -> int:
    """The j of the unit 4^j in which a mean of X is about 1/2, where scikit-learn's numbers fit X.

    A factor then counts in 2^j, so that starts of X and of 4^i X are the same but for 2^i.
    """
    return (int(np.frexp(mean / ORDINARY)[1]) - 1) // 2 if mean > 0 else 0
