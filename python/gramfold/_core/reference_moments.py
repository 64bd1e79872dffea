"""The NumPy twin of cpp/moments.hpp."""

import numpy as np
import scipy.sparse as sp


@np.errstate(invalid="ignore", over="ignore")
def moments(x, y, shift, weights, n_threads):
    """Sum a a' over rows a = sqrt(w) (x - shift, y - shift, 1), in float64; CSR x is not shifted."""
    sparse = isinstance(x, tuple)
    if sparse:
        data, indices, indptr, cols = x
        x = sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, cols))
    n, cols = x.shape
    targets = np.asarray(y, np.float64) - (0 if shift is None else shift[cols:])
    root = np.ones(n) if weights is None else np.sqrt(weights.astype(np.float64))
    tail = np.column_stack([targets, np.ones(n)]) * root[:, None]
    if sparse:
        scaled = sp.diags(root) @ x.astype(np.float64)
        corner, side = (scaled.T @ scaled).toarray(), scaled.T @ tail
    else:
        scaled = (np.asarray(x, np.float64) - (0 if shift is None else shift[:cols])) * root[:, None]
        corner, side = scaled.T @ scaled, scaled.T @ tail
    return np.block([[corner, side], [side.T, tail.T @ tail]])
