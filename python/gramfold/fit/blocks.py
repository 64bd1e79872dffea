"""Rows that do not lie in one array: blocks of them, one after the other."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..io.cache import cached
from ..io.partitions import Partitions
from ..io.parts import Parts, Passes, Piece
from ..io.reader import Held, Reader
from ..io.recognise import is_file, rows_of
from ..io.sizes import SEGMENT, SHARE, memory_bytes
from .arguments import file_path


class Blocks:
    """Row blocks as one matrix; made by `blocks`.

    Attributes
    ----------
    parts : tuple, or Parts
        The blocks, of any sizes; of what lies in files, segments that are read each time they are come to.
    shape : tuple of int
        (n_samples, n_features) of all together.
    dtype : dtype
    sparse : bool
    memory : float or None
        What was asked for, in bytes.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> some = gf.blocks([np.zeros((3, 2)), np.ones((4, 2))])
    >>> some.shape, some.sparse
    ((7, 2), False)
    """

    ndim = 2

    def __init__(self, parts: Iterable[Any], header: Any = None, memory: float | None = None) -> None:
        self.parts = parts if isinstance(parts, Parts) else tuple(parts)
        first = parts.empty if isinstance(parts, Parts) else self.parts[0]
        self.shape = (sum(at.stop - at.start for at in self.spans), first.shape[1])
        self.dtype, self.sparse, self.header = first.dtype, sp.issparse(first), header
        self.memory = memory

    @property
    def spans(self) -> list[slice]:
        """Which rows each block has."""
        if isinstance(self.parts, Parts):
            return self.parts.spans
        ends = np.cumsum([part.shape[0] for part in self.parts])
        return [slice(int(end) - part.shape[0], int(end)) for part, end in zip(self.parts, ends, strict=True)]

    def map(self, change: Callable[[Any, Any], Any], passes: Passes | None = None) -> "Blocks":
        """What change(block, at) makes of each block: of those in files when they are read.

        `at` is which rows it has: a slice, or of those in files also indices, of some rows alone.
        """
        if isinstance(self.parts, Parts):
            return Blocks(self.parts.map(change, passes), self.header)
        return Blocks(mapped(self.parts, self.spans, change), self.header)

    def astype(self, dtype: Any, copy: bool = True) -> "Blocks":
        """The same rows in another dtype, as `ndarray.astype`."""
        return self.map(lambda part, at: part.astype(dtype, copy=copy))

    def __len__(self) -> int:
        return int(self.shape[0])

    def __repr__(self) -> str:
        kind = "sparse" if self.sparse else "dense"
        return f"<{len(self.parts)} {kind} blocks of {self.shape[0]} x {self.shape[1]} {self.dtype}>"


def mapped(parts: Any, spans: list[slice], change: Callable[[Any, Any], Any]) -> Any:
    """What change(part, at) makes of parts: a list, or of those in files Parts."""
    if isinstance(parts, Parts):
        return parts.map(change)
    return [change(part, at) for part, at in zip(parts, spans, strict=True)]


def each_part(given: Any, change: Callable[[Any, Any], Any]) -> Any:
    """What change(rows, at) makes of an array or CSR matrix, or of each block of Blocks."""
    return given.map(change) if isinstance(given, Blocks) else change(given, slice(0, given.shape[0]))


def gathered(given: Any) -> Any:
    """Dense Blocks as one array, a copy; what is none, itself."""
    return np.concatenate(list(given.parts)) if isinstance(given, Blocks) and not given.sparse else given


def blocks(source: Any, *, dataset: str | None = None, memory: Any = None, cache: Any = None) -> Blocks:
    """Take blocks of rows for one matrix, in memory or in files.

    Every estimator fits, transforms and predicts on it, those of tall X as a rule without copying the blocks
    together. What comes back is what the whole would give, but for rounding: sums are added block by block,
    in their order. Of files a segment is in memory at a time, while the next one is read; every pass over X
    reads them again. A matrix that fits into one segment is read at once and kept. Models that draw single
    rows, such as MiniBatchKMeans, read a chunk for each of them: give them a cache.

    Parameters
    ----------
    source : object, or list of such
        - an array or sparse matrix;
        - a path: of HDF5 and zarr with the name of the dataset as "path::name", unless there is only one; of
          .h5ad that of X, or "path::layers/name"; of Parquet a file or a folder of them; .arrow, .feather;
          .csv and .tsv, also gzipped, whose numbers become float64; .npy, and .npz that is not compressed;
        - an h5py.Dataset, a zarr.Array, a backed X or layer of AnnData, a Table or Dataset of pyarrow;
        - an object with `shape`, `dtype` and `x[a:b]`;
        - a callable that gives a fresh iterator of blocks each time; it is called once to count the rows;
        - a dask.array, dask.dataframe or delayed blocks; each partition is a segment, see `docs/clusters.md`.

        All dense or all sparse, of as many columns, and of one dtype. A null is NaN.
    dataset : str, optional
        The name of the dataset in a file, in place of "path::name".
    memory : int or str, optional
        How many bytes a fit may take in all, such as "1.5G": what it keeps of rows beyond that lies in
        scratch files, see `docs/files.md`. By default half of the machine's memory; segments then have
        64 MB, or are one chunk of the file.
    cache : path, optional
        Of a .npy file, for sparse rows an .npz file, to which the rows are written first, and from which they
        are then read; kept, and used again for the same source.

    Returns
    -------
    Blocks
        With `shape`, `dtype` and `sparse`.

    Raises
    ------
    ValueError
        If there is no block, or blocks do not fit together.
    OSError
        If a file cannot be read, or is another one than at first.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.random.default_rng(0).random((100, 6))
    >>> gf.blocks([X[:30], X[30:31], X[31:]])
    <3 dense blocks of 100 x 6 float64>
    >>> model = gf.PCA(2).fit(gf.blocks([X[:30], X[30:]]))
    >>> np.allclose(model.components_, gf.PCA(2).fit(X).components_)
    True
    """
    several = isinstance(source, list | tuple) and not is_file(source)
    sources = list(source) if several else [source]
    found = [rows_of(part, dataset) for part in sources]
    if not found:
        raise ValueError("blocks needs at least one block")
    _check_alike(found, sources)
    made = _made(found, memory_bytes(memory), None if cache is None else file_path(cache, "cache"))
    made.memory = None if memory is None else memory_bytes(memory)
    return made


def opened(source: Any) -> Any:
    """What a path, or an object of a library of files, stands for: an array, a CSR matrix or Blocks."""
    found = rows_of(source)
    return _made([found], memory_bytes(None)) if isinstance(found, Reader) else found


def _made(found: list[Any], memory: float, cache: str | None = None) -> Blocks:
    """Blocks of arrays and readers, whose segments take so many bytes at most."""
    header = getattr(found[0], "header", None)
    if cache is None and not any(isinstance(part, Reader) for part in found):
        return Blocks(found, header)
    readers = [part if isinstance(part, Reader) else Held(part) for part in found]
    size = min(SEGMENT, memory / SHARE)
    parts = Parts([Piece(reader, a, b) for reader in readers for a, b in reader.cuts(size)])
    _check_chunks(parts, memory)
    if cache is not None:
        return Blocks([cached(parts, cache)], header)
    there = isinstance(readers[0], Partitions)
    return Blocks(parts if there or len(parts) > 1 else list(parts), header)


def _check_chunks(parts: Parts, memory: float) -> None:
    """Refuse chunks of which two do not fit into memory."""
    for reader, start, stop in parts.pieces:
        size = (stop - start) * reader.row_bytes
        if stop - start == reader.chunk_rows > 1 and 2 * size > memory:
            raise ValueError(
                f"{reader.name} is stored in chunks of {reader.chunk_rows} rows, {size:.0f} bytes, of which "
                f"two are in memory: memory must be at least {2 * size:.0f}, got {memory:.0f}"
            )


def _check_alike(found: list[Any], sources: list[Any]) -> None:
    """Refuse blocks that do not make one matrix."""
    first = found[0]
    for i, (part, source) in enumerate(zip(found, sources, strict=True)):
        name = f"block {i}"
        if isinstance(part, Reader) or isinstance(source, str | os.PathLike):
            name += f", {part.name if isinstance(part, Reader) else source},"
        if len(part.shape) != 2:
            raise ValueError(f"{name} must have two dimensions, got {len(part.shape)}")
        if part.shape[1] != first.shape[1]:
            raise ValueError(f"{name} has {part.shape[1]} columns, but block 0 has {first.shape[1]}")
        if _is_sparse(part) != _is_sparse(first):
            raise ValueError(f"blocks must be all dense or all sparse: {name} is not as block 0")
        if part.dtype != first.dtype:
            raise ValueError(f"blocks must have one dtype: {name} is {part.dtype}, block 0 {first.dtype}")


def _is_sparse(part: Any) -> bool:
    return part.sparse if isinstance(part, Reader) else sp.issparse(part)
