"""What PCA does with rows of X: passes, whose sums add up over segments, and changes for `Source.mapped`."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from .._core import kernels
from ..fit.floats import pieces
from ..fold.engine import State, added, state_at
from ..fold.source import Source
from ..io.sizes import index_for

Array = NDArray[Any]

PIECE = 1 << 22  # entries that are worked on at a time where a copy of all would be too large
TOGETHER = 1 << 18  # the same of CSR that changes

MOST_COLS = 2048  # of CSR whose sums each thread, and each level of their tree, may have one of


class Centre(NamedTuple):
    """How rows of A are made: root scale (x - shift), or with `by_row` root scale (x - the mean of x).

    The root of its weight belongs to a row, scale and shift belong to columns. Where A is wide its rows are
    the columns of X, and `scale` has the roots of the weights of the samples.
    """

    shift: Array | None = None
    scale: Array | None = None
    by_row: bool = False


class Sums(NamedTuple):
    """Over rows y: the Gram matrix, (y q)'y, the sum of root y, and that of |y|^2; None is not wanted."""

    gram: Array | None
    image: Array | None
    total: Array | None
    squares: float


def centred(
    rows: Source, shared: tuple[Centre, Array | None], state: State, *, wanted: tuple[str, ...] = (),
    exact: bool = False,
) -> Sums:  # fmt: skip
    """Sums over rows y of a dense A, or over their products y q.

    Parameters
    ----------
    rows : Source
    shared : tuple of Centre and ndarray of shape (n_columns, k)
        The second is q, or None.
    state : dict
        'root': the roots of the weights of rows, or None. 'products': overwritten with y q, if it is there.
    wanted : tuple of 'gram', 'image', 'total'
        The Gram matrix is that of the products if there is a q, else that of y.
    exact : bool
        In float64 whatever the type of X.
    """
    if not exact or rows.dtype == np.float64:
        return _centred(rows.kernel, rows.dtype, *shared, state, wanted, rows.n_threads)
    parts = list(gen_batches(rows.rows, max(1, PIECE // rows.cols)))
    sums = (
        _centred(
            rows.take(part).astype(np.float64), np.float64, *shared, state_at(state, part), wanted,
            rows.n_threads,
        )
        for part in parts
    )  # fmt: skip
    return added(sums, len(parts))


def _centred(
    x: Array, dtype: Any, centre: Centre, q: Array | None, state: State, wanted: tuple[str, ...],
    n_threads: int,
) -> Sums:  # fmt: skip
    cols, k = x.shape[1], x.shape[1] if q is None else q.shape[1]
    gram = np.empty((k, k)) if "gram" in wanted else None
    image = np.empty((k, cols), dtype) if "image" in wanted else None
    total = np.empty(cols) if "total" in wanted else None
    squares = kernels.centred(
        x=x,
        shift=centre.shift,
        weights=state.get("root"),
        scale=centre.scale,
        by_row=centre.by_row,
        q=None if q is None else np.ascontiguousarray(q, dtype),
        gram=gram,
        products=state.get("products"),
        image=image,
        total=total,
        n_threads=n_threads,
    )
    return Sums(gram, None if image is None else image.astype(np.float64, copy=False), total, squares)


def moments(rows: Source, shift: Array | None, state: State, *, dtype: Any = np.float64) -> Array:
    """Give the sum of w a a' for a = (x - shift, 1), with the 'weights' w, summed up in this type."""
    if rows.sparse and rows.cols > MOST_COLS:
        return _moments_by_scipy(rows, state)
    nothing = np.empty((rows.rows, 0), dtype)
    return kernels.moments(
        x=rows.kernel, y=nothing, shift=shift, weights=state["weights"], n_threads=rows.n_threads
    ).products


def _moments_by_scipy(rows: Source, state: State) -> Array:
    """The same of CSR with one matrix of the square of the columns, and another of some rows."""
    sums, some = np.zeros((rows.cols + 1,) * 2), np.empty((rows.cols,) * 2)
    for part, x in pieces(rows.x):
        wide, weights = x.astype(np.float64), np.ones(x.shape[0])
        if state["weights"] is not None:
            weights = state["weights"][part]
        weighted = with_entries(wide, np.repeat(weights, np.diff(x.indptr)) * wide.data)
        sums[:-1, :-1] += (wide.T @ weighted).toarray(out=some)
        sums[-1, :-1] += wide.T @ weights
    sums[:-1, -1] = sums[-1, :-1]
    return sums


def squared_distances(rows: Source, shared: tuple[Array, Array, Array, float], state: State) -> None:
    """Overwrite 'distances' with the squares of those from the mean in standard deviations of the model.

    `shared`: the mean, the components, the variances along them, and that of all other directions.
    """
    mean, components, variances, noise = shared
    for part in gen_batches(rows.rows, max(1, PIECE // (4 * rows.cols))):
        off = rows.take(part).astype(np.float64) - mean
        codes = off @ components.T
        squares = np.sum((codes / np.sqrt(variances)) ** 2, axis=1)
        if len(components) < rows.cols:
            squares += np.sum(((off - codes @ components) / np.sqrt(noise)) ** 2, axis=1)
        state["distances"][part] = squares


def stored_sums(rows: Source, shared: None, state: State) -> Array:
    """Of each column of a CSR matrix, how many entries it stores, their sum, and that of their squares.

    An entry counts as the 'weights' of its row say; of shape (3, n_columns).
    """
    sums = np.zeros((3, rows.cols))
    for part, x in pieces(rows.x):
        values, weights = x.data.astype(np.float64, copy=False), None
        if state["weights"] is not None:
            weights = np.repeat(state["weights"][part], np.diff(x.indptr))
        weighted = values if weights is None else weights * values
        for to, of in zip(sums, (weights, weighted, weighted * values), strict=True):
            to += np.bincount(x.indices, of, minlength=rows.cols)
    return sums


def doubles(rows: Source, state: State) -> Iterator[tuple[slice, Source]]:
    """Yield CSR rows times their 'root' in double, some at a time, and which they are."""
    for part, x in pieces(rows.x):
        some = rooted(x, state_at(state, part), dtype=np.float64)
        some.gramfold_sound = True  # as all rows are
        yield part, Source(some, rows.n_threads, once=True)


def exact_image(rows: Source, q: Array, state: State) -> Array:
    """M'M q in double, for CSR M whose rows are those of x times their 'root'."""
    image = np.zeros(q.shape)
    for _, some in doubles(rows, state):
        image += some.gram_product(q)
    return image


def exact_gram(rows: Source, shared: tuple[Array, Array], state: State) -> Array:
    """Q'A'A q in double, for A = M - r b' with the 'root' r; `shared`: q and b'q."""
    q, off = shared
    gram = np.zeros((q.shape[1],) * 2)
    for part, some in doubles(rows, state):
        products = some.product(q)
        products -= off if state["root"] is None else np.outer(state["root"][part], off)
        gram += kernels.gram(f=products, n_threads=rows.n_threads)
    return gram


def kept(x: Any, state: State) -> Any:
    """The rows that are 'kept'."""
    return x[state["kept"]]


def rooted(x: Any, state: State, *, dtype: Any) -> Any:
    """A CSR matrix in this type, its rows times their 'root'."""
    values = x.data.astype(dtype, copy=False)
    if state["root"] is not None:
        values = (np.repeat(state["root"], np.diff(x.indptr)) * values).astype(dtype, copy=False)
    return with_entries(x, values)


def taken_off(x: Any, state: State, *, shift: Array) -> Any:
    """A CSR matrix less a row that is 0 but for columns of which nearly all is stored."""
    full = np.flatnonzero(shift)
    parts = list(gen_batches(max(1, x.shape[0]), max(1, TOGETHER * x.shape[0] // max(1, x.nnz))))
    absent = [_absent(x[some], full) for some in parts]
    stored = x.nnz + sum(int(some.sum()) for some in absent)
    entries = np.empty(stored, x.dtype)
    if stored == x.nnz:
        for some in parts:
            begin, end = x.indptr[[some.start, min(some.stop, x.shape[0])]]
            entries[begin:end] = _less(x[some], shift)
        return with_entries(x, entries)
    index = index_for(max(stored, x.shape[1]))
    columns, starts = np.empty(stored, index), np.zeros(x.shape[0] + 1, index)
    for some, of in zip(parts, absent, strict=True):
        part, begin = _filled(x[some], shift, full, of), int(starts[some.start])
        entries[begin : begin + part.nnz], columns[begin : begin + part.nnz] = part.data, part.indices
        starts[some.start + 1 : some.start + len(part.indptr)] = begin + part.indptr[1:]
    return sp.csr_array((entries, columns, starts), shape=x.shape)


def _less(x: Any, shift: Array) -> Array:
    """The entries of CSR less what their columns are shifted by."""
    return np.asarray((x.data - shift[x.indices]).astype(x.dtype))


def _absent(x: Any, full: Array) -> Array:
    """Which of some columns each row of CSR does not store."""
    place = np.full(x.shape[1], -1)
    place[full] = np.arange(len(full))
    inside, absent = place[x.indices], np.ones((x.shape[0], len(full)), bool)
    rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    absent[rows[inside >= 0], inside[inside >= 0]] = False
    return absent


def _filled(x: Any, shift: Array, full: Array, absent: Array) -> Any:
    """CSR less a row, with the entries that are absent from full columns."""
    more, which = np.nonzero(absent)
    columns = full[which]
    entries = np.concatenate([_less(x, shift), -shift[columns].astype(x.dtype)])
    rows = np.repeat(np.arange(x.shape[0], dtype=x.indices.dtype), np.diff(x.indptr))
    where = np.concatenate([rows, more.astype(rows.dtype)])
    return sp.coo_array(
        (entries, (where, np.concatenate([x.indices, columns.astype(rows.dtype)]))), shape=x.shape
    ).tocsr()


def with_entries(x: Any, values: Array) -> Any:
    """A CSR matrix of these entries where x has its own."""
    return sp.csr_array((values, x.indices, x.indptr), shape=x.shape)
