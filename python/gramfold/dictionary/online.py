"""One step of online dictionary learning: code a batch, let its sums join, update the atoms."""

import numpy as np
from numpy.typing import NDArray

from ..coding.coder import Coder, row_errors
from ..coding.codes import Dictionary, row_budgets
from ..fold.source import Array, Source
from .atoms import AtomRule, faulty, gram_of, least_use, some_rows
from .gram import fit_of, update
from .units import code_in_unit, error_again

# A batch of 512 patches costs more than four sweeps over 256 atoms, which end 0.1% lower than one.
SWEEPS = 4

# The sums are means over the rows with weights about (number of the batch)^(FORGETTING - 1): earlier codes
# are those of worse atoms (Mairal et al. 2010, section 3.4.2). After 200 batches of 512 patches and 256 atoms
# 5 ends 0.7% lower than 2, which is scikit-learn's.
FORGETTING = 5


class Online:
    """Atoms (k, m) and the sums that they are updated by: means over the rows, of which earlier ones fade.

    Parameters
    ----------
    atoms : ndarray of shape (k, m)
        Overwritten.
    coder : Coder
    rule : AtomRule
    rng : RandomState
    gram, products : ndarray of shape (k, k) and (m, k), optional
        Means of z'z and x'z over earlier rows; overwritten.
    cost : float
        The mean of the rows' costs.
    seen : int
        Rows so far.
    max_error : float, optional
        At which 'omp' and 'ols' end a row.
    """

    kept = ("atoms", "gram", "products", "cost", "seen", "rng")  # what a checkpoint needs

    def __init__(
        self, atoms: Array, coder: Coder, rule: AtomRule, rng: np.random.RandomState,
        gram: NDArray[np.float64] | None = None, products: NDArray[np.float64] | None = None,
        cost: float = 0.0, seen: int = 0, max_error: float | None = None,
    ) -> None:  # fmt: skip
        self.max_error = max_error
        self.atoms, self.coder, self.rule, self.rng, self.seen = atoms, coder, rule, rng, seen
        k, m = atoms.shape
        self.gram = np.zeros((k, k)) if gram is None else gram
        self.products = np.zeros((m, k)) if products is None else products
        self.cost = cost
        self._between: NDArray[np.float64] | None = None  # DD'
        self._again = False  # whether codes of the last batch were asked for after its sums

    def step(self, x: Source) -> float:
        """Learn from a batch; gives its cost per row, for the atoms before."""
        atoms, rows = self.atoms, x.rows
        if self._between is None:
            self._between = gram_of(atoms, x.n_threads)
        shared = Dictionary(np.array(atoms.T, order="C"), self._between)
        enough = row_budgets(x, row_errors(self.max_error, rows, "transform_max_error"))
        done = code_in_unit(
            x, shared.atoms, self.coder, gram=self._between, sums=True, enough=enough,
            keep=x.held and self._again,
        )  # fmt: skip
        assert done.gram is not None
        assert done.products is not None

        def again() -> float:
            self._again = True
            return error_again(x, shared, self.coder, atoms, enough=enough)

        cost = (fit_of(x, done, atoms, self._between, again) + done.penalty) / rows
        penalty = self.rule(atoms)
        self.seen += rows
        weight = FORGETTING * rows / (self.seen + (FORGETTING - 1) * rows)
        for kept, new in ((self.gram, done.gram), (self.products, done.products)):
            kept *= 1 - weight
            kept += new * (weight / rows)
        self.cost += weight * (cost - self.cost)
        self._update(x)
        return cost + penalty

    def _update(self, x: Source) -> None:
        squares = np.diag(self.gram)
        least = least_use(self.cost, squares, self.rule, x.dtype)
        unused = squares <= least
        update(self.atoms, self.gram, self.products, self.rule, least, SWEEPS)
        self._between = gram_of(self.atoms, x.n_threads)
        replaced = faulty(self._between, unused, self.rule, self.coder.nonneg)
        if replaced.any():
            self.atoms[replaced] = some_rows(x, int(replaced.sum()), self.rule, self.rng)
            self.gram[replaced], self.gram[:, replaced], self.products[:, replaced] = 0, 0, 0
            self._between = None
