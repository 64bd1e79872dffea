"""Principal component analysis, dense and sparse, weighted, with missing entries."""

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import Tags
from sklearn.utils.extmath import svd_flip
from threadpoolctl import threadpool_limits

from ._arguments import Seed, choice, flag, generator, real, whole
from .dimension import minka
from .gaps import filled_in
from .inputs import read_rows
from .nmf_base import unchanged_on_error
from .pca_base import GaussianComponents
from .principal import Rows, by_gram, by_gram_of_samples, by_krylov, by_lapack

Array = NDArray[Any]

SOLVERS = ("auto", "full", "covariance_eigh", "randomized")
# A Gram matrix costs n / 2 products per entry, a Krylov space 2 (STEPS + 1) (k + OVERSAMPLES). The seconds of
# both, around where 'auto' turns from one to the other: `python -m bench pca --filter choice`.
STEPS, OVERSAMPLES = 4, 10


class PCA(GaussianComponents):
    """Principal components of X, as scikit-learn's `PCA`.

    Parameters
    ----------
    n_components : int, float, 'mle' or None
        How many; a float in (0, 1) is the share of the variance to be explained; 'mle' is Minka's
        choice; None is min(n_samples, n_features).
    copy : bool, default=True
        Taken for compatibility: X is never modified.
    whiten : bool, default=False
        Scale the codes to unit variance.
    svd_solver : {'auto', 'full', 'covariance_eigh', 'randomized'}, default='auto'
        'covariance_eigh': the Gram matrix of the smaller side in one read of X, with a second read where
        small singular values need it. 'randomized': a block Krylov space, for few components of a large X.
        'full': LAPACK on a centred copy. 'auto' takes the second when its products are fewer than the Gram
        matrix's, else the first.
    tol : float
        Of missing='mask': the fit has converged when the relative change of the filled entries is at most
        this; 0 is 1e-6.
    iterated_power : int or 'auto'
        Steps of 'randomized', each one read of X; 'auto' is 4.
    n_oversamples : int, default=10
        More columns than components in each step.
    power_iteration_normalizer : str
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
    mean_ : ndarray of shape (n_features,)
    noise_variance_ : float
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
        X : array-like or CSR/CSC matrix of shape (n_samples, n_features)
            A sparse X is centred implicitly and never made dense.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            A row of weight w counts as w rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        with unchanged_on_error(self), threadpool_limits(1, user_api="blas"):
            self._fit(X, sample_weight)
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Array:
        """Find the components and give the coordinates of X in them; see `fit` and `transform`."""
        with unchanged_on_error(self), threadpool_limits(1, user_api="blas"):
            return self._codes(self._fit(X, sample_weight))

    def _fit(self, X: Any, sample_weight: Any) -> Rows:
        self._check_parameters()
        gaps = self.missing == "mask"
        X = read_rows(
            X, self, sparse=not gaps, gaps=gaps, ensure_min_samples=2, ensure_min_features=1 + gaps,
            ensure_all_finite=self.svd_solver == "full" or (sp.issparse(X) and not gaps),  # else by the fold
        )  # fmt: skip
        rows = self._rows(X, sample_weight, centre=True)
        if rows.total_weight <= 1:
            raise ValueError(
                f"sample_weight must sum to more than 1, got {rows.total_weight:g}: weights count rows"
            )
        wanted = self._wanted(min(int(rows.total_weight), X.shape[1]))
        self.n_iter_ = 1
        if gaps:
            rows.x = self._filled(X, rows.weights, wanted)
        values, vectors = self._decompose(rows, wanted)
        self._keep(rows, values, vectors, wanted)
        return rows

    def _decompose(self, rows: Rows, wanted: int | None) -> tuple[Array, Array]:
        samples, features = rows.x.shape
        small, solver = min(samples, features), self.svd_solver
        if solver == "auto":
            few = wanted is not None and small > 4 * (STEPS + 1) * (wanted + OVERSAMPLES) and small > 500
            solver = "randomized" if few else "covariance_eigh"
        if solver == "randomized" and wanted is None:
            raise ValueError("svd_solver='randomized' needs a whole n_components")
        if solver == "randomized":
            steps = STEPS if isinstance(self.iterated_power, str) else self.iterated_power
            assert wanted is not None
            return by_krylov(rows, wanted, steps, self.n_oversamples, generator(self.random_state))
        if solver == "full":
            return by_lapack(rows)
        if samples < features and rows.weights is None and not sp.issparse(rows.x):
            return by_gram_of_samples(rows, wanted)
        return by_gram(rows, wanted)

    def _keep(self, rows: Rows, values: Array, vectors: Array, wanted: int | None) -> None:
        """Set the attributes from all singular values, or the leading ones."""
        samples, features = rows.x.shape
        dtype, freedom = rows.x.dtype, rows.total_weight - 1
        most = min(int(rows.total_weight), features)
        variances = values[:most] ** 2 / freedom
        total = rows.squares / freedom
        k = self._chosen(variances, total, samples) if wanted is None else min(wanted, len(variances))
        _, components = svd_flip(None, vectors[:, :k].T.copy(), u_based_decision=False)
        self.components_ = np.ascontiguousarray(components, dtype)
        self.mean_ = rows.mean.astype(dtype) if rows.mean is not None else None
        self.explained_variance_ = variances[:k].astype(dtype)
        share = variances[:k] / total if total > 0 else np.zeros(k)
        self.explained_variance_ratio_, self.singular_values_ = share.astype(dtype), values[:k].astype(dtype)
        rest = max(0.0, total - float(variances[:k].sum()))
        self.noise_variance_ = rest / (most - k) if k < most else 0.0
        self.n_components_, self.n_samples_ = k, samples

    def _chosen(self, variances: Array, total: float, samples: int) -> int:
        if self.n_components == "mle":
            return minka(variances, samples)
        assert isinstance(self.n_components, Real)
        share = np.cumsum(variances) / total if total > 0 else np.ones(len(variances))
        return min(int(np.searchsorted(share, float(self.n_components), side="right")) + 1, len(variances))

    def _wanted(self, most: int) -> int | None:
        """How many components, if that does not depend on the spectrum."""
        n = self.n_components
        if n is None:
            return most
        if isinstance(n, str):
            choice(n, "n_components", ("mle",))
            return None
        if isinstance(n, Integral) and not isinstance(n, bool):
            if not 1 <= n <= most:
                raise ValueError(f"n_components must be in [1, min(n_samples, n_features) = {most}], got {n}")
            return int(n)
        if not isinstance(n, Real) or not 0 < float(n) < 1:
            raise ValueError(f"n_components must be whole, in (0, 1), 'mle' or None, got {n!r}")
        return None

    def _filled(self, X: Array, sample_weight: Any, wanted: int | None) -> Array:
        """X with its gaps filled in by as many components."""

        def low_rank(filled: Array) -> Array:
            rows = self._rows(filled, sample_weight, centre=True)
            self._keep(rows, *self._decompose(rows, wanted), wanted)
            codes = (filled - self.mean_) @ self.components_.T
            return np.asarray(codes @ self.components_ + self.mean_)

        filled, self.n_iter_ = filled_in(X, wanted, self.tol, low_rank)
        return filled

    def _check_parameters(self) -> None:
        choice(self.svd_solver, "svd_solver", SOLVERS)
        choice(self.missing, "missing", ("error", "mask"))
        flag(self.whiten, "whiten")
        real(self.tol, "tol")
        if not isinstance(self.iterated_power, str):
            whole(self.iterated_power, "iterated_power")
        whole(self.n_oversamples, "n_oversamples")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.missing != "mask"
        tags.input_tags.allow_nan = self.missing == "mask"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
