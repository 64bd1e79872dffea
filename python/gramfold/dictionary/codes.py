"""Sparse codes as matrices: as the kernels take them, their sizes, and those of some atoms left out."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fold.source import Array

Flags = NDArray[np.bool_]
Parts = tuple[Array, Array, Array]


def parts(codes: Any) -> Parts:
    """Give CSR or CSC codes as the kernels take them."""
    return codes.data, codes.indices.astype(np.int32, copy=False), codes.indptr.astype(np.int64, copy=False)


def without(codes: Any, atoms: Flags) -> Any:
    """Codes with those of some atoms set to 0; itself if there are none."""
    if not atoms.any():
        return codes
    kept = codes @ sp.diags((~atoms).astype(codes.dtype))
    kept = kept.asformat(codes.format)
    kept.eliminate_zeros()
    return kept


def squares_of(codes: Any) -> NDArray[np.float64]:
    """Give the sum of each atom's squared codes."""
    return np.asarray(codes.astype(np.float64).power(2).sum(axis=0)).ravel()
