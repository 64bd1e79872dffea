"""What the decompositions by principal components share: the linear map and the Gaussian model."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from ..fit.arguments import choice, effective_threads, flag
from ..fit.estimator import Estimator, check_fitted
from ..fit.inputs import FLOATS, read_array, read_rows
from ..fit.out import rows_to_file
from ..fit.row_weights import RowWeights
from ..fold.engine import run
from ..fold.segments import source_of
from .missing import observed_codes
from .passes import squared_distances
from .rows import Rows
from .sparse_rows import SparseRows

Array = NDArray[Any]


class LinearComponents(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Rows times the transposed components_, after the mean is taken off where there is one."""

    n_threads: int | None
    whiten: bool = False
    components_: Array
    mean_: Array | None = None
    explained_variance_: Array
    noise_variance_: float

    @rows_to_file
    def transform(self, X: Any) -> Array:
        """Give the coordinates of rows in the components.

        Parameters
        ----------
        X : array-like, CSR/CSC matrix or `blocks` of either, of shape (n_samples, n_features)
            With missing='mask' NaN is unobserved: the coordinates fit what is observed by least squares.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        check_fitted(self)
        gaps = choice(getattr(self, "missing", "error"), "missing", ("error", "mask")) == "mask"
        X = read_rows(
            X, self, sparse=not gaps, gaps=gaps, segments=True, reset=False, ensure_all_finite=False
        )
        if not gaps:
            return self._codes(self._rows(X, None))
        codes = np.empty((X.shape[0], len(self.components_)))
        mean = 0.0 if self.mean_ is None else self.mean_
        run(observed_codes, source_of(X, 1), (self.components_, mean), {"codes": codes})
        return self._whitened(codes).astype(X.dtype)

    def inverse_transform(self, X: Any) -> Array:
        """Give the rows that have these coordinates, of shape (n_samples, n_features)."""
        check_fitted(self)
        X = read_array(X, "X", dtype=FLOATS, ensure_min_features=0)
        if X.shape[1] != len(self.components_):
            raise ValueError(f"X must have {len(self.components_)} columns, got {X.shape[1]}")
        codes = X * np.sqrt(self.explained_variance_) if flag(self.whiten, "whiten") else X
        back: Array = codes @ self.components_
        return back if self.mean_ is None else back + self.mean_

    def _rows(self, X: Any, sample_weight: Any, centre: bool | None = None) -> Rows:
        """X as the engine takes it."""
        centre = self.mean_ is not None if centre is None else centre
        weights, x = RowWeights(sample_weight, X), source_of(X, effective_threads(self.n_threads))
        return (SparseRows if x.sparse else Rows)(x, weights, centre, self)

    def _codes(self, rows: Rows) -> Array:
        rows.mean = None if self.mean_ is None else self.mean_.astype(np.float64)
        codes = rows.codes(self.components_)
        rows.x.check_by(codes, self)
        return self._whitened(codes)

    def _whitened(self, codes: Array) -> Array:
        """Codes over the deviations of the components if that is wanted, 0 where there is none."""
        if not flag(self.whiten, "whiten"):
            return codes
        scale = np.sqrt(self.explained_variance_)
        whitened: Array = codes / np.where(scale > 0, scale, 1)
        whitened[:, scale == 0] = 0
        return whitened

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)


class GaussianComponents(LinearComponents):
    """Components with the model of probabilistic PCA (Tipping & Bishop 1999)."""

    def get_covariance(self) -> Array:
        """Covariance of the model, of shape (n_features, n_features)."""
        check_fitted(self)
        excess = np.maximum(self.explained_variance_ - self.noise_variance_, 0)
        covariance: Array = (self.components_.T * excess) @ self.components_
        covariance.flat[:: len(covariance) + 1] += self.noise_variance_
        return covariance

    def get_precision(self) -> Array:
        """Inverse of the covariance.

        Raises
        ------
        ValueError
            If there are directions without variance: neither in the components nor as noise.
        """
        check_fitted(self)
        V, variances, noise = self.components_, self._variances(), self.noise_variance_
        if len(V) == V.shape[1]:
            return np.asarray((V.T / variances) @ V)
        precision: Array = (V.T * (1 / variances - 1 / noise)) @ V
        precision.flat[:: len(precision) + 1] += 1 / noise
        return precision

    @rows_to_file
    def score_samples(self, X: Any) -> Array:
        """Log-likelihood of each row under the model; see `get_precision` for when there is none."""
        check_fitted(self)
        X = read_rows(X, self, segments=True, reset=False)
        V, variances, noise = self.components_, self._variances(), self.noise_variance_
        features, distances = X.shape[1], np.empty(X.shape[0])
        run(squared_distances, source_of(X, 1), (self.mean_, V, variances, noise), {"distances": distances})
        log_det = float(np.sum(np.log(variances)))
        if len(V) < features:
            log_det += (features - len(V)) * float(np.log(noise))
        return -0.5 * (distances + features * np.log(2 * np.pi) + log_det)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-likelihood of the rows under the model."""
        return float(np.mean(np.asarray(self.score_samples(X))))

    def _variances(self) -> Array:
        """Variances of the model along the components; none is 0, nor is the noise if it counts."""
        variances: Array = np.maximum(self.explained_variance_.astype(np.float64), self.noise_variance_)
        k, features = self.components_.shape
        if not variances.all() or (k < features and self.noise_variance_ == 0):
            rank = int(np.count_nonzero(self.explained_variance_))
            raise ValueError(
                f"The model has variance in {rank} directions only and no noise, so its covariance has no "
                f"inverse and rows have no density: fit with n_components below {rank} to leave variance to "
                f"the noise, or leave out features that are constant or follow from others"
            )
        return variances

    def _explain(
        self, values: Array, squares: float, k: int, most: int, freedom: float, dtype: Any, *,
        complete: bool, exponent: int = 0, weight_exponent: int = 0,
    ) -> None:  # fmt: skip
        """Set what follows from the singular values.

        Parameters
        ----------
        values : ndarray
            At least the k leading ones, all if `complete`; of rows and weights scaled by 2**-exponent and
            4**-weight_exponent.
        squares : float
            The sum of the squares of all.
        most : int
            The largest rank.
        freedom : float
            What squares are divided by for variances.
        """
        of_k = values[:k] ** 2
        rest = float(np.sum(values[k:] ** 2)) if complete else squares - float(of_k.sum())
        if not complete and rest <= 4 * float(np.finfo(dtype).eps) * squares:  # a difference of rounding
            rest = 0.0
        self.explained_variance_ratio_ = (of_k / (squares or 1.0)).astype(dtype)
        self.explained_variance_ = variance_in(of_k / freedom, 2 * exponent, dtype)
        self.noise_variance_ = float(np.ldexp(rest / freedom / (most - k), 2 * exponent)) if k < most else 0.0
        self.singular_values_ = unscaled(values[:k], exponent + weight_exponent, dtype)


