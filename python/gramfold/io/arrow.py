"""Parquet and Arrow files, and tables and datasets of pyarrow."""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..extras import require
from .columns import common_dtype, filled, number_columns
from .compressed import sides_of
from .footer import has_nulls
from .forward import Forward
from .opening import named, opened
from .reader import Reader

PARQUET, IPC = (".parquet", ".pq"), (".arrow", ".feather", ".ipc")
BATCH = 1 << 24  # bytes of rows that are decoded together
BUFFERS, LEAST_BUFFER = 1 << 24, 1 << 13  # bytes of all columns, and of each, that are read together


class Batches(Forward):
    """Rows of record batches that lie in units, which are begun with anywhere.

    Parameters
    ----------
    name : str
    schema : pyarrow.Schema
    units : sequence of (object, int)
        What a format reads a unit by, and its rows.
    nulls : bool
        Whether columns of integers may hold nulls.
    paths : list of str
    """

    _together: float = BATCH

    def __init__(
        self, name: str, schema: Any, units: Sequence[tuple[Any, int]], nulls: bool, paths: list[str]
    ) -> None:
        self._columns = number_columns(schema, name)
        for _, rows in units:
            sides_of((rows, len(self._columns)), name)
        self._units = [unit for unit, rows in units if rows]
        self._starts = np.cumsum([0, *(rows for _, rows in units if rows)]).tolist()
        super().__init__(
            name, (self._starts[-1], len(self._columns)), common_dtype(schema, self._columns, nulls),
            paths=paths, header=_header(schema, self._columns),
        )  # fmt: skip

    def cuts(self, most: float) -> list[tuple[int, int]]:
        """As of any reader; nor is more decoded together."""
        self._together = min(BATCH, most)
        return super().cuts(most)

    def _unit(self, row: int) -> int:
        return int(self._starts[max(0, bisect_right(self._starts[:-1], row) - 1)])

    def _begin(self, unit: int) -> Iterator[Any]:
        for one in self._units[self._starts.index(unit) :]:
            yield from self._batches(one)

    def _batches(self, unit: Any) -> Iterator[Any]:
        raise NotImplementedError

    def _length(self, block: Any) -> int:
        return int(block.num_rows)

    def _filled(self, pieces: Iterator[Any], rows: int) -> Any:
        return filled(pieces, rows, self._columns, self.dtype)


class Parquet(Batches):
    """Files of Parquet, a row group a unit."""

    def __init__(self, name: str, paths: list[str]) -> None:
        parquet = require("pyarrow.parquet", extra="files")
        units, first = [], None
        for path in paths:
            with opened(path, "Parquet", partial(parquet.ParquetFile, path)) as file:
                schema, about = file.schema_arrow, file.metadata
                first = first or schema
                _check_same(first, schema, path, paths[0])
                rows = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
                if sum(rows) != about.num_rows:
                    raise ValueError(
                        f"{path} is damaged: its row groups have {sum(rows)} rows, it {about.num_rows}"
                    )
                units += [((path, i), count) for i, count in enumerate(rows)]
        whole = common_dtype(first, number_columns(first, name), nulls=False).kind in "biu"
        nulls = whole and any(opened(path, "Parquet", partial(has_nulls, path)) for path in paths)
        super().__init__(name, first, units, nulls, paths)

    def _batches(self, unit: Any) -> Iterator[Any]:
        path, group = unit
        parquet = require("pyarrow.parquet", extra="files")
        buffer = max(LEAST_BUFFER, BUFFERS // self.shape[1])
        rows = max(1, int(self._together // self.row_bytes))
        with parquet.ParquetFile(path, buffer_size=buffer) as file:
            yield from file.iter_batches(rows, row_groups=[group], columns=self._columns)


def _check_same(first: Any, schema: Any, path: str, before: str) -> None:
    if [(field.name, field.type) for field in schema] != [(field.name, field.type) for field in first]:
        raise ValueError(f"{path} has other columns, or of other types, than {before}")


class Ipc(Batches):
    """A file of Arrow's own format, a record batch a unit."""

    def __init__(self, path: str) -> None:
        ipc = require("pyarrow.ipc", extra="files")
        with opened(path, "Arrow", lambda: ipc.open_file(_source(path))) as file:
            schema, units, nulls = file.schema, [], False
            for i in range(file.num_record_batches):
                batch = file.get_batch(i)
                batch.validate()  # else nulls may be counted in what is no memory of its
                units.append((i, batch.num_rows))
                nulls = nulls or any(column.null_count for column in batch.columns)
        self._path = path
        super().__init__(path, schema, units, nulls, [path])

    def _batches(self, unit: Any) -> Iterator[Any]:
        ipc = require("pyarrow.ipc", extra="files")
        with ipc.open_file(_source(self._path)) as file:
            yield file.get_batch(unit)


def _source(path: str) -> Any:
    return require("pyarrow", extra="files").OSFile(path)


class Table(Batches):
    """A table of pyarrow in memory: columns that become rows where they are read."""

    def __init__(self, table: Any) -> None:
        with named("the pyarrow Table"):
            table.validate()  # else chunks may be put together from what is no memory of theirs
        self._table = table.combine_chunks()
        nulls = any(column.null_count for column in table.columns)
        super().__init__("the pyarrow Table", table.schema, [(0, table.num_rows)], nulls, [])

    def _batches(self, unit: Any) -> Iterator[Any]:
        yield self._table


class Dataset(Batches):
    """A dataset of pyarrow, whatever its format: scanned from its beginning."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        paths = [path for path in getattr(dataset, "files", []) if os.path.exists(path)]
        super().__init__("the pyarrow Dataset", dataset.schema, [(0, dataset.count_rows())], True, paths)

    def _batches(self, unit: Any) -> Iterator[Any]:
        yield from self._dataset.to_batches(columns=self._columns, batch_readahead=1, fragment_readahead=0)


def from_dataset(dataset: Any) -> Reader:
    """A reader of a dataset; one of local Parquet files alone is read by row groups."""
    files = getattr(dataset, "files", [])
    plain = all(os.path.isfile(path) for path in files) and files
    if plain and type(dataset.format).__name__ == "ParquetFileFormat":
        found = Parquet("the pyarrow Dataset", list(files))
        if found.header.schema.names == dataset.schema.names:
            return found
    return Dataset(dataset)


def _header(schema: Any, columns: list[str]) -> Any:
    pyarrow = require("pyarrow", extra="files")
    return pyarrow.schema([schema.field(name) for name in columns]).empty_table()
