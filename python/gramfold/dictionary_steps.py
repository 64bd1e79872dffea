"""One iteration of dictionary learning: code all rows, then update the atoms for these codes."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ._core import kernels
from .atoms import UNUSED, AtomRule, faulty, gram_of, least_use, size_of, some_rows
from .codes import Coded, Coder
from .dictionary_units import code, code_observed
from .fold import Array, Source, aligned
from .monitor import Monitor
from .observed import Observed

Flags = NDArray[np.bool_]
Parts = tuple[Array, Array, Array]

# Where the fit is less than this share of |X|^2, a difference of sums over X is not exact enough for it.
CANCELLED = {"float32": 0.02, "float64": 1e-4}


class Steps:
    """One iteration of `DictionaryLearning`, and the atoms that it would have replaced before the next.

    Parameters
    ----------
    x : Source or Observed
    coder : Coder
    rule : AtomRule
    rng : RandomState
        Draws the rows that take the place of bad atoms.
    errors : ndarray of shape (rows,), optional
        At which 'omp' and 'ols' end a row: its largest error, or what `row_budgets` makes of that.
    start : array or sparse matrix of shape (rows, k), optional
        Codes that the first iteration starts from.

    Attributes
    ----------
    codes : CSR matrix of shape (rows, k) or None
        What the next iteration starts from, if it needs any.
    faulty : ndarray of shape (k,) or None
        Which atoms are to be replaced; None is none.
    """

    def __init__(
        self, x: Any, coder: Coder, rule: AtomRule, rng: np.random.RandomState, *,
        errors: NDArray[np.float64] | None = None, start: Any = None,
    ) -> None:  # fmt: skip
        self.x, self.coder, self.rule, self.rng = x, coder, rule, rng
        self.errors, self.start = errors, start
        self.codes: Any = None
        self.faulty: Flags | None = None

    @property
    def minimises(self) -> bool:
        """Whether a lower objective is better; rows that are coded to an error are to be sparse."""
        return self.errors is None

    def __call__(self, atoms: Array) -> float:
        """Iterate once: atoms are overwritten; gives the objective of them with their codes."""
        raise NotImplementedError

    def replace(self, atoms: Array) -> bool:
        """Put rows of X in the place of faulty atoms, if there are any."""
        flags = self.faulty
        if flags is None or not flags.any():
            return False
        atoms[flags] = some_rows(self.x, int(flags.sum()), self.rule, self.rng)
        self.restore(None if self.codes is None else without(self.codes, flags), None)
        return True

    def restore(self, codes: Any, flags: Flags | None) -> None:
        """Go on from other atoms, with these codes."""
        self.codes, self.faulty = codes, flags


class GramSteps(Steps):
    """Codes by any coder in one pass, atoms from Z'X and Z'Z (Mairal, Bach, Ponce & Sapiro 2010)."""

    gram: NDArray[np.float64] | None = None  # DD', while atoms stay as they are

    def restore(self, codes: Any, flags: Flags | None) -> None:
        """Go on from other atoms."""
        super().restore(codes, flags)
        self.gram = None

    def __call__(self, atoms: Array) -> float:
        """Iterate once."""
        x, rule, shared = self.x, self.rule, np.ascontiguousarray(atoms.T)
        gram = gram_of(atoms, x.n_threads) if self.gram is None else self.gram
        done = code(
            x, shared, self.coder, gram=gram, start=self.start, enough=self.errors, sums=np.empty_like(shared)
        )
        assert done.gram is not None
        assert done.sums is not None
        self.start = None
        penalty = penalty_of(self.coder, done.codes)
        squares = np.diag(done.gram)
        least = least_use(rough_fit(x, done, atoms, gram) + penalty, squares, rule, x.dtype)
        update(atoms, done.gram, done.sums, rule, least)
        unused = squares <= least
        if rule.penalised:
            atoms[unused] = 0
        self.gram = gram_of(atoms, x.n_threads)
        self.faulty = faulty(self.gram, unused, rule, self.coder.nonneg)
        return fit_of(x, done, atoms, self.gram) + penalty + rule(atoms)


class MaskedSteps(Steps):
    """The same from what is observed of X: codes row by row, atoms through the residual."""

    def __init__(self, x: Observed, *args: Any, **options: Any) -> None:
        super().__init__(x, *args, **options)
        self.values = np.ascontiguousarray(np.where(x.seen, x.x, x.dtype.type(0)))
        self.weights = np.where(x.seen, 1 if x.weights is None else x.weights, 0).astype(x.dtype, order="C")
        self.residual = np.empty((x.rows, x.cols), x.dtype)

    def __call__(self, atoms: Array) -> float:
        """Iterate once."""
        x, rule = self.x, self.rule
        codes = sp.csc_matrix(code_observed(x, atoms, self.coder, self.errors, self.start))
        self.start = None
        penalty = penalty_of(self.coder, codes)
        squares = squares_of(codes)
        rounding = least_use(0.0, squares, rule, x.dtype)
        self._fit(codes, atoms)
        kernels.masked_atoms(
            self.residual, self.weights, parts(codes), atoms, rule.l1, rule.l2, rule.nonneg, rule.ball,
            rounding, x.n_threads,
        )  # fmt: skip
        if rule.penalised:
            atoms[squares <= rounding] = 0
        objective = self._fit(codes, atoms) + penalty + rule(atoms)
        unused = (squares <= rounding) | (self._worth(codes, atoms) <= 2 * UNUSED * objective)
        self.faulty = faulty(gram_of(atoms, x.n_threads), unused, rule, self.coder.nonneg)
        return objective

    def _worth(self, codes: Any, atoms: Array) -> NDArray[np.float64]:
        """Give the weighted squared norm of what each atom adds to ZD."""
        squares = codes.astype(np.float64).power(2).T @ self.weights
        return np.asarray(np.sum(squares * np.square(atoms, dtype=np.float64), axis=1))

    def _fit(self, codes: Any, atoms: Array) -> float:
        """Set the residual, and give half its weighted squared norm."""
        errors = kernels.residual(
            self.values, self.weights, parts(codes.tocsr()), atoms, self.residual, self.x.n_threads
        )
        return 0.5 * float(errors.sum())


class State(NamedTuple):
    """What a fit can go back to."""

    objective: float
    atoms: Array
    codes: Any
    faulty: Flags | None


def iterate(steps: Steps, atoms: Array, monitor: Monitor, max_iter: int, tol: float) -> bool:
    """Iterate until converged (True) or stopped; atoms are overwritten by the best that were reached.

    Converged is an objective that falls by at most `tol` of itself in an iteration before which no atom was
    replaced. An iteration that makes the objective rise is taken back, unless the fit is to go on (tol = 0)
    and it replaced none. After replacements in vain the atoms stay for an iteration.
    """
    last = best = State(np.inf, atoms.copy(), steps.codes, steps.faulty)
    converged = False
    for _ in range(max_iter):
        replaced = steps.replace(atoms)
        objective = steps(atoms)
        if objective > last.objective and (replaced or tol > 0) and steps.minimises:
            objective = _go_back(last, steps, atoms)
        little = last.objective - objective <= tol * objective
        if replaced and little:
            steps.faulty = None
        stop = monitor.record(objective, size_of(atoms - last.atoms) / (size_of(atoms) or 1.0))
        last = State(objective, atoms.copy(), steps.codes, steps.faulty)
        if objective <= best.objective or not steps.minimises:
            best = last
        converged = tol > 0 and little and not replaced
        if converged or stop:
            break
    _go_back(best, steps, atoms)
    return converged


def _go_back(state: State, steps: Steps, atoms: Array) -> float:
    atoms[:] = state.atoms
    steps.restore(state.codes, state.faulty)
    return state.objective


def rough_fit(x: Source, done: Coded, atoms: Array, gram: NDArray[np.float64]) -> float:
    """Half of |X - ZD|^2 for codes from one pass and DD' `gram`; a difference, which may cancel."""
    assert done.sums is not None
    assert done.gram is not None
    product = np.vdot(done.sums.T, atoms.astype(np.float64))
    return float(0.5 * x.squared_norm - product + 0.5 * np.vdot(done.gram, gram))


