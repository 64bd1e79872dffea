"""INPUT: rows of a file or of standard input, with their names and those of the columns."""

import os
import sys
from itertools import chain, islice
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..fit.blocks import Blocks, blocks, gathered
from ..fit.on_disk import loaded
from ..io.matrix import csr_below
from ..io.text import layout, parsed, readable
from . import market
from .flat import in_segments, lies_flat
from .names import Names, names_of


class Input(NamedTuple):
    """What was given.

    Attributes
    ----------
    place : str
        As it was given, its path absolute.
    X : object
        An array, CSR or Blocks.
    names : Names
    """

    place: str
    X: Any
    names: Names

    def gathered(self) -> Any:
        """All rows, in memory."""
        X = gathered(self.X)
        if isinstance(X, Blocks):
            return csr_below(X.parts)
        return X if sp.issparse(X) else np.asarray(loaded(X))


def opened(given: str, *, dtype: str | None = None, memory: str | None = None) -> Input:
    """Open INPUT.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is nothing that is known.
    """
    if given == "-":
        return _converted(_piped(sys.stdin.buffer), dtype, memory)
    path, _, dataset = given.partition("::") if not os.path.exists(given) else (given, "", "")
    place = os.path.abspath(os.path.expanduser(path)) + (f"::{dataset}" if dataset else "")
    if path.lower().endswith(market.ENDINGS):
        return _converted(Input(place, market.read(path), Names()), dtype, memory)
    found = blocks(path, dataset=dataset or None, memory=memory)
    X: Any = found.parts[0] if isinstance(found.parts, tuple) and found.header is None else found
    return _converted(Input(place, X, names_of(path, dataset, found)), dtype, memory)


def _converted(found: Input, dtype: str | None, memory: str | None) -> Input:
    if dtype is None or np.dtype(dtype) == found.X.dtype:
        return found
    if lies_flat(found.X):
        return found._replace(X=in_segments(found.place, found.X, dtype, memory))
    return found._replace(X=found.X.astype(dtype))


class _Pipe:
    """What reads a stream and nothing else: NumPy would ask a file for its position."""

    def __init__(self, stream: BinaryIO) -> None:
        self.read = stream.read


def _piped(stream: Any) -> Input:
    """A .npy file or lines of text that come through a pipe, into memory."""
    name = "standard input"
    if stream.peek(6)[:6] == b"\x93NUMPY":
        try:
            X = np.lib.format.read_array(_Pipe(stream), allow_pickle=False)
        except Exception as error:  # the header is parsed as Python, which fails in many ways
            raise ValueError(f"{name} is no .npy file: {error}") from None
        return Input(name, X, Names())
    import csv
    import io

    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    with readable(name):
        first = lines.readline()
        fields = filter(
            None, csv.reader(chain([first], lines), delimiter="\t" if "\t" in first else ",", strict=True)
        )
        begun = list(islice(fields, 2))
        found = layout(begun, name)
        rows, parts = [], [np.empty((0, found.width))]
        for some, part in parsed(chain(begun, fields), found, name):
            rows += some
            parts.append(part)
    return Input(name, np.concatenate(parts), Names(rows or None, found.names or None))
