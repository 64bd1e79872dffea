"""Where rows are: an array with any strides, or CSR."""

import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

from .._core import kernels
from .._core.results import Scan
from ..fit.cached import cached_property
from ..fit.floats import Floats, as_floats, finite, largest, pieces, places, scanned, stored
from ..fit.missing import about_nan
from ..fit.on_disk import in_file
from ..fit.room import fits
from ..fit.scratch import rows_in_scratch
from ..fit.scratch_csr import csr_across
from ..fit.sound import sound_csr
from ..linalg.powers import times_power
from .of_rows import OfRows
from .sums import state_at

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
    return np.ascontiguousarray(chosen.toarray() if sp.issparse(chosen) else chosen)


class Source(OfRows):
    """Rows of a dense or CSR matrix, as the kernels take them.

    Parameters
    ----------
    x : ndarray or sparse matrix of shape (rows, cols)
        A dense array may have any strides and is never copied whole. Sparse formats become sound CSR. Other
        numbers than float32 and float64 are read as such, see `fit/floats.py`.
    n_threads : int
    once : bool
        Whether but one pass is to come, for which CSR is not worth transposing.
    """

    held, flat = True, False  # there between passes; though in a file
    laid: Any = None  # see `across`
    foreseen: Any = None  # a factor F with X'X F, see `read_first`

    def __init__(self, x: Any, n_threads: int, *, once: bool = False) -> None:
        self.sparse = not isinstance(x, np.ndarray) and sp.issparse(x)
        self.x: Any = sound_csr(x, n_threads=n_threads) if self.sparse else as_floats(x)
        self.n_threads = n_threads
        self.rows, self.cols = x.shape
        self.flat = in_file(stored(self.x))
        self.dtype = self.x.dtype
        self.once = once
        self._transposed: Source | None = None
        self._origin: weakref.ref[Source] | None = None

    @property
    def segments(self) -> list["Source"]:
        """The sources that a pass runs over one after the other: this one."""
        return [self]

    @property
    def spans(self) -> list[slice]:
        """Which rows each segment has."""
        return [slice(0, self.rows)]

    def take(self, rows: Any) -> Array:
        """Some rows as a new C-ordered array."""
        return dense_rows(self.x, rows)

    def some(self, rows: Any, *, once: bool = False) -> "Source":
        """Some rows as a source of their own; those of a slice are views of a dense X."""
        chosen = self.x[rows]
        if self.sparse:
            chosen.gramfold_sound = True  # as all of X is
        return type(self)(chosen, self.n_threads, once=once)

    @property
    def transposed(self) -> Any:
        """The same entries with rows and columns swapped; for CSR a copy, made once. Its own is this.

        The copy of a CSR X in a file lies in scratch files, unless it is small beside the memory of the fit.
        """
        origin = None if self._origin is None else self._origin()
        if origin is not None:
            return origin
        if self._transposed is None:
            apart = self.sparse and self.flat and not fits(self.entries * (self.dtype.itemsize + 4))
            turned = csr_across(self._some_rows, self.shape, self.dtype) if apart else self.x.T
            self._transposed = type(self)(turned, self.n_threads)
            self._transposed._origin = weakref.ref(self)
        return self._transposed

    def _some_rows(self) -> Iterator[Any]:
        """All rows, some at a time."""
        return (rows for _, rows in pieces(self.x))

    @cached_property
    def kernel(self) -> Any:
        """What crosses the seam: the array, or (data, indices, indptr, cols)."""
        if not self.sparse:
            return stored(self.x)
        return stored(self.x), places(self.x), self.x.indptr, self.cols

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
        chunks of rows, see cpp/fold/csr.hpp. The shape decides, so that results do not depend on the threads.
        """
        if not self.sparse or self.cols <= 1024:
            return False
        return self.entries < 32 * self.cols or (not self.once and self.rows < 8 * self.cols)

    def product(self, factor: Array, out: Array | None = None) -> Array:
        """X F for F (cols, k); `out` is overwritten with it, a new array by default."""
        if out is None:
            out = np.empty((self.rows, factor.shape[1]), self.dtype)
        kernels.products(x=self.kernel, f=self._cast(factor), out=out, image=None, n_threads=self.n_threads)
        return out

    def gram_product(self, factor: Array) -> Array:
        """X'X F for F (cols, k), in one read of X unless `gathers`."""
        if self.gathers:
            return self.transposed.product(self.product(factor))
        foreseen, self.foreseen = self.foreseen, None
        if foreseen is not None and np.array_equal(foreseen[0], self._cast(factor)):
            return np.asarray(foreseen[1])
        image = np.empty(factor.shape, self.dtype)
        kernels.products(x=self.kernel, f=self._cast(factor), out=None, image=image, n_threads=self.n_threads)
        return image

    def read_first(self, factor: Array) -> None:
        """Read a dense X in a file for its scan, and for X'X F, which `gram_product` is to give next."""
        factor = self._cast(factor)
        image = np.empty(factor.shape, self.dtype)
        found = kernels.scanned_products(x=self.kernel, f=factor, image=image, n_threads=self.n_threads)
        if found is not None:
            self.x.scan, self.foreseen = found, (factor, image)

    def _cast(self, factor: Array) -> Array:
        return np.ascontiguousarray(factor, self.dtype)

    @property
    def filled(self) -> Any:
        """X without gaps, for those that need all of it."""
        return self.x

    @cached_property
    def _scan(self) -> Scan:
        return scanned(self.x, self.n_threads)

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
            for _, some in pieces(self.x) if self.flat else [(None, self.x)]:
                _refuse_infinite(some, estimator)

    def check_by(self, made: Array, estimator: Any = None) -> None:
        """The same by what was made of each row, in which such numbers go on: X is read if they are there."""
        if not np.isfinite(kernels.scan(x=made.reshape(1, -1), n_threads=self.n_threads).sum):
            self.check_finite(estimator)

    @property
    def largest(self) -> float:
        """The largest magnitude of a stored entry."""
        scan = self._scan
        return max(0.0, scan.most, -scan.least) if np.isfinite(scan.sum) else largest(self.x)

    @property
    def least(self) -> float:
        """The least stored entry."""
        return self._scan[2]

    def times_power(self, exponent: int) -> "Source":
        """The same rows times 2^exponent: a copy, but for 0 this itself."""
        return self if exponent == 0 else Source(times_power(self.x, exponent), self.n_threads)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.rows, self.cols

    @property
    def entries(self) -> int:
        """How many entries are stored."""
        return int(stored(self.x).size)

    def columns(self, at: slice) -> "Source":
        """Some columns of a dense X as rows; views."""
        return Source(self.x[:, at].T, self.n_threads)

    def changed(self, change: Callable[[Any, Any], Any]) -> Any:
        """What change(segment, at) makes of each segment, as `Blocks` takes it."""
        return [change(self, slice(0, self.rows))]

    def scaled_rows(self, scale: Array) -> "Source":
        """Each row times its number of `scale` (rows,); a copy."""
        return type(self)(self._mapped(_scaled, {"scale": scale}), self.n_threads)

    def mapped(
        self, change: Callable[[Any, Mapping[str, Any]], Any], state: Mapping[str, Any] | None = None
    ) -> "Source":  # fmt: skip
        """Other rows, which a picklable function makes of those of each segment and of their state.

        Parameters
        ----------
        change : callable
            Given an array or a CSR matrix and the state of its rows, as a pass is; gives such a one.
        state : mapping of str to ndarray with self.rows rows, or None
        """
        return Source(self._mapped(change, state or {}), self.n_threads)

    def _mapped(self, change: Callable[[Any, Mapping[str, Any]], Any], state: Mapping[str, Any]) -> Any:
        """What a function makes of all rows: in memory, or of what lies in a file in one."""
        if not self.flat:
            return change(self.x, state)
        some = (change(part, state_at(state, at)) for at, part in pieces(self.x))
        return rows_in_scratch(some, f"a copy of X of shape {self.shape}")

    def filled_with(self, means: Any) -> Any:
        """X without gaps: it has none."""
        return self.x

    @property
    def column_means(self) -> Any:
        """What gaps are filled with: there are none."""
        return None


def _refuse_infinite(x: Any, estimator: Any) -> None:
    """Refuse NaN and infinities, with what an estimator can do about NaN."""
    name = None if estimator is None else type(estimator).__name__
    try:
        assert_all_finite(x, estimator_name=name, input_name="X")
    except ValueError as error:
        hint = about_nan(estimator)
        if hint and "contains NaN" in str(error):
            raise ValueError(f"Input X contains NaN: {hint}") from None
        raise


def _scaled(x: Any, state: Mapping[str, Any]) -> Any:
    """Rows times their 'scale'."""
    scale = state["scale"]
    if not sp.issparse(x):
        return x * scale[:, None]
    return sp.csr_array((x.data * np.repeat(scale, np.diff(x.indptr)), x.indices, x.indptr), x.shape)
