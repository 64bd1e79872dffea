"""One iteration of dictionary learning: code all rows, then update the atoms for these codes."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from .._core import kernels
from ..coding.coder import Coder
from ..coding.codes import Coded
from ..fit.monitor import Monitor
from ..fold.engine import State, run
from ..fold.observed import Observed
from ..fold.source import Array, Source
from .atoms import UNUSED, AtomRule, faulty, gram_of, least_use, size_of, some_rows
from .units import code_in_unit, code_observed

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
        done = code_in_unit(x, shared, self.coder, gram=gram, start=self.start, enough=self.errors, sums=True)
        assert done.gram is not None
        assert done.products is not None
        self.start = None
        penalty = penalty_of(self.coder, done.codes)
        squares = np.diag(done.gram)
        least = least_use(rough_fit(x, done, atoms, gram) + penalty, squares, rule, x.dtype)
        update(atoms, done.gram, done.products, rule, least)
        unused = squares <= least
        if rule.penalised:
            atoms[unused] = 0
        self.gram = gram_of(atoms, x.n_threads)
        self.faulty = faulty(self.gram, unused, rule, self.coder.nonneg)
        return fit_of(x, done, atoms, self.gram) + penalty + rule(atoms)


class MaskedSteps(Steps):
    """The same from what is observed of X: codes row by row, atoms through the residual.

    It holds X, its weights and the residual as dense arrays, for the kernel that goes atom by atom.
    """

    def __init__(self, x: Observed, *args: Any, **options: Any) -> None:
        super().__init__(x, *args, **options)
        self.values, self.weights, self.residual = (np.empty((x.rows, x.cols), x.dtype) for _ in range(3))
        run(fill, x, state={"values": self.values, "weights": self.weights})

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
            residual=self.residual,
            weights=self.weights,
            codes=parts(codes),
            atoms=atoms,
            l1=rule.l1,
            l2=rule.l2,
            nonneg=rule.nonneg,
            ball=rule.ball,
            unused=rounding,
            n_threads=x.n_threads,
        )
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
            x=self.values,
            weights=self.weights,
            codes=parts(codes.tocsr()),
            atoms=atoms,
            out=self.residual,
            n_threads=self.x.n_threads,
        )
        return 0.5 * float(errors.sum())


def fill(rows: Observed, shared: None, state: State) -> None:
    """A pass: what is observed into `values`, and its weights into `weights`, both 0 elsewhere."""
    seen = rows.seen
    state["values"][:] = np.where(seen, rows.x, 0)
    state["weights"][:] = np.where(seen, 1 if rows.weights is None else rows.weights, 0)


class Checkpoint(NamedTuple):
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
    last = best = Checkpoint(np.inf, atoms.copy(), steps.codes, steps.faulty)
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
        last = Checkpoint(objective, atoms.copy(), steps.codes, steps.faulty)
        if objective <= best.objective or not steps.minimises:
            best = last
        converged = tol > 0 and little and not replaced
        if converged or stop:
            break
    _go_back(best, steps, atoms)
    return converged


def _go_back(point: Checkpoint, steps: Steps, atoms: Array) -> float:
    atoms[:] = point.atoms
    steps.restore(point.codes, point.faulty)
    return point.objective


def rough_fit(x: Source, done: Coded, atoms: Array, gram: NDArray[np.float64]) -> float:
    """Half of |X - ZD|^2 for codes from one pass and DD' `gram`; a difference, which may cancel."""
    assert done.products is not None
    assert done.gram is not None
    product = np.vdot(done.products.T, atoms.astype(np.float64))
    return float(0.5 * x.squared_norm - product + 0.5 * np.vdot(done.gram, gram))


def fit_of(x: Source, done: Coded, atoms: Array, gram: NDArray[np.float64]) -> float:
    """Half of |X - ZD|^2, from the rows themselves where the difference cancels."""
    fit = rough_fit(x, done, atoms, gram)
    if fit > CANCELLED[x.dtype.name] * x.squared_norm:
        return fit
    return 0.5 * float(run(squared_error, x, atoms, {"codes": done.codes}))


def squared_error(rows: Source, shared: Array, state: State) -> float:
    """A pass: |X - ZD|^2 of CSR `codes` Z and atoms D."""
    total, most = 0.0, max(1, 2**18 // max(1, rows.cols))
    for some in gen_batches(rows.rows, most):
        x, codes = rows.x[some], parts(state["codes"][some])
        x = x.toarray() if rows.sparse else x
        errors = kernels.residual(
            x=x, weights=None, codes=codes, atoms=shared, out=np.empty(x.shape, x.dtype),
            n_threads=rows.n_threads,
        )  # fmt: skip
        total += float(errors.sum())
    return total


def squares_of(codes: Any) -> NDArray[np.float64]:
    """Give the sum of each atom's squared codes."""
    return np.asarray(codes.astype(np.float64).power(2).sum(axis=0)).ravel()


def update(
    atoms: Array, gram: NDArray[np.float64], products: Array, rule: AtomRule, unused: float, sweeps: int = 1
) -> None:
    """Update the atoms (k, m) in place for Z'Z `gram` and X'Z `products` (m, k)."""
    scale = 2.0 ** -np.frexp(np.diag(gram).max(initial=0.0))[1]  # of any size codes may be: 1 for the kernel
    kernels.update_atoms(
        atoms=atoms,
        gram=gram * scale,
        products=np.ascontiguousarray(products.T * scale, dtype=atoms.dtype),
        l1=rule.l1 * scale,
        l2=rule.l2 * scale,
        nonneg=rule.nonneg,
        ball=rule.ball,
        unused=unused * scale,
        sweeps=sweeps,
    )


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
