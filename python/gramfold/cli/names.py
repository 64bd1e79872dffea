"""The names that rows and columns have in their files."""

import os
from typing import Any, NamedTuple

from ..io.arrow import PARQUET
from ..io.columns import index_columns
from ..io.opening import named
from ..io.text import ENDINGS as TEXT
from ..io.text import layout_of, row_names


class Names(NamedTuple):
    """Names of rows and of columns; None of what has none."""

    rows: list[str] | None = None
    columns: list[str] | None = None


def names_of(path: str, dataset: str, found: Any) -> Names:
    """The names in a file of which `found` are the Blocks.

    Raises
    ------
    ValueError
        If there are more or fewer than rows or columns.
    OSError
        If they cannot be read.
    """
    with named(path):
        names = _names_of(path, dataset, found)
    for what, some, size in zip(("rows", "columns"), names, found.shape, strict=True):
        if some is not None and len(some) != size:
            raise ValueError(f"{path} has {len(some)} names of {what}, but {size} {what}")
    return names


def _names_of(path: str, dataset: str, found: Any) -> Names:
    lower = path.lower().rstrip("/")
    if lower.endswith(TEXT):
        return Names(row_names(path), layout_of(path).names or None)
    if lower.endswith(".h5ad"):
        return _of_hdf5(path, dataset)
    if lower.endswith(".zarr"):
        return _of_zarr(path, dataset)
    columns = list(found.header.schema.names) if hasattr(found.header, "schema") else None
    return Names(_index(path) if lower.endswith(PARQUET) else None, columns)


def _of_hdf5(path: str, dataset: str) -> Names:
    import h5py

    with h5py.File(path, "r") as file:
        return _of_cells(file, dataset)


def _of_zarr(path: str, dataset: str) -> Names:
    import zarr

    found: Any = zarr.open(path, mode="r")
    return _of_cells(found, dataset) if "obs" in found and "var" in found else Names()


def _of_cells(root: Any, dataset: str) -> Names:
    """Names as AnnData keeps them, for X and layers."""
    if dataset.strip("/").partition("/")[0] not in ("", "X", "layers"):
        return Names()
    return Names(*(_index_of(root.get(part)) for part in ("obs", "var")))


def _index_of(table: Any) -> list[str] | None:
    name = table.attrs.get("_index") if hasattr(table, "attrs") else None
    if not isinstance(name, str) or name not in table:
        return None
    found = table[name]
    if hasattr(found, "keys"):  # strings of which some may be missing
        if "values" not in found:
            return None
        found = found["values"]
    return [one.decode() if isinstance(one, bytes) else str(one) for one in found[:]]


def _index(path: str) -> list[str] | None:
    """The index of pandas in a file of Parquet, if it is a column."""
    from pyarrow import parquet

    if os.path.isdir(path):
        return None
    columns = index_columns(parquet.read_schema(path), path)
    if len(columns) != 1:
        return None
    return [str(name) for name in parquet.read_table(path, columns=columns).column(0).to_pylist()]
