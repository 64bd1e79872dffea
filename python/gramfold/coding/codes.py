"""Codes of the rows of X in a dictionary: the pass, by the kernel that fits the coder, and what it gives."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.decomposition import sparse_encode as sklearn_sparse_encode
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from .._core import kernels
from ..fit.warn import warn
from ..fold.engine import State, added, run, state_at
from ..fold.observed import Observed
from ..fold.source import Array, Source
from ..least_squares.from_data import Rows
from ..least_squares.rows import Sweeps, solve_rows
from ..least_squares.scales import row_squares
from ..least_squares.sound_rows import mend, penalised
from .coder import Coder

# Up to so many atoms rows are solved side by side; beyond, one by one, on their support.
SIDE_BY_SIDE = 32
POLISH = 8
# Entries of rows, or of their codes, that are solved together where these become CSR: until then a kernel has
# them in memory that nobody counts, see fit/room.py.
TOGETHER = 1 << 22


class Dictionary(NamedTuple):
    """F (cols, k), atoms as columns, and F'F."""

    atoms: Array
    gram: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stack:
    """Sparse codes of rows, one below the other: data, indices and indptr of CSR, and how many columns."""

    parts: tuple[Any, ...]
    k: int

    def plus(self, below: "Stack") -> "Stack":
        """One below the other."""
        return Stack(self.parts + below.parts, self.k)

    @property
    def values(self) -> Iterator[Array]:
        """What is stored of each part."""
        return (data for data, _, _ in self.parts)

    @property
    def matrix(self) -> Any:
        """All of them as one CSR matrix."""
        made = [sp.csr_matrix(part, shape=(len(part[2]) - 1, self.k)) for part in self.parts]
        return made[0] if len(made) == 1 else sp.csr_matrix(sp.vstack(made, format="csr"))


class CodeSums(NamedTuple):
    """What a pass of coding gives.

    The codes, if they are CSR and wanted; X'Z and Z'Z, if asked for; the sum of the row objectives without
    1/2 |x|^2; how many rows did not end; with X'Z the penalty on CSR codes.
    """

    codes: Stack | None
    products: Array | None
    gram: NDArray[np.float64] | None
    objective: float
    unconverged: float
    penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Coded:
    """Codes of all rows, dense or CSR or None, with the sums of `CodeSums`.

    `doubtful` tells which rows rounding may have harmed, those among them that did not end; it is None if the
    kernel does not tell.
    """

    codes: Any
    products: Array | None
    gram: NDArray[np.float64] | None
    objective: float
    unconverged: float
    doubtful: NDArray[np.bool_] | None
    penalty: float


def code_rows(
    x: Source, atoms: Array, coder: Coder, *, gram: NDArray[np.float64] | None = None,
    products: Array | None = None, start: Array | None = None, enough: NDArray[np.float64] | None = None,
    sums: bool = False, sparse: bool = False, keep: bool = True,
) -> Coded:  # fmt: skip
    """Code every row in one pass.

    Parameters
    ----------
    x : Source of shape (rows, cols)
    atoms : ndarray of shape (cols, k)
        The dictionary, atoms as columns.
    coder : Coder
    gram : ndarray of shape (k, k), optional
        atoms.T @ atoms, if known.
    products : ndarray of shape (rows, k), optional
        x @ atoms, if known; x is then not read.
    start : ndarray of shape (rows, k), optional
        Codes that 'lasso' starts from.
    enough : ndarray of shape (rows,), optional
        'omp' and 'ols' stop where |x|^2 - |x - Fz|^2 is at least this.
    sums : bool
        Whether X'Z and Z'Z are wanted.
    sparse : bool
        Whether the codes are wanted as a CSR matrix.
    keep : bool
        Whether they, and which rows are doubtful, are wanted at all, if they are sparse.
    """
    k = atoms.shape[1]
    if gram is None:
        gram = kernels.gram(f=atoms.astype(np.float64), n_threads=x.n_threads)
    state: dict[str, Any] = {
        "codes": None if sparse else np.empty((x.rows, k), atoms.dtype),
        "products": products,
        "start": x.given(start),
        "doubtful": None if _is_swept(coder, k) else x.kept(dtype=bool),
    }
    pass_ = partial(code, coder=coder, sums=sums, keep=keep)
    done = run(pass_, x, Dictionary(atoms, gram), state, fixed={"enough": enough})
    codes = state["codes"] if done.codes is None else done.codes.matrix
    doubtful = np.asarray(state["doubtful"]) if keep and state["doubtful"] is not None else None
    return Coded(
        codes, done.products, done.gram, done.objective, done.unconverged, doubtful, done.penalty
    )  # fmt: skip


def _is_swept(coder: Coder, k: int) -> bool:
    """Whether rows are solved in the lanes of the vectors, by coordinate descent and steps on their faces."""
    if coder.algorithm != "lasso":
        return coder.algorithm == "threshold"
    return k <= SIDE_BY_SIDE or (coder.l1 == 0 and not coder.nonneg)


