"""Methods that make rows of rows, and can write them to a file as they come."""

import os
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..io.npy import write_npy
from ..io.recognise import is_collection, is_file
from .blocks import Blocks, opened
from .estimator import check_fitted
from .floats import Floats
from .lazy import lazily, part_of
from .on_disk import in_file, of_map

TOGETHER = 1 << 26  # bytes of X of which results are made together


def rows_to_file(method: Callable[..., Any]) -> Callable[..., Any]:
    """Give a method of an estimator, of X and of what else has its rows, the parameter `out`.

    It is the path of a .npy file that gets the results row block by row block, so that neither they nor X
    need to fit into memory. The method then gives that file as a memory map. For a Dask collection it gives
    a Dask array, which is computed when it is asked for.
    """

    @wraps(method)
    def run(self: Any, X: Any, *rest: Any, out: Any = None, **named: Any) -> Any:
        if out is None and is_collection(X):
            check_fitted(self)
            return lazily(method.__name__, self, X, rest, named)
        if out is None:
            return method(self, X, *rest, **named)
        path, X = os.path.abspath(os.fspath(out)), _rows(X)
        _check_path(path, X)

        def some(at: slice, rows: Any) -> Any:
            if getattr(X, "header", None) is not None:
                rows = Blocks([rows], X.header)
            found = method(
                self, rows, *(part_of(a, at, X.shape[0]) for a in rest),
                **{name: part_of(a, at, X.shape[0]) for name, a in named.items()},
            )  # fmt: skip
            if sp.issparse(found):
                raise TypeError(f"out={path!r} takes arrays, but {method.__name__} gives sparse rows")
            return np.asarray(found)

        write_npy(path, (some(at, rows) for at, rows in row_blocks(X)), X.shape[0], "out")
        return np.load(path, mmap_mode="r")

    return run


def _rows(X: Any) -> Any:
    """X as something of which rows can be taken."""
    if is_file(X):
        return opened(X)
    if isinstance(X, np.memmap):
        return of_map(X)
    return X if isinstance(X, Blocks | Floats | np.ndarray) or sp.issparse(X) else np.asarray(X)


def _check_path(path: str, X: Any) -> None:
    if not path.endswith(".npy"):
        raise ValueError(f"out must be the path of a .npy file, got {path!r}")
    if in_file(X) and os.path.exists(path) and os.path.samefile(path, X.gramfold_file.path):
        raise ValueError(f"out={path!r} is the file of X")


def row_blocks(X: Any) -> Iterator[tuple[slice, Any]]:
    """Yield rows of an array, a sparse matrix or Blocks, and which they are, some at a time."""
    if isinstance(X, Blocks):
        start = 0
        for part in X.parts:
            for at, rows in row_blocks(part) if part.shape[0] or X.shape[0] == 0 else ():
                yield slice(start + at.start, start + at.stop), rows
            start += part.shape[0]
        return
    X = X.tocsr() if sp.issparse(X) else X
    rows = X.shape[0]
    size = (X.nnz * 12 if sp.issparse(X) else X.nbytes) if rows else 0
    step = max(1, rows * TOGETHER // max(1, size))
    for first in range(0, max(1, rows), step):
        at = slice(first, min(first + step, rows))
        yield at, X[at]
