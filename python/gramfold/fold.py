"""Where blocks come from, how many threads take them, and what one pass gives back."""

import weakref
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

from ._core import kernels
from .floats import Floats, as_floats, finite, stored
from .inputs import about_nan, sound_csr

Array = NDArray[Any]


def aligned(x: Array) -> Array:
    """Give what kernels take of x: itself, what it stores, or a copy if floats do not lie as they should."""
    if isinstance(x, Floats):
        return x.stored
    whole = x.flags.aligned and not any(stride % x.itemsize for stride in x.strides)
    return x if whole else x.copy()


def dense_rows(x: Any, rows: Any) -> Array:
    """Some rows of a dense or sparse x as a new C-ordered array."""
    chosen = x[rows]
    return np.ascontiguousarray(chosen.toarray() if hasattr(chosen, "toarray") else chosen)


class Source:
    """Rows of a dense or CSR matrix, as the kernels take them.

    Parameters
    ----------
    x : ndarray or sparse matrix of shape (rows, cols)
        A dense array may have any strides and is never copied whole. Sparse formats become sound CSR. Other
        numbers than float32 and float64 are read as such, see `floats.py`.
    n_threads : int
    """

    def __init__(self, x: Any, n_threads: int) -> None:
        self.x: Any = sound_csr(x, n_threads=n_threads) if sp.issparse(x) else as_floats(x)
        self.sparse = sp.issparse(x)
        self.n_threads = n_threads
        self.rows, self.cols = x.shape
        self.dtype = self.x.dtype
        self.once = False  # whether but one pass is to come, for which CSR is not worth transposing
        self._transposed: Source | None = None
        self._origin: weakref.ref[Source] | None = None

    @property
    def transposed(self) -> "Source":
        """The same entries with rows and columns swapped; for CSR a copy, made once. Its own is this."""
        origin = None if self._origin is None else self._origin()
        if origin is not None:
            return origin
        if self._transposed is None:
            self._transposed = Source(self.x.T, self.n_threads)
            self._transposed._origin = weakref.ref(self)
        return self._transposed

    @cached_property
    def kernel(self) -> Any:
        """What crosses the seam: the array, or (data, indices, indptr, cols)."""
        if not self.sparse:
            return stored(self.x)
        return stored(self.x), self.x.indices, self.x.indptr, self.cols

    @property
    def values(self) -> Array:
        """The entries that are stored, as a 2-D array, or `Floats`."""
        return as_floats(stored(self.x).reshape(1, -1)) if self.sparse else self.x

    @property
    def gathers(self) -> bool:
        """Whether X'Z is better gathered from the transpose than added up in private sums.

        An entry costs two to four times as much to add to sums in the third-level cache as to gather
        a row of Z from there; with many rows to a column it is the sums that are near, and Z that is
        not. Private sums of (cols, k) are never worth it without several entries a column in each of some
        chunks of rows, see cpp/csr.hpp. The shape decides, so that results do not depend on the threads.
        """
        if not self.sparse or self.cols <= 1024:
            return False
        return self.values.size < 32 * self.cols or (not self.once and self.rows < 8 * self.cols)

    def product(self, factor: Array, out: Array | None = None) -> Array:
        """X F for F (cols, k); `out` is overwritten with it, a new array by default."""
        if out is None:
            out = np.empty((self.rows, factor.shape[1]), self.dtype)
        kernels.products(self.kernel, self._cast(factor), out, None, self.n_threads)
        return out

    def gram_product(self, factor: Array) -> Array:
        """X'X F for F (cols, k), in one read of X unless `gathers`."""
        if self.gathers:
            return self.transposed.product(self.product(factor))
        image = np.empty(factor.shape, self.dtype)
        kernels.products(self.kernel, self._cast(factor), None, image, self.n_threads)
        return image

    def _cast(self, factor: Array) -> Array:
        return np.ascontiguousarray(factor, self.dtype)

    @property
    def filled(self) -> Any:
        """X without gaps, for those that need all of it."""
        return self.x

    @cached_property
    def _scan(self) -> tuple[float, float, float]:
        return kernels.scan(stored(self.values), self.n_threads)

    @property
    def mean(self) -> float:
        """Mean over all entries, stored or not."""
        return self._scan[0] / (self.rows * self.cols)

    @property
    def squared_norm(self) -> float:
        """Sum of all squared entries, added up in float64."""
        return self._scan[1]

    def check_finite(self, estimator: Any = None) -> None:
        """Refuse NaN and infinities as scikit-learn does, by the threaded read that tells the norm."""
        if not finite(self.x) and not np.isfinite(self.squared_norm):
            name = None if estimator is None else type(estimator).__name__
            hint = about_nan(estimator)
            if hint and np.isnan(self.values).any():
                raise ValueError(f"Input X contains NaN: {hint}")
            assert_all_finite(self.x, estimator_name=name, input_name="X")

    @property
    def largest(self) -> float:
        """The largest magnitude of a stored entry."""
        values = stored(self.values)
        return max(float(np.max(values, initial=0)), -float(np.min(values, initial=0)))

    @property
    def least(self) -> float:
        """The least stored entry."""
        return self._scan[2]


