"""Files of Matrix Market, which SciPy reads; what it would not survive is refused before."""

import gzip
import io
import os
import warnings
import zlib
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse as sp

from ..io.sizes import physical_memory

ENDINGS = (".mtx", ".mtx.gz")
SMALLEST = {"array": 2, "coordinate": 4}  # bytes of a line
MOST = 1032  # of DEFLATE: bytes that one may stand for
PIECE = 1 << 20
PATIENCE = 99  # SciPy 1.11 asks a file that has ended for its sizes again and again
# With SciPy 1.11 the last three too say that a file is none; the warning, that a number does not fit.
REFUSED = (
    ValueError, OverflowError, EOFError, zlib.error, gzip.BadGzipFile,
    IndexError, TypeError, DeprecationWarning,
)  # fmt: skip
FIELDS = ("real", "double", "integer", "unsigned-integer", "complex", "pattern")
SYMMETRIES = ("general", "symmetric", "skew-symmetric", "hermitian")


class _Lines(io.RawIOBase):
    """The bytes of a file, with a newline at the end: without it, or at a NUL, SciPy's parser runs on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._ended, self.added, self._asked = file, True, False, 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, to: Any) -> int:
        """Give some bytes, 0 where there are no more."""
        found = self._file.read(len(to))
        if b"\0" in found:
            raise ValueError("it holds a NUL character")
        self._asked += not found
        if self._asked > PATIENCE:
            raise ValueError("it ends before its sizes")
        if not found and not self._ended:
            found, self.added = b"\n", True
        self._ended = found[-1:] in (b"\n", b"")
        to[: len(found)] = found
        return len(found)


def read(path: str) -> Any:
    """The matrix: an array or CSR.

    Raises
    ------
    FileNotFoundError, ValueError
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no {path}")
    try:
        with warnings.catch_warnings():  # SciPy's choice of a class is none for us
            warnings.filterwarnings("ignore", "The default value for `spmatrix`")
            warnings.filterwarnings("error", "NumPy will stop allowing conversion of out-of-bound")
            _check_sizes(path)
            found = _read(path)
    except REFUSED as error:
        raise ValueError(f"{path} cannot be read as Matrix Market: {error}") from None
    return sp.csr_array(found) if sp.issparse(found) else np.asarray(found)


def _opened(path: str) -> Any:
    return gzip.open(path) if path.lower().endswith(".gz") else open(path, "rb")


def _check_sizes(path: str) -> None:
    """Refuse sizes of which the file cannot hold the lines, or this machine not the row pointers."""
    from scipy.io import mminfo

    with _opened(path) as file:
        rows, cols, entries, form, field, symmetry = mminfo(_buffered(file))
    if form not in SMALLEST or field not in FIELDS or symmetry not in SYMMETRIES:
        raise ValueError(f"its first line says {form} {field} {symmetry}, which is not known")
    if (form == "array" and not rows * cols) or (symmetry != "general" and rows != cols):
        raise ValueError(f"it is {symmetry}, and has {rows} rows and {cols} columns")
    lines = entries if form == "coordinate" or symmetry == "general" else rows * (rows - 1) // 2
    length = os.path.getsize(path) * (MOST if path.lower().endswith(".gz") else 1)
    if lines * SMALLEST[form] > length + 1:
        raise ValueError(f"it says that it has {lines} entries of {rows} x {cols}, and is too short for them")
    if 8 * (rows + 1) > physical_memory():
        raise ValueError(f"it has {rows} rows, which this machine cannot hold even if they are empty")


def _buffered(file: BinaryIO) -> Any:
    return io.BufferedReader(_Lines(file), PIECE)


def _read(path: str) -> Any:
    from scipy.io import mmread

    with _opened(path) as file:
        if path.endswith(".mtx") and _is_sound(file):
            return mmread(path)  # by itself it reads faster
        file.seek(0)
        return mmread(_buffered(file))


def _is_sound(file: BinaryIO) -> bool:
    """Whether a newline ends the last line."""
    lines, piece = _Lines(file), bytearray(PIECE)
    while lines.readinto(piece):
        pass
    return not lines.added
