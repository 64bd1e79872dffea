"""One iteration of dictionary learning: code all rows, then update the atoms for these codes."""

from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from . import masked_codes
from ._core import kernels
from .atoms import UNUSED, AtomRule, faulty, gram_of, size_of, some_rows
from .codes import Coder, code_rows
from .fold import Array, Source
from .monitor import Monitor
from .observed import Observed

Flags = NDArray[np.bool_]
Parts = tuple[Array, Array, Array]


class Steps(Protocol):
    """An algorithm of `DictionaryLearning`; `codes` is what a later fit goes on from, if anything."""

    codes: Any

    def __call__(self, atoms: Array) -> tuple[float, Flags]:
        """Iterate once: atoms are overwritten; gives the objective, and which atoms were replaced.

        Codes of replaced atoms count as 0.
        """
        ...


class GramSteps:
    """Codes by any coder in one pass, atoms from Z'X and Z'Z (Mairal, Bach, Ponce & Sapiro 2010).

    Parameters
    ----------
    x : Source
    coder : Coder
    rule : AtomRule
    rng : RandomState
        Draws the rows that take the place of bad atoms.
    enough : ndarray of shape (rows,), optional
        See `code_rows`.
    start : ndarray of shape (rows, k), optional
        Codes that the lasso of the first iteration starts from.
    """

    def __init__(
        self, x: Source, coder: Coder, rule: AtomRule, rng: np.random.RandomState, *,
        enough: NDArray[np.float64] | None = None, start: Array | None = None,
    ) -> None:  # fmt: skip
        self.x, self.coder, self.rule, self.rng = x, coder, rule, rng
        self.enough, self.start = enough, start
        self.gram: NDArray[np.float64] | None = None
        self.codes = None

    def __call__(self, atoms: Array) -> tuple[float, Flags]:
        """Iterate once."""
        x, rule, shared = self.x, self.rule, np.ascontiguousarray(atoms.T)
        gram = gram_of(atoms, x.n_threads) if self.gram is None else self.gram
        done = code_rows(
            x, shared, self.coder, gram=gram, start=self.start, enough=self.enough,
            sums=np.empty_like(shared), sparse=True, n_threads=x.n_threads,
        )  # fmt: skip
        assert done.gram is not None
        assert done.sums is not None
        self.start = None
        least = 0.0 if rule.penalised else UNUSED * x.rows
        update(atoms, done.gram, done.sums, rule, least)
        unused = np.diag(done.gram) <= least
        if rule.penalised:
            atoms[unused] = 0
        self.gram = gram_of(atoms, x.n_threads)
        replaced = faulty(self.gram, unused, rule)
        D = np.where(replaced[:, None], 0, atoms).astype(np.float64)
        fit = 0.5 * x.squared_norm - np.vdot(done.sums.T, D) + 0.5 * np.vdot(done.gram, D @ D.T)
        if replaced.any():
            atoms[replaced] = some_rows(x, int(replaced.sum()), rule, self.rng)
            self.gram = None
        return float(fit) + penalty_of(self.coder, done.codes) + rule(atoms), replaced


class MaskedSteps:
    """The same from what is observed of X: codes row by row, atoms through the residual.

    Parameters as those of `GramSteps`, but `errors` is the largest error of each row.
    """

    def __init__(
        self, x: Observed, coder: Coder, rule: AtomRule, rng: np.random.RandomState, *,
        errors: NDArray[np.float64] | None = None, start: Array | None = None,
    ) -> None:  # fmt: skip
        self.x, self.coder, self.rule, self.rng = x, coder, rule, rng
        self.errors, self.start = errors, start
        self.values = np.ascontiguousarray(np.where(x.seen, x.x, x.dtype.type(0)))
        self.weights = np.where(x.seen, 1 if x.weights is None else x.weights, 0).astype(x.dtype, order="C")
        self.residual = np.empty((x.rows, x.cols), x.dtype)
        self.codes = None

    def __call__(self, atoms: Array) -> tuple[float, Flags]:
        """Iterate once."""
        x, rule = self.x, self.rule
        codes = sp.csc_matrix(masked_codes.solve(x, atoms, self.coder, self.errors, self.start)[0])
        self.start = None
        squares = np.asarray(codes.astype(np.float64).power(2).sum(axis=0)).ravel()
        unused = squares <= (least := 0.0 if rule.penalised else UNUSED * x.rows)
        self._errors(codes, atoms)
        kernels.masked_atoms(
            self.residual, self.weights, parts(codes), atoms, rule.l1, rule.l2, rule.nonneg, rule.ball,
            least, x.n_threads,
        )  # fmt: skip
        if rule.penalised:
            atoms[unused] = 0
        replaced = faulty(gram_of(atoms, x.n_threads), unused, rule)
        codes = without(codes, replaced)
        objective = 0.5 * self._errors(codes, atoms) + penalty_of(self.coder, codes) + rule(atoms)
        if replaced.any():
            atoms[replaced] = some_rows(x, int(replaced.sum()), rule, self.rng)
        return objective, replaced

    def _errors(self, codes: Any, atoms: Array) -> float:
        """Set the residual, and give its weighted squared norm."""
        return float(
            kernels.residual(
                self.values, self.weights, parts(codes.tocsr()), atoms, self.residual, self.x.n_threads
            ).sum()
        )


def iterate(steps: Steps, atoms: Array, monitor: Monitor, max_iter: int, tol: float) -> bool:
    """Iterate until converged (True) or stopped; atoms are overwritten.

    Converged is an objective that falls by at most `tol` of itself, while no atom is replaced.
    """
    last = np.inf
    for _ in range(max_iter):
        before = atoms.copy()
        objective, replaced = steps(atoms)
        stop = monitor.record(objective, size_of(atoms - before) / (size_of(atoms) or 1.0))
        if tol > 0 and not replaced.any() and last - objective <= tol * objective:
            return True
        if stop:
            return False
        last = objective
    return False


def update(
    atoms: Array, gram: NDArray[np.float64], products: Array, rule: AtomRule, unused: float, sweeps: int = 1
) -> None:
    """Update the atoms (k, m) in place for Z'Z `gram` and X'Z `products` (m, k)."""
    kernels.update_atoms(
        atoms, gram, np.ascontiguousarray(products.T, dtype=atoms.dtype), rule.l1, rule.l2, rule.nonneg,
        rule.ball, unused, sweeps,
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