@dataclass(frozen=True, slots=True)
class Penalty:
    """l1 |z|_1 + l2/2 |z|^2 on a factor, and whether it must be non-negative."""

    l1: float = 0.0
    l2: float = 0.0
    nonneg: bool = True

    def __call__(self, factor: Array) -> float:
        """Evaluate the penalty."""
        value = 0.0
        if self.l1:
            value += self.l1 * float(np.sum(np.abs(factor), dtype=np.float64))
        if self.l2:
            value += 0.5 * self.l2 * float(np.sum(np.square(factor, dtype=np.float64)))
        return value


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass gives back; see `kernels.hals`."""

    factor: Array
    sums: Array | None
    gram: NDArray[np.float64]
    cross: NDArray[np.float64] | None
    violation: float
    step: float
    objective: float
    residual: float
    open: float


@dataclass(frozen=True, slots=True)
class Sweeps:
    """How far each row is solved: at most `most` rounds, ended early by `shrink` or `tol`.

    A row ends when its step is at most `shrink` times its first one, or `tol` times its own size.
    With `polish`, every so many rounds open rows go to the minimiser on their face; non-negative rows first
    try solves on their supports, which need few rounds.
    """

    most: int
    shrink: float = 0.0
    tol: float = 0.0
    polish: int = 0


def solve_free(
    frozen: int, shared: Array, gram: NDArray[np.float64], penalty: Penalty, sweeps: Sweeps, *,
    products: Array, start: Array, order: NDArray[np.intp] | None = None, n_threads: int,
) -> Pass:  # fmt: skip
    """Solve rows from their products as `solve_rows` does, but for their first `frozen` components."""
    if frozen:
        held, start = start[:, :frozen], np.ascontiguousarray(start[:, frozen:])
        if not start.shape[1]:
            return Pass(np.array(held), None, np.empty((0, 0)), None, 0.0, 0.0, 0.0, 0.0, 0.0)
        products = np.ascontiguousarray(
            products[:, frozen:] - held @ gram[:frozen, frozen:].astype(held.dtype)
        )
        shared, gram = shared[:, frozen:], np.ascontiguousarray(gram[frozen:, frozen:])
    result = solve_rows(
        None, shared, gram, penalty, sweeps, products=products, start=start, squares=False, order=order,
        n_threads=n_threads,
    )  # fmt: skip
    return replace(result, factor=np.hstack([held, result.factor])) if frozen else result


def row_count(x: Source | None, products: Array | None) -> int:
    """Count the rows to solve: those of the known products, else those of x."""
    if products is not None:
        return len(products)
    assert x is not None
    return x.rows


def solve_rows(
    x: Source | None,
    shared: Array,
    gram: NDArray[np.float64],
    penalty: Penalty,
    sweeps: Sweeps,
    *,
    products: Array | None = None,
    start: Array | None = None,
    previous: Array | None = None,
    beta: float = 0.0,
    out: Array | None = None,
    sums: Array | None = None,
    cross: bool = False,
    squares: bool = True,
    order: NDArray[np.intp] | None = None,
    n_threads: int,
) -> Pass:
    """Solve all rows of one factor with the other one fixed, by coordinate descent, in one pass.

    Parameters
    ----------
    x : Source of shape (rows, cols), or None
    shared : ndarray of shape (cols, k)
        The fixed factor.
    gram : ndarray of shape (k, k)
        shared.T @ shared.
    products : ndarray of shape (rows, k), optional
        x @ shared, if known; x is then not read.
    start, previous : ndarray of shape (rows, k), optional
        Rows start at start + beta (start - previous), clipped at 0 if they are non-negative;
        without them, at 0.
    out : ndarray of shape (rows, k), optional
        Overwritten with the solution; a new array by default.
    sums : ndarray of shape (cols, k), optional
        Overwritten with x.T @ solution.
    cross : bool
        Whether solution.T @ start is wanted.
    squares : bool
        Whether solution.T @ solution is wanted; else `gram` of what is given back is empty.
    order : ndarray of shape (k,), optional
        The order in which the components of a row are updated.
    """
    if order is not None:
        return _in_order(x, shared, gram, penalty, sweeps, products, start, sums, order, n_threads)
    gathered = x if sums is not None and x is not None and x.gathers else None
    gram = gram + penalty.l2 * np.eye(len(gram))
    direct = not penalty.nonneg and penalty.l1 == 0
    from_dual = penalty.nonneg and sweeps.polish > 0 and start is None
    if out is None:
        out = np.empty((row_count(x, products), shared.shape[1]), shared.dtype)
    result = kernels.hals(
        None if x is None else x.kernel, products, shared, gram,
        _pseudoinverse(gram, float(np.finfo(shared.dtype).eps)) if direct or from_dual else None,
        start, previous, beta, out, sums if gathered is None else None, penalty.l1, penalty.nonneg,
        sweeps.most, sweeps.polish, sweeps.shrink, sweeps.tol, cross, squares, n_threads,
    )  # fmt: skip
    if gathered is not None and sums is not None:
        gathered.transposed.product(out, sums)
    squared = np.empty((0, 0)) if result[0] is None else result[0]
    return Pass(out, sums, squared, *result[1:])


def _pseudoinverse(gram: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    """The pseudoinverse of a Gram matrix that is known to eps; of a large one by LAPACK, on threads."""
    if len(gram) <= 512:
        return kernels.pseudoinverse(gram, eps)
    values, vectors = np.linalg.eigh(gram)
    kept = values > len(gram) * eps * values.max()
    return np.ascontiguousarray((vectors[:, kept] / values[kept]) @ vectors[:, kept].T)


def _in_order(
    x: Source | None, shared: Array, gram: Array, penalty: Penalty, sweeps: Sweeps,
    products: Array | None, start: Array | None, sums: Array | None, order: Array, n_threads: int,
) -> Pass:  # fmt: skip
    """Solve the same rows with the components permuted, and permute back."""

    def permuted(a: Array | None) -> Array | None:
        return None if a is None else np.ascontiguousarray(a[:, order])

    result = solve_rows(
        x, np.ascontiguousarray(shared[:, order]), gram[np.ix_(order, order)], penalty, sweeps,
        products=permuted(products), start=permuted(start),
        sums=None if sums is None else np.empty_like(sums), n_threads=n_threads,
    )  # fmt: skip
    back = np.argsort(order)
    if sums is not None and result.sums is not None:
        sums[:] = result.sums[:, back]
    return replace(
        result, factor=np.ascontiguousarray(result.factor[:, back]), sums=sums,
        gram=result.gram[np.ix_(back, back)],
    )  # fmt: skip
