"""Matrices in .npz files, where they lie flat."""

import os
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.on_disk import loaded, on_disk
from .flat import csr, header_of, npy
from .grids import Csr
from .opening import opened
from .place import Place

Path = str | os.PathLike[str]

CSR = ("data", "indices", "indptr", "shape")
LOCAL = b"PK\3\4"  # what stands before a member


def npz(path: Path, name: str | None = None) -> Any:
    """The array of an .npz file, the one with that name if there are several, or its CSR matrix or a reader.

    Raises
    ------
    ValueError
        If it is compressed, or no name says which array is meant.
    OSError
        If it is no archive.
    """
    members = _members(path)
    if name is None and set(CSR) <= set(members):
        form = _format(path, members["format"]) if "format" in members else "csr"
        if form != "csr":
            raise ValueError(f"{os.fspath(path)} holds a {form} matrix: save it as CSR")
        parts = {part: _array(path, members[part]) for part in CSR}
        if not parts["indices"].flags.aligned:  # which kernels ask for
            return Csr(Place(_Arrays, os.path.abspath(path), ""))
        return csr(parts["data"], parts["indices"], parts["indptr"], loaded(parts["shape"]), os.fspath(path))
    if name is None and len(members) == 1:
        name = next(iter(members))
    if name not in members:
        raise ValueError(
            f"{os.fspath(path)} has the arrays {', '.join(sorted(members))}, not {name!r}: name one"
        )
    return _array(path, members[name])


class _Arrays:
    """The arrays of a CSR matrix in an .npz file, where columns begin at an odd byte, as SciPy writes it."""

    def __init__(self, path: str, name: str) -> None:
        members = _members(path)
        self._parts = {part: _array(path, members[part]) for part in CSR}
        self.attrs = {"shape": loaded(self._parts["shape"])}

    def __getitem__(self, name: str) -> "_Read":
        return _Read(self._parts[name])


class _Read:
    """An array in a file, of which slices are read."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array, self.dtype, self.shape = array, array.dtype, array.shape

    def __getitem__(self, at: slice) -> NDArray[Any]:
        return np.asarray(loaded(self._array[at]))


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """What an archive holds, by name."""

    def read() -> dict[str, zipfile.ZipInfo]:
        with zipfile.ZipFile(path) as archive:
            return {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    found: dict[str, zipfile.ZipInfo] = opened(os.fspath(path), ".npz", read)
    return found


def _place(path: Path, info: zipfile.ZipInfo) -> tuple[int, int]:
    """Where a member begins, and where it ends."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(
            f"{os.fspath(path)} is compressed, so that {info.filename} does not lie flat: use np.savez"
        )
    with open(path, "rb") as file:
        file.seek(min(max(0, info.header_offset), os.path.getsize(path)))
        local = file.read(30)  # PKWARE's APPNOTE 4.3.7: lengths of the name and of what follows it at byte 26
    if info.header_offset < 0 or len(local) < 30 or local[:4] != LOCAL:
        raise ValueError(f"{os.fspath(path)} is damaged: {info.filename} is not where it should be")
    names = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    begin = info.header_offset + 30 + names
    return begin, begin + info.file_size


def _array(path: Path, info: zipfile.ZipInfo) -> NDArray[Any]:
    return npy(path, *_place(path, info))


def _format(path: Path, info: zipfile.ZipInfo) -> str:
    """Of a sparse matrix the kind, as SciPy writes it."""
    shape, _, dtype, offset = header_of(path, _place(path, info)[0])
    if shape or dtype.kind not in "SU" or dtype.itemsize > 100:
        raise ValueError(f"{os.fspath(path)} is damaged: its format is {dtype} of shape {shape}")
    said = loaded(on_disk(path, dtype, shape, offset)).item() if dtype.itemsize else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else said
