"""A flat copy of rows that are slow to read, made once."""

import os
from hashlib import sha256
from typing import Any

import numpy as np

from .flat import npy
from .npy import write_npy
from .npz import npz
from .npz_write import write_npz
from .parts import Parts

MARK = b"gramfold cache "  # behind the numbers, and after it the digest of the source's fingerprint


def cached(parts: Parts, path: str) -> Any:
    """The rows of a .npy file, of sparse rows an .npz file, which is written now unless it is there already.

    Raises
    ------
    ValueError
        If the file is there and is not of this source.
    OSError
        If there is no room; what was there stays.
    """
    dense = isinstance(parts.empty, np.ndarray)
    ending, rows = (".npy", "dense") if dense else (".npz", "sparse")
    if not path.endswith(ending):
        raise ValueError(f"cache must be the path of a {ending} file for {rows} rows, got {path!r}")
    digest = _digest(parts)
    if os.path.exists(path):
        if digest is None or _mark_of(path) != MARK + digest:
            raise ValueError(
                f"cache={path!r} is there, but is not known to hold this source as it is now: delete it, or "
                "give another name"
            )
        return npy(path) if dense else npz(path)
    mark = MARK + (digest or b"0" * 64)
    if dense:
        write_npy(path, parts, int(parts.starts[-1]), "cache", mark)
        return npy(path)
    write_npz(
        path, parts.__iter__, (int(parts.starts[-1]), parts.empty.shape[1]), parts.empty.dtype, "cache", mark
    )
    return npz(path)


def _digest(parts: Parts) -> bytes | None:
    """What the source is known by; None if it can change without a sign."""
    said = []
    for piece in parts.pieces:
        if not piece.reader.paths:
            return None
        said.append(f"{piece.reader.name} {piece.reader.fingerprint()} {piece.reader.shape}")
    said.append(str(parts.empty.dtype))
    return sha256("\n".join(dict.fromkeys(said)).encode()).hexdigest().encode()


def _mark_of(path: str) -> bytes:
    size = len(MARK) + 64
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - size))
        return file.read()
