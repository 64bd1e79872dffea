"""What is made of the state of rows, without X: where that stays with workers, by these."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..linalg.blas import one_thread
from ..linalg.powers import scaled, shifted
from .engine import State, run_state
from .given import Given
from .kept import Kept
from .source import Array


def contiguous(factor: Any) -> Any:
    """A factor as kernels take it."""
    return factor if isinstance(factor, Kept) else np.ascontiguousarray(factor)


def shifted_rows(x: Any, factor: Any, exponent: int) -> Any:
    """The rows of a factor times 2^exponent: a new one."""
    if not isinstance(factor, Kept):
        return shifted(factor, exponent)
    out = x.kept(*factor.shape[1:], dtype=factor.dtype)
    run_state(_shift, x, exponent, {"factor": factor, "out": out})
    return out


def scaled_rows(x: Any, factor: Any, scale: Array) -> Any:
    """The rows of a factor, each times its number of `scale` (rows,): a new one."""
    if not isinstance(factor, Kept):
        return np.ascontiguousarray(factor * scale[:, None])
    out = x.kept(*factor.shape[1:], dtype=factor.dtype)
    run_state(_scale, x, None, {"factor": factor, "scale": x.given(scale), "out": out})
    return out


def column_sums(x: Any, factor: Any) -> NDArray[np.float64]:
    """The sum of the rows of a factor (rows, k)."""
    sums: NDArray[np.float64] = run_state(_sum, x, None, {"factor": _read(x, factor)})
    return sums


def summed(x: Any, of: Any, factor: Any) -> float:
    """The sum of what of(rows) gives for the rows of a factor of each segment."""
    return float(run_state(partial(_sum_of, of=of), x, None, {"factor": _read(x, factor)}))


def gram_of_rows(x: Any, factor: Any) -> NDArray[np.float64]:
    """F'F of a factor."""
    threads = x.n_threads if x.client is None else 1
    gram: NDArray[np.float64] = run_state(_gram, x, threads, {"factor": _read(x, factor)})
    return gram


def turned_rows(x: Any, factor: Any, turn: Array) -> Any:
    """The rows of a factor times a matrix: a new one."""
    out = x.kept(turn.shape[1], dtype=np.result_type(factor.dtype, turn.dtype))
    run_state(_turn, x, turn, {"factor": _read(x, factor), "out": out})
    return out


def largest_of_columns(x: Any, factor: Any) -> Array:
    """The entry of the largest magnitude of each column of a factor; of equally large ones the first."""
    return np.asarray(run_state(_largest, x, None, {"factor": _read(x, factor)}).entries)


def scaled_columns(x: Any, factor: Any, scale: Array) -> Any:
    """Each column of a factor times its number of `scale`: the factor itself, overwritten."""
    run_state(_scale_columns, x, scale, {"factor": factor}, writes=("factor",))
    return factor


def _read(x: Any, factor: Any) -> Any:
    return factor if isinstance(factor, Kept | Given) else x.given(factor)


def _shift(rows: None, shared: int, state: State) -> None:
    """A pass: a factor times a power of two, into `out`."""
    scaled(state["factor"], shared, out=state["out"])


def _scale(rows: None, shared: None, state: State) -> None:
    """A pass: rows of a factor times their numbers, into `out`."""
    np.multiply(state["factor"], state["scale"][:, None], out=state["out"])


def _gram(rows: None, shared: int, state: State) -> NDArray[np.float64]:
    """A pass: F'F, by so many threads."""
    return kernels.gram(f=state["factor"], n_threads=shared)


def _turn(rows: None, shared: Array, state: State) -> None:
    """A pass: rows of a factor times a matrix, into `out`."""
    with one_thread():
        np.matmul(state["factor"], shared, out=state["out"])


class Largest(NamedTuple):
    """Entries of columns, of which the larger ones are taken."""

    entries: Array

    def plus(self, below: "Largest") -> "Largest":
        """Those of all rows."""
        return Largest(np.where(np.abs(below.entries) > np.abs(self.entries), below.entries, self.entries))


def _largest(rows: None, shared: None, state: State) -> Largest:
    """A pass: the largest entry of each column."""
    factor = state["factor"]
    return Largest(factor[np.abs(factor).argmax(axis=0), np.arange(factor.shape[1])])


def _scale_columns(rows: None, shared: Array, state: State) -> None:
    """A pass: columns of a factor times their numbers, in place."""
    np.multiply(state["factor"], shared, out=state["factor"])


def _sum(rows: None, shared: None, state: State) -> NDArray[np.float64]:
    """A pass: the sum of the rows of a factor."""
    sums: NDArray[np.float64] = state["factor"].sum(axis=0, dtype=np.float64)
    return sums


def _sum_of(rows: None, shared: None, state: State, *, of: Any) -> float:
    """A pass: what is made of the rows of a factor."""
    return float(of(state["factor"]))


def random_rows(x: Any, rng: np.random.RandomState, cols: int, finish: Any) -> Any:
    """What finish(numbers) makes of standard normal numbers of shape (rows, cols), row by row."""
    drawn = x.drawn(rng, "standard_normal", cols)
    if isinstance(drawn, np.ndarray):
        return finish(drawn)
    out = x.kept(cols)
    run_state(partial(_finish, finish=finish), x, None, {"drawn": drawn, "out": out})
    return out


def _finish(rows: None, shared: None, state: State, *, finish: Any) -> None:
    """A pass: what is made of random numbers, into `out`."""
    state["out"][:] = finish(state["drawn"])


def fill_zeros(x: Any, rng: np.random.RandomState, factor: Any, finish: Any) -> None:
    """Put into the zeros of a factor, row by row, what finish(numbers) makes of standard normal numbers."""
    if not isinstance(factor, Kept):
        zeros = factor == 0
        factor[zeros] = finish(rng.standard_normal(size=np.count_nonzero(zeros)))
        return
    counts = run_state(_zeros, x, None, {"factor": factor})
    drawn = x.drawn_for(rng, "standard_normal", counts)
    run_state(partial(_fill, finish=finish), x, None, {"factor": factor, "drawn": drawn}, writes=("factor",))


def _zeros(rows: None, shared: None, state: State) -> list[int]:
    """A pass: how many entries of a factor are zero, of each segment."""
    return [int(np.count_nonzero(state["factor"] == 0))]


def _fill(rows: None, shared: None, state: State, *, finish: Any) -> None:
    """A pass: what is made of random numbers, into the zeros of a factor."""
    factor = state["factor"]
    factor[factor == 0] = finish(state["drawn"].made())
