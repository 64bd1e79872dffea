"""The one gate for X: what every model takes is checked here, before SciPy or a kernel looks at it."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, check_array, check_X_y
from sklearn.utils.validation import validate_data

from .._core import kernels
from ..io.recognise import is_file
from . import quick
from .arguments import effective_threads
from .blocks import Blocks, opened
from .floats import Floats, as_floats, finite, float_of, pieces, plain, scanned, stored
from .missing import nan_from_mask
from .on_disk import in_file, loaded, of_map

FLOATS = [np.float64, np.float32]


def read_rows(
    X: Any, estimator: Any = None, *, name: str = "X", sparse: bool = True, gaps: bool = False,
    segments: bool = False, n_threads: int | None = None, **checks: Any,
) -> Any:  # fmt: skip
    """Check a matrix of rows, and give it as an ndarray or as sound CSR.

    What holds other numbers than floats is not converted but read as floats, see `floats.py`.

    Parameters
    ----------
    X : array-like, sparse matrix or Blocks
    estimator : object, optional
        Learns from X, or checks X against, the number and names of the features.
    name : str
        What messages call X.
    sparse : bool
        Whether a sparse X will do; it comes back as CSR, see `sound`.
    gaps : bool
        Whether NaN is an entry that is not observed; the masked entries of a masked array become NaN.
    segments : bool
        Whether Blocks stay so, of checked arrays or sound CSR; else they come back as one matrix, a copy.
    n_threads : int, optional
        Default: that of the estimator, if it has one.
    **checks
        As for `sklearn.utils.check_array`; with `estimator` also `reset`, and `y`, which then comes back too.

    Raises
    ------
    TypeError
        If X is sparse and may not be.
    ValueError
        If X is not as described; a masked array hides entries although `gaps` is False.
    """
    if isinstance(X, Blocks):
        options = {"sparse": sparse, "gaps": gaps, "n_threads": n_threads, **checks}
        return _read_blocks(X, estimator, name, options, segments)
    ordinary = {"dtype": FLOATS, **checks}
    if gaps:
        ordinary["ensure_all_finite"] = False
    if quick.passes(X, estimator, ordinary):
        return (X, checks["y"]) if "y" in checks else X
    if is_file(X):
        return read_rows(
            opened(X), estimator, name=name, sparse=sparse, gaps=gaps, segments=segments, n_threads=n_threads,
            **checks,
        )  # fmt: skip
    X = of_map(X) if isinstance(X, np.memmap) else X
    if (sparse or not sp.issparse(X)) and _stays_in_file(X, ordinary):
        return _read_file(X, estimator, name, gaps, n_threads, checks)
    X = loaded(X)
    X = _without_mask(X.stored if isinstance(X, Floats) else X, name, estimator, gaps)
    if sparse and sp.issparse(X):
        X = sound_csr(X, name, effective_threads(n_threads or getattr(estimator, "n_threads", None)))
    checks = {"accept_sparse": ("csr",) if sparse else False, "dtype": FLOATS, **checks}
    look = checks.pop("ensure_all_finite", True) and not gaps
    kept = _is_kept(X, checks["dtype"])
    if kept:
        checks |= {"dtype": None, "ensure_all_finite": False}
    elif not look or (sparse and sp.issparse(X) and finite(X)):
        checks["ensure_all_finite"] = False
    try:
        if estimator is None:
            given = check_array(X, input_name=name, **checks)
        else:
            given = validate_data(estimator, X, **checks)
        if not kept:
            return given
        X, *rest = given if isinstance(given, tuple) else (given,)
        X = as_floats(X)
        if look:
            _check_finite(X, name, estimator)
        return (X, *rest) if rest else X
    except ValueError as error:
        hint = about_nan(estimator)
        if hint and "contains NaN" in str(error):
            raise ValueError(f"Input {name} contains NaN: {hint}") from None
        raise


def _read_blocks(X: Blocks, estimator: Any, name: str, options: dict[str, Any], segments: bool) -> Any:
    """Check every block as `read_rows` does, and all of them together against the estimator and y."""
    y, reset = options.pop("y", None), options.pop("reset", True)
    least = options.pop("ensure_min_samples", 1)
    if X.shape[0] < least:
        raise ValueError(
            f"Found array with {X.shape[0]} sample(s) while a minimum of {least} is required: {X}"
        )
    if estimator is not None:
        named = X if X.header is None else X.header
        validate_data(estimator, named, reset=reset, skip_check_array=True)
    about = {key: options.pop(key) for key in ("multi_output", "y_numeric") if key in options}
    if "n_threads" in options and options["n_threads"] is None:
        options["n_threads"] = getattr(estimator, "n_threads", None)
    if isinstance(X.parts, tuple):
        parts = []
        for i, part in enumerate(X.parts):
            try:
                parts.append(read_rows(part, name=name, ensure_min_samples=0, **options))
            except (TypeError, ValueError) as error:
                said = _with_hint(str(error), estimator)
                raise type(error)(f"block {i} of {name}: {said}") from None
        found: Any = Blocks(parts)
    else:
        found = X.map(_Checked(options, name, estimator))
    if not segments:
        parts = list(found.parts)
        found = sound_csr(sp.vstack(parts, format="csr")) if found.sparse else np.concatenate(parts)
    if y is None:
        return found
    nothing = np.zeros((X.shape[0], 1))
    return found, check_X_y(nothing, y, estimator=estimator, **about)[1]


@contextmanager
def named_rows(at: Any, name: str = "X", estimator: Any = None) -> Iterator[None]:
    """Say of which rows an error is."""
    try:
        yield
    except (TypeError, ValueError) as error:
        first, last = (at.start, at.stop - 1) if isinstance(at, slice) else (at.min(), at.max())
        where = f"rows {first} to {last}" if isinstance(at, slice) else f"some of the rows {first} to {last}"
        raise type(error)(f"{where} of {name}: {_with_hint(str(error), estimator)}") from None


def _with_hint(said: str, estimator: Any) -> str:
    hint = about_nan(estimator)
    return f"Input contains NaN: {hint}" if hint and "contains NaN" in said else said


class _Checked:
    """What `read_rows` makes of segments whenever they are read; numbers are looked at once."""

    def __init__(self, options: dict[str, Any], name: str, estimator: Any) -> None:
        self._options, self._name, self._estimator = options, name, estimator
        self._seen: set[tuple[int, int]] = set()

    def __call__(self, rows: Any, at: Any) -> Any:
        span = (at.start, at.stop) if isinstance(at, slice) else None
        options = self._options | ({"ensure_all_finite": False} if span in self._seen else {})
        with named_rows(at, self._name, self._estimator):
            found = read_rows(rows, name=self._name, ensure_min_samples=0, **options)
        if span is not None:
            self._seen.add(span)
        return found


def _stays_in_file(X: Any, checks: dict[str, Any]) -> bool:
    """Whether X lies in a file and is read as a float that is wanted; else it is read into memory."""
    lies = in_file(stored(X) if isinstance(X, Floats) or getattr(X, "format", None) == "csr" else X)
    return lies and X.ndim == 2 and float_of(X.dtype) in _wanted(checks["dtype"]) and not checks.get("order")


def _read_file(
    X: Any, estimator: Any, name: str, gaps: bool, n_threads: int | None, checks: dict[str, Any]
) -> Any:  # fmt: skip
    """Check X that lies in a file, of which no more is read than one scan."""
    look = checks.pop("ensure_all_finite", True) and not gaps
    checks |= {"dtype": None, "ensure_all_finite": False}
    outline: Any = np.broadcast_to(np.zeros((), float_of(X.dtype)), X.shape)
    if estimator is None:
        given = check_array(outline, input_name=name, **checks)
    else:
        given = validate_data(estimator, outline, **checks)
    X = as_floats(X)
    if look:
        _check_finite(X, name, estimator, n_threads or getattr(estimator, "n_threads", None))
    return (X, *given[1:]) if isinstance(given, tuple) else X


def _wanted(dtype: Any) -> list[Any]:
    return dtype if isinstance(dtype, list) else [np.dtype(dtype)]


def _is_kept(X: Any, dtype: Any) -> bool:
    """Whether X is an array of other numbers than floats that kernels read as a float that is wanted."""
    if not isinstance(X, np.ndarray) or plain(X):
        return False
    return float_of(X.dtype) in _wanted(dtype)


def _check_finite(X: Any, name: str, estimator: Any, n_threads: int | None = 1) -> None:
    """Refuse NaN and infinities in an array that is read as floats."""
    if finite(X) or np.isfinite(scanned(X, effective_threads(n_threads)).squares):
        return
    about = {"estimator_name": None if estimator is None else type(estimator).__name__, "input_name": name}
    for _, some in pieces(X):
        assert_all_finite(some, **about)


def read_array(given: Any, name: str, **checks: Any) -> NDArray[Any]:
    """Check an array other than X, as `sklearn.utils.check_array` with `name` in its messages."""
    if quick.passes(given, None, checks):
        return np.asarray(given)
    return np.asarray(check_array(refuse_mask(given, name), input_name=name, **checks))


def read_atoms(given: Any, name: str, **checks: Any) -> NDArray[Any]:
    """Check a dictionary, an atom a row, as `read_array`."""
    if np.ndim(given) != 2:
        raise ValueError(f"{name} must have two dimensions, an atom a row, got {np.ndim(given)}")
    return read_array(given, name, **checks)


def about_nan(estimator: Any) -> str:
    """What to do about NaN, of an estimator that takes it in some way; else an empty string."""
    default = "missing='mask' leaves such entries out" if hasattr(estimator, "missing") else ""
    return str(getattr(estimator, "_about_nan", default))


def refuse_mask(given: Any, name: str, estimator: Any = None) -> Any:
    """Give `given`, unless it is a masked array that hides something, whose mask would be dropped."""
    if not isinstance(given, np.ma.MaskedArray):
        return given
    if np.ma.is_masked(given):
        way = about_nan(estimator) or "models with missing='mask' leave them out"
        raise ValueError(
            f"{name} is a masked array, and its masked entries would be taken for numbers: {way}; "
            f"else pass {name}.filled(value)"
        )
    return given.data


def _without_mask(X: Any, name: str, estimator: Any, gaps: bool) -> Any:
    if gaps and isinstance(X, np.ma.MaskedArray):
        x = np.asarray(X.data, np.result_type(X.dtype, np.float32))
        return nan_from_mask(x, ~np.ma.getmaskarray(X))
    return refuse_mask(X, name, estimator)


def sound_csr(x: Any, name: str = "X", n_threads: int = 1) -> Any:
    """Check a sparse matrix of any format, and give it as CSR without duplicates; see `sound`."""
    if x.ndim != 2:
        raise ValueError(f"Expected 2D array, got {x.ndim}D array instead: {name} of shape {x.shape}")
    if x.format == "csc":
        return as_floats(sound(x, n_threads, name).tocsr())
    if x.format != "csr":
        _check_parts(x, name, n_threads)
        x = x.tocsr()
    return sound(x, n_threads, name)


def _check_parts(x: Any, name: str, n_threads: int) -> None:
    """Check what SciPy's conversion to CSR would follow without looking."""
    if x.format == "bsr":
        height, width = x.blocksize
        blocks = x.shape[0] // height, x.shape[1] // width
        if x.data.ndim != 3 or x.data.shape[1:] != (height, width):
            raise ValueError(f"{name}.data must hold blocks of {height} x {width}, got {x.data.shape}")
        used = len(x.data)
        _check_structure(x.indptr, x.indices, used, blocks, name, n_threads)
    elif x.format == "coo":
        if any(len(axis) != len(x.data) for axis in x.coords):
            raise ValueError(f"{name}.coords and {name}.data must be of the same length")
        for axis, size in zip(x.coords, x.shape, strict=True):
            if len(axis) and not 0 <= axis.min() <= axis.max() < size:
                raise ValueError(f"{name} has an index out of range")
    elif x.format == "dia" and len(x.offsets) != len(x.data):
        raise ValueError(f"{name}.offsets and {name}.data must be of the same length")


