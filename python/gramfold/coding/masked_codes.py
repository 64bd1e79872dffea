"""Codes of rows with missing entries or weights per entry: each row has its own Gram matrix."""

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fold.engine import State, run
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
        return mend_codes(x, atoms, coder, result.factor, result.unconverged, start=start)
    codes = np.zeros((x.rows, len(atoms)), x.dtype)
    one_by_one = partial(pursue, coder=replace(coder, l2=0.0))
    unconverged = run(one_by_one, x, atoms, {"codes": codes, "errors": errors})
    return mend_codes(x, atoms, coder, codes, unconverged)


def pursue(rows: Observed, shared: Array, state: State, *, coder: Coder) -> float:
    """A pass: matching pursuits into `codes`, each row in what of the atoms `shared` (k, cols) it sees.

    Rows end at their `errors`, if those are not None; gives how many did not end.
    """
    unconverged, errors = 0.0, state["errors"]
    for row in np.flatnonzero(rows.seen.any(axis=1)):
        seen = rows.seen[row]
        x, atoms = rows.x[row, seen], shared[:, seen]
        if rows.weights is not None:
            root = np.sqrt(rows.weights[row, seen])
            x, atoms = x * root, atoms * root
        enough = None if errors is None else np.array([x.astype(np.float64) @ x - errors[row] ** 2])
        factor = np.ascontiguousarray(atoms.T)
        products = np.ascontiguousarray((atoms @ x)[None], dtype=x.dtype)
        done = code_rows(
            Source(x[None], 1), factor, coder, gram=kernels.gram(f=factor, n_threads=1), products=products,
            enough=enough,
        )  # fmt: skip
        state["codes"][row] = done.codes[0]
        unconverged += done.unconverged
    return unconverged
