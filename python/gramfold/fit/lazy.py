"""What gives a row for each row of a Dask collection: arrays that are computed when asked for."""

import copy
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from ..extras import require
from ..io.partitions import Partitions, partition_rows, sealed
from ..io.recognise import rows_of
from .inputs import read_numbers


def lazily(name: str, model: Any, X: Any, rest: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What a method gives for a Dask collection: a Dask array with a chunk for each of its partitions.

    Parameters
    ----------
    name : str
        Of the method.
    model : estimator
    X : Dask collection
    rest, named
        Further arguments: of those with as many rows as X each partition is given its own.
    """
    reader: Partitions = rows_of(X)
    if reader.header is not None:
        validate_data(model, reader.header, reset=False, skip_check_array=True)
    own = own_rows(model, reader.shape[0])
    return _rows_of_each(_Method(name, model, tuple(own)), reader, rest, own | named)


def lazily_called(function: Any, X: Any, shared: dict[str, Any], of_rows: dict[str, Any]) -> Any:
    """What a function gives for the rows of a Dask collection, as `lazily` gives it of a method.

    Parameters
    ----------
    function : callable
        Picklable; of rows, and of what follows by name.
    X : Dask collection
    shared : dict
        What each partition is given whole.
    of_rows : dict
        What has a row for each row of X, or is None.

    Raises
    ------
    ValueError
        If what has rows has not as many as X.
    """
    reader: Partitions = rows_of(X)
    rows, given = reader.shape[0], {key: a for key, a in of_rows.items() if a is not None}
    for key, a in given.items():
        if not hasattr(a, "shape"):
            given[key] = a = np.asarray(a)
        if not a.ndim or a.shape[0] != rows:
            raise ValueError(f"{key} must have a row for each of the {rows} rows of X, got shape {a.shape}")
    return _rows_of_each(_Function(function, shared), reader, (), given)


def _rows_of_each(method: Any, reader: Partitions, rest: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """A Dask array of what a method gives for each partition, which is given its rows of other arguments."""
    array, dask = require("dask.array", extra="dask"), require("dask", extra="dask")
    rows, example = reader.shape[0], _example(method, reader, rest, named)
    sent = dask.delayed(method, traverse=False, pure=False)
    chunks = []
    for task, (start, stop) in zip(reader.given, pairwise(map(int, reader.starts)), strict=True):
        if start == stop:
            chunks.append(array.from_array(example[:0], asarray=False))
            continue
        at = slice(start, stop)
        part = dask.delayed(_of_partition, pure=False)(
            sent, task, [part_of(a, at, rows) for a in rest],
            {key: part_of(a, at, rows) for key, a in named.items()},
        )  # fmt: skip
        chunks.append(array.from_delayed(part, (stop - start, *example.shape[1:]), meta=example[:0]))
    return array.concatenate(chunks)


def own_rows(model: Any, rows: int) -> dict[str, Any]:
    """The parameters of an estimator that have a number for each of so many rows of X."""
    given = {key: getattr(model, key) for key in getattr(model, "row_parameters", ())}
    own = {key: read_numbers(a, key) for key, a in given.items() if a is not None}
    return {key: a for key, a in own.items() if a.ndim and len(a) == rows}


def with_own_rows(model: Any, own: dict[str, Any]) -> Any:
    """An estimator, with other rows of such parameters: a copy if there are any."""
    if not own:
        return model
    model = copy.copy(model)
    for key, a in own.items():
        setattr(model, key, a)
    return model


def part_of(a: Any, at: slice, rows: int) -> Any:
    """The rows of what has as many as X."""
    return a[at] if hasattr(a, "__getitem__") and not isinstance(a, str) and len(a) == rows else a


class _Method:
    """A method of an estimator that tasks call, by one thread each; `own` of its parameters have rows."""

    def __init__(self, name: str, model: Any, own: tuple[str, ...]) -> None:
        self.name, self.model, self.own = name, copy.copy(model), own
        for parameter, value in (("n_threads", 1), ("callback", None), *((key, None) for key in own)):
            if hasattr(model, parameter):
                setattr(self.model, parameter, value)

    __reduce__ = sealed

    def __call__(self, rows: Any, *rest: Any, **named: Any) -> Any:
        model = with_own_rows(self.model, {key: named.pop(key) for key in self.own})
        return getattr(model, self.name)(rows, *rest, **named)


class _Function:
    """A function that tasks call, and what all of them give it."""

    def __init__(self, function: Any, shared: dict[str, Any]) -> None:
        self.function, self.shared = function, shared

    __reduce__ = sealed

    def __call__(self, rows: Any, **named: Any) -> Any:
        return self.function(rows, **self.shared, **named)


def _of_partition(method: Any, given: Any, rest: list[Any], named: dict[str, Any]) -> Any:
    return method(given if hasattr(given, "dtypes") else partition_rows(given), *rest, **named)


def _example(method: Any, reader: Partitions, rest: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What a method gives for a row of ones: its type and columns are those of all rows."""

    def one(a: Any) -> Any:
        return np.ones((1, *a.shape[1:]), a.dtype) if part_of(a, slice(0, 0), reader.shape[0]) is not a else a

    row: Any = np.ones((1, reader.shape[1]), reader.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method(
            sp.csr_array(row) if reader.sparse else row,
            *map(one, rest),
            **{k: one(a) for k, a in named.items()},
        )
