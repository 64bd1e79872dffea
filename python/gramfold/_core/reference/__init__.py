"""The NumPy twin of every kernel, with the same signatures: the lowest level, and the tests' reference.

Arrays run over rows: X is (rows, cols), a row factor Z is (rows, k), the shared factor F is (cols, k).
Written to be read beside the formulas, not to be fast.
"""

import time

import numpy as np
import scipy.sparse as sp

from ..floats import reads_floats
from ..results import Scan, Swept
from .coding import lasso as lasso
from .coding import nonzeros as nonzeros
from .coding import omp as omp
from .dictionary import ksvd_atoms as ksvd_atoms
from .dictionary import masked_atoms as masked_atoms
from .dictionary import repeated_atoms as repeated_atoms
from .dictionary import residual as residual
from .dictionary import soup_atoms as soup_atoms
from .dictionary import update_atoms as update_atoms
from .kmeans import assign as assign
from .kmeans import distances as distances
from .kmeans import draw_seeds as draw_seeds
from .kmeans import move_centers as move_centers
from .kmeans import seed as seed
from .kmeans import sift as sift
from .kmeans import sketch as sketch
from .masked import masked_hals as masked_hals
from .mixture import count_rows as count_rows
from .mixture import gaussian_mixture as gaussian_mixture
from .mixture import poisson_mixture as poisson_mixture
from .mixture import truncated_mixture as truncated_mixture
from .nmf import kl_coordinate as kl_coordinate
from .nmf import multiplicative as multiplicative
from .orthogonal import orthogonal_rows as orthogonal_rows
from .pca import centred as centred
from .ridge import misfit as misfit
from .ridge import moments as moments
from .rpca import shrink as shrink
from .rpca import shrink_sparse as shrink_sparse


def _matrix(x):
    """Give X as an array, or as a CSR matrix if it came as (data, indices, indptr, cols)."""
    if isinstance(x, tuple):
        data, indices, indptr, cols = x
        return sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, cols))
    return x


def _prox(z, gradient, inv, l1, nonneg):
    """Minimise over one component (nonneg: l1 is in the gradient); without curvature l1 decides alone."""
    moved = z - gradient * inv
    if nonneg:
        return np.where(inv == 0, np.where(gradient > 0, 0, z), np.maximum(moved, 0))
    shrunk = np.sign(moved) * np.maximum(np.abs(moved) - l1 * inv, 0)
    return np.where((inv == 0) & (l1 > 0), 0, shrunk)


def _sweep(z, p, g, inv, l1, nonneg, active):
    """One round of z_t <- prox(z_t - (Gz - p)_t / G_tt), t in order (Cichocki & Phan 2009, eq. 26)."""
    h = np.diag(g)
    violation = step = np.zeros(len(z), z.dtype)
    for t in range(z.shape[1]):
        gradient = z @ g[:, t] - p[:, t]
        old = z[:, t].copy()
        d = (_prox(old, gradient, inv[t], l1, nonneg) - old) * active
        z[:, t] = old + d
        if nonneg:
            violation = violation + np.abs(np.where(old == 0, np.minimum(gradient, 0), gradient))
        else:
            violation = violation + np.abs(d) * h[t]
        step = step + d * d * h[t]
    return violation, step


def polish_due(sweeps, polish):
    """Whether rows still open after so many sweeps go to their face; see cpp/least_squares/exact.hpp."""
    if polish <= 0 or sweeps % polish != 0:
        return False
    times = sweeps // polish
    return times <= 16 or times & (times - 1) == 0


def _to_face_minimum(z, p, g, l1):
    """Go to the minimiser over the non-zero components of z with their signs held (face.hpp)."""
    for _ in range(8):
        face = np.flatnonzero(z)
        old, face_gram = z[face], g[np.ix_(face, face)]
        rest = (p - g @ z)[face] - l1 * np.sign(old)
        ridge = np.diag(face_gram) * 8 * len(z) * np.finfo(z.dtype).eps
        step = np.linalg.solve(face_gram + np.diag(ridge), rest).astype(z.dtype)
        changed = (old + step) * old < 0
        reach = np.where(changed, -old / np.where(changed, step, 1), np.inf)
        length = min(1, reach.min(initial=np.inf))
        cut = np.where((old + step) * old > 0, step, -old)
        if cut @ (face_gram @ cut / 2 - rest) < (step @ rest) * length * (length / 2 - 1):
            z[face] = old + cut
        else:
            z[face] = np.where(reach <= length, 0, old + length * step)
        if length == 1:
            return


