"""`gramfold convert`: a matrix as a flat file."""

import argparse
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse as sp

from ..fit.blocks import Blocks
from ..fit.on_disk import loaded
from ..fit.out import row_blocks
from ..io.npy import write_npy
from ..keep.atomic import in_place_of
from .errors import CONVERGED, UsageError
from .inputs import opened

ALIGNED = 64  # bytes, at multiples of which arrays begin
ZIP64, PADDING, PADDED = 20, 4, b"\x35\xd9"  # lengths of fields in a zip, and the kind of one that aligns


def run(command: argparse.Namespace) -> int:
    """Write the file; gives the exit status."""
    to = Path(command.output)
    if to.suffix not in (".npy", ".npz"):
        raise UsageError(f"OUT must end in .npy, or in .npz for sparse rows, got {command.output}")
    if to.exists():
        if os.path.exists(command.input) and os.path.samefile(command.input, to):
            raise UsageError(f"IN and OUT are both {command.output}")
        if not command.force:
            raise FileExistsError(f"{to} is there already: --force replaces it")
    X = opened(command.input, dtype=command.dtype, memory=command.memory).X
    sparse = X.sparse if isinstance(X, Blocks) else sp.issparse(X)
    if sparse != (to.suffix == ".npz"):
        kind, ending = ("sparse", ".npz") if sparse else ("dense", ".npy")
        raise UsageError(f"{command.input} has {kind} rows, which go into a file that ends in {ending}")
    if sparse:
        write_npz(to, X)
    else:
        write_npy(str(to), _dense(X), X.shape[0], "OUT")
    print(to)
    return CONVERGED


def _dense(X: Any) -> Iterator[Any]:
    for _, rows in row_blocks(X):
        yield np.asarray(loaded(rows))


def write_npz(path: Path, X: Any) -> None:
    """Write CSR as SciPy does, without compression, so that it lies flat; a block of rows is in memory.

    Rows are read three times: for their lengths, their entries and their columns.
    """
    lengths = np.concatenate([np.diff(rows.indptr) for _, rows in row_blocks(X)])
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    wide = max(int(starts[-1]), *X.shape) > np.iinfo(np.int32).max
    index = np.dtype(np.int64 if wide else np.int32)
    entries = (int(starts[-1]),)
    with in_place_of(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, value in (("indptr", starts.astype(index)), ("shape", np.array(X.shape))):
            _add(archive, name, value.shape, value.dtype, iter([value]))
        _add(archive, "format", (), np.dtype("S3"), iter([np.array(b"csr")]))
        _add(archive, "data", entries, X.dtype, (loaded(rows.data) for _, rows in row_blocks(X)))
        columns = (loaded(rows.indices) for _, rows in row_blocks(X))
        _add(archive, "indices", entries, index, (some.astype(index, copy=False) for some in columns))


def _add(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: Any, parts: Iterator[Any]
) -> None:  # fmt: skip
    described = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": described, "fortran_order": False, "shape": shape}
    about = zipfile.ZipInfo(f"{name}.npy")
    assert archive.fp is not None
    behind = archive.fp.tell() + 30 + len(about.filename) + ZIP64 + PADDING  # the lengths of PKWARE's APPNOTE
    about.extra = PADDED + (-behind % ALIGNED).to_bytes(2, "little") + bytes(-behind % ALIGNED)
    with archive.open(about, "w", force_zip64=True) as member:
        to: BinaryIO = member  # type: ignore[assignment]
        np.lib.format.write_array_header_2_0(to, header)
        for part in parts:
            to.write(np.ascontiguousarray(part, dtype).tobytes())
