"""X of a source as a factor of products that are not kernels': of any width, by BLAS."""

from typing import Any

import numpy as np

from .engine import State, run
from .source import Array, Source


def matrix_of(x: Source) -> Any:
    """X as a matrix with `shape`, `dtype`, `T` and `@`, without a copy."""
    return x.x if len(x.segments) == 1 else Matrix(x)


class Matrix:
    """X of a source with several segments.

    Parameters
    ----------
    x : Source of shape (rows, cols)
    """

    def __init__(self, x: Source) -> None:
        self.source, self.shape, self.dtype = x, (x.rows, x.cols), x.dtype

    @property
    def T(self) -> "Transpose":
        """The transpose."""
        return Transpose(self)

    def __matmul__(self, right: Array) -> Array:
        product = np.empty((self.shape[0], right.shape[1]), np.result_type(self.dtype, right))
        run(times, self.source, right, {"product": product})
        return product


class Transpose:
    """X' for a `Matrix` X."""

    def __init__(self, matrix: Matrix) -> None:
        self.T, self.shape, self.dtype = matrix, matrix.shape[::-1], matrix.dtype

    def __matmul__(self, right: Array) -> Array:
        return np.asarray(run(across, self.T.source, None, {"right": right}))


def times(rows: Source, shared: Array, state: State) -> None:
    """A pass: X F for F `shared`, into `product`."""
    state["product"][:] = rows.x @ shared


def across(rows: Source, shared: None, state: State) -> Array:
    """A pass: X'Z for Z `right`."""
    return np.asarray(rows.x.T @ state["right"])
