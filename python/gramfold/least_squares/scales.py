"""Rows and atoms brought into the range of their dtype by powers of two, which change no digit."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from .._core import kernels
from ..fit.floats import name_of, pieces
from ..fit.remember import remembered
from ..fold.engine import State, run
from ..fold.kept import Kept
from ..fold.observed import Observed
from ..fold.source import Array, Source
from ..io.matrix import stacked
from ..linalg.powers import times_power
from .rows import Penalty

# What is within 2^-n and 2^n is left as it is: its squares, and the products of two, stay far from the ends.
# Rows below 2^-m of that are scaled on their own, some at a time.
BAND = {"float32": 20, "float64": 200}
ABSURD = {"float32": 1e30, "float64": 1e250}  # where any larger penalty has the same codes
LOWEST = {"float32": -30, "float64": -300}
PIECE = 1 << 22  # entries of small rows that are in memory at a time


@dataclass(frozen=True, slots=True)
class Scale:
    """Exponents of 2 by which rows, atoms and weights are multiplied."""

    x: int = 0
    atoms: int = 0
    weights: int = 0

    def rows(self, x: Source | Observed, which: NDArray[np.intp] | None = None) -> Any:
        """x, or some of its rows, scaled; x itself where that changes nothing."""
        some = x if which is None else x.some(which)
        if isinstance(some, Source):
            return some.times_power(self.x)
        return some.times_powers(self.x, self.weights)

    def penalty(self, given: Penalty, dtype: np.dtype[Any]) -> Penalty:
        """What the penalties become, for rows of this dtype."""
        most, l1, l2 = ABSURD[name_of(dtype)], given.l1, given.l2
        if self.x or self.atoms or self.weights:
            with np.errstate(over="ignore"):
                l1 = np.ldexp(l1, self.x + self.atoms + self.weights)
                l2 = np.ldexp(l2, 2 * self.atoms + self.weights)
        return Penalty(min(float(l1), most), min(float(l2), most), given.nonneg)


def solve_in_range(
    x: Source | Observed, atoms: Array, l2: float, solve: Callable[[Scale, NDArray[np.intp] | None], Any],
    *, products: bool = False,
) -> Any:  # fmt: skip
    """Codes of the rows of x in `atoms` (k, cols), by a solver that need not mind the range of its dtype.

    Parameters
    ----------
    x : Source or Observed
    atoms : ndarray of shape (k, cols)
    l2 : float
    solve : callable
        Given a scale and row numbers (None for all), gives the codes of those rows, dense or CSR, as scaled.
    products : bool
        Whether codes are of the scale of x @ atoms.T, not of x by atoms.

    Raises
    ------
    ValueError
        If codes leave the range.
    """
    scale = scale_of(x, atoms, l2)
    codes = solve(scale, None)
    small = list(_small_rows(x, scale))

    parts = [(codes, scale), *((_solved(x, solve, own, which), own) for which, own in small)]
    back = [_shifted_back(part, -own.atoms - own.x if products else own.atoms - own.x) for part, own in parts]
    if any(before is not after for (before, _), after in zip(parts, back, strict=True)):
        _check_range([part for part, _ in parts], back, atoms)
    for (which, _), rows in zip(small, back[1:], strict=True):
        back[0] = put_rows(back[0], which, rows)
    return back[0]


def _solved(
    x: Source | Observed, solve: Callable[[Scale, NDArray[np.intp] | None], Any], own: Scale,
    which: NDArray[np.intp],
) -> Any:  # fmt: skip
    """Codes of some rows, of which no more than `PIECE` entries are in memory at a time."""
    found = [solve(own, which[some]) for some in gen_batches(len(which), _together(x))]
    return stacked(found)


def _together(x: Source | Observed) -> int:
    """How many rows are gathered at a time."""
    entries = x.entries if isinstance(x, Source) else x.rows * x.cols
    return max(1, PIECE * x.rows // max(1, entries))


def put_rows(codes: Any, which: NDArray[np.intp], rows: Any) -> Any:
    """Codes with some rows replaced; a dense array is overwritten."""
    if not sp.issparse(codes):
        codes = np.asarray(codes)
        codes[which] = rows
        return codes
    order = np.arange(codes.shape[0])
    order[which] = codes.shape[0] + np.arange(len(which))
    return sp.csr_matrix(sp.vstack([codes, sp.csr_matrix(rows)], format="csr")[order])


def scale_of(x: Source | Observed, atoms: Array, l2: float) -> Scale:
    """What brings x and atoms near 1, where they are far from it."""
    band = BAND[name_of(x.dtype)]
    largest = max(remembered(_largest, np.asarray(atoms)), math.ldexp(math.sqrt(l2), -band))
    weights = 0 if isinstance(x, Source) else _exponent(x.heaviest, band)
    return Scale(_exponent(_size(x), band), _exponent(largest, band), weights)


def _size(x: Source | Observed) -> float:
    """Of the order of the largest entry, or a little above."""
    if isinstance(x, Source):
        squares = x.squared_norm
        if 1e-300 < squares < np.inf:
            return math.sqrt(squares)
    return x.largest


def _exponent(size: float, band: int) -> int:
    """What brings `size` near 1 if it is outside the band."""
    at = math.frexp(size)[1] if size > 0 else 0
    return 0 if abs(at) <= band else -at


def row_squares(x: Source | Observed, dtype: Any = None) -> Array:
    """|x|^2 of each row, added up in `dtype`, by default that of x."""
    squares = x.kept(dtype=dtype)
    run(squared_rows, x, state={"squares": squares})
    return np.asarray(squares)


def squared_rows(rows: Source | Observed, shared: None, state: State) -> None:
    """A pass: |x|^2 of each row into `squares`."""
    squares, ones = state["squares"], np.ones(rows.cols, state["squares"].dtype)
    for at, x in pieces(rows.x):
        if rows.sparse:
            values = x.data.astype(squares.dtype, copy=False)
            squares[at] = sp.csr_matrix((values * values, x.indices, x.indptr), x.shape) @ ones
        else:
            np.einsum("ij,ij->i", x, x, out=squares[at], dtype=squares.dtype)


def _lengths(x: Source | Observed) -> Array:
    """|x| of each row: NaN where some of it is."""
    if x.sparse or isinstance(x, Observed):
        return np.sqrt(row_squares(x))
    lengths = x.kept(1)
    run(lengths_of_rows, x, state={"lengths": lengths})
    return np.asarray(lengths).ravel()


def lengths_of_rows(rows: Source, shared: None, state: State) -> None:
    """A pass: |x| of each dense row into `lengths`."""
    kernels.distances(
        x=rows.kernel, centers=np.zeros((1, rows.cols), rows.dtype), out=state["lengths"],
        n_threads=rows.n_threads,
    )  # fmt: skip


def largest_in_rows(rows: Source | Observed, shared: None, state: State) -> None:
    """A pass: the largest magnitude of each row into `largest`."""
    size = abs(rows.x)
    state["largest"][:] = (
        size.max(axis=1).toarray().ravel() if rows.sparse else np.nanmax(size, axis=1, initial=0)
    )


def _small_rows(x: Source | Observed, scale: Scale) -> Iterator[tuple[NDArray[np.intp], Scale]]:
    """Rows that are out of range under this scale, with scales of their own."""
    lowest = LOWEST[name_of(x.dtype)]
    if x.rows < 2 or (isinstance(x, Source) and not x.sparse and x.least >= np.ldexp(1.0, lowest - scale.x)):
        return  # no row is shorter than its least entry
    with np.errstate(all="ignore"):
        which = np.flatnonzero(~(_lengths(x) >= np.ldexp(1.0, lowest - scale.x)))
    if not which.size:
        return
    sizes = np.empty(len(which), x.dtype)
    # Rows of zeros are among them, which may be most of what a file has.
    for some in gen_batches(len(which), _together(x)):
        run(largest_in_rows, x.some(which[some]), state={"largest": sizes[some]})
    at = np.frexp(sizes)[1] + scale.x
    low = (sizes > 0) & (at < lowest)
    groups = at // lowest
    for group in np.unique(groups[low]):
        yield which[low & (groups == group)], Scale(scale.x - int(group) * lowest, scale.atoms, scale.weights)


def _shifted_back(codes: Any, exponent: int) -> Any:
    if not exponent:
        return codes
    codes = np.asarray(codes) if isinstance(codes, Kept) else codes
    with np.errstate(over="ignore", under="ignore"):
        return times_power(codes, exponent)


def _check_range(codes: Any, back: Any, atoms: Array) -> None:
    """Refuse codes that over- or all of them underflowed on their way back."""
    before, after = ([part.data if sp.issparse(part) else part for part in parts] for parts in (codes, back))
    most = max(_largest(part) for part in after)
    low = most < np.finfo(atoms.dtype).tiny and any(part.any() for part in before)
    if low or (not np.isfinite(most) and np.isfinite(max(_largest(part) for part in before))):
        raise ValueError(
            f"X is too {'small' if low else 'large'} beside the dictionary for codes in {atoms.dtype}: "
            "rescale one of them" + (", or pass float64" if atoms.dtype == np.float32 else "")
        )


def _largest(a: Array) -> float:
    return max(float(a.max(initial=0)), -float(a.min(initial=0)))
