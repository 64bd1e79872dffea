"""Rows as readers give them: an array, or CSR."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp


def as_rows(given: Any) -> Any:
    """An array or a sparse matrix of any kind as an array or CSR."""
    return given.tocsr() if sp.issparse(given) else np.asanyarray(given)


def none_of(cols: int, dtype: Any, sparse: bool) -> Any:
    """A matrix without rows."""
    return sp.csr_array((0, cols), dtype=dtype) if sparse else np.empty((0, cols), dtype)


def stacked(parts: list[Any]) -> Any:
    """Rows one below the other; of one matrix, itself."""
    if len(parts) == 1:
        return parts[0]
    return csr_below(parts) if sp.issparse(parts[0]) else np.concatenate(parts)


def csr_below(parts: Iterable[Any]) -> Any:
    """Sparse matrices one below the other, as CSR."""
    return _joined(sp.vstack, parts)


def csr_beside(parts: Iterable[Any]) -> Any:
    """Sparse matrices side by side, as CSR."""
    return _joined(sp.hstack, parts)


def joins_arrays() -> bool:
    """Whether SciPy joins sparse arrays to an array: before 1.12 it makes a matrix of them, by way of COO."""
    return isinstance(sp.vstack([sp.csr_array((1, 1))]), sp.sparray)


def _joined(join: Callable[..., Any], parts: Iterable[Any]) -> Any:
    parts = [of_one_index(part) for part in parts]
    found = join(parts, format="csr")
    return sp.csr_array(found) if any(isinstance(part, sp.sparray) for part in parts) else found


def of_one_index(part: Any) -> Any:
    """CSR whose indices have the dtype of its indptr, as SciPy before 1.12 needs it; anything else itself."""
    if part.format != "csr" or part.indices.dtype == part.indptr.dtype:
        return part
    return type(part)((part.data, part.indices, part.indptr), shape=part.shape)
