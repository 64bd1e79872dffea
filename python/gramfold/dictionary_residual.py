"""Dictionary learning in which codes move along with their atom: K-SVD and SOUP-DIL.

Both keep X - ZD as a dense array of X's shape, and atoms of norm 1.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ._core import kernels
from .atoms import UNUSED, AtomRule, faulty, gram_of, some_rows
from .codes import Coder, code_rows
from .dictionary_steps import Flags, parts, without
from .fold import Array, Source


class ResidualSteps:
    """What both share. `codes` is a CSR matrix of shape (rows, k), or None before the first iteration.

    Parameters as those of `dictionary_steps.GramSteps`.
    """

    def __init__(
        self, x: Source, coder: Coder, rule: AtomRule, rng: np.random.RandomState, *,
        enough: NDArray[np.float64] | None = None, start: Any = None,
    ) -> None:  # fmt: skip
        self.x, self.coder, self.rule, self.rng, self.enough = x, coder, rule, rng, enough
        self.values = x.x.toarray() if x.sparse else x.x
        self.residual = np.empty((x.rows, x.cols), x.dtype)
        self.codes = None if start is None else sp.csr_matrix(start)
        self.errors: NDArray[np.float64] | None = None

    def _fit(self, codes: Any, atoms: Array) -> NDArray[np.float64]:
        """Set the residual of CSR codes, and give the squared norms of its rows."""
        return kernels.residual(self.values, None, parts(codes), atoms, self.residual, self.x.n_threads)

    def _finish(self, codes: Any, atoms: Array) -> tuple[Any, NDArray[np.float64], Flags]:
        """Replace bad atoms; gives the codes (CSR) without theirs, their errors, and which they were."""
        squares = np.asarray(codes.astype(np.float64).power(2).sum(axis=0)).ravel()
        replaced = faulty(gram_of(atoms, self.x.n_threads), squares <= UNUSED * self.x.rows, self.rule)
        codes = without(codes, replaced).tocsr()
        if replaced.any():
            atoms[replaced] = some_rows(self.x, int(replaced.sum()), self.rule, self.rng)
        return codes, self._fit(codes, atoms), replaced


class KsvdSteps(ResidualSteps):
    """Approximate K-SVD: orthogonal matching pursuit, then atom after atom with its codes.

    A row whose former code fits it better than its new one keeps it, so that 1/2 |X - ZD|^2 does not rise;
    not if rows end at an error.
    """

    def __call__(self, atoms: Array) -> tuple[float, Flags]:
        """Iterate once."""
        codes = self._coded(atoms).tocsc()
        kernels.ksvd_atoms(
            self.residual, parts(codes), atoms, self.coder.nonneg, self.rule.nonneg, self.x.n_threads
        )
        codes.eliminate_zeros()
        self.codes, self.errors, replaced = self._finish(codes, atoms)
        return 0.5 * float(self.errors.sum()), replaced

    def _coded(self, atoms: Array) -> Any:
        """Give the codes (CSR) to go on with, and set their residual."""
        x, former = self.x, self.codes
        if former is not None and self.errors is None:
            self.errors = self._fit(former, atoms)
        codes = code_rows(
            x, np.ascontiguousarray(atoms.T), self.coder, gram=gram_of(atoms, x.n_threads),
            enough=self.enough, sparse=True, n_threads=x.n_threads,
        ).codes  # fmt: skip
        errors = self._fit(codes, atoms)
        if self.errors is None or self.enough is not None or not (worse := errors > self.errors).any():
            return codes
        codes = sp.vstack([codes, former], format="csr")[np.arange(x.rows) + x.rows * worse]
        self._fit(codes, atoms)
        return codes


class SoupSteps(ResidualSteps):
    """SOUP-DIL: atom after atom, all its codes in closed form, then the atom; from codes of 0.

    `coder.l1` is the penalty on |Z|_0 or, by name of the algorithm, on |Z|_1.
    """

    def __call__(self, atoms: Array) -> tuple[float, Flags]:
        """Iterate once."""
        shape = (self.x.rows, len(atoms))
        codes = sp.csr_matrix(shape, dtype=atoms.dtype) if self.codes is None else self.codes
        hard = self.coder.algorithm == "soup_l0"
        self._fit(codes, atoms)
        found = kernels.soup_atoms(
            self.residual, parts(codes.tocsc()), atoms, self.coder.l1, hard, self.coder.nonneg,
            self.rule.nonneg, self.x.n_threads,
        )  # fmt: skip
        self.codes, errors, replaced = self._finish(sp.csc_matrix(found, shape=shape), atoms)
        sizes = self.codes.nnz if hard else np.abs(self.codes.data).sum(dtype=np.float64)
        return 0.5 * float(errors.sum()) + self.coder.l1 * float(sizes), replaced
