"""What the learners of dictionaries share: checks, the start, a pass and the update of the atoms."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_array, check_random_state
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_is_fitted, validate_data

from ._arguments import Seed, choice, flag, real, whole
from ._core import kernels
from .codes import Coded, Coder, code_rows
from .coding import make_coder
from .fold import Array, Source, effective_threads
from .monitor import Callback
from .sparse_coder import BaseCoder

FIT_ALGORITHMS = {"lars": "lasso_lars", "cd": "lasso_cd", "omp": "omp", "ols": "ols"}
UNUSED = 1e-6  # mean square of an atom's codes below which it is not used
SAME = 0.9999  # cosine above which two atoms are one


@dataclass(slots=True)
class Statistics:
    """Z'Z (k, k) and X'Z (cols, k), by which the atoms are updated."""

    gram: NDArray[np.float64]
    products: Array


class BaseDictionaryLearning(BaseCoder):
    """Parameters and steps of both learners."""

    n_components: int | None
    alpha: float
    max_iter: int
    tol: float
    fit_algorithm: str
    dict_init: Any
    verbose: int
    random_state: Seed
    positive_dict: bool
    l2: float
    callback: Callback | None
    max_time: float | None
    components_: Array
    _atom_sweeps = 1

    def transform(self, X: Any) -> Any:
        """Codes of X by `transform_algorithm`, of shape (n_samples, n_components)."""
        check_is_fitted(self)
        return self._encode(X, self.components_)

    def inverse_transform(self, X: Any) -> Array:
        """Return codes @ components_, of shape (n_samples, n_features)."""
        check_is_fitted(self)
        return self._decode(X, self.components_)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_) * (2 if self.split_sign else 1)

    def _source(self, X: Any, *, reset: bool) -> Source:
        X = validate_data(self, X, accept_sparse=("csr", "csc"), dtype=[np.float64, np.float32], reset=reset)
        return Source(X, effective_threads(self.n_threads))

    def _check_parameters(self, n_features: int) -> Coder:
        if self.n_components is not None:
            whole(self.n_components, "n_components")
        real(self.tol, "tol")
        choice(self.fit_algorithm, "fit_algorithm", tuple(FIT_ALGORITHMS))
        if not isinstance(self.max_iter, Integral) or self.max_iter < 0:
            raise ValueError(f"max_iter must be a whole number of at least 0, got {self.max_iter!r}")
        flag(self.positive_dict, "positive_dict")
        if self.max_time is not None:
            real(self.max_time, "max_time")
        if self.callback is not None and not callable(self.callback):
            raise ValueError(f"callback must be callable, got {self.callback!r}")
        lasso = self.fit_algorithm in ("lars", "cd")
        default = max(n_features // 10, 1) if self.transform_n_nonzero_coefs is None else None
        return make_coder(
            FIT_ALGORITHMS[self.fit_algorithm], alpha=self.alpha, l2=self.l2 if lasso else 0.0,
            positive=self.positive_code, n_nonzero=default or self.transform_n_nonzero_coefs,
            tol=None, max_iter=self.transform_max_iter,
        )  # fmt: skip

    def _start(self, x: Source, rng: np.random.RandomState) -> Array:
        """Give the atoms to start from (k, m): `dict_init`, or singular vectors, then rows of x."""
        k = x.cols if self.n_components is None else int(self.n_components)
        if self.dict_init is not None:
            atoms = check_array(self.dict_init, dtype=x.dtype, input_name="dict_init", copy=True, order="C")
            if atoms.shape != (k, x.cols):
                raise ValueError(f"dict_init must have shape {(k, x.cols)}, got {atoms.shape}")
        else:
            found = min(k, x.rows, x.cols)
            vectors = randomized_svd(x.x, found, random_state=rng)[2] if found else np.empty((0, x.cols))
            atoms = np.concatenate([vectors, self._some_rows(x, k - found, rng)]).astype(x.dtype)
        if self.positive_dict:
            atoms = np.abs(atoms)
        norms = np.linalg.norm(atoms, axis=1, keepdims=True)
        return np.ascontiguousarray(atoms / np.maximum(norms, 1).astype(x.dtype))

    def _some_rows(self, x: Source, count: int, rng: np.random.RandomState) -> Array:
        """Random rows of x, a little perturbed, of norm 1."""
        if count == 0:
            return np.empty((0, x.cols), x.dtype)
        rows = x.x[rng.randint(x.rows, size=count)]
        rows = (rows.toarray() if sp.issparse(rows) else np.asarray(rows)).astype(np.float64)
        rows = rows + 0.01 * (rows.std(axis=1, keepdims=True) + (rows.std() or 1.0)) * rng.normal(
            size=rows.shape
        )
        if self.positive_dict:
            rows = np.abs(rows)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(x.dtype)

    def _code(self, x: Source, atoms: Array, coder: Coder) -> Coded:
        """Code the rows and add up X'Z and Z'Z."""
        shared = np.ascontiguousarray(atoms.T)
        return code_rows(x, shared, coder, sums=np.empty_like(shared), sparse=True, n_threads=x.n_threads)

    def _update(
        self, atoms: Array, kept: Statistics, rows: float, x: Source, rng: np.random.RandomState
    ) -> Array:
        """Update the atoms in place; those not used, and all but one of the same, become rows of x.

        `rows` is what the statistics are summed over. Returns which were replaced.
        """
        products = np.ascontiguousarray(kept.products.T, dtype=atoms.dtype)
        kernels.update_atoms(atoms, kept.gram, products, self.positive_dict, UNUSED * rows, self._atom_sweeps)
        replaced = np.diag(kept.gram) <= UNUSED * rows
        gram = kernels.gram(np.ascontiguousarray(atoms.T), x.n_threads)
        norms = np.sqrt(np.diag(gram))
        close = np.abs(gram) > SAME * np.maximum(norms[:, None] * norms, np.finfo(np.float64).tiny)
        replaced |= np.triu(close, 1).any(axis=0)
        if replaced.any():
            atoms[replaced] = self._some_rows(x, int(replaced.sum()), rng)
        return replaced


def penalty_of(coder: Coder, codes: Any) -> float:
    """l1 |Z|_1 + l2/2 |Z|^2 of CSR codes."""
    value = coder.l1 * float(np.abs(codes.data).sum(dtype=np.float64))
    return value + 0.5 * coder.l2 * float(np.square(codes.data, dtype=np.float64).sum())


def generator(random_state: Seed) -> np.random.RandomState:
    """Give scikit-learn's generator."""
    return check_random_state(random_state)


def size_of(a: Array) -> float:
    """Give the Frobenius norm; without BLAS, whose threads cost more than so small a sum."""
    return float(np.sqrt(np.sum(np.square(a), dtype=np.float64)))
