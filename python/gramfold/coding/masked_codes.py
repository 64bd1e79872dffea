"""Codes of rows with missing entries or weights per entry: each row has its own Gram matrix."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fold.observed import Observed
from ..fold.source import Array, Source
from ..least_squares.masked import solve_observed
from ..least_squares.rows import Sweeps
from .coder import Coder
from .codes import POLISH, code_rows, mend_codes


def solve(
    x: Observed, atoms: Array, coder: Coder, errors: NDArray[np.float64] | None, start: Array | None = None
) -> tuple[Array, float]:
    """Codes (rows, k) of x in `atoms` (k, cols), and how many rows did not end.

    A row with nothing observed is 0. The lasso by coordinate descent and steps on the face, in one pass, from
    `start` (rows, k); matching pursuits row by row.
    """
    if coder.algorithm == "lasso":
        sweeps = Sweeps(coder.max_iter, tol=coder.tolerance(x.dtype), polish=POLISH)
        result = solve_observed(x, np.ascontiguousarray(atoms.T), coder.penalty, sweeps, start=start)
        return mend_codes(x, atoms, coder, result.factor, result.open, start=start)
    codes, one_by_one = np.zeros((x.rows, len(atoms)), x.dtype), replace(coder, l2=0.0)
    unconverged = 0.0
    for row in np.flatnonzero(x.seen.any(axis=1)):
        error = None if errors is None else errors[row]
        codes[row], late = _pursue(x, row, atoms, one_by_one, error)
        unconverged += late
    return mend_codes(x, atoms, coder, codes, unconverged)


def _pursue(x: Observed, row: Any, atoms: Array, coder: Coder, error: float | None) -> tuple[Array, float]:
    """The code of a row, from what is observed of it."""
    seen = x.seen[row]
    root = None if x.weights is None else np.sqrt(x.weights[row, seen])
    values, some = x.x[row, seen], atoms[:, seen]
    if root is not None:
        values, some = values * root, some * root
    enough = None if error is None else np.array([values.astype(np.float64) @ values - error**2])
    shared = np.ascontiguousarray(some.T)
    gram = kernels.gram(f=shared, n_threads=1)
    products = np.ascontiguousarray((some @ values)[None], dtype=x.dtype)
    done = code_rows(Source(values[None], 1), shared, coder, gram=gram, products=products, enough=enough)
    return done.codes[0], done.unconverged
