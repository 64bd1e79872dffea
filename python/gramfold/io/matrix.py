"""Rows as readers give them: an array, or CSR."""

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
    return sp.vstack(parts, format="csr") if sp.issparse(parts[0]) else np.concatenate(parts)
