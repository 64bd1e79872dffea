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

    def _fit(self, codes: Any, atoms: Array) -> NDArray[np.float64]:
        """Set the residual of CSR codes, and give the squared norms of its rows."""
        return kernels.residual(self.values, None, parts(codes), atoms, self.residual, self.x.n_threads)

    def _finish(self, codes: Any, atoms: Array) -> tuple[Any, float, Flags]:
        """Replace bad atoms; gives the codes (CSR) without theirs, |X - ZD|^2, and which they were."""
        squares = np.asarray(codes.astype(np.float64).power(2).sum(axis=0)).ravel()
        replaced = faulty(gram_of(atoms, self.x.n_threads), squares <= UNUSED * self.x.rows, self.rule)
        codes = without(codes, replaced).tocsr()
        if replaced.any():
            atoms[replaced] = some_rows(self.x, int(replaced.sum()), self.rule, self.rng)
        return codes, float(self._fit(codes, atoms).sum()), replaced


class KsvdSteps(ResidualSteps):
    """Approximate K-SVD: orthogonal matching pursuit, then atom after atom with its codes.

    A row whose former code fits it better than its new one keeps it, so that 1/2 |X - ZD|^2 does not rise;
    not if rows end at an error.
    """

    def __call__(self, atoms: Array) -> tuple[float, Flags]:
        """Iterate once."""
        codes = self._coded(atoms).tocsc()
        self._fit(codes.tocsr(), atoms)
        kernels.ksvd_atoms(
            self.residual, parts(codes), atoms, self.coder.nonneg, self.rule.nonneg, self.x.n_threads
        )
        codes.eliminate_zeros()
        self.codes, squares, replaced = self._finish(codes, atoms)
        return 0.5 * squares, replaced

    def _coded(self, atoms: Array) -> Any:
        x, former = self.x, self.codes
        codes = code_rows(
            x, np.ascontiguousarray(atoms.T), self.coder, gram=gram_of(atoms, x.n_threads),
            enough=self.enough, sparse=True, n_threads=x.n_threads,
        ).codes  # fmt: skip
        if former is None or self.enough is not None:
            return codes
        worse = self._fit(codes, atoms) > self._fit(former, atoms)
        if not worse.any():
            return codes
        return sp.vstack([codes, former], format="csr")[np.arange(x.rows) + x.rows * worse]


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
        self.codes, squares, replaced = self._finish(sp.csc_matrix(found, shape=shape), atoms)
        sizes = self.codes.nnz if hard else np.abs(self.codes.data).sum(dtype=np.float64)
        return 0.5 * squares + self.coder.l1 * float(sizes), replaced
