"""What reads rows of a matrix that does not lie in memory."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.floats import float_of
from .fingerprint import fingerprint
from .matrix import as_rows, none_of, stacked

MOST_SEGMENTS = 1 << 18  # of a matrix: more take long to be counted
NEAR = 1 << 16  # bytes between two rows that are rather read than left out


class Reader:
    """Rows of a matrix, read some at a time, in any order and as often as asked.

    A format overrides `_read`; `forward` says that what lies behind is dear to come by. Pickled, or in a
    process that was forked, a reader opens its file anew.

    Parameters
    ----------
    name : str
        What messages call it.
    shape : tuple of int
    dtype : dtype
        As stored: integers and 16-bit floats stay what they are.
    sparse : bool
        Whether rows come as CSR.
    chunk_rows : int
        How many rows are stored together: segments are whole chunks.
    paths : list of str
        The files and folders that are read, if any.
    header : object, optional
        An empty data frame with the names of the columns.
    """

    forward = False
    at_once = False  # whether rows of several segments take hardly longer than those of one
    entries: int | None = None  # of sparse rows, how many are stored; None where only a read tells that
    last = 0  # the row behind the last one that was read

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: Any, *, sparse: bool = False, chunk_rows: int = 1,
        paths: list[str] | None = None, header: Any = None,
    ) -> None:  # fmt: skip
        if len(shape) != 2:
            raise ValueError(f"{name} must have two dimensions, got shape {tuple(shape)}")
        if float_of(np.dtype(dtype)) is None:
            raise ValueError(f"{name} must hold numbers that are read as float32 or float64, got {dtype}")
        self.name, self.shape, self.dtype = name, (int(shape[0]), int(shape[1])), np.dtype(dtype)
        self.sparse, self.chunk_rows, self.paths, self.header = sparse, chunk_rows, paths or [], header
        self._lock = threading.Lock()
        self._fingerprint = self.fingerprint()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    @property
    def row_bytes(self) -> float:
        """How many bytes a row takes, on average."""
        return max(1, self.shape[1]) * self.dtype.itemsize

    def cuts(self, most: float) -> list[tuple[int, int]]:
        """First and last row, exclusive, of segments of whole chunks that take about `most` bytes."""
        chunk = max(1, self.chunk_rows)
        size = max(1, int(most / self.row_bytes) // chunk) * chunk
        rows = self.shape[0]
        if rows // size > MOST_SEGMENTS:
            raise ValueError(
                f"{self.name} of shape {self.shape} is too large, or memory too small: it would be read in "
                f"{rows // size} segments"
            )
        return [(a, min(a + size, rows)) for a in range(0, rows, size)] or [(0, 0)]

    def read(self, start: int, stop: int) -> Any:
        """Rows start to stop, exclusive, as an array or CSR matrix.

        Raises
        ------
        OSError
            If that fails, with its cause.
        """
        where = f"rows {start} to {stop - 1} of {self.name}"
        try:
            with self._lock:
                found, self.last = self._read(start, stop), stop
        except MemoryError:
            raise
        except Exception as error:
            raise OSError(f"{where} could not be read: {error or type(error).__name__}") from error
        if found.shape != (stop - start, self.shape[1]):
            raise OSError(f"{where} should be of shape {(stop - start, self.shape[1])}, got {found.shape}")
        if found.dtype != self.dtype:
            raise OSError(f"{where} should be {self.dtype}, got {found.dtype}")
        return found

    def _read(self, start: int, stop: int) -> Any:
        raise NotImplementedError

    def rows(self, index: NDArray[np.intp]) -> Any:
        """Some rows, in the order of `index`; those stored near each other are read together."""
        rising, back = np.unique(index, return_inverse=True)
        near = max(self.chunk_rows, NEAR / self.row_bytes)
        runs = np.split(rising, np.flatnonzero(np.diff(rising) > near) + 1) if len(rising) else []
        found = [self.read(int(run[0]), int(run[-1]) + 1)[run - run[0]] for run in runs]
        return stacked(found or [self.empty])[back]

    @property
    def empty(self) -> Any:
        """No rows, as `read` gives them."""
        return none_of(self.shape[1], self.dtype, self.sparse)

    def fingerprint(self) -> str:
        """What changes when a file does: sizes, times of change and inodes."""
        return fingerprint(self.paths)

    def check(self) -> None:
        """Refuse to read on in a file that is not what it was."""
        if self.fingerprint() != self._fingerprint:
            raise OSError(f"{self.name} has changed since gf.blocks looked at it; make the blocks anew")


class Held(Reader):
    """An array or CSR matrix in memory, among others that are not."""

    def __init__(self, rows: Any, name: str = "an array") -> None:
        self._held = as_rows(rows)
        super().__init__(name, rows.shape, rows.dtype, sparse=not isinstance(self._held, np.ndarray))
        self.entries = int(self._held.nnz) if self.sparse else None

    def cuts(self, most: float) -> list[tuple[int, int]]:
        """All rows: they take no more memory."""
        return [(0, self.shape[0])]

    def _read(self, start: int, stop: int) -> Any:
        return self._held[start:stop]


class Indexed(Reader):
    """Any object with a shape, a dtype and x[a:b]."""

    def __init__(self, rows: Any) -> None:
        self._held, first = rows, as_rows(rows[0:0])
        sparse = not isinstance(first, np.ndarray)
        super().__init__(f"the {type(rows).__name__}", rows.shape, first.dtype, sparse=sparse)

    def _read(self, start: int, stop: int) -> Any:
        return as_rows(self._held[start:stop])