def _from_dual(p, inverse):
    """Start non-negative rows at a rough solution of their dual; see cpp/least_squares/exact.hpp."""
    y = np.zeros_like(p)
    _rows(-p @ inverse, inverse, None, y, p.dtype.type(0), True, 12, 0, 1e-3, 0, False)
    return np.where(y > 0, 0, np.maximum((p + y) @ inverse, 0))


def _enough(z, g, first, shrink, tol):
    """Give the steps at which rows end; one that is infinite never is."""
    limit = np.maximum(first * z.dtype.type(shrink) ** 2, (z * z) @ np.diag(g) * z.dtype.type(tol) ** 2)
    return np.minimum(limit, np.finfo(z.dtype).max)


def _to_supports(z, p, g, inv, first, max_sweeps, shrink, tol):
    """Solve on supports and sweep in turn; gives z, and which rows ended. See cpp/least_squares/exact.hpp."""

    def objectives(z):
        return np.sum(z * (z @ g - 2 * p), axis=1) / 2

    ended, bound, trial = np.zeros(len(z), bool), objectives(z), z.copy()
    for _ in range(min(8, max_sweeps)):
        on = trial > 0
        both = on[:, :, None] & on[:, None, :]
        faces = np.where(both, g, np.eye(len(g), dtype=z.dtype))
        sound = ~ended & (np.linalg.cond(faces) < 1 / np.finfo(z.dtype).eps)
        trial[sound] = np.linalg.solve(faces[sound], np.where(on, p, 0)[sound][:, :, None])[:, :, 0]
        _, step = _sweep(trial, p, g, inv, 0, True, (~ended).astype(z.dtype))
        ended |= (step <= _enough(trial, g, first, shrink, tol)) & (objectives(trial) <= bound)
        if ended.all():
            break
    return np.where(ended[:, None], trial, z), ended


def _rows(p, g, inverse, z, l1, nonneg, max_sweeps, polish, shrink, tol, started):
    """Solve every row; returns violation, step, objective, residual, rows still open."""
    h = np.diag(g)
    inv = np.divide(1, h, out=np.zeros_like(h), where=h >= np.finfo(h.dtype).tiny)
    active = np.ones(len(z), z.dtype)
    violation = first = np.zeros(len(z), z.dtype)
    if inverse is not None and not nonneg and l1 == 0 and max_sweeps > 0:
        gradient = z @ g - p
        violation, first = np.abs(gradient).sum(axis=1), (gradient**2) @ inv
        z[:] = p @ inverse
        z += (p - z @ g) @ inverse
        active[:] = 0
    for sweep in range(max_sweeps):
        if not active.any():
            break
        broken, step = _sweep(z, p, g, inv, l1, nonneg, active)
        if sweep == 0:
            violation, first = broken, step
        active[step <= _enough(z, g, first, shrink, tol)] = 0
        if started and nonneg and polish > 0 and sweep + 1 == min(4, max_sweeps):
            rows = np.flatnonzero(active)
            z[rows], ended = _to_supports(z[rows], p[rows], g, inv, first[rows], max_sweeps, shrink, tol)
            active[rows[ended]] = 0
        if polish_due(sweep + 1, polish):
            for row in np.flatnonzero(active):
                _to_face_minimum(z[row], p[row], g, 0 if nonneg else l1)
    gradient = z @ g - p
    d = _prox(z, gradient, inv, l1, nonneg) - z
    objective = 0.5 * np.sum(z * (gradient - p), dtype=np.float64)
    if not nonneg:
        objective += l1 * np.sum(np.abs(z), dtype=np.float64)
    residual = np.sum(d * d * h, dtype=np.float64)
    return np.sum(violation, dtype=float), np.sum(first, dtype=float), objective, residual, active.sum()


