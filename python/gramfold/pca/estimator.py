"""Principal component analysis, dense and sparse, weighted, with missing entries."""

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Tags

from ..fit.arguments import Seed, choice, flag, real, whole
from ..fit.callbacks import fit_task
from ..fit.inputs import read_rows
from ..io.recognise import is_collection
from ..linalg.blas import one_thread
from .base import GaussianComponents, largest_positive
from .decompose import Found, by_gram, by_lapack
from .dimension import TRUNCATED, minka, wanted_of
from .krylov import ACCURACY, EXACT, NORMALIZERS, OVERSAMPLES, STEPS, Krylov, leading
from .missing import filled_in
from .rows import Rows, in_range

Array = NDArray[Any]

SOLVERS = ("auto", "full", "covariance_eigh", "arpack", "randomized")
# An entry of X costs a Gram matrix n / 2 products, a Krylov space 2 (STEPS + 1) (k + OVERSAMPLES) or more.
# `python -m bench pca --filter choice` measures both where 'auto' turns from one to the other.
LEAST_SIDE = 500


class PCA(GaussianComponents):
    """Principal components of X, as scikit-learn's `PCA`.

    Parameters
    ----------
    n_components : int, float, 'mle' or None
        How many; a float in (0, 1) is the share of the variance to be explained; 'mle' is Minka's
        choice, for at least as many rows as columns; None is min(n_samples, n_features), one less for
        'arpack'.
    copy : bool, default=True
        Taken for compatibility: X is never modified.
    whiten : bool, default=False
        Scale the codes to unit variance. The model stays the same: so do covariance and score, whereas
        scikit-learn multiplies the covariance by the variances once more.
    svd_solver : {'auto', 'full', 'covariance_eigh', 'arpack', 'randomized'}, default='auto'
        'covariance_eigh': the Gram matrix of the smaller side in one read of X, with a second read where
        small singular values need it. 'randomized': a block Krylov space, for few components of a large X,
        dense or sparse; where it would not be small, the Gram matrix. 'arpack': the same to rounding.
        'full': LAPACK on a centred copy in float64, so for a dense X only. 'auto': the Krylov space where it
        needs fewer multiplications than the Gram matrix, else that.
    tol : float
        Of a Krylov space: the largest of `residuals_`; 0 is 1e-5, and rounding for 'arpack'. Of
        missing='mask': the fit has converged when the relative change of the filled entries is at most this;
        0 is 1e-6.
    iterated_power : int or 'auto'
        Steps of 'randomized', each one read of X; 'auto': at least 4, and until `tol` is met. With a number,
        a `tol` of 0 asks for no more steps.
    n_oversamples : int, default=10
        More columns than components in each step.
    power_iteration_normalizer : {'auto', 'QR', 'LU', 'none'}
        Taken for compatibility.
    random_state : int, RandomState or None
        For 'randomized'.
    missing : {'error', 'mask'}, default='error'
        'mask': NaN in a dense X is an unobserved entry, filled in by the components again and again
        (expectation maximisation at zero noise), from column means; needs a whole n_components.
    n_threads : int or None
        Default: OMP_NUM_THREADS, else the CPUs that this process may use. Results do not depend on it.

    Attributes
    ----------
    components_ : ndarray of shape (n_components_, n_features)
    explained_variance_, explained_variance_ratio_, singular_values_ : ndarray of shape (n_components_,)
        A singular value that the rounding of X could have made is 0; whitened codes are 0 there. Variances
        are squares over n - 1 for n rows, sum w - 1 for weights that are whole, and for others, which are
        reliabilities and not counts, sum w - sum w^2 / sum w.
    residuals_ : ndarray of shape (n_components_,)
        |Y'u - s v| / s of each component of the centred Y: within this share of s there is a singular value
        of Y. 0 where Y was decomposed as a whole.
    mean_ : ndarray of shape (n_features,)
    noise_variance_ : float
        Where it is 0 and some direction has no variance either, rows have no density: the score is refused,
        and not made of rounding.
    n_components_, n_samples_, n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X has string names.
    n_iter_ : int
        Rounds of filling in; 1 without missing entries.

    References
    ----------
    Musco & Musco (2015), Randomized block Krylov methods for stronger and faster approximate singular value
    decomposition. Tipping & Bishop (1999), Probabilistic principal component analysis. Minka (2000),
    Automatic choice of dimensionality for PCA.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.array([[-1.0, -1], [-2, -1], [-3, -2], [1, 1], [2, 1], [3, 2]])
    >>> model = gf.PCA(2).fit(X)
    >>> [round(float(s), 4) for s in model.singular_values_]
    [6.3006, 0.5498]
    """

    def __init__(
        self, n_components: int | float | str | None = None, *, copy: bool = True, whiten: bool = False,
        svd_solver: str = "auto", tol: float = 0.0, iterated_power: int | str = "auto",
        n_oversamples: int = 10, power_iteration_normalizer: str = "auto",
        random_state: Seed = None, missing: str = "error",
        n_threads: int | None = None,
    ) -> None:  # fmt: skip
        self.n_components = n_components
        self.copy = copy
        self.whiten = whiten
        self.svd_solver = svd_solver
        self.tol = tol
        self.iterated_power = iterated_power
        self.n_oversamples = n_oversamples
        self.power_iteration_normalizer = power_iteration_normalizer
        self.random_state = random_state
        self.missing = missing
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the components.

        Parameters
        ----------
        X : array-like, CSR/CSC matrix or `blocks` of either, of shape (n_samples, n_features)
            A sparse X is centred implicitly and never made dense.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            A row of weight w counts as w rows; weights that are not whole are reliabilities, of which only
            ratios matter but for `singular_values_`. Rows of weight 0 are left out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        with fit_task(self, X, y), one_thread():
            self._fit(X, sample_weight)
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Array:
        """Find the components and give the coordinates of X in them; see `fit` and `transform`."""
        if is_collection(X):
            return self.fit(X, sample_weight=sample_weight).transform(X)
        with fit_task(self, X, y), one_thread():
            return self._codes(self._fit(X, sample_weight))

    def _fit(self, X: Any, sample_weight: Any) -> Rows:
        self._check_parameters()
        gaps = self.missing == "mask"
        X = read_rows(
            X, self, sparse=not gaps, gaps=gaps, segments=not gaps,  # what is filled in is a copy anyway
            ensure_min_samples=2, ensure_min_features=1 + gaps, ensure_all_finite=False,  # squares tell
        )  # fmt: skip
        rows = self._rows(X, sample_weight, centre=True)
        if rows.weights.freedom <= 0:
            raise ValueError(
                f"sample_weight must stand for more than one row, got a sum of {np.sum(sample_weight):g} "
                f"over {rows.x.rows} rows of weight above 0"
            )
        wanted = wanted_of(self.n_components, self.svd_solver, rows.weights.counted, X.shape[1])
        self.n_iter_ = 1
        if gaps:
            X = self._filled(X, sample_weight, wanted)
            rows = self._rows(X, sample_weight, centre=True)
        self._keep(rows, self._decompose(rows, wanted), wanted)
        self.n_samples_ = X.shape[0]
        return self._rows(X, None)

    def _decompose(self, rows: Rows, wanted: int | None) -> Found:
        solver, side = self.svd_solver, rows.sides[1]
        self._fit_svd_solver = solver  # by scikit-learn's name, for tools that read it
        if solver == "full":
            if rows.x.sparse:
                raise TypeError(
                    'PCA only support sparse inputs with the "arpack" and "covariance_eigh" solvers, while '
                    '"full" was passed, which would make X dense; "auto" and "randomized" take it as well'
                )
            return in_range(rows, by_lapack)
        k = None if wanted is None else max(wanted, 1)
        if k is not None and (solver in TRUNCATED or (solver == "auto" and side >= LEAST_SIDE)):
            rule, self._fit_svd_solver = self._rule(), "arpack" if solver == "arpack" else "randomized"
            return in_range(rows, lambda rows: leading(rows, k, rule))
        self._fit_svd_solver = "covariance_eigh"
        return in_range(rows, lambda rows: by_gram(rows, k))

    def _rule(self) -> Krylov:
        """The Krylov space that is asked for."""
        auto, solver = isinstance(self.iterated_power, str), self.svd_solver
        tol = self.tol or (EXACT if solver == "arpack" else ACCURACY if auto else None)
        steps = STEPS if auto or solver == "arpack" else int(self.iterated_power)
        return Krylov(
            steps, self.n_oversamples if solver == "randomized" else OVERSAMPLES, self.random_state, tol
        )

    def _keep(self, rows: Rows, found: Found, wanted: int | None) -> None:
        """Set the attributes from all singular values, or the leading ones."""
        weights, dtype = rows.weights, rows.x.dtype
        most = min(weights.counted, rows.x.cols)
        complete = len(found.values) == rows.sides[1]
        values = np.pad(found.values, (0, max(0, most - len(found.values)))) if complete else found.values
        k = self._chosen(values[:most] ** 2, rows, dtype) if wanted is None else wanted
        components = rows.components(values[: max(k, 1)], found.vectors[:, : max(k, 1)])[:k]
        self.components_ = largest_positive(components).astype(dtype, copy=False)
        assert rows.mean is not None
        self.mean_ = np.ldexp(rows.mean, rows.exponent).astype(dtype)
        self._explain(
            values[:most], rows.squares, k, most, weights.freedom, dtype, complete=complete,
            exponent=rows.exponent, weight_exponent=weights.exponent,
        )  # fmt: skip
        self.residuals_ = np.zeros(k)
        self.residuals_[: len(found.residuals)] = found.residuals[:k]
        self.n_components_ = k

    def _chosen(self, squares: Array, rows: Rows, dtype: Any) -> int:
        if self.n_components == "mle":
            return minka(squares, rows.weights.counted)
        assert isinstance(self.n_components, Real)
        share = np.cumsum((squares / (rows.squares or 1)).astype(dtype))  # of explained_variance_ratio_
        return min(int(np.searchsorted(share, float(self.n_components), side="right")) + 1, len(squares))

    def _filled(self, X: Array, sample_weight: Any, wanted: int | None) -> Array:
        """X with its gaps filled in by as many components."""

        def low_rank(filled: Array) -> Array:
            rows = self._rows(filled, sample_weight, centre=True)
            self._keep(rows, self._decompose(rows, wanted), wanted)
            codes = (filled - self.mean_) @ self.components_.T
            return np.asarray(codes @ self.components_ + self.mean_)

        filled, self.n_iter_ = filled_in(X, wanted, self.tol, low_rank)
        return filled

    def _check_parameters(self) -> None:
        choice(self.svd_solver, "svd_solver", SOLVERS)
        choice(self.power_iteration_normalizer, "power_iteration_normalizer", NORMALIZERS)
        choice(self.missing, "missing", ("error", "mask"))
        flag(self.whiten, "whiten")
        real(self.tol, "tol")
        if isinstance(self.iterated_power, str):
            choice(self.iterated_power, "iterated_power", ("auto",))
        else:
            whole(self.iterated_power, "iterated_power", least=0)
        whole(self.n_oversamples, "n_oversamples")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.missing != "mask" and self.svd_solver != "full"
        tags.input_tags.allow_nan = self.missing == "mask"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
