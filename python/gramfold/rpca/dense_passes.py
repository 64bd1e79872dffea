"""The passes of robust PCA over a dense X."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from .._core.results import ShrinkSums
from ..fold.source import Source
from .numbers import Numbers
from .packing import Packing
from .pieces import Largest, pieces

Array = NDArray[Any]


class Measured(NamedTuple):
    """squares: |P(X)|_F^2; dearest: the largest |X_ij| / lam_ij, or |X_i| / lam of a row."""

    squares: float
    dearest: Largest


def measure(rows: Source, lam: float, state: Any, *, by_row: bool) -> Measured:
    """Give `Measured`; state: weights."""
    total, most, weights = 0.0, 0.0, state["weights"]
    for some in pieces(rows.rows, rows.cols):
        x = rows.x[some]
        squares = np.square(x, dtype=np.float64)
        total += float(np.nansum(squares))
        if by_row:
            most = max(most, float(np.sqrt(np.nansum(squares, axis=1).max()) / lam))
        else:
            bound = lam if weights is None else weights[some]
            most = max(most, float(np.fmax.reduce(np.abs(x) / bound, axis=None, initial=0)))
    return Measured(total, Largest(most))


def start(rows: Source, scale: float, state: Any) -> None:
    """Overwrite z: Y = X / scale, S = 0, L = 0."""
    for some in pieces(rows.rows, rows.cols):
        x = rows.x[some]
        state["z"][some] = np.where(np.isnan(x), 0, x / scale)


def resume(rows: Source, shared: tuple[Packing, Array], state: Any) -> None:
    """Overwrite z: dual and sparse are Y and S, and L is left @ right.T for the `right` that is shared."""
    packing, right = shared
    for some in pieces(rows.rows, rows.cols):
        outlying = state["sparse"][some]
        outlying = outlying.toarray() if hasattr(outlying, "toarray") else outlying
        packed = packing.pack(outlying, state["dual"][some])
        state["z"][some] = np.where(np.isnan(rows.x[some]), state["left"][some] @ right.T, packed)


class Operator(NamedTuple):
    """What a pass of the kernel `shrink` is given besides rows; see cpp/rpca/pass.hpp."""

    numbers: Numbers
    v: Array | None = None
    f: Array | None = None
    q: Array | None = None


class Shrunk(NamedTuple):
    """What it gives: `gram` is P'P if there is a q, else W'W; `image` P'W; None if not wanted."""

    sums: ShrinkSums
    gram: Array | None
    image: Array | None


def shrink(
    rows: Source, shared: Operator, state: Any, *, by_row: bool, gram: bool = False, image: bool = False,
    dual: bool = False,
) -> Shrunk:  # fmt: skip
    """Threshold, shrink, and what the next threshold needs; state: z, weights, left, products."""
    numbers, v, f, q = shared
    products = state["products"]
    side = rows.cols if q is None else q.shape[1]
    made = np.empty((side, side)) if gram else None
    to = np.empty(((products if q is None else q).shape[1], rows.cols), rows.dtype) if image else None
    sums = kernels.shrink(
        x=rows.kernel,
        weights=state["weights"],
        z=state["z"],
        v=v,
        f=f,
        left=state["left"],
        by_row=by_row,
        dual=dual,
        gram=made,
        q=q,
        products=products,
        image=to,
        n_threads=rows.n_threads,
        **numbers._asdict(),
    )
    return Shrunk(sums, made, to)


def left_vectors(rows: Source, shared: tuple[Array, Array], state: Any) -> None:
    """Overwrite lefts by products @ turn and, behind these, new; and left by the first ones times scales."""
    turn, scales = shared
    lefts, known = state["lefts"], turn.shape[1]
    np.matmul(state["products"], turn, out=lefts[:, :known])
    if state["new"] is not None:
        lefts[:, known:] = state["new"]
    np.multiply(lefts[:, : len(scales)], scales, out=state["left"])
