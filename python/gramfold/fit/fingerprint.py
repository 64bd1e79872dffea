"""Marks by which a fit is recognised: its parameters, and its data, by some of their rows."""

import hashlib
from typing import Any

import joblib
import numpy as np
import scipy.sparse as sp
from sklearn.utils import _safe_indexing

from ..io.partitions import Partitions
from ..io.parts import Parts
from ..io.reader import Reader
from ..io.recognise import is_file, rows_of
from .blocks import Blocks
from .estimator import WITHOUT_EFFECT
from .floats import Floats, stored
from .on_disk import in_file

FEWEST, MOST, BYTES = 16, 1 << 12, 1 << 22  # rows that are looked at, of so many bytes


def parameter_marks(estimator: Any) -> dict[str, dict[str, str]]:
    """What is to be shown of each parameter, and a digest of it."""
    given = estimator.get_params(deep=False)
    return {name: _marked(value) for name, value in given.items() if name not in WITHOUT_EFFECT}


def data_marks(arguments: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What is to be shown of the data among the arguments of a method, and digests."""
    return {
        name: _marked_data(value) for name, value in arguments.items() if name != "self" and value is not None
    }


def _marked(value: Any) -> dict[str, str]:
    shown = repr(value) if np.ndim(value) == 0 else f"{type(value).__name__} of shape {np.shape(value)}"
    if callable(value):
        shown = digest = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value))}"
    else:
        digest = joblib.hash(value)
    return {"is": shown[:200], "digest": digest}


def _marked_data(value: Any) -> dict[str, str]:
    if is_file(value) and getattr(value, "ndim", 2) == 2:
        value = rows_of(value)
    files = _files_of(value)
    if files:
        return {"is": f"of shape {tuple(value.shape)}", "digest": hashlib.sha256(files.encode()).hexdigest()}
    value = value if hasattr(value, "shape") else np.asarray(value)
    if not value.shape:
        return _marked(value.item())
    digest = hashlib.sha256()
    for part in value.parts if isinstance(value, Blocks) else [value]:
        for rows in _some(part):
            digest.update(f"{rows.dtype} {rows.shape}".encode() + np.ascontiguousarray(rows).tobytes())
    return {"is": f"of shape {tuple(value.shape)}", "digest": digest.hexdigest()}


def _files_of(value: Any) -> str:
    """What the files are known by in which rows lie; empty of those in memory."""
    if isinstance(value, Reader) and value.paths:
        return f"{value.name} {value.shape} {value.fingerprint()}"
    if isinstance(value, Blocks) and isinstance(value.parts, Parts):
        said = [_files_of(piece.reader) + f" {piece.start} {piece.stop}" for piece in value.parts.pieces]
        return "\n".join(said) if all(piece.reader.paths for piece in value.parts.pieces) else ""
    if isinstance(value, Blocks):
        return "\n".join(map(_files_of, value.parts)) if all(map(_files_of, value.parts)) else ""
    numbers: Any = stored(value) if isinstance(value, Floats | np.ndarray) or sp.issparse(value) else None
    if not in_file(numbers):
        return ""
    about = numbers.gramfold_file
    at = numbers.ctypes.data - about.address
    return f"{about.path} {about.size} {about.changed} {at} {value.shape} {numbers.strides} {numbers.dtype}"


def _some(value: Any) -> list[Any]:
    """Some rows, evenly far from each other, or some of the entries of a sparse matrix."""
    if isinstance(value, Partitions):
        value = value.rows(_evenly(value.shape[0], BYTES // max(1, int(value.row_bytes))))
    if not sp.issparse(value):
        size = np.asarray(_safe_indexing(value, slice(0, 1))).nbytes
        rows = _safe_indexing(value, _evenly(value.shape[0], BYTES // max(1, size)))
        return [np.ma.filled(rows, 0), np.ma.getmaskarray(rows)] if np.ma.isMA(rows) else [np.asarray(rows)]
    value = value if value.format in ("csr", "csc") else value.tocsr()
    parts = (value.data, value.indices, value.indptr)
    return [part[_evenly(len(part), MOST)] for part in parts]


def _evenly(n: int, most: int) -> Any:
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, max(FEWEST, min(most, MOST)))).astype(np.intp))
