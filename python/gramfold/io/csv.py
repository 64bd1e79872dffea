"""Text files of numbers, as pyarrow reads them."""

from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from ..extras import require
from .arrow import Batches
from .opening import opened
from .reader import Reader
from .text import Text, delimiter_of, height_of_header, layout_of


def from_text(path: str) -> Reader:
    """A reader of a text file: pyarrow's, where that is installed, is several times as fast."""
    return Csv(path) if find_spec("pyarrow") else Text(path)


class Csv(Batches):
    """A file of numbers in columns, all read as float64; counted once, and read from its beginning each time.

    What its first lines say is in `text.layout`.
    """

    def __init__(self, path: str) -> None:
        pyarrow = require("pyarrow", extra="files")
        self._path, self._types = path, None
        self._layout = layout_of(path)
        self._skipped = height_of_header(path) if self._layout.header else 0
        with self._open() as file:
            for field in list(file.schema)[self._layout.named :]:
                if not _is_numeric(pyarrow.types, field.type):
                    raise ValueError(f"column {field.name!r} of {path} holds {field.type}, not numbers")
            names = file.schema.names
        self._types = dict.fromkeys(names[self._layout.named :], pyarrow.float64())
        rows = opened(path, "text", lambda: sum(batch.num_rows for batch in self._open(names[:1])))
        schema = pyarrow.schema(list(self._types.items()))
        super().__init__(path, schema, [(0, rows)], False, [path])

    def _open(self, columns: Sequence[str] = ()) -> Any:
        csv = require("pyarrow.csv", extra="files")
        names = [self._label()] * self._layout.named + self._layout.names
        read = csv.ReadOptions(
            autogenerate_column_names=not self._layout.header,
            column_names=names if self._layout.header else None,
            skip_rows=self._skipped,
        )
        open_ = partial(
            csv.open_csv,
            self._path,
            read_options=read,
            parse_options=csv.ParseOptions(
                delimiter=delimiter_of(self._path), newlines_in_values=self._layout.named
            ),
            convert_options=csv.ConvertOptions(column_types=self._types, include_columns=columns),
        )
        return opened(self._path, "text", open_)

    def _label(self) -> str:
        """A name for the column of the names of rows, which no other has."""
        label = ""
        while label in self._layout.names:
            label += "_"
        return label

    def _batches(self, unit: Any) -> Iterator[Any]:
        with self._open(list(self._types or ())) as file:
            yield from file


def _is_numeric(types: Any, kind: Any) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind))
