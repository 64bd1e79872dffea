"""The one gate for X: what every model takes is checked here, before SciPy or a kernel looks at it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import validate_data

from ..io.recognise import is_file
from . import quick
from .arguments import effective_threads
from .block_rows import read_blocks
from .blocks import Blocks, opened
from .floats import Floats, as_floats, finite, float_of, pieces, plain, scanned, stored
from .missing import about_nan, nan_from_mask
from .on_disk import in_file, loaded, of_map
from .room import check_room
from .sound import sound_csr

FLOATS = [np.float64, np.float32]
UNLIKE = "setting an array element with a sequence"  # what NumPy says of lists of different lengths


def read_rows(
    X: Any, estimator: Any = None, *, name: str = "X", sparse: bool = True, gaps: bool = False,
    segments: bool = False, unread: bool = False, n_threads: int | None = None, **checks: Any,
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
    unread : bool
        Whether what lies flat in a file is not read: NaN and infinities are left to be found by whoever does.
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
        options = {"sparse": sparse, "gaps": gaps, "unread": unread, "n_threads": n_threads, **checks}
        return read_blocks(X, estimator, name, options, segments, read_rows)
    ordinary = {"dtype": FLOATS, **checks}
    if gaps:
        ordinary["ensure_all_finite"] = False
    if quick.passes(X, estimator, ordinary):
        return (X, checks["y"]) if "y" in checks else X
    if is_file(X):
        found = opened(X)
        check_room(found)
        return read_rows(
            found, estimator, name=name, sparse=sparse, gaps=gaps, segments=segments, unread=unread,
            n_threads=n_threads, **checks,
        )  # fmt: skip
    X = of_map(X) if isinstance(X, np.memmap) else X
    if (sparse or not sp.issparse(X)) and _stays_in_file(X, ordinary):
        with _advice(estimator, name):
            return _read_file(X, estimator, name, gaps or unread, n_threads, checks)
    X = loaded(X)
    _refuse_no_numbers(X, name)
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
    with _advice(estimator, name):
        if estimator is None:
            given = check_array(X, input_name=name, **checks)
        else:
            given = validate_data(estimator, X, **checks)
        X, *rest = given if isinstance(given, tuple) else (given,)
        X = as_floats(X)  # a data frame may hold floats in the other order of bytes
        if kept and look:
            _check_finite(X, name, estimator)
        return (X, *rest) if rest else X


@contextmanager
def _advice(estimator: Any, name: str) -> Iterator[None]:
    """Name X in all errors, and say what an estimator can do about NaN where it is refused."""
    try:
        with naming(name):
            yield
    except ValueError as error:
        hint = about_nan(estimator)
        if hint and "contains NaN" in str(error):
            raise ValueError(f"Input {name} contains NaN: {hint}") from None
        raise


def _stays_in_file(X: Any, checks: dict[str, Any]) -> bool:
    """Whether X lies in a file and is read as a float that is wanted; else it is read into memory."""
    lies = in_file(stored(X) if isinstance(X, Floats) or getattr(X, "format", None) == "csr" else X)
    return lies and X.ndim == 2 and _is_wanted(X.dtype, checks["dtype"]) and not checks.get("order")


def _read_file(
    X: Any, estimator: Any, name: str, unread: bool, n_threads: int | None, checks: dict[str, Any]
) -> Any:  # fmt: skip
    """Check X that lies in a file, of which no more is read than one scan."""
    look = checks.pop("ensure_all_finite", True) and not unread
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


def _is_wanted(stored: Any, dtype: Any) -> bool:
    """Whether numbers are read as a float that is asked for."""
    found = float_of(stored)
    return found is not None and found in (dtype if isinstance(dtype, list) else [np.dtype(dtype)])


def _is_kept(X: Any, dtype: Any) -> bool:
    """Whether X is an array of other numbers than floats that kernels read as a float that is wanted."""
    if not isinstance(X, np.ndarray) or plain(X):
        return False
    return _is_wanted(X.dtype, dtype)


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
    _refuse_no_numbers(given, name)
    with naming(name, given):
        found = np.asarray(check_array(refuse_mask(given, name), input_name=name, **checks))
    return found if found.dtype.isnative else found.astype(found.dtype.newbyteorder("="))


def _refuse_no_numbers(given: Any, name: str) -> None:
    """Refuse dates, which would become counts of seconds, and records."""
    if isinstance(given, np.ndarray) and given.dtype.kind in "mMV" and float_of(given.dtype) is None:
        raise TypeError(f"{name} must be an array of numbers, got {given.dtype}")


def dimensions(given: Any, name: str) -> tuple[int, ...]:
    """Give the shape of what should be an array."""
    shape = getattr(given, "shape", None)
    if isinstance(shape, tuple):
        return shape
    try:
        return np.asarray(given).shape
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} must be an array, and not lists of different lengths") from None


@contextmanager
def naming(name: str, given: Any = None) -> Iterator[None]:
    """Name the argument, which should be an array, in errors of who checks it."""
    if isinstance(given, list | tuple):  # other objects are asked for their numbers once
        dimensions(given, name)
    try:
        yield
    except OverflowError:
        raise ValueError(f"{name} holds a number beyond the range of float64") from None
    except (TypeError, ValueError) as error:
        if UNLIKE in str(error):
            raise ValueError(f"{name} must be an array, and not lists of different lengths") from None
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", str(error)):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name}: {error}") from None


def read_numbers(given: Any, name: str) -> NDArray[np.float64]:
    """Read an array of any number of dimensions, whose values are not looked at."""
    dimensions(given, name)
    _refuse_no_numbers(given, name)
    given = refuse_mask(given, name)
    try:
        if getattr(getattr(given, "dtype", None), "kind", None) == "c":
            raise TypeError  # NumPy would drop the imaginary part
        return np.asarray(given, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} must be an array of real numbers") from None


def read_atoms(given: Any, name: str, **checks: Any) -> NDArray[Any]:
    """Check a dictionary, an atom a row, as `read_array`."""
    if (count := len(dimensions(given, name))) != 2:
        raise ValueError(f"{name} must have two dimensions, an atom a row, got {count}")
    return read_array(given, name, **checks)


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
