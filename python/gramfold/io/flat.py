"""X that lies flat in a file: one array, or the three of a CSR matrix; found, not read."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .._core import kernels
from ..fit.floats import as_floats, csr_on_disk, float_of
from ..fit.on_disk import in_file, loaded, on_disk
from .grids import Csr
from .place import Place

Array = NDArray[Any]

ROWS_TOGETHER = 1 << 22  # entries of a CSR matrix that are checked together


def npy(path: str | os.PathLike[str], begin: int = 0) -> Array:
    """The array of an .npy file, or of one that begins at some byte of another file."""
    with open(path, "rb") as file:
        file.seek(begin)
        try:
            version = np.lib.format.read_magic(file)
            shape, fortran, dtype = _header(version)(file)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)} is no .npy file: {error}") from None
        offset = file.tell()
    if dtype.hasobject:
        raise ValueError(f"{os.fspath(path)} holds Python objects, not numbers")
    strides = None
    if fortran:
        strides = tuple(int(step) for step in np.cumprod([dtype.itemsize, *shape[:-1]]))
    return on_disk(path, dtype, shape, offset, strides)


def _header(version: tuple[int, int]) -> Callable[[Any], tuple[tuple[int, ...], bool, np.dtype[Any]]]:
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0
    raise ValueError(f"its format {version} is not known")


def npz(path: str | os.PathLike[str], name: str | None = None) -> Any:
    """The array of an .npz file, the one with that name if there are several, or its CSR matrix or a reader.

    Raises
    ------
    ValueError
        If it is compressed, or no name says which array is meant.
    """
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if name is None and {"data", "indices", "indptr", "shape"} <= set(members):
        form = (
            str(np.asarray(loaded(_member(path, members["format"]))).item(), "ascii")
            if "format" in members
            else ""
        )
        if form not in ("", "csr"):
            raise ValueError(f"{os.fspath(path)} holds a {form} matrix: save it as CSR")
        parts = {part: _member(path, members[part]) for part in ("data", "indices", "indptr", "shape")}
        if not parts["indices"].flags.aligned:  # which kernels ask for
            return Csr(Place(_Arrays, os.path.abspath(path), ""))
        return csr(parts["data"], parts["indices"], parts["indptr"], loaded(parts["shape"]), os.fspath(path))
    if name is None and len(members) == 1:
        name = next(iter(members))
    if name not in members:
        raise ValueError(
            f"{os.fspath(path)} has the arrays {', '.join(sorted(members))}, not {name!r}: name one"
        )
    return _member(path, members[name])


class _Arrays:
    """The arrays of a CSR matrix in an .npz file, where columns begin at an odd byte, as SciPy writes it."""

    def __init__(self, path: str, name: str) -> None:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
        self._parts = {info.filename.removesuffix(".npy"): _member(path, info) for info in infos}
        self.attrs = {"shape": loaded(self._parts["shape"])}

    def __getitem__(self, name: str) -> "_Read":
        return _Read(self._parts[name])


class _Read:
    """An array in a file, of which slices are read."""

    def __init__(self, array: Array) -> None:
        self._array, self.dtype = array, array.dtype

    def __getitem__(self, at: slice) -> Array:
        return np.asarray(loaded(self._array[at]))


def _member(path: str | os.PathLike[str], info: zipfile.ZipInfo) -> Array:
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(
            f"{os.fspath(path)} is compressed, so that {info.filename} does not lie flat: use np.savez"
        )
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        local = file.read(30)  # PKWARE's APPNOTE 4.3.7: lengths of the name and of what follows it at byte 26
        names = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    return npy(path, info.header_offset + 30 + names)


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
    rows, cols = (int(size) for size in shape)
    starts = np.asarray(loaded(indptr))
    if len(starts) != rows + 1:
        raise ValueError(f"{name}: indptr must have {rows + 1} entries, got {len(starts)}")
    if len(data) != len(indices) or (rows and starts[-1] > len(data)):
        raise ValueError(
            f"{name}: indptr ends at {starts[-1]}, but there are {len(data)} data and {len(indices)} indices"
        )
    if not (in_file(data) and in_file(indices)) or indices.dtype not in (np.int32, np.int64):
        return as_floats(sp.csr_array((loaded(data), loaded(indices), starts), shape=(rows, cols)))
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
    if starts[0] != 0 or np.any(np.diff(starts) < 0):
        raise ValueError(f"{name}: indptr must rise from 0")
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
