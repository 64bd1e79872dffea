"""Rows of one factor solved with the other one fixed, by coordinate descent."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from .._core.results import Swept
from ..fit.remember import remembered
from ..fold.columns import Columns
from ..fold.engine import State, run
from ..fold.row_state import summed
from ..fold.source import Array, Source


@dataclass(frozen=True, slots=True)
class Penalty:
    """l1 |z|_1 + l2/2 |z|^2 on a factor, and whether it must be non-negative."""

    l1: float = 0.0
    l2: float = 0.0
    nonneg: bool = True

    def over(self, x: Any, factor: Any) -> float:
        """Evaluate the penalty on the factor of the rows of x."""
        return summed(x, self, factor) if self.l1 or self.l2 else 0.0

    def __call__(self, factor: Array) -> float:
        """Evaluate the penalty."""
        value = 0.0
        if self.l1:
            value += self.l1 * float(np.sum(np.abs(factor), dtype=np.float64))
        if self.l2:
            value += 0.5 * self.l2 * float(np.sum(np.square(factor, dtype=np.float64)))
        return value


class Solved(NamedTuple):
    """Rows Z that were solved: Z, X'Z and Z'Z if wanted (else None and empty), and sums; see `Swept`."""

    factor: Array
    sums: Array | None
    gram: NDArray[np.float64]
    cross: NDArray[np.float64] | None
    violation: float
    step: float
    objective: float
    residual: float
    unconverged: float

    @classmethod
    def of(cls, factor: Array, sums: Array | None, swept: Swept) -> "Solved":
        """What a kernel gave back, beside what it wrote."""
        gram = np.empty((0, 0)) if swept.gram is None else swept.gram
        return cls(
            factor, sums, gram, swept.cross, swept.violation, swept.step, swept.objective, swept.residual,
            swept.unconverged,
        )  # fmt: skip


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


class Fixed(NamedTuple):
    """The fixed factor F (cols, k), and F'F."""

    factor: Array
    gram: NDArray[np.float64]


def solve_all(
    x: Source, shared: Array, gram: NDArray[np.float64], penalty: Penalty, sweeps: Sweeps, *,
    start: Array | None = None, previous: Array | None = None, beta: float = 0.0, out: Array | None = None,
    sums: bool = False, cross: bool = False, squares: bool = True, order: NDArray[np.intp] | None = None,
) -> Solved:  # fmt: skip
    """Solve all rows of one factor of X in one pass.

    Parameters
    ----------
    x : Source of shape (rows, cols)
    sums, cross, squares : bool
        Whether x.T @ solution, solution.T @ start and solution.T @ solution are wanted.
    others
        As in `solve_rows`.
    """
    room = x.room(shared.shape[1], []) if out is None else out
    pass_ = partial(
        solve, penalty=penalty, sweeps=sweeps, beta=beta, sums=sums, cross=cross, squares=squares, order=order
    )
    if isinstance(x, Columns):
        return _solve_across(
            x, shared, gram, penalty, sweeps, start=start, previous=previous, beta=beta, out=room, sums=sums,
            cross=cross, squares=squares, order=order, n_threads=x.n_threads,
        )  # fmt: skip
    state = {"start": x.given(start), "previous": x.given(previous), "out": room}
    products, swept = run(pass_, x, Fixed(shared, gram), state)
    return Solved.of(np.asarray(room) if out is None else room, products, swept)


def _solve_across(
    x: Columns, shared: Array, gram: NDArray[np.float64], penalty: Penalty, sweeps: Sweeps, *, out: Array,
    sums: bool, **options: Any,
) -> Solved:  # fmt: skip
    """Solve the columns of segments, which none of these has whole, in two reads of X without a copy."""
    products = x.product(shared)
    done = solve_rows(None, shared, gram, penalty, sweeps, products=products, out=out, **options)
    return done._replace(sums=x.origin.product(out)) if sums else done


def solve(
    rows: Source, shared: Fixed, state: State, *, penalty: Penalty, sweeps: Sweeps, beta: float = 0.0,
    sums: bool = False, cross: bool = False, squares: bool = True, order: NDArray[np.intp] | None = None,
) -> tuple[Array | None, Swept]:  # fmt: skip
    """A pass: solve rows from `start`, moved on from `previous`, into `out`; the first sum is X'Z."""
    products = np.empty_like(shared.factor, order="C") if sums else None
    swept = _swept(
        rows, shared.factor, shared.gram, penalty, sweeps, products=None, **state, beta=beta, sums=products,
        cross=cross, squares=squares, order=order, n_threads=rows.n_threads,
    )  # fmt: skip
    return products, swept


