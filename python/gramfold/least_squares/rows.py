"""Rows of one factor solved with the other one fixed: what is asked, and what one pass gives back."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fold.source import Array, Source


@dataclass(frozen=True, slots=True)
class Penalty:
    """l1 |z|_1 + l2/2 |z|^2 on a factor, and whether it must be non-negative."""

    l1: float = 0.0
    l2: float = 0.0
    nonneg: bool = True

    def __call__(self, factor: Array) -> float:
        """Evaluate the penalty."""
        value = 0.0
        if self.l1:
            value += self.l1 * float(np.sum(np.abs(factor), dtype=np.float64))
        if self.l2:
            value += 0.5 * self.l2 * float(np.sum(np.square(factor, dtype=np.float64)))
        return value


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass gives back; see `kernels.hals`."""

    factor: Array
    sums: Array | None
    gram: NDArray[np.float64]
    cross: NDArray[np.float64] | None
    violation: float
    step: float
    objective: float
    residual: float
    open: float


@dataclass(frozen=True, slots=True)
class Sweeps:
    """How far each row is solved: at most `most` rounds, ended early by `shrink` or `tol`.

    A row ends when its step is at most `shrink` times its first one, or `tol` times its own size.
    With `polish`, every so many rounds open rows go to the minimiser on their face; non-negative rows first
    try solves on their supports, which need few rounds.
    """

    most: int
    shrink: float = 0.0
    tol: float = 0.0
    polish: int = 0


def solve_free(
    frozen: int, shared: Array, gram: NDArray[np.float64], penalty: Penalty, sweeps: Sweeps, *,
    products: Array, start: Array, order: NDArray[np.intp] | None = None, n_threads: int,
) -> Pass:  # fmt: skip
    """Solve rows from their products as `solve_rows` does, but for their first `frozen` components."""
    if frozen:
        held, start = start[:, :frozen], np.ascontiguousarray(start[:, frozen:])
        if not start.shape[1]:
            return Pass(np.array(held), None, np.empty((0, 0)), None, 0.0, 0.0, 0.0, 0.0, 0.0)
        products = np.ascontiguousarray(
            products[:, frozen:] - held @ gram[:frozen, frozen:].astype(held.dtype)
        )
        shared, gram = shared[:, frozen:], np.ascontiguousarray(gram[frozen:, frozen:])
    result = solve_rows(
        None, shared, gram, penalty, sweeps, products=products, start=start, squares=False, order=order,
        n_threads=n_threads,
    )  # fmt: skip
    return replace(result, factor=np.hstack([held, result.factor])) if frozen else result


def row_count(x: Source | None, products: Array | None) -> int:
    """Count the rows to solve: those of the known products, else those of x."""
    if products is not None:
        return len(products)
    assert x is not None
    return x.rows


def solve_rows(
    x: Source | None,
    shared: Array,
    gram: NDArray[np.float64],
    penalty: Penalty,
    sweeps: Sweeps,
    *,
    products: Array | None = None,
    start: Array | None = None,
    previous: Array | None = None,
    beta: float = 0.0,
    out: Array | None = None,
    sums: Array | None = None,
    cross: bool = False,
    squares: bool = True,
    order: NDArray[np.intp] | None = None,
    n_threads: int,
) -> Pass:
    """Solve all rows of one factor with the other one fixed, by coordinate descent, in one pass.

    Parameters
    ----------
    x : Source of shape (rows, cols), or None
    shared : ndarray of shape (cols, k)
        The fixed factor.
    gram : ndarray of shape (k, k)
        shared.T @ shared.
    products : ndarray of shape (rows, k), optional
        x @ shared, if known; x is then not read.
    start, previous : ndarray of shape (rows, k), optional
        Rows start at start + beta (start - previous), clipped at 0 if they are non-negative;
        without them, at 0.
    out : ndarray of shape (rows, k), optional
        Overwritten with the solution; a new array by default.
    sums : ndarray of shape (cols, k), optional
        Overwritten with x.T @ solution.
    cross : bool
        Whether solution.T @ start is wanted.
    squares : bool
        Whether solution.T @ solution is wanted; else `gram` of what is given back is empty.
    order : ndarray of shape (k,), optional
        The order in which the components of a row are updated.
    """
    if order is not None:
        return _in_order(x, shared, gram, penalty, sweeps, products, start, sums, order, n_threads)
    gathered = x if sums is not None and x is not None and x.gathers else None
    gram = gram + penalty.l2 * np.eye(len(gram))
    direct = not penalty.nonneg and penalty.l1 == 0
    from_dual = penalty.nonneg and sweeps.polish > 0 and start is None
    if out is None:
        out = np.empty((row_count(x, products), shared.shape[1]), shared.dtype)
    result = kernels.hals(
        x=None if x is None else x.kernel,
        p=products,
        f=shared,
        gram=gram,
        inverse=_pseudoinverse(gram, float(np.finfo(shared.dtype).eps)) if direct or from_dual else None,
        start=start,
        previous=previous,
        beta=beta,
        out=out,
        sums=sums if gathered is None else None,
        l1=penalty.l1,
        nonneg=penalty.nonneg,
        max_sweeps=sweeps.most,
        polish=sweeps.polish,
        shrink=sweeps.shrink,
        tol=sweeps.tol,
        cross=cross,
        squares=squares,
        n_threads=n_threads,
    )
    if gathered is not None and sums is not None:
        gathered.transposed.product(out, sums)
    squared = np.empty((0, 0)) if result[0] is None else result[0]
    return Pass(out, sums, squared, *result[1:])


def _pseudoinverse(gram: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    """The pseudoinverse of a Gram matrix that is known to eps; of a large one by LAPACK, on threads."""
    if len(gram) <= 512:
        return kernels.pseudoinverse(gram=gram, eps=eps)
    values, vectors = np.linalg.eigh(gram)
    kept = values > len(gram) * eps * values.max()
    return np.ascontiguousarray((vectors[:, kept] / values[kept]) @ vectors[:, kept].T)


def _in_order(
    x: Source | None, shared: Array, gram: Array, penalty: Penalty, sweeps: Sweeps,
    products: Array | None, start: Array | None, sums: Array | None, order: Array, n_threads: int,
) -> Pass:  # fmt: skip
    """Solve the same rows with the components permuted, and permute back."""

    def permuted(a: Array | None) -> Array | None:
        return None if a is None else np.ascontiguousarray(a[:, order])

    result = solve_rows(
        x, np.ascontiguousarray(shared[:, order]), gram[np.ix_(order, order)], penalty, sweeps,
        products=permuted(products), start=permuted(start),
        sums=None if sums is None else np.empty_like(sums), n_threads=n_threads,
    )  # fmt: skip
    back = np.argsort(order)
    if sums is not None and result.sums is not None:
        sums[:] = result.sums[:, back]
    return replace(
        result, factor=np.ascontiguousarray(result.factor[:, back]), sums=sums,
        gram=result.gram[np.ix_(back, back)],
    )  # fmt: skip
