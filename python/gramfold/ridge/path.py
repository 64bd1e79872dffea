"""Ridge regression for many penalties at once."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..fit.arguments import flag
from ..fit.inputs import read_numbers
from ..fold.source import Array
from .centred_rows import CentredRows
from .data import Double, penalties, read
from .direct import Eigen, Solve, dual
from .estimator import Ridge
from .forms import rows_about_means
from .moments import moments
from .orthogonal import dense_enough, singular_values
from .solution import Judge, settle

LOOSE = 100  # times what is exact: a smaller error is not worth another read of X for all alphas


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
    X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
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
    flag(fit_intercept, "fit_intercept")
    given = np.atleast_1d(read_numbers(alphas, "alphas"))
    if not given.size:
        raise ValueError("alphas must hold at least one penalty")
    data = read(Ridge(fit_intercept=fit_intercept, n_threads=n_threads), X, y, sample_weight, reset=True)
    each = penalties(given, given.size, data.units)
    a, t = len(each), data.y.shape[1]
    alpha = np.repeat(each, t)
    inverse: Solve
    correct: Solve
    if data.x.cols <= data.x.rows:
        sums = moments(data)
        rows, linear = CentredRows(data, sums.x_mean, sums.y_mean, sums.far), sums.cross
        eigen = Eigen(sums.gram, alpha)
        inverse, correct, error = eigen, eigen, eigen.condition * sums.rounding
        sure = eigen.drops_nothing(rows.squares, data.x.rows)
    else:
        data.x.check_finite()
        rows, sure = rows_about_means(data), True
        linear = rows.y
        inverse, correct, error = dual(rows, alpha)
    judge = PathJudge(data, rows, alpha, linear)
    B = judge.rounded(inverse(np.tile(linear, a)))
    if not sure or error > LOOSE * judge.exact:
        settled, B = settle(judge, B, correct, error) if sure else (False, B)
        if not settled and dense_enough(data.x):
            B = judge.rounded(singular_values(rows, alpha))
    mean = np.tile(rows.y_mean, a) - rows.x_mean @ B
    intercepts = np.ldexp(mean, data.units.y).reshape(a, t).astype(data.x.dtype)
    coefs = data.units.coefs(B).T.reshape(a, t, -1).astype(data.x.dtype)
    return (coefs[:, 0], intercepts[:, 0]) if data.single else (coefs, intercepts)


class PathJudge(Judge):
    """For every alpha in turn the same targets, of which no copies are made."""

    def gradient(self, B: Double) -> Double:
        """X'(Y - XB) - alpha B."""
        pull, rows = np.empty_like(B), self.about
        assert isinstance(rows, CentredRows)
        t = rows.y.shape[1]
        for target in range(t):
            every = B[:, target::t]
            y = np.broadcast_to(rows.y[:, target : target + 1], (rows.x.rows, every.shape[1]))
            pull[:, target::t] = rows.misfit(every, y).pull
        return pull - self.alpha * B
