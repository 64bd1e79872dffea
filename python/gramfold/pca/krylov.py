"""Few components of a large matrix from a block Krylov space, one read a step, until residuals are small.

Musco & Musco (2015). The space belongs to A'A, which has the squares of singular values, so that rounding
hides those far below the largest. Where they are wanted, the space is the start of a subspace iteration on A.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..fit.arguments import Seed, generator
from ..fit.floats import name_of
from ..fit.warn import warn
from ..linalg.krylov import KEPT, Space
from ..linalg.spectrum import orthonormal, refine
from .decompose import TRUSTED, Found, by_gram, cleared
from .rows import Rows

Array = NDArray[Any]

STEPS, OVERSAMPLES = 4, 10
NORMALIZERS = ("auto", "QR", "LU", "none")  # taken for compatibility: blocks are always orthonormal
ACCURACY = 1e-5  # of the residuals, where no tolerance was given
EXACT = 1e-14  # of the residuals, where they are to be rounding
ROOM = 1 << 26  # numbers in a basis before a restart, at least LEAST_ROOM blocks
LEAST_ROOM = 5 * KEPT
GROWTH = 1.3  # of the blocks between two looks at the pairs
MOST_BLOCKS = 150
MOST_ROUNDS = 30
SMALL_SIDE = 3000  # of which LAPACK's eigenvectors take seconds
ROUNDING = 32


@dataclass(frozen=True, slots=True)
class Krylov:
    """How the space is made: at least `steps` + 1 blocks of the components and `oversamples` columns more.

    With `tol` blocks are added until the residual of each component is at most this, or rounding.
    """

    steps: int
    oversamples: int
    seed: Seed
    tol: float | None = None


def leading(rows: Rows, k: int, rule: Krylov) -> Found:
    """At least the k leading pairs, by the Gram matrix unless blocks are small beside the matrix."""
    side = rows.sides[1]
    if side <= 4 * (rule.steps + 1) * (k + rule.oversamples):
        return by_gram(rows, k)
    rows.measure()
    values, vectors, residuals = _iterate(rows, k, rule)
    unconverged = residuals > _goal(values, rule.tol or np.inf, rows.x.dtype)
    lost = values[-1] < TRUSTED[name_of(rows.x.dtype)] * values[0]
    if (lost or unconverged.any()) and side <= SMALL_SIDE:
        return by_gram(rows, k)
    if lost:
        values, vectors, residuals = _polish(rows, vectors, k, rule.tol or ACCURACY)
        unconverged = residuals > _goal(values, rule.tol or np.inf, np.float64)
    if unconverged.any():
        warn(
            f"{int(unconverged.sum())} of {k} components did not converge: "
            f"a residual of {residuals.max():.1e} against tol={rule.tol or ACCURACY:g}; "
            "ask for fewer, or raise tol",
            ConvergenceWarning,
        )
    return Found(cleared(values, rows.size, rows.x.dtype), vectors[:, :k], residuals)


def _goal(values: Array, tol: float, dtype: Any) -> Array:
    """What residuals must come down to: `tol`, or as near as rounding lets the squares of values be known."""
    ratios = values[0] / np.where(values > 0, values, 1)
    return np.asarray(np.maximum(tol, ROUNDING * np.finfo(dtype).eps * ratios**2))


def _iterate(rows: Rows, k: int, rule: Krylov) -> tuple[Array, Array, Array]:
    """Values, vectors and residuals of k pairs; vectors also of the oversamples.

    Gives up where the residuals fall too slowly and the matrix is small enough for `by_gram`.
    """
    side, size = rows.sides[1], k + rule.oversamples
    room = min(max(LEAST_ROOM, ROOM // (side * size)), side // (2 * size))
    space = Space(rows.image, side, size, max(rule.steps + 1, room))
    space.grow(generator(rule.seed).standard_normal((side, size)))
    patience = MOST_BLOCKS if side > SMALL_SIDE else side // (2 * size)
    blocks, look, last = 1, rule.steps + 1, None
    while True:
        if blocks == look:
            values, vectors, residuals = space.pairs(k)
            worst = float(np.max(residuals / _goal(values, rule.tol or np.inf, rows.x.dtype)))
            if worst <= 1 or blocks >= patience:
                return values, vectors, residuals
            if last is not None and side <= SMALL_SIDE:
                rate = np.log(last[1] / worst) / (blocks - last[0])
                if blocks + np.log(worst) / max(rate, 1e-3) > patience:
                    return values, vectors, residuals
            last, look = (blocks, worst), min(int(np.ceil(GROWTH * blocks)), max(patience, blocks + 1))
        space.grow()
        blocks += 1


def _polish(rows: Rows, vectors: Array, k: int, tol: float) -> tuple[Array, Array, Array]:
    """Values, vectors and residuals as `_iterate`, by a subspace iteration that squares no singular value.

    A v / s has norm 1, so that rounding in A'(A v / s) is of the size of the largest singular value; in A'A v
    it is of the size of its square.
    """
    eps = np.finfo(np.float64).eps
    for _ in range(MOST_ROUNDS):
        values, basis, sure = refine(rows.projected_gram(vectors), vectors)
        live = values > ROUNDING * eps * values[0]
        scale = np.where(live, values, values[0] or 1)
        images = rows.image(basis / scale, exact=True)
        residuals = np.where(live, np.linalg.norm(images - basis * values, axis=0) / scale, 0)[:k]
        if sure and np.all(residuals <= np.maximum(tol, ROUNDING * eps * values[0] / scale[:k])):
            break
        vectors = orthonormal(images)
    return values[:k], basis, residuals
