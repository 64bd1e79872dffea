"""Atoms of a dictionary: what holds them, where they start, and how bad ones are replaced."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fit.arguments import Seed
from ..fit.inputs import dimensions, read_array
from ..fold.filled import filled, rows_of
from ..fold.leading import foresee, leading
from ..fold.observed import Observed
from ..fold.source import Array, Source
from .units import unit_of

UNUSED = 1e-6  # share of the objective that an atom must be worth to count as used
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
        atoms = read_matrix(dict_init, "dict_init", (k, x.cols), x.dtype)
    else:
        vectors = _singular_vectors(x, min(k, x.rows, x.cols), rng)
        atoms = np.concatenate([vectors, some_rows(x, k - len(vectors), rule, rng)]).astype(x.dtype)
    return held(atoms, x, rule, rng)


def foresee_start(x: Source, n_components: Any, random_state: Seed) -> None:
    """Read X in a file for its scan and for what `start_atoms` is to read first, in one; see `foresee`."""
    k = x.cols if n_components is None else int(n_components) if isinstance(n_components, Integral) else 0
    if k > 0:
        foresee(x, min(k, x.rows, x.cols), random_state)


def _singular_vectors(x: Source | Observed, count: int, rng: np.random.RandomState) -> Array:
    if count == 0:
        return np.empty((0, x.cols))
    _, values, vectors = leading(filled(unit_of(x).rows(x)), count, rng)
    return vectors[values > 0]


def held(atoms: Array, x: Source | Observed, rule: AtomRule, rng: np.random.RandomState) -> Array:
    """A copy of atoms of x's type that keeps to the rule; atoms of norm 1 that were 0 are rows of x."""
    atoms = np.abs(atoms) if rule.nonneg else atoms.copy()
    if rule.ball or rule.unit:
        unit, norms = normalised(atoms)
        rounding = 16 * np.finfo(atoms.dtype).eps
        moved = (np.abs(norms - 1) > rounding if rule.unit else norms > 1 + rounding)[:, 0]
        atoms[moved] = unit[moved]
    atoms = np.ascontiguousarray(atoms, x.dtype)
    if rule.unit and (empty := ~atoms.any(axis=1)).any():
        atoms[empty] = some_rows(x, int(empty.sum()), rule, rng)
    return atoms


def normalised(rows: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of norm 1, and the norms (n, 1), for entries of any size; rows of 0 stay."""
    rows = rows.astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    rows /= np.where(largest > 0, largest, 1)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    with np.errstate(over="ignore"):
        return rows / np.where(norms > 0, norms, 1), norms * largest


def read_matrix(given: Any, name: str, shape: tuple[int, int], dtype: Any) -> Array:
    """Check an array that must have a shape."""
    if (found := dimensions(given, name)) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {found}")
    return read_array(given, name, dtype=dtype, order="C")


def some_rows(x: Source | Observed, count: int, rule: AtomRule, rng: np.random.RandomState) -> Array:
    """Random rows of x, a little perturbed, of norm 1."""
    if count == 0:
        return np.empty((0, x.cols), x.dtype)
    rows = rows_of(x, rng.randint(x.rows, size=count)).astype(np.float64)
    rows /= np.abs(rows).max(initial=0) or 1.0
    rows += 0.01 * (rows.std(axis=1, keepdims=True) + (rows.std() or 1.0)) * rng.normal(size=rows.shape)
    return normalised(np.abs(rows) if rule.nonneg else rows)[0].astype(x.dtype)


def gram_of(atoms: Array, n_threads: int) -> NDArray[np.float64]:
    """Give DD', in double: of nearly dependent atoms the coders need every digit."""
    return kernels.gram(f=np.ascontiguousarray(atoms.T, dtype=np.float64), n_threads=n_threads)


def least_use(objective: float, squares: NDArray[np.float64], rule: AtomRule, dtype: Any) -> float:
    """Give the sum of squared codes up to which an atom is not used, from those of all atoms, `squares`.

    Half that sum is what leaving out an atom of norm 1 costs where its codes are best. With a penalty on the
    atoms only those are not used whose codes are roundings of the others'.
    """
    rounding = float(np.finfo(dtype).eps) ** 2 * float(squares.max(initial=0))
    return rounding if rule.penalised else max(rounding, 2 * UNUSED * objective)


def faulty(
    gram: NDArray[np.float64], unused: NDArray[np.bool_], rule: AtomRule, nonneg_codes: bool
) -> NDArray[np.bool_]:
    """Tell which atoms to replace: those not used, and all but one of the same.

    With codes of one sign an atom and its opposite are two. With a penalty on the atoms none is to be
    replaced: those not used are to be 0.
    """
    if rule.penalised:
        return np.zeros(len(gram), bool)
    return unused | kernels.repeated_atoms(gram=np.maximum(gram, 0) if nonneg_codes else gram, same=SAME)


def size_of(a: Array) -> float:
    """Give the Frobenius norm; without BLAS, whose threads cost more than so small a sum."""
    return float(np.sqrt(np.sum(np.square(a, dtype=np.float64))))