def code(
    rows: Source, shared: Dictionary, state: State, *, coder: Coder, sums: bool = False, keep: bool = True
) -> CodeSums:
    """A pass: codes of rows, as `Coded`.

    Into `codes`, or CSR where that is None, if `keep`; which are doubtful into `doubtful`. What is None of
    `products`, `start` and `enough` is not known or wanted; see `code_rows`.
    """
    if coder.algorithm == "threshold":
        shared = shared._replace(gram=np.eye(shared.atoms.shape[1]))
    if state["codes"] is not None:
        return _coded(rows, shared, state, coder, sums)

    def coded(rows: Source, state: State) -> CodeSums:
        found = _coded(rows, shared, state, coder, sums)
        assert found.codes is not None
        penalty = sum(penalty_of(coder, values) for values in found.codes.values) if sums else 0.0
        return found._replace(codes=found.codes if keep else None, penalty=penalty)

    some = max(1, TOGETHER // max(shared.atoms.shape[1], rows.entries // max(1, rows.rows)))
    parts = [slice(i, min(i + some, rows.rows)) for i in range(0, max(1, rows.rows), some)]
    if len(parts) == 1:
        return coded(rows, state)
    found = (coded(rows.some(at, once=True), state_at(state, at)) for at in parts)
    return cast(CodeSums, added(found, len(parts)))


def _coded(rows: Source, shared: Dictionary, state: State, coder: Coder, sums: bool) -> CodeSums:
    k = shared.atoms.shape[1]
    products = np.empty_like(shared.atoms) if sums else None
    if _is_swept(coder, k):
        return _sweep(rows, shared, state, coder, products)
    matching, out = coder.algorithm != "lasso", state["codes"]
    most = min(coder.n_nonzero, k) if matching else k
    common: dict[str, Any] = {
        "x": rows.kernel, "p": state["products"], "f": shared.atoms, "enough": state["enough"], "out": out,
        "sums": products, "doubtful": state["doubtful"], "n_threads": rows.n_threads,
    }  # fmt: skip
    if matching and not coder.nonneg:
        found = kernels.omp(gram=shared.gram, most=most, ols=coder.algorithm == "ols", **common)
    else:
        found = kernels.lasso(
            gram=shared.gram + coder.l2 * np.eye(k), start=state["start"], l1=coder.l1, nonneg=coder.nonneg,
            most=most, one_by_one=matching, max_rounds=coder.max_iter,
            tol=coder.tolerance(shared.atoms.dtype), **common,
        )  # fmt: skip
    codes = None if out is not None else Stack((found.codes,), k)
    return CodeSums(codes, products, found.gram, found.objective, found.unconverged)


def _sweep(rows: Source, shared: Dictionary, state: State, coder: Coder, products: Array | None) -> CodeSums:
    """Solve rows in the lanes of the vectors."""
    once, out = coder.algorithm == "threshold", state["codes"]
    sweeps = (
        Sweeps(1) if once else Sweeps(coder.max_iter, tol=coder.tolerance(shared.atoms.dtype), polish=POLISH)
    )
    done = solve_rows(
        rows, *shared, coder.penalty, sweeps, products=state["products"], out=out,
        start=None if once else state["start"], sums=products, squares=products is not None,
        n_threads=rows.n_threads,
    )  # fmt: skip
    codes = Stack((kernels.nonzeros(dense=done.factor),), len(shared.gram)) if out is None else None
    gram = None if products is None else done.gram
    return CodeSums(codes, products, gram, done.objective, 0.0 if once else done.unconverged)


def lars(rows: Source, shared: Array, state: State, *, n_nonzero: int) -> None:
    """A pass: codes of rows in `shared` (k, cols) into `codes`, by scikit-learn, row after row.

    Its thresholds are absolute: rows and atoms are counted in powers of two in which they are about 1.
    """
    unit = int(np.frexp(np.abs(shared).max(initial=0))[1])
    for at in gen_batches(rows.rows, max(1, TOGETHER // rows.cols)):
        x = rows.take(at).astype(rows.dtype, copy=False)
        units = np.frexp(np.abs(x).max(axis=1, keepdims=True, initial=0))[1]
        found = sklearn_sparse_encode(
            np.ldexp(x, -units), np.ldexp(shared, -unit), algorithm="lars", n_nonzero_coefs=n_nonzero
        )
        state["codes"][at] = np.ldexp(found, units - unit)


def mend_codes(
    x: Source | Observed, atoms: Array, coder: Coder, codes: Any, unconverged: float, *,
    gram: Any = None, start: Array | None = None, doubtful: NDArray[np.bool_] | None = None,
) -> tuple[Any, float]:  # fmt: skip
    """Solve again what codes (rows, k) of x in `atoms` (k, cols) need it; gives how many did not end too."""
    if coder.algorithm == "threshold":
        return codes, unconverged
    held = coder.algorithm != "lasso"
    if held and start is None and doubtful is not None and not doubtful.any():
        return codes, 0.0
    rows = Rows(x, atoms.astype(np.float64), coder.penalty, held)
    if start is not None or (doubtful is not None and not held and coder.l1 == 0):
        doubtful = None
    elif doubtful is not None and not held:
        doubtful |= ~penalised(rows)
    ridged = None if gram is None else gram + coder.l2 * np.eye(len(atoms))
    codes, unconverged, _ = mend(
        rows, codes, most=coder.max_iter, unconverged=unconverged, gram=ridged, start=start, tol=coder.tol,
        doubtful=doubtful,
    )  # fmt: skip
    return codes, unconverged


def penalty_of(coder: Coder, values: Array) -> float:
    """l1 |Z|_1 + l2/2 |Z|^2 of sparse codes, given what is stored of them."""
    value = coder.l1 * float(np.abs(values).sum(dtype=np.float64))
    return value + 0.5 * coder.l2 * float(np.square(values, dtype=np.float64).sum())


def warn_of_unconverged(unconverged: float, rows: int, max_iter: int) -> None:
    """Say how many rows did not reach their minimiser."""
    if unconverged:
        warn(
            f"{unconverged:.0f} of {rows} rows did not converge in {max_iter} rounds: raise max_iter or tol",
            ConvergenceWarning,
        )


def row_budgets(x: Source, errors: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Give what of |x|^2 each code must explain."""
    if errors is None:
        return None
    with np.errstate(over="ignore"):  # so large an error asks for nothing
        return row_squares(x, np.float64) - errors**2
