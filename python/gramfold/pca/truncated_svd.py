"""Truncated singular value decomposition, dense and sparse, without centring, with missing entries."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Tags

from ..fit.arguments import Seed, choice, real, whole
from ..fit.callbacks import fit_task
from ..fit.inputs import read_rows
from ..io.recognise import is_collection
from ..linalg.blas import one_thread
from .base import LinearComponents, largest_positive, unscaled, variance_in
from .decompose import Found, by_gram
from .krylov import EXACT, NORMALIZERS, OVERSAMPLES, STEPS, Krylov, leading
from .missing import filled_in
from .rows import Rows, in_range

Array = NDArray[Any]


class TruncatedSVD(LinearComponents):
    """The leading singular vectors of X, as scikit-learn's `TruncatedSVD`; X is not centred.

    Parameters
    ----------
    n_components : int, default=2
    algorithm : {'randomized', 'arpack', 'gram'}, default='randomized'
        'randomized': a block Krylov space of n_iter + 1 reads of X, or the Gram matrix where that is cheaper.
        'arpack': the same, with as many steps as bring `residuals_` to `tol`, or to rounding if that is 0.
        'gram': the Gram matrix of the smaller side, with a second read where small singular values need it.
    n_iter : int, default=5
        Steps of the Krylov space; at least as many with `tol` above 0.
    n_oversamples : int, default=10
        More columns than components in each step.
    power_iteration_normalizer : {'auto', 'QR', 'LU', 'none'}
        Taken for compatibility.
    random_state : int, RandomState or None
    tol : float, default=0.0
        Above 0, steps are added until `residuals_` are at most this. Of missing='mask' also: the fit has
        converged when the relative change of the filled entries is at most this; 0 is 1e-6.
    missing : {'error', 'mask'}, default='error'
        'mask': NaN in a dense X is an unobserved entry, filled in by the components again and again
        (Kiers 1997), from column means; needs n_components below min(n_samples, n_features).
    n_threads : int or None
        Default: OMP_NUM_THREADS, else the CPUs that this process may use. Results do not depend on it.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
    explained_variance_, explained_variance_ratio_, singular_values_ : ndarray of shape (n_components,)
        The first two of the codes of X, as scikit-learn has them.
    residuals_ : ndarray of shape (n_components,)
        |X'u - s v| / s of each component: within this share of s there is a singular value of X. It is what
        n_iter steps left, some percent if the spectrum falls slowly; 0 where the Gram matrix had it all.
    n_features_in_ : int
    n_iter_ : int
        Rounds of filling in; 1 without missing entries.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X has string names.

    References
    ----------
    Musco & Musco (2015), Randomized block Krylov methods for stronger and faster approximate singular value
    decomposition. Kiers (1997), Weighted least squares fitting using ordinary least squares algorithms.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.outer([1.0, 2, 3, 4], [1.0, 0, 1])
    >>> float(round(gf.TruncatedSVD(1).fit(X).singular_values_[0], 6))
    7.745967
    """

    def __init__(
        self, n_components: int = 2, *, algorithm: str = "randomized", n_iter: int = 5,
        n_oversamples: int = 10, power_iteration_normalizer: str = "auto",
        random_state: Seed = None, tol: float = 0.0, missing: str = "error",
        n_threads: int | None = None,
    ) -> None:  # fmt: skip
        self.n_components = n_components
        self.algorithm = algorithm
        self.n_iter = n_iter
        self.n_oversamples = n_oversamples
        self.power_iteration_normalizer = power_iteration_normalizer
        self.random_state = random_state
        self.tol = tol
        self.missing = missing
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the components; see `fit_transform`."""
        self.fit_transform(X, y, sample_weight=sample_weight)
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Array:
        """Find the components and give the codes X @ components_.T.

        Parameters
        ----------
        X : array-like, CSR/CSC matrix or `blocks` of either, of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            A row of weight w counts as w rows.

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        given = X
        with fit_task(self, X, y), one_thread():
            self._check_parameters()
            gaps = self.missing == "mask"
            X = read_rows(
                X, self, sparse=not gaps, gaps=gaps, segments=not gaps,  # what is filled in is a copy anyway
                ensure_min_features=2, ensure_min_samples=1 + gaps, ensure_all_finite=False,  # squares tell
            )  # fmt: skip
            k = whole(self.n_components, "n_components")
            if self.algorithm == "arpack" and k >= min(X.shape):
                raise ValueError(
                    f"n_components must be less than min(n_samples, n_features)={min(X.shape)} with "
                    f"algorithm='arpack', got {k}"
                )
            if k > X.shape[1]:
                raise ValueError(f"n_components({k}) must be <= n_features({X.shape[1]})")
            self.n_iter_ = 1
            if gaps:
                X = self._filled(X, sample_weight, k)
            self._find(X, sample_weight, k)
            codes = self._codes(self._rows(X, None, centre=False))
            self._explain(X, codes)
        return self.transform(given) if is_collection(given) else codes

    def _find(self, X: Any, sample_weight: Any, k: int) -> None:
        rows = self._rows(X, sample_weight, centre=False)
        found = self._decompose(rows, k)
        values = np.pad(found.values[:k], (0, max(0, k - len(found.values))))
        components = rows.components(values, found.vectors[:, :k])
        self.components_ = largest_positive(components).astype(X.dtype, copy=False)
        self.singular_values_ = unscaled(values, rows.exponent + rows.weights.exponent, X.dtype)
        self.residuals_ = np.zeros(k)
        self.residuals_[: len(found.residuals)] = found.residuals[:k]

    def _filled(self, X: Array, sample_weight: Any, k: int) -> Array:
        def low_rank(filled: Array) -> Array:
            self._find(filled, sample_weight, k)
            return np.asarray(filled @ self.components_.T @ self.components_)

        filled, self.n_iter_ = filled_in(X, k, self.tol, low_rank)
        return filled

    def _decompose(self, rows: Rows, k: int) -> Found:
        arpack = self.algorithm == "arpack"
        steps, oversamples = (STEPS, OVERSAMPLES) if arpack else (self.n_iter, self.n_oversamples)
        rule = Krylov(steps, oversamples, self.random_state, self.tol or (EXACT if arpack else None))
        if self.algorithm != "gram":
            return in_range(rows, lambda rows: leading(rows, k, rule))
        return in_range(rows, lambda rows: by_gram(rows, k))

    def _explain(self, X: Any, codes: Array) -> None:
        """Variances of the codes, and their share of those of X, both scaled to keep squares in range."""
        rows = self._rows(X, None, centre=True)
        in_range(rows, type(rows).measure)
        exponent = int(np.frexp(np.abs(codes).max(initial=0))[1])
        with np.errstate(invalid="ignore"):  # codes may have left the range, as their variances then do
            variances = np.ldexp(codes.astype(np.float64), -exponent).var(axis=0)
        self.explained_variance_ = variance_in(variances, 2 * exponent, X.dtype)
        total = rows.squares / X.shape[0]
        share = np.ldexp(variances / (total or 1.0), 2 * (exponent - rows.exponent))
        self.explained_variance_ratio_ = share.astype(X.dtype)

    def _check_parameters(self) -> None:
        choice(self.algorithm, "algorithm", ("randomized", "arpack", "gram"))
        choice(self.power_iteration_normalizer, "power_iteration_normalizer", NORMALIZERS)
        choice(self.missing, "missing", ("error", "mask"))
        whole(self.n_oversamples, "n_oversamples")
        real(self.tol, "tol")
        whole(self.n_iter, "n_iter", least=0)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.missing != "mask"
        tags.input_tags.allow_nan = self.missing == "mask"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
