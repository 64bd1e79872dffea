"""Dictionary learning in which codes move along with their atom: K-SVD and SOUP-DIL.

Both keep X - ZD as a dense array of X's shape, and atoms of norm 1.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .._core import kernels
from ..fold.engine import State, run
from ..fold.source import Array, Source
from .atoms import faulty, gram_of, least_use
from .codes import Flags, parts, squares_of
from .iterate import Steps
from .units import code_in_unit


class ResidualSteps(Steps):
    """What both share; `codes` is a CSR matrix once there are any."""

    def __init__(self, x: Source, *args: Any, **options: Any) -> None:
        super().__init__(x, *args, **options)
        self.dense = Source(x.take(slice(None)), x.n_threads) if x.sparse else x
        self.residual = np.empty((x.rows, x.cols), x.dtype)
        self.codes = None if self.start is None else sp.csr_matrix(self.start)

    def _fit(self, codes: Any, atoms: Array) -> NDArray[np.float64]:
        """Set the residual of CSR codes, and give the squared norms of its rows."""
        errors = np.empty(self.x.rows)
        run(residual, self.dense, atoms, {"codes": codes, "residual": self.residual, "errors": errors})
        return errors

    def _flag(self, atoms: Array, objective: float) -> None:
        """Find the atoms that are to be replaced."""
        squares = squares_of(self.codes)
        unused = squares <= least_use(objective, squares, self.rule, atoms.dtype)
        self.faulty = faulty(gram_of(atoms, self.x.n_threads), unused, self.rule, self.coder.nonneg)


def residual(rows: Source, shared: Array, state: State) -> None:
    """A pass: X - ZD of CSR `codes` Z and atoms D into `residual`, its rows' squared norms into `errors`."""
    state["errors"][:] = kernels.residual(
        x=rows.kernel, weights=None, codes=parts(state["codes"]), atoms=shared, out=state["residual"],
        n_threads=rows.n_threads,
    )  # fmt: skip


class KsvdSteps(ResidualSteps):
    """Approximate K-SVD: orthogonal matching pursuit, then atom after atom with its codes.

    A row whose former code fits it better than its new one keeps it, so that 1/2 |X - ZD|^2 does not rise;
    not if rows end at an error.
    """

    former: NDArray[np.float64] | None = None  # squared errors of the codes, while atoms stay as they are

    def restore(self, codes: Any, flags: Flags | None) -> None:
        """Go on from other atoms, with these codes."""
        super().restore(codes, flags)
        self.former = None

    def __call__(self, atoms: Array) -> float:
        """Iterate once."""
        codes = self._coded(atoms).tocsc()
        kernels.ksvd_atoms(
            residual=self.residual,
            codes=parts(codes),
            atoms=atoms,
            nonneg_codes=self.coder.nonneg,
            nonneg_atoms=self.rule.nonneg,
            n_threads=self.x.n_threads,
        )
        codes.eliminate_zeros()
        self.codes = codes.tocsr()
        self.former = self._fit(self.codes, atoms)
        objective = 0.5 * float(self.former.sum())
        self._flag(atoms, objective)
        return objective

    def _coded(self, atoms: Array) -> Any:
        """Give the codes (CSR) to go on with, and set their residual."""
        x, former, errors = self.x, self.codes, self.former
        if former is not None and errors is None:
            errors = np.where(self._allowed(former), self._fit(former, atoms), np.inf)
        gram = gram_of(atoms, x.n_threads)
        codes = code_in_unit(
            x, np.ascontiguousarray(atoms.T), self.coder, gram=gram, enough=self.errors
        ).codes
        found = self._fit(codes, atoms)
        if errors is None or not self.minimises or not (worse := found > errors).any():
            return codes
        codes = sp.vstack([codes, former], format="csr")[np.arange(x.rows) + x.rows * worse]
        self._fit(codes, atoms)
        return codes

    def _allowed(self, codes: Any) -> Flags:
        """Tell which rows of codes, that may be those of another coder, this one may keep."""
        allowed: Flags = codes.getnnz(axis=1) <= self.coder.n_nonzero
        return allowed & (codes.minimum(0).getnnz(axis=1) == 0) if self.coder.nonneg else allowed


class SoupSteps(ResidualSteps):
    """SOUP-DIL: atom after atom, all its codes in closed form, then the atom; from codes of 0.

    `coder.l1` is the penalty on |Z|_0 or, by name of the algorithm, on |Z|_1.
    """

    def __call__(self, atoms: Array) -> float:
        """Iterate once."""
        shape = (self.x.rows, len(atoms))
        codes = sp.csr_matrix(shape, dtype=atoms.dtype) if self.codes is None else self.codes
        hard = self.coder.algorithm == "soup_l0"
        self._fit(codes, atoms)
        found = kernels.soup_atoms(
            residual=self.residual,
            codes=parts(codes.tocsc()),
            atoms=atoms,
            penalty=self.coder.l1,
            hard=hard,
            nonneg_codes=self.coder.nonneg,
            nonneg_atoms=self.rule.nonneg,
            n_threads=self.x.n_threads,
        )
        self.codes = sp.csc_matrix(found, shape=shape).tocsr()
        sizes = self.codes.nnz if hard else np.abs(self.codes.data).sum(dtype=np.float64)
        objective = 0.5 * float(self._fit(self.codes, atoms).sum()) + self.coder.l1 * float(sizes)
        self._flag(atoms, objective)
        return objective
