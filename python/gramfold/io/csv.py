"""Text files of numbers, as pyarrow reads them."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from ..extras import require
from .arrow import Batches
from .opening import opened

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


class Csv(Batches):
    """A file of numbers in columns, all read as float64; counted once, and read from its beginning each time.

    Its first line holds the names of the columns, unless it holds numbers too.
    """

    def __init__(self, path: str) -> None:
        pyarrow = require("pyarrow", extra="files")
        self._path, self._named, self._types = path, True, None
        with self._open() as file:
            self._named = not all(_is_number(name) for name in file.schema.names)
        with self._open() as file:
            for field in file.schema:
                if not _is_numeric(pyarrow.types, field.type):
                    raise ValueError(f"column {field.name!r} of {path} holds {field.type}, not numbers")
            names = file.schema.names
        self._types = dict.fromkeys(names, pyarrow.float64())
        rows = opened(path, "text", lambda: sum(batch.num_rows for batch in self._open(names[:1])))
        schema = pyarrow.schema(list(self._types.items()))
        super().__init__(path, schema, [(0, rows)], False, [path])

    def _open(self, columns: Sequence[str] = ()) -> Any:
        csv = require("pyarrow.csv", extra="files")
        tabs = self._path.removesuffix(".gz").endswith(".tsv")
        open_ = partial(
            csv.open_csv,
            self._path,
            read_options=csv.ReadOptions(autogenerate_column_names=not self._named),
            parse_options=csv.ParseOptions(delimiter="\t" if tabs else ","),
            convert_options=csv.ConvertOptions(column_types=self._types, include_columns=columns),
        )
        return opened(self._path, "text", open_)

    def _batches(self, unit: Any) -> Iterator[Any]:
        with self._open() as file:
            yield from file


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_numeric(types: Any, kind: Any) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind))
