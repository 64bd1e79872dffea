"""Ridge regression for many penalties at once."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import ridge_direct as direct
from .fold import Array
from .ridge import Ridge
from .ridge_data import finite, penalties, read
from .ridge_forms import RowsForm


def ridge_path(
    X: Any,
    y: Any,
    alphas: ArrayLike,
    *,
    fit_intercept: bool = True,
    sample_weight: Any = None,
    n_threads: int | None = None,
) -> tuple[Array, Array]:
    """Coefficients of `Ridge` for every alpha, from one read of X and one eigendecomposition.

    Of X'X, or of XX' if X has fewer rows than columns.

    Parameters
    ----------
    X : array-like or CSR/CSC matrix of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    alphas : array-like of shape (n_alphas,)
        At least 0; with 0 and dependent columns, the solution of least norm.
    fit_intercept : bool, default=True
    sample_weight : array-like of shape (n_samples,), optional
    n_threads : int, optional
        Default: OMP_NUM_THREADS, else the CPUs that this process may use.

    Returns
    -------
    coefs : ndarray of shape (n_alphas, n_features) or (n_alphas, n_targets, n_features)
    intercepts : ndarray of shape (n_alphas,) or (n_alphas, n_targets)

    Raises
    ------
    ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import gramfold as gf
    >>> coefs, intercepts = gf.ridge_path([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], [0.0, 2.0])
    >>> coefs.round(6)
    array([[1. ],
           [0.5]])
    """
    data = read(Ridge(fit_intercept=fit_intercept, n_threads=n_threads), X, y, sample_weight, reset=True)
    each = penalties(np.atleast_1d(np.asarray(alphas, np.float64)), np.size(alphas))
    a, t, p = len(each), data.y.shape[1], data.x.cols
    alpha = np.repeat(each, t)
    if p <= data.x.rows:
        sums = data.moments()
        x_mean, y_mean = sums.x_mean, sums.y_mean
        B = direct.by_eigenvalues(sums.gram, np.tile(sums.cross, a), alpha)
    else:
        finite(data.x)
        form = RowsForm(data.x, data.y, data.weights, data.centered)
        x_mean, y_mean = form.x_mean, form.y_mean
        y_all = np.tile(data.y, a)
        B = direct.dual(data.x, y_all, data.weights, x_mean, np.tile(y_mean, a), alpha).coef
    intercepts = (np.tile(y_mean, a) - x_mean @ B).reshape(a, t).astype(data.x.dtype)
    coefs = B.T.reshape(a, t, p).astype(data.x.dtype)
    return (coefs[:, 0], intercepts[:, 0]) if data.single else (coefs, intercepts)
