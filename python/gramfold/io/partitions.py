"""Rows of Dask collections: partitions that are computed where a pass comes to them."""

import os
import pickle
import sys
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..extras import require
from ..fit.cached import cached_property
from ..fit.warn import warn
from .matrix import as_rows, csr_beside, joins_arrays, stacked
from .reader import Reader

OURS = (None, "distributed", "dask.distributed")  # what "scheduler" of Dask's configuration is with a client
SHARE = 0.5  # of the memory of all workers that X may take to be kept there


class Outline(NamedTuple):
    """What is known of a partition, or of all of them."""

    rows: int
    size: float  # in bytes
    cols: int
    dtype: Any
    sparse: bool

    def __str__(self) -> str:
        return f"{'sparse' if self.sparse else 'dense'} {self.dtype} of {self.cols} columns"


class Partitions(Reader):
    """Partitions of a Dask collection, each of which is a segment.

    They are kept on the workers, as `persist` does, if they take no more than half of the memory there;
    else they are computed for every pass.

    Parameters
    ----------
    name : str
    tasks : list of Delayed
        What gives the rows of each partition: an array, a sparse matrix or a data frame.
    outlines : list of Outline
    header : object, optional
    """

    at_once = True

    def __init__(self, name: str, tasks: list[Any], outlines: list[Outline], header: Any = None) -> None:
        first = outlines[0]
        for i, found in enumerate(outlines):
            if found[2:] != first[2:]:
                raise ValueError(f"partition {i} of {name} is {found}, but partition 0 {first}")
        self.starts = np.cumsum([0, *(found.rows for found in outlines)])
        self.size = sum(found.size for found in outlines)
        shape = int(self.starts[-1]), first.cols
        super().__init__(name, shape, first.dtype, sparse=first.sparse, header=header)
        self.client, self.given = current_client(), tasks

    @property
    def row_bytes(self) -> float:
        """How many bytes a row takes, on average."""
        return self.size / max(1, self.shape[0])

    @cached_property
    def tasks(self) -> list[Any]:
        """What gives the partitions, when a pass comes to them; see the class."""
        dask, memory = require("dask", extra="dask"), memory_of(self.client)
        if self.size <= SHARE * memory or _are_kept(self.given):
            return list(dask.persist(*self.given))
        warn(
            f"{self.name} takes {self.size / 1e9:.3g} GB, and the workers have {memory / 1e9:.3g} GB: every "
            "pass computes it again. Persist it on more workers, or store it in files that are quick to read",
            UserWarning,
        )
        return self.given

    def cuts(self, most: float) -> list[tuple[int, int]]:
        """First and last row, exclusive, of each partition."""
        return [(int(a), int(b)) for a, b in pairwise(self.starts)]

    def task(self, start: int, stop: int) -> Any:
        """What gives rows that lie in one partition: its task, and which of its rows they are."""
        i = int(np.searchsorted(self.starts, start, side="right")) - 1
        return self.tasks[i], slice(start - int(self.starts[i]), stop - int(self.starts[i]))

    def of_partition(self, given: Any) -> Any:
        """What a task gave, as an array or CSR matrix, if it is what was announced."""
        rows = partition_rows(given)
        found, wanted = _outline(rows), Outline(0, 0, self.shape[1], self.dtype, self.sparse)
        if found[2:] != wanted[2:]:
            why = "; Dask takes for dense what it cannot slice: use CSR" if found.sparse > self.sparse else ""
            raise ValueError(f"a partition of {self.name} is {found}, but should be {wanted}{why}")
        return rows

    def _read(self, start: int, stop: int) -> Any:
        last = int(np.searchsorted(self.starts, stop))
        i = int(np.searchsorted(self.starts, start, side="right")) - 1
        found = require("dask", extra="dask").compute(*self.tasks[i:last])
        first = int(self.starts[i])
        return stacked([self.of_partition(part) for part in found])[start - first : stop - first]

    def rows(self, index: NDArray[np.intp]) -> Any:
        """Some rows, in the order of `index`; each partition gives its own."""
        if not len(index):
            return self.empty
        dask = require("dask", extra="dask")
        which = np.searchsorted(self.starts, index, side="right") - 1
        order = np.argsort(which, kind="stable")
        some = dask.delayed(_some, pure=False)
        tasks = [some(self.tasks[i], index[which == i] - self.starts[i]) for i in np.unique(which)]
        found = [self.of_partition(part) for part in dask.compute(*tasks)]
        return stacked(found)[np.argsort(order, kind="stable")]

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {
            "tasks": [], "given": [], "client": None, "starts": None, "header": None,
        }  # fmt: skip


