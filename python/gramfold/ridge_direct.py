"""Ridge regression in one step: Cholesky or eigenvalues of X'X or XX', or the SVD of X."""

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import scipy.linalg as la
from threadpoolctl import ThreadpoolController

from ._core import kernels
from .fold import Array, Penalty, Source, Sweeps, solve_rows
from .ridge_forms import Form, GramForm, scaled
from .ridge_moments import Double
from .ridge_solvers import Solution, measure

EPS = float(np.finfo(np.float64).eps)
MOST_SWEEPS, POLISH = 10_000, 8
SMALL = 1024  # rows of a matrix that one thread factorises as fast as several


class Singular(ValueError):
    """X'X + alpha I is singular to rounding."""


def positive_definite(matrix: Double, rhs: Double, alpha: Double) -> Double:
    """Solve (matrix + alpha_t I) b_t = rhs_t, by Cholesky for one alpha, by eigenvalues for several.

    Raises
    ------
    Singular
        If Cholesky fails, or the reciprocal condition number is less than a rounding.
    """
    if np.ptp(alpha) > 0:
        return by_eigenvalues(matrix, rhs, alpha)
    ridge = matrix + alpha[0] * np.eye(len(matrix))
    size = la.norm(ridge, 1)
    try:
        with blas_threads(len(matrix)):
            factor = la.cho_factor(ridge, lower=True, overwrite_a=True, check_finite=False)
    except la.LinAlgError:
        raise Singular from None
    reciprocal, _ = la.lapack.dpocon(factor[0], size, uplo="L")
    if not reciprocal > len(matrix) * EPS:
        raise Singular
    return la.cho_solve(factor, rhs, check_finite=False)


def by_eigenvalues(matrix: Double, rhs: Double, alpha: Double) -> Double:
    """The same from eigenvalues; those that are 0 to rounding count as 0, for the least norm."""
    with blas_threads(len(matrix)):
        values, vectors = la.eigh(matrix, check_finite=False)
    shifted = values[:, None] + alpha
    kept = shifted > len(matrix) * EPS * np.maximum(shifted.max(axis=0), 0)
    return vectors @ np.divide(vectors.T @ rhs, shifted, out=np.zeros_like(shifted), where=kept)


def blas_threads(size: int) -> AbstractContextManager[Any]:
    """Keep BLAS to one thread while a small matrix is factorised: the others would only wait."""
    limit: AbstractContextManager[Any] = _blas().limit(limits=1 if size <= SMALL else None, user_api="blas")
    return limit


@cache
def _blas() -> Any:
    return ThreadpoolController()


def primal(form: GramForm, alpha: Double) -> Solution:
    """Solve by a factorisation of X'X."""
    return solution(form, alpha, positive_definite(form.gram, form.linear, alpha))


def singular_values(form: Form, x: Double, y: Double, alpha: Double) -> Solution:
    """Solve by the SVD of x, centred and weighted as y; the least norm for alpha = 0."""
    U, s, Vt = la.svd(x, full_matrices=False, check_finite=False, overwrite_a=True)
    shifted = (s**2)[:, None] + alpha
    kept = (s > max(x.shape) * EPS * s.max(initial=0))[:, None] | (alpha > 0)
    shrunk = np.divide(
        s[:, None] * (U.T @ y), shifted, out=np.zeros_like(shifted), where=kept & (shifted > 0)
    )
    return solution(form, alpha, Vt.T @ shrunk)


def centred(x: Any, y: Array, weights: Array | None, x_mean: Double, y_mean: Double) -> tuple[Array, Double]:
    """Dense x and y about their means, rows times the roots of the weights."""
    x = x - x_mean.astype(x.dtype)
    y = y - y_mean
    if weights is None:
        return x, y
    root = np.sqrt(weights.astype(np.float64))[:, None]
    return x * root.astype(x.dtype), y * root


def dual(
    x: Source, y: Array, weights: Array | None, x_mean: Double, y_mean: Double, alpha: Double
) -> Solution:
    """Solve (K + alpha I) a = y, K = XX' of the centred and weighted rows; b = X'a."""
    root = np.ones(x.rows) if weights is None else np.sqrt(weights.astype(np.float64))
    target = (y - y_mean) * root[:, None]
    if x.sparse:
        rows = x.x if weights is None else scaled(x.x, root)
        K = _kernel(Source(rows, x.n_threads).transposed)
        toward = np.outer(rows @ x_mean, root)
        K += np.outer(root, root) * (x_mean @ x_mean) - toward - toward.T
    else:
        rows = centred(x.x, y, weights, x_mean, y_mean)[0]
        K = _kernel(Source(rows.T, x.n_threads))
    try:
        a = positive_definite(K, target, alpha)
    except Singular:
        a = by_eigenvalues(K, target, alpha)
    B = np.asarray(rows.T @ a, np.float64)
    if x.sparse:
        B -= np.outer(x_mean, root @ a)
    return _dual_solution(K, target, a, B, alpha)


def nonnegative(form: GramForm, alpha: Double) -> Solution:
    """Minimise over b >= 0, exactly, by coordinate descent and faces."""
    p, t = form.linear.shape
    B, ended = np.empty((p, t)), True
    for value in np.unique(alpha):
        same = alpha == value
        products = np.ascontiguousarray(form.linear[:, same].T)
        sweeps = Sweeps(MOST_SWEEPS, tol=1e-12, polish=POLISH)
        result = solve_rows(
            None,
            np.zeros((0, p)),
            form.gram,
            Penalty(l2=float(value)),
            sweeps,
            products=products,
            n_threads=1,
        )
        B[:, same] = result.factor.T
        ended = ended and not result.open
    return replace(solution(form, alpha, B, positive=True), converged=ended)


def _kernel(x: Source) -> Double:
    nothing = np.zeros((x.rows, 0), x.dtype)
    return kernels.moments(x.kernel, nothing, None, None, x.n_threads)[:-1, :-1].copy()


def solution(form: Form, alpha: Double, B: Double, positive: bool = False) -> Solution:
    """Measure B."""
    return Solution(B, *measure(form, alpha, B, form.apply(B), positive))


def _dual_solution(K: Double, target: Double, a: Double, B: Double, alpha: Double) -> Solution:
    """What `measure` gives, from a: with r = Ka + alpha a - y the gradient is X'r."""
    fitted = K @ a
    r = fitted + alpha * a - target
    squared = np.maximum(np.sum(r * (K @ r), axis=0), 0)
    scale = np.sum(target * (K @ target), axis=0)
    kkt = np.sqrt(np.divide(squared, scale, out=np.zeros_like(scale), where=scale > 0)).max(initial=0)
    with np.errstate(divide="ignore"):
        gap = np.divide(squared, 2 * alpha, out=np.zeros_like(squared), where=squared > 0)
    objective = 0.5 * float(np.sum((target - fitted) ** 2) + np.sum(alpha * np.sum(a * fitted, axis=0)))
    return Solution(B, objective, float(kkt), gap)
