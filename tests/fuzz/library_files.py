"""Targets: matrices in files that h5py, zarr and pyarrow read, beside what these give."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp
from fuzz.matrix_files import LARGEST, fitted_alike, rows_of, same
from pyarrow import ipc, parquet

from gramfold.io.place import is_csr


def hdf5(data: bytes, folder: Path) -> None:
    """Every matrix of a file is what h5py reads; as .h5ad if it has cells."""
    path = folder / ("fuzzed.h5ad" if b"obs" in data else "fuzzed.h5")
    for before in folder.glob("fuzzed.h5*"):  # to which links may lead
        before.unlink()
    path.write_bytes(data)
    rows_of(path)
    for name in ("x", "X", "layers/dense", "layers/counts", "obs/_index", "a", "none"):
        found = rows_of(path, f"{path}::{name}")
        if found is not None:
            with h5py.File(path, "r") as file:
                if not _is_sure(file[name]):
                    continue
                _compared(found, file[name])
            fitted_alike(path, found, f"{path}::{name}")


def _is_sure(item: Any) -> bool:
    """Whether two reads give the same: libhdf5 reads on behind damaged chunks of the scale-offset filter."""
    if isinstance(item, h5py.Group):
        return all(map(_is_sure, item.values()))
    return getattr(item, "scaleoffset", None) is None


def zarr_zip(data: bytes, folder: Path) -> None:
    """Every matrix of a zip file is what zarr reads, and the same from a folder."""
    import zarr

    path, unpacked = folder / "fuzzed.zip", folder / "fuzzed.zarr"
    path.write_bytes(data)
    found = {name: rows_of(path, f"{path}::{name}" if name else "") for name in ("", "x", "X", "none")}
    if not _unpacked(path, unpacked):
        return
    for name, rows in found.items():
        again = rows_of(unpacked, f"{unpacked}::{name}" if name else "")
        if again is None or rows is None:
            continue
        same(again, rows)
        root: Any = zarr.open(str(unpacked), mode="r")
        if not hasattr(root, "keys"):
            _compared(rows, root)
        elif name:
            _compared(rows, root[name])


def _unpacked(path: Path, folder: Path) -> bool:
    """Whether an archive could be unpacked; small ones are."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST:
                return False
            archive.extractall(folder)
    except Exception:
        return False
    return True


def _compared(found: Any, item: Any) -> None:
    """Fail if this is not what a library reads."""
    if not is_csr(item):
        same(found, item[...])
        return
    indptr = np.asarray(item["indptr"][...])
    used = int(indptr[-1])
    data, indices = (np.asarray(item[part][:used]) for part in ("data", "indices"))  # what lies behind is any
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr.astype(np.int64)))
    entries = (data.astype(float), (rows, indices.astype(np.int64)))
    if found.dtype != bool:  # of which SciPy adds none up
        same(found.astype(float), sp.coo_array(entries, shape=tuple(item.attrs["shape"])))


def _table(name: str, read: Callable[[Path], Any]) -> Callable[[bytes, Path], None]:
    def target(data: bytes, folder: Path) -> None:
        path = folder / name
        path.write_bytes(data)
        found = rows_of(path)
        if found is None:
            return
        try:
            table = read(path)
            index = list((table.schema.pandas_metadata or {}).get("index_columns", []))
            columns = [
                one for at, one in zip(table.column_names, table.columns, strict=True) if at not in index
            ]
            expected = [[np.nan if v is None else v for v in one.to_pylist()] for one in columns]
            expected = np.array(expected, found.dtype)
        except Exception:  # in columns that are not read, or it says two things of the index
            return
        if len(expected) != found.shape[1]:
            return
        with np.errstate(all="ignore"):
            same(found.astype(float), expected.astype(float).T)
        fitted_alike(path, found)

    return target


parquet_file = _table("fuzzed.parquet", lambda path: parquet.ParquetFile(path).read())
arrow_file = _table("fuzzed.arrow", lambda path: ipc.open_file(str(path)).read_all())
