"""Principal components from batches, merged exactly."""

from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import Tags, gen_batches
from sklearn.utils.extmath import svd_flip
from threadpoolctl import threadpool_limits

from ._arguments import flag, whole
from .inputs import read_rows
from .nmf_base import unchanged_on_error
from .pca_base import GaussianComponents
from .spectrum import eigenpairs

Array = NDArray[Any]

MOST_FEATURES = 4096


class IncrementalPCA(GaussianComponents):
    """`PCA` of all rows seen so far, as scikit-learn's `IncrementalPCA`, but exact.

    Up to 4096 features the second moments of all rows are kept, and a batch is added to them exactly (Chan,
    Golub & LeVeque 1979): the components are those of one fit to all rows, in any batches and any order.
    Above that, n_components directions are carried along as scikit-learn does (Ross, Lim, Lin & Yang 2008),
    which is not exact.

    Parameters
    ----------
    n_components : int or None
        None is min(n_samples, n_features) of the first batch.
    whiten : bool, default=False
        Scale the codes to unit variance.
    copy : bool, default=True
        Taken for compatibility: X is never modified.
    batch_size : int or None
        Rows of a batch in `fit`; None is 5 n_features.
    n_threads : int or None
        Default: OMP_NUM_THREADS, else the CPUs that this process may use. Results do not depend on it.

    Attributes
    ----------
    components_ : ndarray of shape (n_components_, n_features)
    explained_variance_, explained_variance_ratio_, singular_values_ : ndarray of shape (n_components_,)
    mean_, var_ : ndarray of shape (n_features,)
    noise_variance_ : float
    n_components_, n_samples_seen_, batch_size_, n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X has string names.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> model = gf.IncrementalPCA(3)
    >>> for batch in np.array_split(X, 7):
    ...     model = model.partial_fit(batch)
    >>> bool(np.allclose(model.singular_values_, gf.PCA(3).fit(X).singular_values_, rtol=1e-12))
    True
    """

    def __init__(
        self, n_components: int | None = None, *, whiten: bool = False, copy: bool = True,
        batch_size: int | None = None, n_threads: int | None = None,
    ) -> None:  # fmt: skip
        self.n_components = n_components
        self.whiten = whiten
        self.copy = copy
        self.batch_size = batch_size
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any = None) -> Self:
        """Forget what was seen, and learn X batch by batch.

        Parameters
        ----------
        X : array-like or CSR/CSC matrix of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        with unchanged_on_error(self):
            if hasattr(self, "n_samples_seen_"):
                del self.n_samples_seen_
            X = read_rows(X, self)
            size = 5 * X.shape[1] if self.batch_size is None else whole(self.batch_size, "batch_size")
            self.batch_size_ = size
            least = self.n_components or 0
            for batch in gen_batches(
                len(X) if not sp.issparse(X) else X.shape[0], size, min_batch_size=least
            ):
                self._learn(X[batch])
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn one more batch; see `fit`."""
        first = not hasattr(self, "n_samples_seen_")
        with unchanged_on_error(self):
            X = read_rows(X, self, reset=first)
            self._learn(X)
        return self

    def _learn(self, X: Any) -> None:
        flag(self.whiten, "whiten")
        first = not hasattr(self, "n_samples_seen_")
        k = self._count(X.shape, first)
        with threadpool_limits(1, user_api="blas"):
            if X.shape[1] <= MOST_FEATURES:
                values, vectors = self._add_moments(X, first)
            else:
                values, vectors = self._add_directions(X.toarray() if sp.issparse(X) else X, first)
        self._set(X.dtype, values, vectors, k)

    def _count(self, shape: tuple[int, int], first: bool) -> int:
        if not first:
            if self.n_components is not None and self.n_components != self.n_components_:
                raise ValueError(
                    f"n_components was {self.n_components_} before and is {self.n_components} now; "
                    "call fit to start over"
                )
            return self.n_components_
        if self.n_components is None:
            return min(shape)
        k = whole(self.n_components, "n_components")
        if k > shape[1]:
            raise ValueError(f"n_components must be at most n_features = {shape[1]}, got {k}")
        if k > shape[0]:
            raise ValueError(f"n_components must be at most the {shape[0]} rows of the first batch, got {k}")
        return k

    def _add_moments(self, X: Any, first: bool) -> tuple[Array, Array]:
        """Merge means and second moments, and decompose the latter."""
        rows = self._rows(X, None, centre=True)
        gram, count = rows.gram(), X.shape[0]
        assert rows.mean is not None
        if first:
            self.n_samples_seen_, self._mean, self._moments = count, rows.mean, gram
        else:
            both, off = self.n_samples_seen_ + count, rows.mean - self._mean
            self._moments = self._moments + gram + self.n_samples_seen_ * count / both * np.outer(off, off)
            self._mean = self._mean + count / both * off
            self.n_samples_seen_ = both
        self._squares = np.diag(self._moments)
        squares, vectors = eigenpairs(self._moments)
        return np.sqrt(squares), vectors

    def _add_directions(self, X: Array, first: bool) -> tuple[Array, Array]:
        """Decompose the batch stacked below the scaled components and the step of the mean."""
        count, mean = len(X), X.mean(axis=0, dtype=np.float64)
        off, squares = X - mean, np.square(X - mean, dtype=np.float64).sum(axis=0)
        if first:
            self.n_samples_seen_, self._mean, self._squares = count, mean, squares
        else:
            both, step = self.n_samples_seen_ + count, mean - self._mean
            share = self.n_samples_seen_ * count / both
            off = np.vstack([self.singular_values_[:, None] * self.components_, off, np.sqrt(share) * step])
            self._squares = self._squares + squares + share * step**2
            self._mean, self.n_samples_seen_ = self._mean + count / both * step, both
        _, values, vt = np.linalg.svd(off, full_matrices=False)
        return values, vt.T

    def _set(self, dtype: Any, values: Array, vectors: Array, k: int) -> None:
        seen, features = self.n_samples_seen_, len(self._mean)
        freedom, total = max(seen - 1, 1), float(self._squares.sum())
        _, components = svd_flip(None, vectors[:, :k].T.copy(), u_based_decision=False)
        self.components_, self.n_components_ = np.ascontiguousarray(components, dtype), k
        self.mean_, self.var_ = self._mean.astype(dtype), (self._squares / seen).astype(dtype)
        self.singular_values_ = values[:k].astype(dtype)
        self.explained_variance_ = (values[:k] ** 2 / freedom).astype(dtype)
        self.explained_variance_ratio_ = (values[:k] ** 2 / (total or 1.0)).astype(dtype)
        rest = max(0.0, total - float(np.sum(values[:k] ** 2)))
        most = min(seen, features)
        self.noise_variance_ = rest / freedom / (most - k) if k < most else 0.0

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