def sound(x: Any, n_threads: int = 1, name: str = "X") -> Any:
    """Check a CSR or CSC matrix, and give it without duplicates or room behind its last entry.

    Indices may stay in any order: sorting them can take longer than a pass. What comes back is an object of
    its own over the same memory, which it may read only: methods of SciPy that sort in place cannot reach the
    caller's matrix.

    Raises
    ------
    ValueError
        If an index is out of range or the row pointers do not rise.
    """
    if getattr(x, "gramfold_sound", False):
        return x
    data, indices, pointers = stored(x), x.indices, x.indptr
    if indices.dtype != pointers.dtype or indices.dtype not in (np.int32, np.int64):
        indices, pointers = indices.astype(np.int64), pointers.astype(np.int64)
    data, indices, pointers = (np.ascontiguousarray(part) for part in (data, indices, pointers))
    sides = x.shape if x.format == "csr" else x.shape[::-1]
    repeats = _check_structure(pointers, indices, len(data), sides, name, n_threads)
    used = int(pointers[-1])
    found = copy.copy(x)
    found.data, found.indices, found.indptr = (
        _read_only(part) for part in (data[:used], indices[:used], pointers)
    )
    if x.format == "csr":
        found = as_floats(found)
    if repeats:
        found = found.copy()
        found.has_canonical_format = False  # a flag may be stale
        found.has_sorted_indices = False
        found.sum_duplicates()
        for part in (found.data, found.indices, found.indptr):
            part.flags.writeable = False
    found.gramfold_sound = True  # lost with any other object that SciPy makes of it
    return found


def _read_only(part: NDArray[Any]) -> NDArray[Any]:
    view = part.view()
    view.flags.writeable = False
    return view


def _check_structure(
    pointers: NDArray[Any], indices: NDArray[Any], entries: int, sides: tuple[int, int], name: str,
    n_threads: int,
) -> bool:  # fmt: skip
    """Whether rows hold an index twice; pointers and indices that lead outside are refused."""
    major, minor = sides
    if len(pointers) != major + 1:
        raise ValueError(f"{name}.indptr must have {major + 1} entries, got {len(pointers)}")
    if indices.dtype != pointers.dtype or indices.dtype not in (np.int32, np.int64):
        indices, pointers = indices.astype(np.int64), pointers.astype(np.int64)
    indices, pointers = np.ascontiguousarray(indices[:entries]), np.ascontiguousarray(pointers)
    try:
        return bool(kernels.repeats(columns=indices, starts=pointers, cols=minor, n_threads=n_threads))
    except ValueError as error:
        raise ValueError(str(error).replace("X.", f"{name}.")) from None