def fit_of(x: Source, done: Coded, atoms: Array, gram: NDArray[np.float64]) -> float:
    """Half of |X - ZD|^2, from the rows themselves where the difference cancels."""
    fit = rough_fit(x, done, atoms, gram)
    if fit > CANCELLED[x.dtype.name] * x.squared_norm:
        return fit
    total, size = 0.0, max(1, 2**18 // max(1, x.cols))
    for first in range(0, x.rows, size):
        some = slice(first, first + size)
        rows = x.x[some].toarray() if x.sparse else x.x[some]
        codes, rest = parts(done.codes[some]), np.empty(rows.shape, x.dtype)
        total += float(kernels.residual(aligned(rows), None, codes, atoms, rest, x.n_threads).sum())
    return 0.5 * total


def squares_of(codes: Any) -> NDArray[np.float64]:
    """Give the sum of each atom's squared codes."""
    return np.asarray(codes.astype(np.float64).power(2).sum(axis=0)).ravel()


def update(
    atoms: Array, gram: NDArray[np.float64], products: Array, rule: AtomRule, unused: float, sweeps: int = 1
) -> None:
    """Update the atoms (k, m) in place for Z'Z `gram` and X'Z `products` (m, k)."""
    scale = 2.0 ** -np.frexp(np.diag(gram).max(initial=0.0))[1]  # of any size codes may be: 1 for the kernel
    kernels.update_atoms(
        atoms, gram * scale, np.ascontiguousarray(products.T * scale, dtype=atoms.dtype), rule.l1 * scale,
        rule.l2 * scale, rule.nonneg, rule.ball, unused * scale, sweeps,
    )  # fmt: skip


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


def penalty_of(coder: Coder, codes: Any) -> float:
    """l1 |Z|_1 + l2/2 |Z|^2 of sparse codes."""
    value = coder.l1 * float(np.abs(codes.data).sum(dtype=np.float64))
    return value + 0.5 * coder.l2 * float(np.square(codes.data, dtype=np.float64).sum())
