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
        _check_count(some, what, size, path)
    return names


def _check_count(names: Any, what: str, size: int, path: str) -> None:
    shape = () if names is None else getattr(names, "shape", (len(names),))
    if names is not None and tuple(shape) != (size,):
        raise ValueError(f"{path} has {' x '.join(map(str, shape))} names of {what}, but {size} {what}")


def _names_of(path: str, dataset: str, found: Any) -> Names:
    lower = path.lower().rstrip("/")
    if lower.endswith(TEXT):
        return Names(row_names(path), layout_of(path).names or None)
    if lower.endswith(".h5ad"):
        return _of_hdf5(path, dataset, found.shape)
    if lower.endswith(".zarr"):
        return _of_zarr(path, dataset, found.shape)
    columns = list(found.header.schema.names) if hasattr(found.header, "schema") else None
    return Names(_index(path) if lower.endswith(PARQUET) else None, columns)


def _of_hdf5(path: str, dataset: str, shape: Any) -> Names:
    import h5py

    with h5py.File(path, "r") as file:
        return _of_cells(file, path, dataset, shape)


def _of_zarr(path: str, dataset: str, shape: Any) -> Names:
    import zarr

    found: Any = zarr.open(path, mode="r")
    return _of_cells(found, path, dataset, shape) if "obs" in found and "var" in found else Names()


def _of_cells(root: Any, path: str, dataset: str, shape: Any) -> Names:
    """Names as AnnData keeps them, for X and layers; they are counted before they are read."""
    if dataset.strip("/").partition("/")[0] not in ("", "X", "layers"):
        return Names()
    tables = [_index_of(root.get(part)) for part in ("obs", "var")]
    for found, what, size in zip(tables, ("rows", "columns"), shape, strict=True):
        _check_count(found, what, size, path)
    return Names(*(None if found is None else _text(found[:]) for found in tables))


def _text(names: Any) -> list[str]:
    return [one.decode() if isinstance(one, bytes) else str(one) for one in names]


def _index_of(table: Any) -> Any:
    """The dataset with the names of a table, if it has one."""
    name = table.attrs.get("_index") if hasattr(table, "attrs") else None
    if not isinstance(name, str) or name not in table:
        return None
    found = table[name]
    if hasattr(found, "keys"):  # strings of which some may be missing
        if "values" not in found:
            return None
        found = found["values"]
    return found


def _index(path: str) -> list[str] | None:
    """The index of pandas in a file of Parquet, if it is a column."""
    from pyarrow import parquet

    if os.path.isdir(path):
        return None
    columns = index_columns(parquet.read_schema(path), path)
    if len(columns) != 1:
        return None
    return [str(name) for name in parquet.read_table(path, columns=columns).column(0).to_pylist()]