def solve_rows(
    x: Source | None, shared: Array, gram: NDArray[np.float64], penalty: Penalty, sweeps: Sweeps, *,
    products: Array | None = None, start: Array | None = None, previous: Array | None = None,
    beta: float = 0.0, out: Array | None = None, sums: Array | None = None, cross: bool = False,
    squares: bool = True, order: NDArray[np.intp] | None = None, n_threads: int,
) -> Solved:  # fmt: skip
    """Solve rows of one factor with the other one fixed, by one call of the kernel.

    Parameters
    ----------
    x : Source of one segment of shape (rows, cols), or None
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
    if out is None:
        known = x if products is None else products
        assert known is not None
        out = np.empty((known.shape[0], shared.shape[1]), shared.dtype)
    shared = shared if products is None else shared[:0]  # of no use any more
    swept = _swept(
        x, shared, gram, penalty, sweeps, products=products, start=start, previous=previous, beta=beta,
        out=out, sums=sums, cross=cross, squares=squares, order=order, n_threads=n_threads,
    )  # fmt: skip
    return Solved.of(out, sums, swept)


def solve_free(
    frozen: int, shared: Array, gram: NDArray[np.float64], penalty: Penalty, sweeps: Sweeps, *,
    products: Array, start: Array, order: NDArray[np.intp] | None = None, n_threads: int,
) -> Solved:  # fmt: skip
    """Solve rows from their products as `solve_rows` does, but for their first `frozen` components."""
    if frozen:
        held, start = start[:, :frozen], np.ascontiguousarray(start[:, frozen:])
        if not start.shape[1]:
            return Solved(np.array(held), None, np.empty((0, 0)), None, 0.0, 0.0, 0.0, 0.0, 0.0)
        products = np.ascontiguousarray(
            products[:, frozen:] - held @ gram[:frozen, frozen:].astype(held.dtype)
        )
        shared, gram = shared[:0][:, frozen:], np.ascontiguousarray(gram[frozen:, frozen:])
    result = solve_rows(
        None, shared, gram, penalty, sweeps, products=products, start=start, squares=False, order=order,
        n_threads=n_threads,
    )  # fmt: skip
    return result._replace(factor=np.hstack([held, result.factor])) if frozen else result


def _swept(
    x: Source | None, shared: Array, gram: NDArray[np.float64], penalty: Penalty, sweeps: Sweeps, *,
    products: Array | None, start: Array | None, out: Array, sums: Array | None,
    order: NDArray[np.intp] | None, n_threads: int, **options: Any,
) -> Swept:  # fmt: skip
    if order is not None:
        return _in_order(
            order, x, shared, gram, penalty, sweeps, products=products, start=start, out=out, sums=sums,
            n_threads=n_threads, **options,
        )  # fmt: skip
    gathers = sums is not None and x is not None and x.gathers
    gram = gram + penalty.l2 * np.eye(len(gram)) if penalty.l2 else np.ascontiguousarray(gram)
    direct = not penalty.nonneg and penalty.l1 == 0
    from_dual = penalty.nonneg and sweeps.polish > 0 and start is None
    inverse, eps = None, float(np.finfo(shared.dtype).eps)
    if from_dual:
        inverse = remembered(_pseudoinverse, gram, eps=eps)
    elif direct:
        inverse = _pseudoinverse(gram, eps)
    swept = kernels.hals(
        x=None if x is None else x.kernel,
        p=products,
        f=shared,
        gram=gram,
        inverse=inverse,
        start=start,
        out=out,
        sums=None if gathers else sums,
        l1=penalty.l1,
        nonneg=penalty.nonneg,
        max_sweeps=sweeps.most,
        polish=sweeps.polish,
        shrink=sweeps.shrink,
        tol=sweeps.tol,
        n_threads=n_threads,
        **options,
    )
    if gathers and x is not None:
        x.transposed.product(out, sums)
    return swept


def gram_of(factor: Array, n_threads: int) -> NDArray[np.float64]:
    """F'F of a factor that stays, to be read only."""
    return remembered(_gram, factor, n_threads=n_threads)


def _gram(factor: Array, n_threads: int) -> NDArray[np.float64]:
    return kernels.gram(f=factor, n_threads=n_threads)


def _pseudoinverse(gram: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    """The pseudoinverse of a Gram matrix that is known to eps; of a large one by LAPACK, on threads."""
    if len(gram) <= 512:
        return kernels.pseudoinverse(gram=gram, eps=eps)
    values, vectors = np.linalg.eigh(gram)
    kept = values > len(gram) * eps * values.max()
    return np.ascontiguousarray((vectors[:, kept] / values[kept]) @ vectors[:, kept].T)


def _in_order(
    order: NDArray[np.intp], x: Source | None, shared: Array, gram: NDArray[np.float64], penalty: Penalty,
    sweeps: Sweeps, *, out: Array, sums: Array | None, products: Array | None, start: Array | None,
    previous: Array | None, **options: Any,
) -> Swept:  # fmt: skip
    """The same with the components permuted, and permuted back."""

    def permuted(a: Array | None) -> Array | None:
        return None if a is None else np.ascontiguousarray(a[:, order])

    def both(a: Any, by: NDArray[np.intp]) -> Any:
        return None if a is None else a[np.ix_(by, by)]

    codes = np.empty_like(out)
    between = None if sums is None else np.empty_like(sums)
    swept = _swept(
        x, np.ascontiguousarray(shared[:, order]), both(gram, order), penalty, sweeps,
        products=permuted(products), start=permuted(start), previous=permuted(previous), out=codes,
        sums=between, order=None, **options,
    )  # fmt: skip
    back = np.argsort(order)
    np.take(codes, back, axis=1, out=out)
    if sums is not None and between is not None:
        np.take(between, back, axis=1, out=sums)
    return swept._replace(gram=both(swept.gram, back), cross=both(swept.cross, back))
