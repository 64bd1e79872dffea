"""Principal components from batches, merged exactly."""

from typing import Any, ClassVar, Self

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.utils import Tags, gen_batches, metadata_routing

from ..fit.arguments import flag, whole
from ..fit.callbacks import fit_task
from ..fit.inputs import read_rows
from ..fit.unchanged import unchanged_on_error
from ..fold.segments import source_of
from ..fold.source import Source
from ..linalg.blas import one_thread
from ..linalg.spectrum import eigenpairs, triangular
from .base import GaussianComponents, largest_positive, variance_in
from .decompose import Found, are_few, are_told, by_gram, by_lapack, cleared
from .passes import PIECE
from .rows import OutOfRangeError, in_range

Array = NDArray[Any]

MOST_FEATURES = 4096


class IncrementalPCA(GaussianComponents):
    """`PCA` of all rows seen so far, as scikit-learn's `IncrementalPCA`, but exact.

    Up to 4096 features the triangular factor of all centred rows is kept, and a batch is added to it exactly
    (by QR, and as Chan, Golub & LeVeque 1979 do for the mean): the components are those of one fit to all
    rows, in any batches and any order. Above that, n_components directions are carried along as scikit-learn
    does (Ross, Lim, Lin & Yang 2008), which is not exact. Batches may be sparse, of `partial_fit` too.

    Parameters
    ----------
    n_components : int or None
        None is min(n_samples, n_features) of the first batch. The first batches may have fewer rows.
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

    __metadata_request__partial_fit: ClassVar = {"check_input": metadata_routing.UNUSED}
    _about_nan = "PCA(missing='mask') leaves such entries out"

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
        X : array-like, CSR/CSC matrix or `blocks` of either, of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        with fit_task(self, X, y), one_thread():
            X = read_rows(X, self, segments=True, unread=True)
            size = 5 * X.shape[1] if self.batch_size is None else whole(self.batch_size, "batch_size")
            self.batch_size_ = size
            self._begin(X)
            if self._most > X.shape[0]:
                raise ValueError(f"n_components must be at most the {X.shape[0]} rows of X, got {self._most}")
            found = self._at_once(X)
            if found is None:
                rows = source_of(X, 1)
                for batch in gen_batches(rows.rows, size, min_batch_size=self._most):
                    self._add(rows.some(batch))
            self._set(X.dtype, found)
        return self

    def partial_fit(self, X: Any, y: Any = None, check_input: bool = True) -> Self:
        """Learn one more batch; see `fit`.

        Until as many rows were seen as there are components wanted, there are as many components as rows.

        Parameters
        ----------
        X, y
            As in `fit`.
        check_input : bool, default=True
            Taken so that scikit-learn's calls work: X is always checked.
        """
        first = not hasattr(self, "n_samples_seen_")
        with unchanged_on_error(self), one_thread():
            X = read_rows(X, self, segments=True, reset=first)
            if first:
                self._begin(X)
            elif self.n_components is not None and whole(self.n_components, "n_components") != self._most:
                raise ValueError(
                    f"n_components was {self._most} before and is {self.n_components} now; "
                    "call fit to start over"
                )
            self._add(source_of(X, 1))
            self._set(X.dtype)
        return self

    def _begin(self, X: Any) -> None:
        flag(self.whiten, "whiten")
        features = X.shape[1]
        self._most = min(X.shape) if self.n_components is None else whole(self.n_components, "n_components")
        if self._most > features:
            raise ValueError(
                f"n_components={self._most} invalid for n_features={features}, need more rows than columns "
                "for IncrementalPCA processing: n_components must be at most n_features"
            )
        self.n_samples_seen_, self._mean, self._squares = 0, np.zeros(features), np.zeros(features)
        self._factor, self._coarsest = np.empty((0, features)), X.dtype

    def _at_once(self, X: Any) -> Found | None:
        """Learn all of X in one read, by its Gram matrix, if that is exact for the components wanted."""
        if X.shape[1] > MOST_FEATURES or X.shape[0] < X.shape[1]:
            return None
        rows = self._rows(X, None, centre=True)
        try:
            for gram, dtype in rows.grams():
                factor = _root(gram) if are_few(self._most, len(gram)) else None
                squares, vectors = eigenpairs(gram, None if factor is None else self._most)
                values = np.sqrt(squares)
                if are_told(values[: self._most], rows, dtype):
                    break
            else:
                return None
        except OutOfRangeError:
            return None
        assert rows.mean is not None
        self._factor = np.ascontiguousarray((vectors * values).T) if factor is None else factor
        self._mean, self._squares, self.n_samples_seen_ = rows.mean, np.diag(gram).copy(), X.shape[0]
        self._coarsest = min(self._coarsest, X.dtype)
        return Found.exactly(rows, values, vectors)

    def _add(self, rows: Source) -> None:
        """Put centred rows and the step of the mean below the factor, and make it as small as before."""
        features = rows.cols
        whole_factor = features <= MOST_FEATURES
        self._coarsest = min(self._coarsest, rows.dtype)  # smaller values may be its rounding
        for part in gen_batches(rows.rows, max(features if whole_factor else self._most, PIECE // features)):
            some = rows.take(part)
            count, old = len(some), len(self._factor)
            mean = some.mean(axis=0, dtype=np.float64)
            if not np.isfinite(mean).all():
                rows.check_finite(self)
            both, step = self.n_samples_seen_ + count, mean - self._mean
            stack = np.empty((old + count + (old > 0), features), order="F" if whole_factor else "C")
            stack[:old], stack[old : old + count] = self._factor, some - mean
            if old:
                stack[-1] = np.sqrt(self.n_samples_seen_ * count / both) * step
            self._squares = self._squares + np.einsum("ij,ij->j", stack[old:], stack[old:])
            if not np.isfinite(self._squares).all():
                raise ValueError("X is too large: the sum of its squares overflows")
            self._mean, self.n_samples_seen_ = self._mean + count / both * step, both
            self._factor = triangular(stack) if whole_factor else self._directions(stack)

    def _directions(self, stack: Array) -> Array:
        """The leading components of a stack, scaled by their singular values."""
        rows = self._rows(stack, None, centre=False)
        found = in_range(rows, lambda rows: by_gram(rows, self._most))
        values = found.values[: self._most]
        components = rows.components(values, found.vectors[:, : self._most])
        components *= np.ldexp(values, rows.exponent)[:, None]
        return components

    def _set(self, dtype: Any, found: Found | None = None) -> None:
        """Decompose the factor, whose condition is that of the rows, unless its decomposition is known."""
        seen, features = self.n_samples_seen_, len(self._mean)
        k = min(self._most, seen)
        rows = self._rows(self._factor, None, centre=False)
        found = found or in_range(rows, by_lapack)
        squares = float(np.ldexp(self._squares, -2 * rows.exponent).sum())
        mean = np.ldexp(self._mean, -rows.exponent)
        size = float(np.sqrt(squares + seen * (mean @ mean)))
        values = cleared(found.values, size, self._coarsest)
        complete = len(values) >= min(seen, features)
        values = np.pad(values, (0, max(0, k - len(values))))
        components = rows.components(values[:k], found.vectors[:, :k])
        self.components_, self.n_components_ = largest_positive(components).astype(dtype, copy=False), k
        self.mean_ = self._mean.astype(dtype)
        self.var_ = variance_in(self._squares / seen, 0, dtype)
        self._explain(
            values, squares, k, min(seen, features), max(seen - 1, 1), dtype,
            complete=complete, exponent=rows.exponent,
        )  # fmt: skip

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _root(gram: Array) -> Array | None:
    """R, upper triangular, with R'R the Gram matrix, unless that is singular but for rounding."""
    try:
        root: Array = scipy.linalg.cholesky(gram, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    return root
