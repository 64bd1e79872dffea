"""Which kernel codes the rows of X in a dictionary, and what it gives back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from .._core import kernels
from ..fit.warn import warn
from ..fold.observed import Observed
from ..fold.source import Array, Source
from ..least_squares.from_data import Rows
from ..least_squares.rows import Penalty, Sweeps, row_count, solve_rows
from ..least_squares.sound_rows import mend, penalised

# Up to so many atoms rows are solved side by side; beyond, one by one, on their support.
SIDE_BY_SIDE = 32
POLISH = 8
TOLERANCES = {"float32": 1e-6, "float64": 1e-10}


@dataclass(frozen=True, slots=True)
class Coder:
    """How the rows of X are coded in a dictionary F (cols, k).

    'lasso' minimises 1/2 |x - Fz|^2 + l1 |z|_1 + l2/2 |z|^2, over z >= 0 if `nonneg`; 'omp' and 'ols' choose
    at most `n_nonzero` atoms, one by one; 'threshold' shrinks F'x by l1 towards 0.
    """

    algorithm: str
    l1: float = 0.0
    l2: float = 0.0
    nonneg: bool = False
    n_nonzero: int = 1
    tol: float | None = None
    max_iter: int = 1000

    def tolerance(self, dtype: np.dtype[Any]) -> float:
        """Give `tol`, or what rounding allows."""
        return TOLERANCES[dtype.name] if self.tol is None else self.tol


@dataclass(frozen=True, slots=True)
class Coded:
    """What one pass gives back.

    The codes, dense or CSR; X'Z and Z'Z, if asked for; the sum of the row objectives without 1/2 |x|^2;
    the rows that did not end; which rows rounding may have harmed, if the kernel tells.
    """

    codes: Any
    sums: Array | None
    gram: NDArray[np.float64] | None
    objective: float
    open: float
    doubtful: NDArray[np.bool_] | None = None


def code_rows(
    x: Source | None,
    shared: Array,
    coder: Coder,
    *,
    gram: NDArray[np.float64] | None = None,
    products: Array | None = None,
    start: Array | None = None,
    enough: NDArray[np.float64] | None = None,
    sums: Array | None = None,
    sparse: bool = False,
    n_threads: int,
) -> Coded:
    """Code every row in one pass.

    Parameters
    ----------
    x : Source of shape (rows, cols), or None
    shared : ndarray of shape (cols, k)
        The dictionary, atoms as columns.
    coder : Coder
    gram : ndarray of shape (k, k), optional
        shared.T @ shared, if known.
    products : ndarray of shape (rows, k), optional
        x @ shared, if known; x is then not read.
    start : ndarray of shape (rows, k), optional
        Codes that 'lasso' starts from.
    enough : ndarray of shape (rows,), optional
        'omp' and 'ols' stop where |x|^2 - |x - Fz|^2 is at least this.
    sums : ndarray of shape (cols, k), optional
        Overwritten with x.T @ codes.
    sparse : bool
        Whether the codes are wanted as a CSR matrix.
    n_threads : int
    """
    if gram is None and coder.algorithm != "threshold":
        gram = kernels.gram(f=shared.astype(np.float64), n_threads=n_threads)
    if coder.algorithm == "lasso" and (_free(coder) or shared.shape[1] <= SIDE_BY_SIDE):
        return _side_by_side(x, shared, coder, gram, products, start, sums, sparse, n_threads)
    if coder.algorithm == "threshold":
        gram = np.eye(shared.shape[1])
        return _side_by_side(x, shared, coder, gram, products, None, sums, sparse, n_threads)
    source = None if x is None else x.kernel
    rows = row_count(x, products)
    k = shared.shape[1]
    out = None if sparse else np.empty((rows, k), shared.dtype)
    doubtful = np.empty(rows, bool)
    matching = coder.algorithm != "lasso"
    assert gram is not None
    if matching and not coder.nonneg:
        result = kernels.omp(
            x=source,
            p=products,
            f=shared,
            gram=gram,
            enough=enough,
            out=out,
            sums=sums,
            doubtful=doubtful,
            most=min(coder.n_nonzero, k),
            ols=coder.algorithm == "ols",
            n_threads=n_threads,
        )
    else:
        result = kernels.lasso(
            x=source,
            p=products,
            f=shared,
            gram=gram + coder.l2 * np.eye(k),
            start=start,
            enough=enough,
            out=out,
            sums=sums,
            doubtful=doubtful,
            l1=coder.l1,
            nonneg=coder.nonneg,
            most=min(coder.n_nonzero, k) if matching else k,
            one_by_one=matching,
            max_rounds=coder.max_iter,
            tol=coder.tolerance(shared.dtype),
            n_threads=n_threads,
        )
    parts, squares, objective, n_open = result
    codes = out if parts is None else sp.csr_matrix(parts, shape=(rows, k))
    return Coded(codes, sums, squares, objective, n_open, doubtful)


def mend_codes(
    x: Source | Observed,
    atoms: Array,
    coder: Coder,
    codes: Any,
    n_open: float,
    *,
    gram: Any = None,
    start: Array | None = None,
    doubtful: NDArray[np.bool_] | None = None,
) -> tuple[Any, float]:
    """Solve again what codes (rows, k) of x in `atoms` (k, cols) need it; gives how many did not end too."""
    if coder.algorithm == "threshold":
        return codes, n_open
    held = coder.algorithm != "lasso"
    rows = Rows(x, atoms.astype(np.float64), Penalty(coder.l1, coder.l2, coder.nonneg), held)
    if start is not None or (doubtful is not None and not held and coder.l1 == 0):
        doubtful = None
    elif doubtful is not None and not held:
        doubtful |= ~penalised(rows)
    ridged = None if gram is None else gram + coder.l2 * np.eye(len(atoms))
    codes, n_open, _ = mend(
        rows, codes, most=coder.max_iter, n_open=n_open, gram=ridged, start=start, tol=coder.tol,
        doubtful=doubtful,
    )  # fmt: skip
    return codes, n_open


def _free(coder: Coder) -> bool:
    return coder.l1 == 0 and not coder.nonneg


def _side_by_side(
    x: Source | None, shared: Array, coder: Coder, gram: Any, products: Array | None,
    start: Array | None, sums: Array | None, sparse: bool, n_threads: int,
) -> Coded:  # fmt: skip
    """Solve rows in the lanes of the vectors, by coordinate descent and steps on their faces."""
    once = coder.algorithm == "threshold"
    sweeps = Sweeps(1) if once else Sweeps(coder.max_iter, tol=coder.tolerance(shared.dtype), polish=POLISH)
    penalty = Penalty(coder.l1, coder.l2, coder.nonneg)
    result = solve_rows(
        x, shared, gram, penalty, sweeps, products=products, start=start, sums=sums,
        squares=sums is not None, n_threads=n_threads,
    )  # fmt: skip
    dense = result.factor
    codes = sp.csr_matrix(kernels.nonzeros(dense=dense), shape=dense.shape) if sparse else dense
    squares = None if sums is None else result.gram
    return Coded(codes, sums, squares, result.objective, 0.0 if once else result.open)


def warn_if_open(n_open: float, rows: int, max_iter: int) -> None:
    """Say how many rows did not reach their minimiser."""
    if n_open:
        warn(
            f"{n_open:.0f} of {rows} rows did not converge in {max_iter} rounds: raise max_iter or tol",
            ConvergenceWarning,
        )
