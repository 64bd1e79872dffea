"""Columns of Arrow as rows of one dtype."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .._core.floats import float_of


def number_columns(schema: Any, name: str) -> list[str]:
    """The names of a schema's columns but those of pandas' index; all must hold numbers."""
    index = index_columns(schema, name)
    found = [field for field in schema if field.name not in index]
    for field in found:
        if _dtype(field.type) is None:
            raise ValueError(
                f"column {field.name!r} of {name} holds {field.type}, not numbers: leave it out, as with "
                "pyarrow.dataset or read_table(columns=...)"
            )
    if not found:
        raise ValueError(f"{name} has no columns")
    names = [field.name for field in found]
    if len(set(names)) < len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise ValueError(f"{name} has several columns of the name {twice!r}: give each another one")
    return names


def index_columns(schema: Any, name: str) -> list[str]:
    """The names of the columns that are pandas' index.

    Raises
    ------
    ValueError
        If what a file says of it is damaged.
    """
    try:
        index = list((schema.pandas_metadata or {}).get("index_columns", []))
    except Exception as error:  # it is any text
        raise ValueError(f"{name} has metadata of pandas that cannot be read: {error}") from None
    return [one for one in index if isinstance(one, str)]


def common_dtype(schema: Any, columns: Sequence[str], nulls: bool) -> np.dtype[Any]:
    """The dtype that holds all columns, and NaN where there may be nulls."""
    dtype = np.result_type(*(_dtype(schema.field(name).type) for name in columns))
    return float_of(dtype) or dtype if nulls and dtype.kind in "biu" else dtype


def _dtype(kind: Any) -> np.dtype[Any] | None:
    """NumPy's dtype of a type of Arrow; None if that is no number."""
    try:
        dtype = np.dtype(kind.to_pandas_dtype())
    except (NotImplementedError, TypeError):
        return None
    return dtype if float_of(dtype) is not None and not str(kind).startswith("decimal") else None


def filled(batches: Iterable[Any], rows: int, columns: Sequence[str], dtype: np.dtype[Any]) -> Any:
    """Batches as so many rows: an array whose columns are contiguous, NaN where there is a null."""
    out = np.empty((len(columns), rows), dtype)
    start = 0
    for batch in batches:
        stop = start + batch.num_rows
        chosen = batch.columns if batch.num_columns == len(columns) else map(batch.column, columns)
        for j, column in enumerate(chosen):
            out[j, start:stop] = _numbers(column, dtype)
        start = stop
    return out.T


def _numbers(column: Any, dtype: np.dtype[Any]) -> Any:
    column.validate(full=True)  # lengths of a file need not fit
    if dtype.kind in "biu" and column.null_count:
        raise ValueError("a column holds nulls, where the statistics of the file say that it has none")
    if column.type.bit_width == 1:  # of booleans
        column = column.cast("uint8")
    return column.to_numpy(zero_copy_only=False)
