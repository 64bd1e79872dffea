"""Dictionary learning from what is observed of X."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .._core import kernels
from ..coding.codes import penalty_of
from ..fold.engine import State, run
from ..fold.observed import Observed
from ..fold.source import Array
from .atoms import UNUSED, faulty, gram_of, least_use
from .codes import parts, squares_of
from .iterate import Steps
from .units import code_observed


class MaskedSteps(Steps):
    """Codes row by row, each with a Gram matrix of its own; atoms through the residual.

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
        penalty = penalty_of(self.coder, codes.data)
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
