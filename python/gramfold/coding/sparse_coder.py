"""Sparse codes in a given dictionary, as a transformer; and what all coders with a dictionary share."""

from functools import partial
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags

from ..fit.arguments import choice, counted, effective_threads, flag, real
from ..fit.callbacks import fit_task
from ..fit.estimator import Estimator
from ..fit.inputs import read_atoms, read_numbers, read_rows
from ..fit.out import rows_to_file
from ..fold.engine import State, run
from ..fold.segments import source_of
from ..fold.source import Array, Source
from .coder import ALGORITHMS, OWN, Coder, make_coder, row_errors
from .sparse_encode import codes_of

# What the parameters of a coder are called here.
NAMES = {name: f"transform_{name}" for name in OWN} | {"positive": "positive_code"}


class BaseCoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Transform and inverse of a model with a dictionary."""

    row_parameters = ("transform_max_error",)  # which may be arrays with a number for each row

    transform_algorithm: str
    transform_n_nonzero_coefs: int | None
    transform_alpha: float | None
    split_sign: bool
    n_jobs: int | None
    positive_code: bool
    transform_max_iter: int
    transform_l2: float
    transform_max_error: Any
    transform_tol: float | None
    output: str
    n_threads: int | None

    def _encode(self, X: Any, dictionary: Array, mask: Any = None) -> Any:
        if mask is None:
            X = read_rows(X, self, reset=False, segments=True, ensure_all_finite=False)
        codes = codes_of(
            X, dictionary, self._transform_coder(), max_error=self.transform_max_error, mask=mask,
            output=self.output, n_threads=self.n_threads, names=NAMES, estimator=self,
        )  # fmt: skip
        if not flag(self.split_sign, "split_sign"):
            return codes
        halves = (codes.maximum(0), -codes.minimum(0)) if sp.issparse(codes) else (
            np.maximum(codes, 0), -np.minimum(codes, 0),
        )  # fmt: skip
        return sp.hstack(halves, format="csr") if sp.issparse(codes) else np.hstack(halves)

    def _transform_coder(self) -> Coder:
        """Check the parameters of `transform`."""
        alpha, names = self.transform_alpha, NAMES
        if alpha is None:
            alpha, names = getattr(self, "alpha", None), NAMES | {"alpha": "alpha"}
        return make_coder(
            self.transform_algorithm, alpha=alpha, l2=self.transform_l2, positive=self.positive_code,
            n_nonzero=self.transform_n_nonzero_coefs, tol=self.transform_tol,
            max_iter=self.transform_max_iter, all_atoms=self.transform_max_error is not None, names=names,
        )  # fmt: skip

    def _check_transform(self) -> None:
        """Check the parameters of `transform` in `fit` already, each by itself.

        What does not go together is refused by `transform` alone, as in scikit-learn.
        """
        choice(self.transform_algorithm, "transform_algorithm", ALGORITHMS)
        choice(self.output, "output", ("dense", "csr"))
        for name in ("split_sign", "positive_code"):
            flag(getattr(self, name), name)
        counted(self.transform_max_iter, "transform_max_iter")
        if self.transform_n_nonzero_coefs is not None:
            counted(self.transform_n_nonzero_coefs, "transform_n_nonzero_coefs")
        real(self.transform_l2, "transform_l2")
        for name in ("transform_alpha", "transform_tol"):
            if getattr(self, name) is not None:
                real(getattr(self, name), name)
        if self.transform_max_error is not None:
            size = np.size(read_numbers(self.transform_max_error, "transform_max_error"))
            row_errors(self.transform_max_error, size, "transform_max_error")
        effective_threads(self.n_threads)

    def _decode(self, codes: Any, dictionary: Array) -> Array:
        codes = read_rows(codes, segments=True)
        expected = len(dictionary) * (2 if flag(self.split_sign, "split_sign") else 1)
        if codes.shape[1] != expected:
            raise ValueError(
                "The number of components in the code is different from the number of components in the "
                f"dictionary. Expected {expected}, got {codes.shape[1]}."
            )
        dtype = np.result_type(codes.dtype, dictionary.dtype)
        state = {"signals": np.empty((codes.shape[0], dictionary.shape[1]), dtype)}
        run(partial(decode, split_sign=bool(self.split_sign)), source_of(codes, 1), dictionary, state)
        return state["signals"]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def decode(codes: Source, shared: Array, state: State, *, split_sign: bool) -> None:
    """A pass: what codes say in the dictionary `shared` (k, m), into `signals`."""
    z, signals = codes.x, state["signals"]
    if split_sign:
        z = z[:, : len(shared)] - z[:, len(shared) :]
    if codes.sparse:
        Source(z.astype(signals.dtype, copy=False), codes.n_threads).product(shared, signals)
    else:
        np.matmul(z, shared, out=signals)


class SparseCoder(BaseCoder):
    """Sparse codes in a dictionary that is given.

    As `sklearn.decomposition.SparseCoder`; the coding is that of `sparse_encode`. `fit` checks X against the
    dictionary and sets the attributes, as in scikit-learn 1.9.

    Parameters
    ----------
    dictionary : ndarray of shape (n_components, n_features)
        Atoms of any norm.
    transform_algorithm : {'omp', 'ols', 'lasso_cd', 'lasso_lars', 'lars', 'threshold'}, default='omp'
    transform_n_nonzero_coefs : int, optional
    transform_alpha : float, optional
    split_sign : bool, default=False
        Whether codes are split into their positive and their negative part, side by side.
    n_jobs
        Taken so that scikit-learn's calls work; see `n_threads`.
    positive_code : bool, default=False
    transform_max_iter : int, default=1000
    transform_l2, transform_max_error, transform_tol, output, n_threads
        `l2`, `max_error`, `tol`, `output`, `n_threads` of `sparse_encode`.

    Attributes
    ----------
    n_components_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        If X has column names.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> coder = gf.SparseCoder(np.eye(3), transform_algorithm="lasso_cd", transform_alpha=0.5)
    >>> coder.fit_transform(np.array([[2.0, 0.2, -1.0]]))
    array([[ 1.5,  0. , -0.5]])
    """

    def __init__(
        self, dictionary: Any, *, transform_algorithm: str = "omp",
        transform_n_nonzero_coefs: int | None = None, transform_alpha: float | None = None,
        split_sign: bool = False, n_jobs: int | None = None, positive_code: bool = False,
        transform_max_iter: int = 1000, transform_l2: float = 0.0, transform_max_error: Any = None,
        transform_tol: float | None = None, output: str = "dense", n_threads: int | None = None,
    ) -> None:  # fmt: skip
        self.dictionary = dictionary
        self.transform_algorithm = transform_algorithm
        self.transform_n_nonzero_coefs = transform_n_nonzero_coefs
        self.transform_alpha = transform_alpha
        self.split_sign = split_sign
        self.n_jobs = n_jobs
        self.positive_code = positive_code
        self.transform_max_iter = transform_max_iter
        self.transform_l2 = transform_l2
        self.transform_max_error = transform_max_error
        self.transform_tol = transform_tol
        self.output = output
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check X against the dictionary; nothing is learned."""
        with fit_task(self, X, y):
            self._check_transform()
            X = read_rows(X, self, segments=True)
            atoms = read_atoms(self.dictionary, "dictionary")
            if X.shape[1] != atoms.shape[1]:
                raise ValueError(
                    "Dictionary and X have different numbers of features: "
                    f"dictionary.shape: {atoms.shape} X.shape: {X.shape}"
                )
            self.n_components_ = len(atoms)
        return self

    @rows_to_file
    def transform(self, X: Any, y: Any = None) -> Any:
        """Codes of X, of shape (n_samples, n_components), twice as wide with `split_sign`."""
        if not hasattr(self, "n_features_in_"):
            self.fit(X)
        return self._encode(X, self.dictionary)

    def inverse_transform(self, X: Any) -> Array:
        """Return codes @ dictionary, of shape (n_samples, n_features)."""
        return self._decode(X, read_atoms(self.dictionary, "dictionary"))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self.dictionary) * (2 if self.split_sign else 1)
