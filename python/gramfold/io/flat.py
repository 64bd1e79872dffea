"""X that lies flat in a file: one array, or the three of a CSR matrix; found, not read."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .._core import kernels
from ..fit.floats import csr_on_disk, float_of
from ..fit.on_disk import in_file, loaded, on_disk
from ..fit.sound import sound_csr
from .compressed import pointers_of, sides_of

Array = NDArray[Any]

ROWS_TOGETHER = 1 << 22  # entries of a CSR matrix that are checked together


def npy(path: str | os.PathLike[str], begin: int = 0, end: int | None = None) -> Array:
    """The array of an .npy file, or of one that lies between two bytes of another file.

    Raises
    ------
    ValueError
        If it is none, or holds no numbers.
    """
    shape, fortran, dtype, offset = header_of(path, begin)
    if dtype.kind not in "biufc":
        raise ValueError(f"{os.fspath(path)} holds {dtype}, not numbers")
    strides = None
    if fortran:
        strides = tuple(int(step) for step in np.cumprod([dtype.itemsize, *shape[:-1]])[: len(shape)])
    if end is not None and offset + math.prod(shape) * dtype.itemsize > end:
        raise ValueError(f"{os.fspath(path)} is damaged: an array of shape {shape} reaches into the next one")
    return on_disk(path, dtype, shape, offset, strides)


def header_of(
    path: str | os.PathLike[str], begin: int
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:  # fmt: skip
    """What is said of an array, and where it begins."""
    try:
        with open(path, "rb") as file:
            file.seek(begin)
            version = np.lib.format.read_magic(file)
            shape, fortran, dtype = _header(version)(file)
            offset = file.tell()
    except OSError:
        raise
    except Exception as error:  # it is parsed as Python, which fails in many ways
        raise ValueError(f"{os.fspath(path)} is no .npy file: {error or type(error).__name__}") from None
    sound = all(type(n) is int and n >= 0 for n in shape)
    if not sound or math.prod(max(n, 1) for n in shape) * max(dtype.itemsize, 1) >= 2**62:
        raise ValueError(f"{os.fspath(path)} is no .npy file: no array is of shape {shape}")
    return shape, fortran, dtype, offset


def _header(version: tuple[int, int]) -> Callable[[Any], tuple[tuple[int, ...], bool, np.dtype[Any]]]:
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0
    raise ValueError(f"its format {version} is not known")


def folder(path: str | os.PathLike[str]) -> Any:
    """The CSR matrix of a folder with data.npy, indices.npy, indptr.npy and shape.npy."""
    parts = {name: npy(Path(path) / f"{name}.npy") for name in ("data", "indices", "indptr", "shape")}
    return csr(parts["data"], parts["indices"], parts["indptr"], loaded(parts["shape"]), os.fspath(path))


def hdf5(dataset: Any) -> Array | None:
    """The array of an h5py.Dataset, if it lies together in its file as it is; else None."""
    offset = dataset.id.get_offset()
    if offset is None or dataset.chunks is not None or dataset.external or dataset.is_virtual:
        return None
    if dataset.file.driver not in ("sec2", "stdio") or float_of(dataset.dtype) is None:
        return None
    if dataset.file.mode != "r":
        dataset.file.flush()
    return on_disk(dataset.file.filename, dataset.dtype, dataset.shape, offset)


def csr(data: Array, indices: Array, indptr: Array, shape: Any, name: str) -> Any:
    """A CSR matrix whose entries lie in files; row pointers are read into memory.

    Raises
    ------
    ValueError
        If lengths do not fit, row pointers do not rise, or an index is out of range or twice in a row.
    """
    rows, cols = sides_of(shape, name)
    if data.ndim != 1 or data.shape != indices.shape:
        raise ValueError(f"{name}: data and indices must be of one length, got {data.shape}, {indices.shape}")
    starts = pointers_of(loaded(indptr), rows, len(data), name)
    if not (in_file(data) and in_file(indices)) or indices.dtype not in (np.int32, np.int64):
        return sound_csr(sp.csr_array((loaded(data), loaded(indices), starts), shape=(rows, cols)), name)
    _check(indices, starts, cols, name)
    wide = indices.dtype == np.int64 or starts[-1] > np.iinfo(np.int32).max
    used = int(starts[-1])
    starts = starts.astype(np.int64 if wide else np.int32)
    found = csr_on_disk(data[:used], indices[:used], starts, (rows, cols))
    found.gramfold_sound = True
    return found


def _check(indices: Array, starts: Array, cols: int, name: str) -> None:
    """Refuse indices out of range and those that a row has twice, so many rows at a time."""
    first = 0
    while first < len(starts) - 1:
        behind = int(np.searchsorted(starts, starts[first] + ROWS_TOGETHER, side="right")) - 1
        behind = max(first + 1, behind)
        some = loaded(indices[int(starts[first]) : int(starts[behind])])
        begins = (starts[first : behind + 1] - starts[first]).astype(some.dtype)
        try:
            twice = kernels.repeats(columns=some, starts=begins, cols=cols, n_threads=1)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if twice:
            raise ValueError(
                f"{name}: a row from {first} to {behind - 1} has a column twice; "
                "call sum_duplicates and save it anew"
            )
        first = behind
