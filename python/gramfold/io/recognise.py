"""Which reader reads what was given: libraries are known by what is imported already."""

import os
import sys
from typing import Any

import numpy as np
import scipy.sparse as sp

from .arrow import IPC, PARQUET, Ipc, Parquet, Table, from_dataset
from .csv import from_text
from .flat import folder, npy
from .forward import Calls
from .hdf5 import ENDINGS as HDF5
from .hdf5 import from_open as from_hdf5
from .hdf5 import from_path as hdf5_path
from .npz import npz
from .opening import named
from .partitions import from_array, from_delayed, from_frame
from .reader import Indexed, Reader
from .text import ENDINGS as CSV
from .zarrs import ENDINGS as ZARR
from .zarrs import MARKS
from .zarrs import from_open as from_zarr
from .zarrs import from_path as zarr_path

FLAT = (".npy", ".npz")


def is_collection(given: Any) -> bool:
    """Whether this is a collection of Dask."""
    return _open_reader(given) in (from_array, from_delayed, from_frame)


def is_file(given: Any) -> bool:
    """Whether this is a path, an object of a library of files, or a collection of Dask."""
    return isinstance(given, str | os.PathLike) or _open_reader(given) is not None


def rows_of(given: Any, dataset: str | None = None) -> Any:
    """An array or CSR matrix as it is, else its reader.

    Raises
    ------
    TypeError
        If it is neither, nor something that can be read.
    """
    if isinstance(given, str | os.PathLike):
        return _by_path(os.fspath(given), dataset)
    if dataset is not None:
        raise ValueError(f"dataset={dataset!r} goes with a path, not with {type(given).__name__}")
    if isinstance(given, np.ndarray) or sp.issparse(given):
        return given
    make = _open_reader(given)
    if make is not None:
        return make(given)
    if hasattr(given, "__dataframe__") or hasattr(given, "__narwhals_dataframe__"):
        return np.asanyarray(given)
    if len(getattr(given, "shape", ())) == 2 and hasattr(given, "dtype") and hasattr(given, "__getitem__"):
        return Indexed(given)
    if hasattr(given, "__next__"):
        raise TypeError(
            f"a {type(given).__name__} can be read but once: pass a callable that gives a fresh one each time"
        )
    if callable(given):
        return Calls(given)
    found = np.asanyarray(given)
    if not found.ndim:
        raise TypeError(
            "blocks takes arrays, sparse matrices, paths, datasets of libraries of files, objects with shape,"
            f" dtype and x[a:b], callables that give iterators of blocks, and lists of these, got {given!r}"
        )
    return found


def _open_reader(given: Any) -> Any:
    """What makes a reader of an object of a library that is imported; None if it is of none."""
    if isinstance(given, np.ndarray):
        return None
    if isinstance(given, list | tuple):
        delayed = len(given) > 0 and _open_reader(given[0]) is from_delayed
        return from_delayed if delayed and not isinstance(given[0], list | tuple) else None
    for library, names, make in OPEN:
        module = sys.modules.get(library)
        kinds = tuple(kind for kind in (getattr(module, name, None) for name in names) if kind is not None)
        if kinds and isinstance(given, kinds):
            return make
    return None


def _of_anndata(rows: Any) -> Reader:
    group = rows.group
    return from_hdf5(group) if hasattr(group, "file") else from_zarr(group)


OPEN = (
    ("h5py", ("Dataset",), from_hdf5),
    ("zarr", ("Array",), from_zarr),
    ("anndata.abc", ("CSRDataset", "CSCDataset"), _of_anndata),
    ("pyarrow", ("Table",), Table),
    ("pyarrow.dataset", ("Dataset",), from_dataset),
    ("dask.array", ("Array",), from_array),
    ("dask.dataframe", ("DataFrame",), from_frame),
    ("dask.delayed", ("Delayed",), from_delayed),
)


def _by_path(path: str, dataset: str | None) -> Any:
    name = dataset or ""
    if not dataset and "::" in path and not os.path.exists(path):
        path, _, name = path.partition("::")
    if not path:
        raise ValueError("the path of a file is empty")
    path = os.path.abspath(os.path.expanduser(path))
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no {path}")
    with named(path):
        return _by_ending(path, name)


def _by_ending(path: str, name: str) -> Any:
    ending = _ending(path)
    if ending in HDF5:
        return hdf5_path(path, name)
    if ending in ZARR:
        return zarr_path(path, name)
    if ending == ".npz":
        return npz(path, name or None)
    if name:
        raise ValueError(f"{path} holds one matrix, so that it has no {name!r}")
    if ending == ".npy":
        return npy(path)
    if os.path.isdir(path):
        if os.path.exists(os.path.join(path, "indptr.npy")):
            return folder(path)
        return Parquet(path, _parquet_files(path))
    for endings, make in ((PARQUET, lambda path: Parquet(path, [path])), (IPC, Ipc), (CSV, from_text)):
        if ending in endings:
            return make(path)
    known = ", ".join((*HDF5, *ZARR, *FLAT, *PARQUET, *IPC, *CSV))
    raise ValueError(f"{path}: gf.blocks tells files by their ending, which must be one of {known}")


def _ending(path: str) -> str:
    """The ending by which a file is known; of a folder of zarr, that of one."""
    if os.path.isdir(path) and any(os.path.exists(os.path.join(path, mark)) for mark in MARKS):
        return ".zarr"
    every = sorted((*HDF5, *ZARR, *FLAT, *PARQUET, *IPC, *CSV), key=len, reverse=True)
    return next((ending for ending in every if path.lower().endswith(ending)), "")


def known(path: str) -> bool:
    """Whether a path's ending is that of a file with a matrix."""
    return bool(_ending(path.partition("::")[0]))


def _parquet_files(folder: str) -> list[str]:
    found = [
        os.path.join(root, name)
        for root, _, names in os.walk(folder)
        for name in names
        if name.endswith(PARQUET) and not name.startswith(("_", "."))
    ]
    if not found:
        raise ValueError(
            f"{folder} is a folder that is no zarr, and holds neither a CSR matrix in .npy files nor Parquet"
        )
    return sorted(found)
