"""Arrays in files: kernels read them block by block, and nothing else reads them through their map."""

import errno
import mmap
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.floats import float_of

Array = NDArray[Any]

PIECE = 1 << 26  # bytes that are read together
PAGE = 4096  # bytes that a disk is read by
# Bytes between rows that are worth no read of their own; of one read of rows.
NEAR, TOGETHER = 1 << 16, 1 << 22
_BASIC = (slice, int, np.integer)  # what makes a view, beside None and an ellipsis


class OpenFile:
    """A file that is open for reading, and where its map lies.

    The map gives arrays their addresses, from which a view's place in the file is known. Its pages are not
    touched: they would count as the process's memory, and a file that shrank would end it by a signal.

    Attributes
    ----------
    path : str
    descriptor : int
    address, size : int
        Of the map, in bytes.
    changed : int
        When the file was last changed, in nanoseconds; a kernel refuses a file that was changed later.
    passes : int
        How many kernels have read it: every second one begins at the end.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = os.path.abspath(os.fspath(path))
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self._open(os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)), path)

    def _open(self, descriptor: int, path: str) -> None:
        self.descriptor, self.path = descriptor, path
        about = os.fstat(self.descriptor)
        self.size, self.changed, self.passes = about.st_size, about.st_mtime_ns, 0
        self.map = mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_READ) if self.size else b""
        self.address = np.frombuffer(self.map, np.uint8).ctypes.data

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    def check(self) -> None:
        """Refuse a file that is not what it was, as kernels do."""
        if os.fstat(self.descriptor).st_mtime_ns != self.changed:
            raise OSError(errno.EIO, "it has been changed since it was opened", self.path)

    def read(self, at: int, found: Array) -> Array:
        """Fill contiguous bytes with those from `at` on; OSError where there are fewer."""
        done = 0
        while done < found.size:
            got = os.preadv(self.descriptor, [found[done : done + PIECE].data], at + done)
            if got == 0:
                raise OSError(errno.EIO, f"it ends there, and did not before, at byte {at + done}", self.path)
            done += got
        return found


class OnDisk(np.ndarray):
    """An array in a file. Views of it are in the file too; what is computed of it is in memory.

    Attributes
    ----------
    gramfold_file : OpenFile or None
        None of what NumPy made of such an array that is not in the file.
    gramfold_change : tuple of int or None
        What becomes of the numbers, which are read as floats then: n multiplies by 2^n, None takes the root.
    """

    gramfold_file: OpenFile | None
    gramfold_change: tuple[int | None, ...] = ()

    def __array_finalize__(self, origin: Any) -> None:
        """Keep the file of views."""
        file = getattr(origin, "gramfold_file", None)
        inside = file is not None and 0 <= self.ctypes.data - file.address < file.size
        self.gramfold_file = file if inside else None
        self.gramfold_change = getattr(origin, "gramfold_change", ()) if inside else ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute with what is read."""
        return getattr(ufunc, method)(*(loaded(a) for a in inputs), **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Compute with what is read."""
        return function(*_all_loaded(args), **{name: loaded(a) for name, a in kwargs.items()})

    def __getitem__(self, key: Any) -> Any:
        """Slices are views; rows that are chosen otherwise are read."""
        parts = key if isinstance(key, tuple) else (key,)
        if self.gramfold_file is None or not self.ndim:
            return super().__getitem__(key)
        if len(parts) == self.ndim and all(isinstance(part, int | np.integer) for part in parts):
            return loaded(super().__getitem__((*parts, Ellipsis)))
        if all(part is None or part is Ellipsis or isinstance(part, _BASIC) for part in parts):
            return super().__getitem__(key)
        chosen = None if isinstance(key, tuple) else np.asarray(key)
        if chosen is None or chosen.ndim != 1 or (chosen.dtype == bool and len(chosen) != len(self)):
            return loaded(self)[key]
        return self._chosen(chosen)

    def _chosen(self, rows: Array) -> Array:
        """Some rows, by their numbers or a mask, those that lie near each other in one read."""
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        if not rows.size:
            return np.empty((0, *self.shape[1:]), dtype_of(self))
        numbers = np.where(rows < 0, rows + len(self), rows)
        if not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"rows must be at least {-len(self)} and less than {len(self)}")
        order = np.argsort(numbers, kind="stable")
        row = max(1, abs(self.strides[0]), self.nbytes // len(self))
        found, rising = np.empty((len(numbers), *self.shape[1:]), dtype_of(self)), numbers[order]
        apart = np.diff(rising, prepend=rising[0]) > max(1, NEAR // row)
        apart |= np.diff(rising // max(1, TOGETHER // row), prepend=-1) != 0
        starts = np.flatnonzero(apart)
        for begin, end in zip(starts, [*starts[1:], len(order)], strict=True):
            some = order[begin:end]
            first = int(numbers[some[0]])
            found[some] = loaded(self[first : int(numbers[some[-1]]) + 1])[numbers[some] - first]
        return found

    def astype(self, dtype: Any, *args: Any, **options: Any) -> Any:
        """Read and convert."""
        return loaded(self).astype(dtype, *args, **options)

    def copy(self, order: Any = "C") -> Any:
        """Read."""
        return loaded(self).copy(order)

    def __reduce__(self) -> Any:
        """Pickle the place in the file; what is in memory as other arrays."""
        if self.gramfold_file is None:
            return np.asarray(self).__reduce__()
        offset = self.ctypes.data - self.gramfold_file.address
        place = self.gramfold_file.path, self.dtype, self.shape, offset, self.strides
        return on_disk, (*place, self.gramfold_change)


def _all_loaded(args: Any) -> Any:
    return tuple(
        type(a)(_all_loaded(a)) if isinstance(a, list | tuple) and not hasattr(a, "_fields") else loaded(a)
        for a in args
    )


def in_file(x: Any) -> bool:
    """Whether x is an array that lies in a file."""
    return isinstance(x, OnDisk) and x.gramfold_file is not None


def on_disk(
    path: str | os.PathLike[str], dtype: Any, shape: tuple[int, ...], offset: int = 0,
    strides: tuple[int, ...] | None = None, change: tuple[int | None, ...] = (),
) -> Array:  # fmt: skip
    """Take an array that lies in a file as it would in memory.

    Parameters
    ----------
    path : path-like
    dtype : dtype
    shape : tuple of int
    offset : int
        Of the first item, in bytes.
    strides : tuple of int, optional
        In bytes; default: C order.
    change : tuple of int or None
        As of `OnDisk`.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is shorter than such an array.
    """
    file, dtype = OpenFile(path), np.dtype(dtype)
    if strides is None:
        strides = tuple(int(s) for s in np.cumprod([dtype.itemsize, *shape[:0:-1]])[::-1][: len(shape)])
    reach = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
    if 0 in shape:
        return np.empty(shape, dtype)
    first = offset + sum(min(0, step) for step in reach)
    last = offset + sum(max(0, step) for step in reach) + dtype.itemsize
    if first < 0 or last > file.size:
        said = " x ".join(str(size) for size in shape)
        raise ValueError(
            f"{file.path} has {file.size} bytes, but {said} {dtype} from byte {offset} on end at byte {last}"
        )
    found = np.ndarray.__new__(OnDisk, shape, dtype, file.map, offset, strides)
    found.gramfold_file, found.gramfold_change = file, change
    return found


def dtype_of(x: Array) -> Any:
    """What the numbers of an array are read as."""
    return float_of(x.dtype) if getattr(x, "gramfold_change", ()) else x.dtype


def changed(x: Array, *steps: int | None) -> Array:
    """An array in a file, its numbers changed where they are read: times 2^n each, or roots for None."""
    found: Any = x.view()
    found.gramfold_change = (*found.gramfold_change, *steps)
    return np.asanyarray(found)


def _apply(change: tuple[int | None, ...], numbers: Array) -> Array:
    """Numbers after a change, as kernels make it."""
    for step in change:
        with np.errstate(all="ignore"):
            numbers = np.sqrt(numbers) if step is None else np.ldexp(numbers, step)
    return numbers


def of_map(x: np.memmap[Any, Any]) -> Array:
    """A memory-mapped array as one that is read; itself if it is not the file's: copied, changed or gone."""
    mapped: Any = getattr(x, "_mmap", None)
    if mapped is None or x.mode == "c" or x.filename is None or 0 in x.shape:
        return x
    begin = np.frombuffer(mapped, np.uint8).ctypes.data
    if not 0 <= x.ctypes.data - begin < len(mapped):
        return x
    offset = x.offset - x.offset % mmap.ALLOCATIONGRANULARITY + x.ctypes.data - begin
    try:
        found = on_disk(x.filename, x.dtype, x.shape, offset, x.strides)
    except (OSError, ValueError):
        return x
    corner = (slice(0, 1),) * x.ndim
    same = loaded(found[corner]).tobytes() == np.asarray(x[corner]).tobytes()
    return found if same else x


def loaded(x: Any) -> Any:
    """Read an array that lies in a file into memory; what does not, comes back as it is."""
    if not in_file(x):
        return np.asarray(x) if isinstance(x, OnDisk) else x
    if not x.size:
        return np.empty(x.shape, dtype_of(x))
    if not x.ndim:
        return loaded(x.reshape(1))[0]
    if x.gramfold_change:
        plain = x.view()
        plain.gramfold_change = ()
        return _apply(x.gramfold_change, loaded(plain).astype(dtype_of(x), copy=False))
    turned = x[tuple(slice(None, None, -1 if stride < 0 else 1) for stride in x.strides)]
    found = np.empty(
        x.shape, x.dtype, "C" if turned.flags.c_contiguous or not turned.flags.f_contiguous else "F"
    )
    for at in _extents(turned):
        part, to, file = turned[at], found[at], x.gramfold_file
        begin = part.ctypes.data - file.address
        if part.strides == to.strides and (to.flags.c_contiguous or to.flags.f_contiguous):
            file.read(begin, to.ravel("K").view(np.uint8))
            continue
        steps = [(size - 1) * stride for size, stride in zip(part.shape, part.strides, strict=True)]
        read = file.read(begin, np.empty(sum(steps) + x.itemsize, np.uint8))
        to[...] = np.ndarray(part.shape, x.dtype, read, 0, part.strides)
    return found[tuple(slice(None, None, -1 if stride < 0 else 1) for stride in x.strides)]


def _extents(x: Array) -> Iterator[tuple[slice, ...]]:
    """Cut an array into parts, each worth one read: no more than `PIECE`, and half of it wanted."""
    everything = tuple(slice(0, size) for size in x.shape)
    longest = int(np.argmax([abs(s) if n > 1 else 0 for s, n in zip(x.strides, x.shape, strict=True)]))
    extent = sum((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True)) + x.itemsize
    if x.shape[longest] == 1 or (extent <= PIECE and extent <= 2 * x.nbytes):
        yield everything
        return
    line = x[tuple(slice(0, 1) if axis == longest else slice(None) for axis in range(x.ndim))]
    inner = sum((n - 1) * s for n, s in zip(line.shape, line.strides, strict=True)) + x.itemsize
    step = x.strides[longest]
    some = max(1, PIECE // max(step, 1)) if step <= max(2 * inner, PAGE) else 1
    for begin in range(0, x.shape[longest], some):
        yield tuple(
            slice(begin, min(begin + some, size)) if axis == longest else slice(0, size)
            for axis, size in enumerate(x.shape)
        )
