"""One step of online dictionary learning: code a batch, let its sums join, update the atoms."""

import numpy as np
from numpy.typing import NDArray

from .atoms import UNUSED, AtomRule, faulty, gram_of, some_rows
from .codes import Coder, code_rows
from .coding import row_budgets, row_errors
from .dictionary_steps import update
from .fold import Array, Source

# A batch of 512 patches costs more than four sweeps over 256 atoms, which end 0.1% lower than one.
SWEEPS = 4


class Online:
    """Atoms (k, m) and the sums that they are updated by, per row of X and fading.

    Parameters
    ----------
    atoms : ndarray of shape (k, m)
        Overwritten.
    coder : Coder
    rule : AtomRule
    rng : RandomState
    gram, products : ndarray of shape (k, k) and (m, k), optional
        Z'Z and X'Z of earlier batches; overwritten.
    n_steps : int
        Batches so far.
    max_error : float, optional
        At which 'omp' and 'ols' end a row.
    """

    def __init__(
        self, atoms: Array, coder: Coder, rule: AtomRule, rng: np.random.RandomState,
        gram: NDArray[np.float64] | None = None, products: NDArray[np.float64] | None = None,
        n_steps: int = 0, max_error: float | None = None,
    ) -> None:  # fmt: skip
        self.max_error = max_error
        self.atoms, self.coder, self.rule, self.rng, self.n_steps = atoms, coder, rule, rng, n_steps
        k, m = atoms.shape
        self.gram = np.zeros((k, k)) if gram is None else gram
        self.products = np.zeros((m, k)) if products is None else products
        self._between: NDArray[np.float64] | None = None  # DD'

    def step(self, x: Source) -> float:
        """Learn from a batch; gives its cost per row, for the atoms before."""
        atoms, rows = self.atoms, x.rows
        if self._between is None:
            self._between = gram_of(atoms, x.n_threads)
        shared = np.ascontiguousarray(atoms.T)
        done = code_rows(
            x, shared, self.coder, gram=self._between, sums=np.empty_like(shared), sparse=True,
            enough=row_budgets(x.x, row_errors(self.max_error, rows)), n_threads=x.n_threads,
        )  # fmt: skip
        assert done.gram is not None
        assert done.sums is not None
        cost: float = (0.5 * x.squared_norm + done.objective) / rows + self.rule(atoms)
        fade = self._fade(rows)
        for kept, new in ((self.gram, done.gram), (self.products, done.sums)):
            kept *= fade
            kept += new * (1 / rows)
        self._update(x)
        self.n_steps += 1
        return cost

    def _update(self, x: Source) -> None:
        unused = np.diag(self.gram) <= UNUSED
        update(self.atoms, self.gram, self.products, self.rule, UNUSED, SWEEPS)
        self._between = gram_of(self.atoms, x.n_threads)
        replaced = faulty(self._between, unused, self.rule)
        if replaced.any():
            self.atoms[replaced] = some_rows(x, int(replaced.sum()), self.rule, self.rng)
            self.gram[replaced], self.gram[:, replaced], self.products[:, replaced] = 0, 0, 0
            self._between = None

    def _fade(self, rows: int) -> float:
        """Give what is kept of earlier sums; of a batch of `rows` the first ones count little."""
        step = self.n_steps
        theta = (step + 1) * rows if step < rows - 1 else rows**2 + step + 1 - rows
        return (theta + 1 - rows) / (theta + 1)
