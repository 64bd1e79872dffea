"""Atoms of a dictionary: what holds them, where they start, and how bad ones are replaced."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from ._core import kernels
from .fold import Array, Source
from .inputs import read_array
from .observed import Observed

UNUSED = 1e-6  # mean square of an atom's codes below which it is not used
SAME = 0.9999  # cosine above which two atoms are one


@dataclass(frozen=True, slots=True)
class AtomRule:
    """The penalty l1 |D|_1 + l2/2 |D|^2 on the atoms, and what they are held to.

    d_j >= 0 if `nonneg`, |d_j| <= 1 if `ball`; `unit` atoms start with norm 1, and their solver keeps it.
    """

    l1: float = 0.0
    l2: float = 0.0
    nonneg: bool = False
    ball: bool = True
    unit: bool = False

    def __call__(self, atoms: Array) -> float:
        """Give the penalty."""
        value = self.l1 * float(np.abs(atoms).sum(dtype=np.float64)) if self.l1 else 0.0
        return value + (0.5 * self.l2 * float(np.square(atoms, dtype=np.float64).sum()) if self.l2 else 0.0)

    @property
    def penalised(self) -> bool:
        """Whether an atom that is not used is best 0."""
        return self.l1 > 0 or self.l2 > 0


def start_atoms(
    x: Source | Observed, k: int, dict_init: Any, rule: AtomRule, rng: np.random.RandomState
) -> Array:
    """Give the atoms to start from (k, m): `dict_init`, or singular vectors, then rows of x."""
    if dict_init is not None:
        atoms = read_array(dict_init, "dict_init", dtype=x.dtype, copy=True, order="C")
        if atoms.shape != (k, x.cols):
            raise ValueError(f"dict_init must have shape {(k, x.cols)}, got {atoms.shape}")
    else:
        found = min(k, x.rows, x.cols)
        vectors = randomized_svd(x.filled, found, random_state=rng)[2] if found else np.empty((0, x.cols))
        atoms = np.concatenate([vectors, some_rows(x, k - found, rule, rng)]).astype(x.dtype)
    if rule.nonneg:
        atoms = np.abs(atoms)
    if rule.ball or rule.unit:
        norms = np.linalg.norm(atoms, axis=1, keepdims=True).astype(x.dtype)
        atoms = atoms / (np.where(norms > 0, norms, 1) if rule.unit else np.maximum(norms, 1))
    atoms = np.ascontiguousarray(atoms)
    if rule.unit and (empty := ~atoms.any(axis=1)).any():
        atoms[empty] = some_rows(x, int(empty.sum()), rule, rng)
    return atoms


def some_rows(x: Source | Observed, count: int, rule: AtomRule, rng: np.random.RandomState) -> Array:
    """Random rows of x, a little perturbed, of norm 1."""
    if count == 0:
        return np.empty((0, x.cols), x.dtype)
    rows: Any = x.filled[rng.randint(x.rows, size=count)]
    rows = (rows.toarray() if sp.issparse(rows) else np.asarray(rows)).astype(np.float64)
    rows = rows + 0.01 * (rows.std(axis=1, keepdims=True) + (rows.std() or 1.0)) * rng.normal(size=rows.shape)
    if rule.nonneg:
        rows = np.abs(rows)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(x.dtype)


def gram_of(atoms: Array, n_threads: int) -> NDArray[np.float64]:
    """Give DD', in double: of nearly dependent atoms the coders need every digit."""
    return kernels.gram(np.ascontiguousarray(atoms.T, dtype=np.float64), n_threads)


def faulty(gram: NDArray[np.float64], unused: NDArray[np.bool_], rule: AtomRule) -> NDArray[np.bool_]:
    """Tell which atoms to replace: those not used, and all but one of the same.

    With a penalty on the atoms none is: those not used are to be 0.
    """
    return np.zeros(len(gram), bool) if rule.penalised else unused | kernels.repeated_atoms(gram, SAME)


def size_of(a: Array) -> float:
    """Give the Frobenius norm; without BLAS, whose threads cost more than so small a sum."""
    return float(np.sqrt(np.sum(np.square(a), dtype=np.float64)))