def current_client() -> Any:
    """The current client of Dask's distributed scheduler; None is Dask's default scheduler."""
    module, dask = sys.modules.get("distributed"), sys.modules.get("dask")
    if module is None or dask is None or dask.config.get("scheduler", None) not in OURS:
        return None
    try:
        return module.Client.current()
    except ValueError:
        return None


def sealed(what: Any) -> Any:
    """Pickle an object with its arrays inside: those that Dask sends beside need not come aligned.

    Kernels take aligned arrays alone. It is the `__reduce__` of what all tasks share.
    """
    return _unsealed, (type(what), require("cloudpickle", extra="dask").dumps(vars(what)))


def _unsealed(kind: Any, pickled: bytes) -> Any:
    made = kind.__new__(kind)
    vars(made).update(pickle.loads(pickled))
    return made


def from_array(given: Any) -> Partitions:
    """A reader of a dask.array."""
    dask = require("dask", extra="dask")
    if given.ndim != 2:
        raise ValueError(f"the Dask array must have two dimensions, got shape {given.shape}")
    beside = dask.delayed(_beside, pure=True)
    tasks = [row[0] if len(row) == 1 else beside(list(row)) for row in given.to_delayed()]
    if _is_dense(given, tasks[0]) and not np.isnan(given.chunks[0]).any():
        cols, dtype = given.shape[1], given.dtype
        outlines = [
            Outline(rows, rows * cols * dtype.itemsize, cols, dtype, False) for rows in given.chunks[0]
        ]
        return Partitions("the Dask array", tasks, outlines)
    return _looked_at("the Dask array", tasks)


def _is_dense(given: Any, first: Any) -> bool:
    """Whether chunks of a dask.array are arrays; SciPy 1.11 makes sparse ones that were joined look so."""
    return isinstance(given._meta, np.ndarray) and (joins_arrays() or not _looked_at("", [first]).sparse)


def from_frame(given: Any) -> Partitions:
    """A reader of a dask.dataframe with columns of numbers."""
    other = [name for name, kind in given.dtypes.items() if not _is_number(kind)]
    if other:
        raise ValueError(f"the Dask data frame must have columns of numbers, but {other[0]!r} is none")
    return _looked_at("the Dask data frame", list(given.to_delayed()), given._meta)


def from_delayed(given: Any) -> Partitions:
    """A reader of blocks that are delayed: of one, or of a list."""
    tasks = list(given) if isinstance(given, list | tuple) else [given]
    return _looked_at("the delayed blocks", tasks)


def _looked_at(name: str, tasks: list[Any], header: Any = None) -> Partitions:
    dask = require("dask", extra="dask")
    look = dask.delayed(_look, pure=True)
    return Partitions(name, tasks, list(dask.compute(*map(look, tasks))), header)


def partition_rows(given: Any) -> Any:
    """An array or CSR matrix of what a partition is."""
    if hasattr(given, "dtypes"):
        plain = all(isinstance(kind, np.dtype) for kind in given.dtypes)
        return given.to_numpy() if plain else given.to_numpy(np.float64, na_value=np.nan)
    rows = as_rows(given.to_scipy_sparse() if hasattr(given, "to_scipy_sparse") else given)
    if not sp.issparse(rows):
        return rows
    parts = (np.require(part, requirements="A") for part in (rows.data, rows.indices, rows.indptr))
    return type(rows)(tuple(parts), shape=rows.shape)


def _look(given: Any) -> Outline:
    return _outline(partition_rows(given))


def _outline(rows: Any) -> Outline:
    if rows.ndim != 2:
        raise ValueError(f"a partition must have two dimensions, got shape {rows.shape}")
    sparse = sp.issparse(rows)
    size = rows.data.nbytes + rows.indices.nbytes if sparse else rows.nbytes
    return Outline(rows.shape[0], size, rows.shape[1], rows.dtype, sparse)


def _some(given: Any, index: NDArray[np.intp]) -> Any:
    return partition_rows(given)[index]


def _beside(given: list[Any]) -> Any:
    parts = [partition_rows(part) for part in given]
    return csr_beside(parts) if sp.issparse(parts[0]) else np.hstack(parts)


def _is_number(kind: Any) -> bool:
    return getattr(kind, "kind", "O") in "biuf" or bool(getattr(kind, "_is_numeric", False))


def _are_kept(tasks: list[Any]) -> bool:
    futures = require("distributed", extra="dask").futures_of if "distributed" in sys.modules else None
    return futures is not None and len(futures(tasks)) >= len(tasks)


def memory_of(client: Any) -> float:
    """Bytes of memory of all workers, or of this machine."""
    if client is None:
        known = hasattr(os, "sysconf")
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) if known else np.inf
    # Not `scheduler_info`: what the client itself asks for now and then, without workers, may come between.
    workers = client.sync(client.scheduler.identity, n_workers=-1)["workers"].values()
    return float(sum(worker["memory_limit"] or np.inf for worker in workers))