def unscaled(values: Array, exponent: int, dtype: Any) -> Array:
    """Values times 2**exponent; in this type, unless weights have brought them out of its range."""
    with np.errstate(over="ignore", under="ignore"):
        wide: Array = np.ldexp(values, exponent)
        given: Array = wide.astype(dtype)
    return given if _holds(given, values) else wide


def variance_in(variances: Array, exponent: int, dtype: Any) -> Array:
    """Variances times 2**exponent in this type, which must hold them."""
    with np.errstate(over="ignore", under="ignore"):
        given: Array = np.ldexp(variances, exponent).astype(dtype)
    if not _holds(given, variances):
        limits, size = np.finfo(dtype), "small" if given.max() < 1 else "large"
        raise ValueError(
            f"X is too {size}: its variances leave the range of {limits.dtype} ({limits.tiny:.0e} to "
            f"{limits.max:.0e}); multiply X by a number that brings its entries near 1"
        )
    return given


def _holds(given: Array, values: Array) -> bool:
    """Whether the largest of the values neither over- nor underflowed."""
    largest = float(given.max(initial=0))
    return bool(np.isfinite(largest) and (largest >= np.finfo(given.dtype).tiny or not values.any()))


def largest_positive(components: Array) -> Array:
    """Turn rows, in place, so that the largest entry of each is positive, as scikit-learn does."""
    if components.size:
        largest = np.argmax(np.abs(components), axis=1)
        turned = components[np.arange(len(components)), largest] < 0
        np.negative(components, out=components, where=turned[:, None])
    return components
