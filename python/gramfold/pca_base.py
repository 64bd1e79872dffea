"""What the decompositions by principal components share: the linear map and the Gaussian model."""

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ._arguments import effective_threads
from .gaps import observed_codes
from .inputs import FLOATS, read_array, read_rows
from .principal import Rows, SparseRows

Array = NDArray[Any]


class LinearComponents(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Rows times the transposed components_, after the mean is taken off where there is one."""

    n_threads: int | None
    whiten: bool = False
    missing: str = "error"
    components_: Array
    mean_: Array | None = None
    explained_variance_: Array
    noise_variance_: float

    def transform(self, X: Any) -> Array:
        """Give the coordinates of rows in the components.

        Parameters
        ----------
        X : array-like or CSR/CSC matrix of shape (n_samples, n_features)
            With missing='mask' NaN is unobserved: the coordinates fit what is observed by least squares.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        check_is_fitted(self)
        gaps = self.missing == "mask"
        X = read_rows(X, self, sparse=not gaps, gaps=gaps, reset=False)
        if not gaps:
            return self._codes(self._rows(X, None))
        codes = observed_codes(X, self.components_, 0 if self.mean_ is None else self.mean_)
        return (codes / self._scale() if self.whiten else codes).astype(X.dtype)

    def inverse_transform(self, X: Any) -> Array:
        """Give the rows that have these coordinates, of shape (n_samples, n_features)."""
        check_is_fitted(self)
        X = read_array(X, "X", dtype=FLOATS)
        if X.shape[1] != len(self.components_):
            raise ValueError(f"X must have {len(self.components_)} columns, got {X.shape[1]}")
        back: Array = (X * self._scale() if self.whiten else X) @ self.components_
        return back if self.mean_ is None else back + self.mean_

    def _rows(self, X: Any, weights: Any, centre: bool | None = None) -> Rows:
        """X as the engine takes it."""
        centre = self.mean_ is not None if centre is None else centre
        if weights is not None:
            weights = _check_sample_weight(weights, X, dtype=np.float64, ensure_non_negative=True)
            if not weights.any():
                raise ValueError("sample_weight must not be 0 everywhere")
        kind = SparseRows if sp.issparse(X) else Rows
        return kind(X, weights, centre, effective_threads(self.n_threads))

    def _codes(self, rows: Rows) -> Array:
        rows.mean = None if self.mean_ is None else self.mean_.astype(np.float64)
        codes = rows.project(self.components_.T)
        return (codes / self._scale()).astype(codes.dtype) if self.whiten else codes

    def _scale(self) -> Array:
        """Standard deviations of the components, none of them 0."""
        scale: Array = np.sqrt(self.explained_variance_)
        least = np.finfo(scale.dtype).eps
        return np.where(scale > least, scale, least)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)


class GaussianComponents(LinearComponents):
    """Components with the model of probabilistic PCA (Tipping & Bishop 1999)."""

    def get_covariance(self) -> Array:
        """Covariance of the model, of shape (n_features, n_features)."""
        check_is_fitted(self)
        excess = np.maximum(self.explained_variance_ - self.noise_variance_, 0)
        covariance: Array = (self.components_.T * excess) @ self.components_
        covariance.flat[:: len(covariance) + 1] += self.noise_variance_
        return covariance

    def get_precision(self) -> Array:
        """Inverse of the covariance, by the matrix inversion lemma where there is noise."""
        check_is_fitted(self)
        V, noise = self.components_, self.noise_variance_
        if noise == 0 or len(V) == V.shape[1]:
            return np.asarray(scipy.linalg.inv(self.get_covariance(), check_finite=False))
        excess = np.maximum(self.explained_variance_ - noise, 0)
        precision: Array = (V.T * (-excess / (noise * (excess + noise)))) @ V
        precision.flat[:: len(precision) + 1] += 1 / noise
        return precision

    def score_samples(self, X: Any) -> Array:
        """Log-likelihood of each row under the model."""
        check_is_fitted(self)
        X = read_rows(X, self, reset=False)
        precision = self.get_precision()
        dense = np.asarray(X.todense()) if sp.issparse(X) else X
        off = dense - self.mean_
        log_det = np.linalg.slogdet(precision)[1]
        scores: Array = -0.5 * np.sum(off * (off @ precision), axis=1)
        return scores - 0.5 * (off.shape[1] * np.log(2 * np.pi) - log_det)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-likelihood of the rows under the model."""
        return float(np.mean(self.score_samples(X)))
