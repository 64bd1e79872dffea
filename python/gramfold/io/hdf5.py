"""Datasets of HDF5 files, AnnData's .h5ad among them."""

import os
from typing import Any

from ..extras import require
from .grids import reader_at
from .opening import opened
from .place import Place, inside
from .reader import Reader

ENDINGS = (".h5", ".hdf5", ".he5", ".h5ad")


def open_hdf5(path: str, name: str) -> Any:
    """A dataset or group; of a file with one matrix alone it needs no name."""
    h5py = require("h5py", extra="files")
    return inside(opened(path, "HDF5", lambda: h5py.File(path, "r")), path, name)


def from_path(path: str, name: str) -> Reader:
    """A reader of one matrix of a file."""
    if not name and path.endswith(".h5ad"):
        name = "X"
    return reader_at(Place(open_hdf5, path, name))


def from_open(dataset: Any) -> Reader:
    """A reader of a dataset, or of a group that is CSR, that is open."""
    path = os.path.abspath(os.fsdecode(dataset.file.filename))
    return reader_at(Place(open_hdf5, path, dataset.name, dataset))
