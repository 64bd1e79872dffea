"""What fits keep, in bytes, so that what there is no room for is told before a fit begins.

Of each row that is what is in use at once: factors, labels, bounds, residuals. It may lie in scratch files;
what has the square of the columns may too, but is worked on as a whole.
"""

import errno
from collections.abc import Callable
from numbers import Integral
from typing import Any

from .warn import warn

COPY = 8  # a copy of X that takes no more than this part of the memory lies there
COUNTED = 1 << 20  # bytes: less is not counted, as in cpp/room/room.hpp
FEW = 1 << 26  # bytes of matrices of the columns that nobody need be told of


def _factors(model: Any, cols: int, item: int) -> float:
    """Two W, that to start from, and the draws that it is made of."""
    return max(1, _whole(getattr(model, "n_init", 1))) * _whole(model.n_components) * (3 * item + 8)


def _clusters(model: Any, cols: int, item: int) -> float:
    """Labels; distances to candidates of two seeds, or bounds of as many groups."""
    k = _whole(getattr(model, "n_clusters", None) or getattr(model, "n_components", None))
    return 16 + item * max(2 * (3 + k.bit_length()), min(63, k // 16))


def _residuals(model: Any, cols: int, item: int) -> float:
    """The packed multipliers, and the outliers with their columns."""
    return float(cols * (2 * item + 8))


def _of_entries(item: int) -> float:
    """Of each stored entry its multiplier, residuals both ways, where they are, and what a step makes."""
    return 6 * item + 40.0


def _copied(shape: tuple[int, int], entries: int, item: int, memory: float) -> float:
    """X' of a wide sparse X, and which columns its entries are of until they are sorted; not in memory."""
    rows, cols = shape
    wide = cols > 1024 and rows < 8 * cols
    return entries * (item + 8.0) if wide and entries * (item + 4) > memory / COPY else 0.0


def _codes(model: Any, cols: int, item: int) -> float:
    """Codes with their columns, of two iterations."""
    return 2.0 * _whole(model.n_components) * (item + 4)


ROW: dict[str, Callable[[Any, int, int], float]] = {
    "NMF": _factors, "KMeans": _clusters, "GaussianMixture": _clusters, "PoissonMixture": _clusters,
    "RobustPCA": _residuals, "DictionaryLearning": _codes,
}  # fmt: skip
# How many matrices of the square of the columns, in float64: a component each of a full covariance.
SQUARE: dict[str, Callable[[Any], int]] = {
    "PCA": lambda model: 3, "Ridge": lambda model: 3,
    "GaussianMixture": lambda model: 3 * _whole(model.n_components) * (model.covariance_type == "full"),
}  # fmt: skip


TURNED = ("NMF", "PCA", "TruncatedSVD")  # which pass over X' of a wide sparse X


def check_needs(
    model: Any, shape: tuple[int, int], item: int, memory: float, free: int, folder: str,
    entries: int | None = None,
) -> None:  # fmt: skip
    """Refuse a fit whose state of rows has no room, and warn of columns whose square is beyond the memory.

    Parameters
    ----------
    model : estimator
    shape : tuple of int
        Of X.
    item : int
        Bytes of a float of X.
    memory : float
        Bytes that the fit may take.
    free : int
        Bytes of the disk where scratch files are.
    folder : str
        That is there.
    entries : int, optional
        How many a sparse X stores, as far as it is known.

    Raises
    ------
    OSError
        With the numbers.
    """
    name, (rows, cols) = type(model).__name__, shape
    if cols == 0:  # which every model refuses
        return
    state = rows * ROW[name](model, cols, item) if name in ROW else 0.0
    if entries is not None and name == "RobustPCA":
        state = entries * _of_entries(item)
        if state > max(memory, COUNTED):
            raise OSError(
                errno.ENOSPC,
                f"{name} keeps about {state:,.0f} bytes of the {entries:,} stored entries of X, and works on "
                f"them in any order, but the fit may take {memory:,.0f} bytes of memory: give it more",
            )
    copy = _copied(shape, entries, item, memory) if entries is not None and name in TURNED else 0.0
    if copy > free:
        raise OSError(
            errno.ENOSPC,
            f"{name} takes X of shape {shape} transposed too, in scratch files of about {copy:,.0f} bytes, "
            f"but {free:,} are free there: set TMPDIR",
            folder,
        )
    if state - memory > free - copy:
        raise OSError(
            errno.ENOSPC,
            f"{name} keeps about {state:,.0f} bytes of the {rows:,} rows of X, of which {memory:,.0f} are in "
            f"memory; for the others {free:,} bytes are free there. Give more memory, or set TMPDIR",
            folder,
        )
    square = 8.0 * cols * cols * SQUARE[name](model) if name in SQUARE and rows >= cols else 0.0
    if square > max(memory, FEW):
        warn(
            f"{name} takes about {square:,.0f} bytes for matrices of {cols:,} x {cols:,}, more than "
            f"memory={memory:,.0f}: they lie in scratch files, which is slow",
            UserWarning,
        )


def _whole(value: Any) -> int:
    """A count; 0 of what is not known yet."""
    return int(value) if isinstance(value, Integral) else 0
