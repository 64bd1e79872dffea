"""Methods that make rows of rows: of files some at a time, read once, and into a file if that is wanted."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, nullcontext
from functools import wraps
from itertools import chain
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import _check_n_features

from ..io.matrix import csr_below
from ..io.npy import write_npy
from ..io.partitions import current_client
from ..io.parts import Ahead, Parts
from ..io.recognise import is_collection, is_file
from .block_rows import named_rows
from .blocks import Blocks, opened
from .estimator import check_fitted
from .floats import Floats, stored
from .lazy import lazily, own_rows, part_of, with_own_rows
from .missing import about_nan
from .on_disk import in_file, loaded, of_map

TOGETHER = 1 << 26  # bytes of X of which results are made together
NEAR = 1 << 24  # of a flat file, while the next are being read


def rows_to_file(method: Callable[..., Any]) -> Callable[..., Any]:
    """Give a method of an estimator, of X and of what else has its rows, the parameter `out`.

    It is the path of a .npy file that gets the results row block by row block, so that neither they nor X
    need to fit into memory. The method then gives that file as a memory map. Without it, an X in files is
    taken block by block too: a block is read once, and checked and worked on in memory. For a Dask collection
    the method gives a Dask array, which is computed when it is asked for.
    """

    @wraps(method)
    def run(self: Any, X: Any, *rest: Any, out: Any = None, **named: Any) -> Any:
        if out is None and type(X) is np.ndarray:
            return method(self, X, *rest, **named)
        if out is None and is_collection(X):
            check_fitted(self)
            return lazily(method.__name__, self, X, rest, named)
        if out is None and _is_in_memory(X):
            return method(self, X, *rest, **named)
        check_fitted(self)
        X = _rows(X)
        rows = X.shape[0]
        if out is None and not (_is_read(X) and all(_has_rows(a, rows) for a in (*rest, *named.values()))):
            return method(self, X, *rest, **named)
        if hasattr(self, "n_features_in_"):
            _check_n_features(self, X, reset=False)
        own = own_rows(self, rows)

        def some(at: slice, part: Any) -> Any:
            if getattr(X, "header", None) is not None:
                part = Blocks([part], X.header)
            others = [part_of(a, at, rows) for a in rest]
            model = with_own_rows(self, {key: a[at] for key, a in own.items()})
            with _place(X, at, self):
                return method(model, part, *others, **{key: part_of(a, at, rows) for key, a in named.items()})

        with closing(_read_ahead(X)) as blocks:  # a traceback would hold what reads, and its thread
            found = (some(at, part) for at, part in blocks)
            return joined(found, rows) if out is None else _written(found, out, X, method.__name__)

    return run


def _is_in_memory(X: Any) -> bool:
    """Whether X is what no file is behind."""
    if isinstance(X, Blocks):
        return isinstance(X.parts, tuple) and not any(_lies_in_file(part) for part in X.parts)
    return not (is_file(X) or isinstance(X, np.memmap) or _lies_in_file(X))


def _lies_in_file(X: Any) -> bool:
    """Whether X is an array in a file, or CSR whose entries are."""
    return in_file(getattr(X, "stored", X))


def _is_read(X: Any) -> bool:
    """Whether X is read from files, and by this process."""
    parts = X.parts if isinstance(X, Blocks) else None
    return not _is_in_memory(X) and not (isinstance(parts, Parts) and current_client() is not None)


def _has_rows(a: Any, rows: int) -> bool:
    """Whether an argument is None, or has a row for each of X that can be taken by itself."""
    return a is None or (isinstance(a, np.ndarray) and a.ndim > 0 and len(a) == rows)


def _place(X: Any, at: slice, model: Any) -> Any:
    """Names the rows that an error is of, where there are several blocks."""
    several = isinstance(X, Blocks) and len(X.parts) > 1
    return named_rows(at, hint=about_nan(model)) if several else nullcontext()


def _rows(X: Any) -> Any:
    """X as something of which rows can be taken."""
    if is_file(X):
        return opened(X)
    if isinstance(X, np.memmap):
        return of_map(X)
    return X if isinstance(X, Blocks | Floats | np.ndarray) or sp.issparse(X) else np.asarray(X)


def joined(found: Iterable[Any], rows: int) -> Any:
    """Results of row blocks, of so many rows together: an array, or sparse."""
    parts = iter(found)
    first = next(parts)
    if sp.issparse(first):
        return csr_below([first, *parts])
    whole, done = np.empty((rows, *first.shape[1:]), first.dtype), 0
    for part in chain([first], parts):
        whole[done : done + len(part)] = part
        done += len(part)
    return whole


def _written(found: Iterator[Any], out: Any, X: Any, name: str) -> Any:
    """The file of results, mapped."""
    path = os.path.abspath(os.fspath(out))
    if not path.endswith(".npy"):
        raise ValueError(f"out must be the path of a .npy file, got {path!r}")
    if in_file(X) and os.path.exists(path) and os.path.samefile(path, X.gramfold_file.path):
        raise ValueError(f"out={path!r} is the file of X")

    def dense(part: Any) -> Any:
        if sp.issparse(part):
            raise TypeError(f"out={path!r} takes arrays, but {name} gives sparse rows")
        return np.asarray(part)

    write_npy(path, map(dense, found), X.shape[0], "out")
    return np.load(path, mmap_mode="r")


def _read_ahead(X: Any) -> Generator[tuple[slice, Any], None, None]:
    """Yield row blocks of X, in memory: while one is worked on, the next is being read."""
    if not _lies_in_file(X):
        yield from row_blocks(X)
        return
    spans = list(_spans(X, NEAR))
    ahead = Ahead(lambda i: loaded(X[spans[i]]), range(len(spans)))
    numbers: Any = stored(X)
    try:
        for at in spans:
            rows = ahead.next()
            numbers.gramfold_file.check()
            yield at, rows
    finally:
        ahead.close()


def row_blocks(X: Any, together: int = TOGETHER) -> Iterator[tuple[slice, Any]]:
    """Yield rows of an array, a sparse matrix or Blocks, and which they are, so many bytes at a time."""
    if isinstance(X, Blocks):
        start = 0
        for part in X.parts:
            for at, rows in row_blocks(part, together) if part.shape[0] or X.shape[0] == 0 else ():
                yield slice(start + at.start, start + at.stop), rows
            start += part.shape[0]
        return
    X = X.tocsr() if sp.issparse(X) else X
    for at in _spans(X, together):
        yield at, X[at]


def _spans(X: Any, together: int) -> Iterator[slice]:
    """Yield which rows of an array or a CSR matrix have so many bytes; nothing of it is read."""
    rows = X.shape[0]
    size = (X.nnz * 12 if sp.issparse(X) else X.nbytes) if rows else 0
    step = max(1, rows * together // max(1, size))
    for first in range(0, max(1, rows), step):
        yield slice(first, min(first + step, rows))
