"""Text files of numbers: what their first lines say, and rows by the standard library alone."""

import csv
import gzip
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .forward import Forward

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
NULLS = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "N/A", "NA",
     "NULL", "NaN", "n/a", "nan", "null"]
)  # fmt: skip
TOGETHER = 1 << 18  # entries that are parsed together


class Layout(NamedTuple):
    """What the first lines say.

    Attributes
    ----------
    names : list of str
        Of the columns, but that of the names of rows; empty if the first line holds numbers.
    header : bool
        Whether the first line holds names.
    named : bool
        Whether each row begins with its name.
    width : int
        How many columns of numbers there are.
    """

    names: list[str]
    header: bool
    named: bool
    width: int


def delimiter_of(path: str) -> str:
    """What stands between two entries."""
    return "\t" if path.lower().removesuffix(".gz").endswith(".tsv") else ","


@contextmanager
def fields_of(path: str) -> Iterator[Iterator[list[str]]]:
    """The fields of each line that is not empty."""
    with _parser_of(path) as lines:
        yield filter(None, lines)


@contextmanager
def _parser_of(path: str) -> Iterator[Any]:
    open_: Any = gzip.open if path.lower().endswith(".gz") else open
    with readable(path), open_(path, "rt", encoding="utf-8-sig", newline="") as file:
        yield csv.reader(file, delimiter=delimiter_of(path), strict=True)


def height_of_header(path: str) -> int:
    """How many lines the names of the columns take, with empty ones before them."""
    with _parser_of(path) as lines:
        next(filter(None, lines))
        return int(lines.line_num)


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Say of what is no text which file it is."""
    try:
        yield
    except (UnicodeDecodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{name} cannot be read as text: {error}") from None


def layout_of(path: str) -> Layout:
    """What the first lines of a file say."""
    with fields_of(path) as lines:
        return layout(list(islice(lines, 2)), path)


def layout(lines: list[list[str]], name: str) -> Layout:
    """What the first two lines say.

    The first one holds the names of the columns, unless all of it are numbers. The first column holds the
    names of the rows if what is above it is empty or lacking, or its first entry is no number.

    Raises
    ------
    ValueError
        If there is no line, it may be names or numbers, or two columns have one name.
    """
    if not lines:
        raise ValueError(f"{name} is empty")
    first, second = lines[0], lines[-1]
    header = not all(map(is_number, first))
    if not header:
        return Layout([], False, False, len(first))
    short = len(lines) == 2 and len(first) == len(second) - 1
    named = short or not first[0] or (len(lines) == 2 and not is_number(second[0]))
    if named and not short and first[0] and len(first) > 1 and all(map(is_number, first[1:])):
        raise ValueError(
            f"the first line of {name} may be a row or names of columns: write names above all rows, which "
            "begin with an empty field"
        )
    names = first[0 if short or not named else 1 :]
    if twice := [column for column, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{name} has two columns of the name {twice[0]!r}")
    return Layout(names, True, named, len(names))


def parsed(lines: Iterable[list[str]], found: Layout, name: str) -> Iterator[tuple[list[str], NDArray[Any]]]:
    """Yield the names of some rows, if they have any, and the rows."""
    rest = islice(lines, int(found.header), None)
    together, number, skip = max(1, TOGETHER // max(1, found.width)), 1 + found.header, int(found.named)
    while some := list(islice(rest, together)):
        for i, row in enumerate(some, number):
            if len(row) != found.width + skip:
                raise ValueError(
                    f"row {i} of {name} has {len(row)} fields, but the first has {found.width + skip}"
                )
        yield [row[0] for row in some] if skip else [], _numbers(some, skip, number, name)
        number += len(some)


def _numbers(rows: list[list[str]], skip: int, number: int, name: str) -> NDArray[Any]:
    try:
        return np.array([row[skip:] for row in rows], np.float64)
    except ValueError:
        return np.array(
            [[_number(field, i, name) for field in row[skip:]] for i, row in enumerate(rows, number)]
        )


def _number(field: str, row: int, name: str) -> float:
    if field in NULLS:
        return np.nan
    try:
        return float(field)
    except ValueError:
        raise ValueError(f"row {row} of {name} holds {field[:40]!r}, which is no number") from None


def is_number(field: str) -> bool:
    """Whether it is a number, or stands for one that is missing; nothing does not."""
    if field in NULLS:
        return bool(field)
    try:
        float(field)
    except ValueError:
        return False
    return True


class Text(Forward):
    """A file of numbers in columns, all read as float64, without another library."""

    def __init__(self, path: str) -> None:
        self._path, self._layout = path, layout_of(path)
        rows = sum(len(block) for block in self._begin(0))
        super().__init__(os.fspath(path), (rows, self._layout.width), np.float64, paths=[path])

    def _begin(self, unit: int) -> Iterator[Any]:
        with fields_of(self._path) as lines:
            for _, block in parsed(lines, self._layout, self._path):
                yield block


def row_names(path: str) -> list[str] | None:
    """The names of the rows of a file; None if they have none."""
    found = layout_of(path)
    if not found.named:
        return None
    with fields_of(path) as lines:
        return [row[0] for row in islice(lines, int(found.header), None)]
