"""X of other numbers than float32 and float64, or in a file: only what is taken of it is converted or read.

Kernels take the numbers as they are stored, and turn them into floats where they open a block of rows.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .._core import kernels
from .._core.floats import float_of as float_of
from .._core.floats import name_of as name_of
from ..io.matrix import csr_below, of_one_index
from .on_disk import NEAR, TOGETHER, changed, in_file, loaded

Array = NDArray[Any]

PIECE = 1 << 20  # entries of X that are converted together


def plain(x: Array) -> bool:
    """Whether x is of float32 or float64 that any code can read where it is."""
    if in_file(x) or x.dtype not in (np.float32, np.float64):
        return False
    flags = x.flags
    whole = flags.c_contiguous or not any(stride % x.itemsize for stride in x.strides)
    return whole and flags.aligned and x.dtype.isnative


def as_floats(x: Any) -> Any:
    """Give an array or CSR matrix as one of floats over the same memory; x itself if it is one already."""
    if isinstance(x, np.ndarray):
        return x if plain(x) or float_of(x.dtype) is None else Floats(x)
    if isinstance(x, Floats | _FloatCsr) or float_of(x.dtype) is None:
        return x
    return x if plain(x.data) else _float_csr(x)


def stored(x: Any) -> Array:
    """The numbers of an array, or of the entries of a CSR matrix, as kernels take them."""
    if isinstance(x, np.ndarray):
        return x
    if isinstance(x, Floats | _FloatCsr):
        return x.stored
    return np.asarray(x.data) if sp.issparse(x) else x


def places(x: Any) -> Array:
    """The columns of the entries of a CSR matrix, as kernels take them."""
    if not isinstance(x, _FloatCsr):
        return np.asarray(x.indices)
    if not in_file(x.stored):  # other entries have been given it
        x.places = loaded(x.places)
    return x.places


def finite(x: Any) -> bool:
    """Whether the dtype of x has neither NaN nor infinities."""
    return stored(x).dtype.kind in "biu"


def scanned(x: Any, n_threads: int) -> Any:
    """The scan of the stored entries; of what lies in a file it is kept with it."""
    numbers = stored(x)
    lies = in_file(numbers)
    if lies and x.scan is not None:
        return x.scan
    found = kernels.scan(x=numbers if numbers.ndim == 2 else numbers.reshape(1, -1), n_threads=n_threads)
    if lies:
        x.scan = found
    return found


def largest(x: Any) -> float:
    """The largest magnitude of the stored entries of an array or CSR matrix; 0 of none."""
    numbers = stored(x)
    if in_file(numbers):
        scan = scanned(x, 1)
        return float(max(scan.most, -scan.least))
    return max(float(np.max(numbers, initial=0)), -float(np.min(numbers, initial=0)))


def missing(x: Any) -> int:
    """How many entries of an array are NaN."""
    return 0 if finite(x) else int(np.count_nonzero(np.isnan(x)))


class Floats(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of numbers that is read as floats, as are some of its rows and columns; entries are converted.

    Or an array that lies in a file, of which no more is read than what is taken; `scan` is what one gave.

    It acts as the array `stored.astype(dtype)`, which is made for what has not been taught otherwise.
    """

    scan: Any = None

    def __init__(self, numbers: Array) -> None:
        self.stored, self.dtype = numbers, float_of(numbers.dtype)
        self.shape, self.ndim, self.size = numbers.shape, numbers.ndim, numbers.size

    @property
    def T(self) -> "Floats":
        """The transpose."""
        return Floats(self.stored.T)

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, key: Any) -> Any:
        found = self.stored[key]
        return as_floats(found) if found.ndim == self.ndim else found.astype(self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        read = self.stored.astype(self.dtype, copy=not in_file(self.stored))
        return read.astype(self.dtype if dtype is None else dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        given = (np.asarray(a) if isinstance(a, Floats) else a for a in inputs)
        return getattr(ufunc, method)(*given, **options)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """Convert, unless copy=False finds that it is what is asked for."""
        return self if not copy and dtype == self.dtype else np.asarray(self, dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)


def pieces(x: Any) -> Iterator[tuple[slice, Any]]:
    """Yield so many rows of an array or CSR matrix at a time as may be converted together; at least once."""
    rows, cols = x.shape
    size = max(1, PIECE * rows // max(1, x.nnz) if sp.issparse(x) else PIECE // max(1, cols))
    for first in range(0, max(1, rows), size):
        some = slice(first, min(first + size, rows))
        yield some, _some_rows(x, some) if sp.issparse(x) else np.asarray(x[some])


def _some_rows(x: Any, rows: slice) -> Any:
    """Rows of a CSR matrix as floats; of its memory where they are."""
    begin, end = x.indptr[rows.start], x.indptr[rows.stop]
    kind = sp.csr_array if isinstance(x, sp.sparray) else sp.csr_matrix
    part = kind((rows.stop - rows.start, x.shape[1]), dtype=x.dtype)
    part.data = stored(x)[begin:end].astype(x.dtype, copy=False)
    part.indices = loaded(places(x)[begin:end])
    part.indptr = x.indptr[rows.start : rows.stop + 1] - begin
    return part


class Piecewise:
    """Products of an array or CSR matrix, from so many of its rows at a time as may be converted together."""

    def __init__(self, x: Any) -> None:
        self.x, self.shape, self.dtype = x, x.shape, x.dtype

    @property
    def T(self) -> "_Transposed":
        """The transpose."""
        return _Transposed(self)

    def __matmul__(self, b: Array) -> Array:
        out = np.empty((self.shape[0], *b.shape[1:]), np.result_type(self.dtype, b))
        for rows, some in pieces(self.x):
            out[rows] = some @ b
        return out


def piecewise(x: Any) -> Any:
    """X for products, in pieces if its numbers have to be converted; else x itself."""
    return Piecewise(x) if isinstance(x, Floats | _FloatCsr) else x


class _Transposed:
    """The same of the transpose."""

    def __init__(self, x: Piecewise) -> None:
        self.T, self.shape, self.dtype = x, x.shape[::-1], x.dtype

    def __matmul__(self, b: Array) -> Array:
        products = (some.T @ b[rows] for rows, some in pieces(self.T.x))
        total: Array = next(products)
        for product in products:
            total += product
        return total


class _FloatCsr:
    """CSR whose stored numbers are read as floats: `data` is a converted copy, `stored` is what there is.

    Where they lie in a file `indices` is a copy as well, and `places` what there is.
    """

    scan: Any = None
    stored: Array
    places: Array
    indptr: Array
    shape: tuple[int, int]

    @property
    def data(self) -> Array:
        return self.stored.astype(self.dtype, copy=False)

    @data.setter
    def data(self, values: Array) -> None:
        self.stored = values

    @property
    def indices(self) -> Array:
        read = loaded(self.places)
        if read is not self.places:
            read.flags.writeable = False  # what SciPy sorted in place would be lost
        return read

    @indices.setter
    def indices(self, columns: Array) -> None:
        self.places = columns

    @property
    def dtype(self) -> np.dtype[Any]:
        return float_of(self.stored.dtype) or self.stored.dtype

    def __getitem__(self, key: Any) -> Any:
        kind = sp.csr_array if isinstance(self, sp.sparray) else sp.csr_matrix
        if in_file(self.stored):
            return _chosen_rows(self, key)
        numbers = self.stored if finite(self) else self.data  # SciPy takes no other numbers
        found = kind((numbers, self.indices, self.indptr), self.shape)[key]
        return as_floats(found) if sp.issparse(found) else found.astype(self.dtype)


class _FloatCsrArray(_FloatCsr, sp.csr_array):
    pass


class _FloatCsrMatrix(_FloatCsr, sp.csr_matrix):
    pass


def _chosen_rows(x: Any, key: Any) -> Any:
    """Some rows of a CSR matrix in a file; those that rise and lie near each other in one read."""
    if isinstance(key, slice) and key.step in (None, 1):
        start, stop, _ = key.indices(x.shape[0])
        return _some_rows(x, slice(start, max(start, stop)))
    rows = np.arange(x.shape[0])[key]
    if not rows.size:
        return _some_rows(x, slice(0, 0))
    begin, between = x.indptr[rows], x.indptr[rows[1:]] - x.indptr[rows[:-1] + 1]
    apart = (np.diff(rows) < 1) | (between * x.dtype.itemsize > NEAR)
    apart |= np.diff(begin * x.dtype.itemsize // TOGETHER) != 0
    parts = []
    for some in np.split(rows, np.flatnonzero(apart) + 1):
        part = _some_rows(x, slice(int(some[0]), int(some[-1]) + 1))
        parts.append(part if len(some) == part.shape[0] else of_one_index(part)[some - some[0]])
    return parts[0] if len(parts) == 1 else csr_below(parts)


def csr_on_disk(data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> Any:
    """A CSR matrix whose entries and their columns lie in files, as they are."""
    found = _FloatCsrArray.__new__(_FloatCsrArray)
    found.__dict__.update(sp.csr_array(shape, dtype=np.float32).__dict__)
    del found.__dict__["data"], found.__dict__["indices"]
    found.stored, found.places, found.indptr = data, indices, indptr
    return found


def changed_in_file(x: Any, *steps: int | None) -> Any:
    """X, or CSR, that lies in a file with its entries changed where they are read; see `OnDisk`."""
    if not sp.issparse(x):
        return Floats(changed(stored(x), *steps))
    found = csr_on_disk(changed(x.stored, *steps), x.places, x.indptr, x.shape)
    found.gramfold_sound = True  # as X is
    return found


def _float_csr(x: Any) -> Any:
    kind = _FloatCsrArray if isinstance(x, sp.sparray) else _FloatCsrMatrix
    found = kind.__new__(kind)
    found.__dict__.update(x.__dict__)
    found.stored, found.places = found.__dict__.pop("data"), found.__dict__.pop("indices")
    return found
