"""Sparse matrices that kernels may follow without looking."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from .floats import as_floats, stored


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
        axes = x.row, x.col  # SciPy 1.11 has no coords
        if any(len(axis) != len(x.data) for axis in axes):
            raise ValueError(f"{name}.coords and {name}.data must be of the same length")
        for axis, size in zip(axes, x.shape, strict=True):
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
        return as_floats(x) if x.format == "csr" else x
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


def read_soundly(x: Any, name: str) -> Any:
    """Check a CSR matrix that was just read, and give it, marked as one that need not be looked at again."""
    x.gramfold_sound = not _check_structure(x.indptr, x.indices, len(x.data), x.shape, name, 1)
    return x


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
