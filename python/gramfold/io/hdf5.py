"""Datasets of HDF5 files, AnnData's .h5ad among them."""

import os
from typing import Any

from ..extras import require
from .compressed import structure_of
from .flat import csr, hdf5
from .grids import reader_at
from .opening import opened
from .place import Place, inside, is_csr

ENDINGS = (".h5", ".hdf5", ".he5", ".h5ad")


def open_hdf5(path: str, name: str) -> Any:
    """A dataset or group; of a file with one matrix alone it needs no name."""
    h5py = require("h5py", extra="files")
    return inside(opened(path, "HDF5", lambda: h5py.File(path, "r")), path, name)


def from_path(path: str, name: str) -> Any:
    """One matrix of a file: an array or CSR matrix if it lies flat, else a reader."""
    return from_open(open_hdf5(path, name or ("X" if path.endswith(".h5ad") else "")))


def from_open(found: Any) -> Any:
    """The same of a dataset, or of a group that is CSR, that is open."""
    lies = _flat(found)
    if lies is not None:
        return lies
    path = os.path.abspath(os.fsdecode(found.file.filename))
    return reader_at(Place(open_hdf5, path, found.name, found))


def _flat(found: Any) -> Any:
    if not is_csr(found):
        return None if hasattr(found, "keys") or found.ndim != 2 else hdf5(found)
    name = f"{found.file.filename}::{found.name.strip('/')}"
    shape, pointers = structure_of(found, name)
    data, indices = hdf5(found["data"]), hdf5(found["indices"])
    if data is None or indices is None or not indices.flags.aligned:
        return None
    return csr(data, indices, pointers, shape, name)
