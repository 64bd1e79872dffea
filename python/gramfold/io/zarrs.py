"""Arrays of zarr, of either format, in folders and zip files."""

import os
from typing import Any

from ..extras import require
from .grids import reader_at
from .opening import opened
from .place import Place, inside
from .reader import Reader

ENDINGS = (".zarr", ".zip")
MARKS = ("zarr.json", ".zarray", ".zgroup")


def open_zarr(path: str, name: str) -> Any:
    """An array or group; of a group with one matrix alone it needs no name."""
    zarr = require("zarr", extra="files")

    def open_() -> Any:
        return zarr.open(zarr.storage.ZipStore(path, mode="r") if path.endswith(".zip") else path, mode="r")

    found = opened(path, "zarr", open_)
    return inside(found, path, name) if hasattr(found, "keys") else found


def from_path(path: str, name: str) -> Reader:
    """A reader of one matrix of a folder or zip file."""
    return reader_at(Place(open_zarr, path, name))


def from_open(array: Any) -> Reader:
    """A reader of an array, or of a group that is CSR, that is open."""
    store = array.store
    path = str(getattr(store, "root", None) or getattr(store, "path", None) or store)
    inner = array.path if os.path.exists(path) else ""
    return reader_at(Place(open_zarr, path, inner, array))