@reads_floats
def hals(
    *, x, p, f, gram, inverse, start, previous, beta, out, sums, l1, nonneg, max_sweeps, polish,
    shrink, tol, cross, squares, n_threads,
):  # fmt: skip
    """Project, solve each row by coordinate descent, accumulate: a pass over X, or over known products p."""
    dtype = f.dtype
    z = np.zeros((len(p) if p is not None else _matrix(x).shape[0], f.shape[1]), dtype)
    if start is not None:
        z[:] = start if previous is None else start + dtype.type(beta) * (start - previous)
        if nonneg and previous is not None:
            np.maximum(z, 0, out=z)
    products = np.array(p if p is not None else _matrix(x) @ f, dtype)
    if nonneg:
        products -= dtype.type(l1)
    g = gram.astype(dtype)
    gi = None if inverse is None else inverse.astype(dtype)
    if gi is not None and nonneg and polish > 0 and start is None:
        z[:] = _from_dual(products, gi)
    ends = max_sweeps, polish, shrink, tol
    stats = _rows(products, g, gi, z, dtype.type(l1), nonneg, *ends, start is not None)
    if sums is not None and p is None:
        sums[:] = _matrix(x).T @ z
    crossed = z.T.astype(np.float64) @ start if cross else None
    z64 = z.astype(np.float64)
    if out is not None:
        out[:] = z
    return Swept(z64.T @ z64 if squares else None, crossed, *(float(s) for s in stats))


@reads_floats
def scan(*, x, n_threads):
    """Sum, sum of squares, least and greatest entry."""
    return Scan(
        float(np.sum(x, dtype=np.float64)),
        float(np.sum(np.square(x, dtype=np.float64))),
        float(np.min(x, initial=np.inf)),
        float(np.max(x, initial=-np.inf)),
    )


def repeats(*, columns, starts, cols, n_threads):
    """Whether a row of a CSR matrix has a column more than once; refuses starts and columns out of range."""
    if starts[0] != 0 or np.any(np.diff(starts) < 0) or starts[-1] > len(columns):
        raise ValueError("X.indptr must rise from 0 to at most the number of stored entries")
    columns = columns[: starts[-1]]
    if np.any((columns < 0) | (columns >= cols)):
        raise ValueError(f"X.indices must be at least 0 and less than {cols}")
    at = np.repeat(np.arange(len(starts) - 1), np.diff(starts)) * cols + columns
    return len(np.unique(at)) < len(at)


def gram(*, f, n_threads):
    """F'F in float64."""
    return f.T.astype(np.float64) @ f


@reads_floats
def products(*, x, f, out, image, n_threads):
    """P = X F and X'P."""
    p = _matrix(x) @ f
    if out is not None:
        out[:] = p
    if image is not None:
        image[:] = _matrix(x).T @ p


@reads_floats
def scanned_products(*, x, f, image, n_threads):
    """X'X F, and the scan of X; compiled it is None where that would be another sum."""
    products(x=x, f=f, out=None, image=image, n_threads=n_threads)
    return scan(x=x, n_threads=n_threads)


def pseudoinverse(*, gram, eps):
    """The pseudoinverse of a symmetric positive semidefinite matrix that is known to eps."""
    return np.linalg.pinv(gram, len(gram) * eps, hermitian=True)


@reads_floats
def squared_residual(*, x, w, h, n_threads):
    """Sum of (X - WH)^2."""
    return float(np.sum(np.square(x - w @ h, dtype=np.float64)))


def peak(*, is_double, seconds, n_threads):
    """Floating-point operations per second of NumPy's own product."""
    a = np.ones((1024, 1024), np.float64 if is_double else np.float32)
    begun, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begun) < seconds or not done:
        a @ a
        done += 2 * 1024**3
    return done / elapsed


def between_blocks():
    """There are no blocks."""


def compiler():
    """Nothing is compiled at this level."""
    return "none"


def threading():
    """Threads are NumPy's."""
    return "none"
