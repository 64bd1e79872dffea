"""The NumPy twins of cpp/ridge/second_moments.hpp and cpp/ridge/misfit.hpp."""

import numpy as np
import scipy.sparse as sp

from ..floats import reads_floats
from ..results import Misfit, Moments


def _rows(x, shift, scale):
    """Rows of x about the shift, times scale, in float64; those of CSR x are not shifted."""
    if isinstance(x, tuple):
        data, indices, indptr, cols = x
        return sp.csr_matrix((data.astype(np.float64), indices, indptr), (len(indptr) - 1, cols)) * scale
    return (np.asarray(x, np.float64) - (0 if shift is None else shift[: x.shape[1]])) * scale


@reads_floats
def moments(*, x, y, shift, weights, n_threads, scale=1.0):
    """Sum (z, 1)' (z, y, 1) and y^2 over rows, z = s (x - shift), in float64; CSR x is not shifted."""
    rows = _rows(x, shift, scale)
    n, cols = rows.shape
    targets = np.asarray(y, np.float64) - (0 if shift is None else shift[cols:])
    root = np.ones(n) if weights is None else np.sqrt(weights.astype(np.float64))
    tail = np.column_stack([targets, np.ones(n)]) * root[:, None]
    if sp.issparse(rows):
        rows = sp.diags(root) @ rows
        corner, side = (rows.T @ rows).toarray(), rows.T @ tail
    else:
        rows = rows * root[:, None]
        corner, side = rows.T @ rows, rows.T @ tail
    last = np.concatenate([side[:, -1], tail[:, -1] @ tail])
    squares = np.sum(tail[:, :-1] ** 2, axis=0)
    return Moments(np.vstack([np.hstack([corner, side]), last]), squares)


@reads_floats
def misfit(*, x, y, shift, weights, scale, coefs, n_threads):
    """At r = y - shift - s (x - shift) coefs the sums of w s (x - shift) r', w r^2 and w r, in float64."""
    rows = _rows(x, shift, scale)
    w = np.ones((len(y), 1)) if weights is None else weights[:, None]
    r = np.asarray(y, np.float64) - (0 if shift is None else shift[rows.shape[1] :]) - rows @ coefs
    return Misfit(rows.T @ (w * r), np.sum(w * r * r, axis=0), np.sum(w * r, axis=0))
