"""Writing CSR to .npz files as SciPy does, but so that its arrays are aligned: whole, or not at all."""

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from ..keep.atomic import in_place_of
from .npy import check_room

ALIGNED = 64  # bytes, at multiples of which arrays begin
ZIP64, PADDING, PADDED = 20, 4, b"\x35\xd9"  # lengths of fields in a zip, and the kind of one that aligns


def write_npz(
    path: str | os.PathLike[str], blocks: Callable[[], Iterable[Any]], shape: tuple[int, int], dtype: Any,
    name: str, behind: bytes = b"",
) -> None:  # fmt: skip
    """Write row blocks, of which one is in memory at a time, under another name until the file is whole.

    Rows are read three times: for their lengths, their entries and their columns.

    Parameters
    ----------
    path : path-like
        What is there stays until then.
    blocks : callable
        Gives the CSR matrices, of floats or as they are stored, each time anew.
    shape : tuple of int
        That of all of them.
    dtype : dtype
    name : str
        What messages call `path`.
    behind : bytes
        The comment of the archive, which stands at its end.

    Raises
    ------
    OSError
        If there is no room, or the file cannot be written.
    """
    lengths = np.concatenate([np.zeros(0, np.int64), *(np.diff(rows.indptr) for rows in blocks())])
    if len(lengths) != shape[0]:
        raise ValueError(
            f"{name}={os.fspath(path)!r} was to get {shape[0]} rows, but there were {len(lengths)}"
        )
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    wide = max(int(starts[-1]), *shape) > np.iinfo(np.int32).max
    index, kind = np.dtype(np.int64 if wide else np.int32), np.dtype(dtype)
    entries = (int(starts[-1]),)
    check_room(
        os.fspath(path), entries[0] * (kind.itemsize + index.itemsize) + index.itemsize * len(starts), name
    )
    with in_place_of(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = behind
        for part, value in (("indptr", starts.astype(index)), ("shape", np.array(shape))):
            _add(archive, part, value.shape, value.dtype, iter([value]))
        _add(archive, "format", (), np.dtype("S3"), iter([np.array(b"csr")]))
        _add(archive, "data", entries, kind, (rows.data for rows in blocks()))
        _add(archive, "indices", entries, index, (rows.indices for rows in blocks()))


def _add(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: Any, parts: Iterator[Any]
) -> None:  # fmt: skip
    """Add an array, given part by part."""
    described = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": described, "fortran_order": False, "shape": shape}
    about = zipfile.ZipInfo(f"{name}.npy")
    assert archive.fp is not None
    behind = archive.fp.tell() + 30 + len(about.filename) + ZIP64 + PADDING  # the lengths of PKWARE's APPNOTE
    about.extra = PADDED + (-behind % ALIGNED).to_bytes(2, "little") + bytes(-behind % ALIGNED)
    written = 0
    with archive.open(about, "w", force_zip64=True) as member:
        to: BinaryIO = member  # type: ignore[assignment]
        np.lib.format.write_array_header_2_0(to, header)
        for part in parts:
            to.write(np.ascontiguousarray(part, dtype).tobytes())
            written += part.size
    if written != int(np.prod(shape)):
        raise ValueError(
            f"rows were of {int(np.prod(shape))} entries when they were counted, and now of {written}"
        )
