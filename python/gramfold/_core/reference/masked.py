"""The NumPy twin of `masked_hals`: row by row, each with its own Gram matrix."""

import numpy as np

from ..floats import reads_floats
from ..results import OwnSwept


def _upper(g, shift, least):
    """Give U with G + shift I = U'U, or None if a pivot is at most `least` of G's entry."""
    a = g + shift * np.eye(len(g), dtype=g.dtype)
    for t in range(len(g)):
        if not a[t, t] > least * g[t, t]:
            return None
        a[t, t:] /= np.sqrt(a[t, t])
        a[t + 1 :, t + 1 :] -= np.outer(a[t, t + 1 :], a[t, t + 1 :])
    return np.triu(a)


def _factor(g, k):
    """Give U of G, or where it is singular of G + sI for proximal steps (Rockafellar 1976)."""
    epsilon = np.finfo(g.dtype).eps
    upper = _upper(g, 0, 4 * k * epsilon)
    if upper is not None:
        return upper, True
    return _upper(g, np.sqrt(epsilon) * np.max(np.diag(g)), 0), False


def _solve(upper, b):
    return np.linalg.solve(upper, np.linalg.solve(upper.T, b))


class _Row:
    """One row: its Gram, products, and the coordinate steps of Cichocki & Phan 2009, eq. 26."""

    def __init__(self, g, p, l1, nonneg):
        self.g, self.h, self.l1, self.nonneg = g, np.diag(g), l1, nonneg
        self.p = p - l1 if nonneg else p
        self.inv = np.divide(1, self.h, out=np.zeros_like(self.h), where=self.h > 0)

    def step(self, z, gradient, t):
        """Say how far component t (or each component, on its own) would move."""
        moved = z[t] - gradient * self.inv[t]
        if self.nonneg:
            return np.maximum(moved, 0) - z[t]
        return np.sign(moved) * np.maximum(np.abs(moved) - self.l1 * self.inv[t], 0) - z[t]

    def residual(self, z):
        """Sum of h d^2 over the steps that single coordinates could make."""
        return np.sum(self.h * self.step(z, self.g @ z - self.p, slice(None)) ** 2)

    def sweep(self, z):
        """One round over the components, in place; returns the violation met and sum h d^2."""
        violation = step = z.dtype.type(0)
        for t in range(len(z)):
            gradient = self.g[t] @ z - self.p[t]
            old, d = z[t], self.step(z, gradient, t)
            if self.nonneg:
                violation += max(-gradient, 0) if old == 0 else abs(gradient)
            else:
                violation += abs(d) * self.h[t]
            step += self.h[t] * d * d
            z[t] = old + d
        return violation, step

    def minimise(self, z):
        """Without l1 and signs: solve and refine, or 16 proximal steps."""
        live = self.h > 0
        if not live.any():
            return
        upper, regular = _factor(self.g[np.ix_(live, live)], len(z))
        for _ in range(2 if regular else 16):
            z[live] -= _solve(upper, (self.g @ z - self.p)[live])

    def to_face(self, z):
        """Go towards the minimiser over the non-zero components, up to the first change of a sign."""
        face = (z != 0) & (self.h > 0)
        if not face.any():
            return
        upper, _ = _factor(self.g[np.ix_(face, face)], len(z))
        gradient = self.g @ z - self.p + (0 if self.nonneg else self.l1 * np.sign(z))
        old, d = z[face], _solve(upper, gradient[face])
        crossing = old * (old - d) < 0
        reach = np.where(crossing, old / np.where(crossing, d, 1), 2)
        step = min(1, reach.min())
        z[face] = np.where(reach <= step, 0, old - step * d)

    def solve(self, z, max_sweeps, polish, shrink, tol):
        """Solve for z in place; returns violation, step of the first sweep, whether it is open."""
        if not self.nonneg and self.l1 == 0 and max_sweeps > 0:
            self.minimise(z)
            return 0.0, 0.0, False
        violation = first = 0.0
        for sweep in range(max_sweeps):
            broken, step = self.sweep(z)
            if sweep == 0:
                violation, first = broken, step
            if step <= min(max(first * shrink**2, self.h @ (z * z) * tol**2), np.finfo(z.dtype).max):
                return violation, first, False
            if polish > 0 and (sweep + 1) % polish == 0:
                self.to_face(z)
        return violation, first, True


def _observed(x, weights, i):
    """Columns, values and weights of what is observed of row i, all that is stored of a sparse one."""
    if isinstance(x, tuple):
        data, indices, indptr, _ = x
        row = slice(indptr[i], indptr[i + 1])
        return indices[row], data[row], np.ones(len(data[row]), data.dtype)
    seen = ~np.isnan(x[i])
    if weights is not None:
        seen &= weights[i] > 0
    columns = np.flatnonzero(seen)
    return columns, x[i, columns], np.ones(len(columns), x.dtype) if weights is None else weights[i, columns]


@reads_floats
def masked_hals(*, x, weights, f, start, out, l1, l2, nonneg, max_sweeps, polish, shrink, tol, n_threads):
    """Solve each row of X ~ out F' over what is observed: not NaN, weight above 0; of CSR what is stored.

    Returns violation, step, objective, residual and open as `hals` does, and the residual before.
    """
    dtype = f.dtype
    z = np.zeros(out.shape, dtype) if start is None else start.copy()
    total = np.zeros(6)
    for i in range(len(out)):
        columns, xi, w = _observed(x, weights, i)
        fi = f[columns]
        g = (fi * w[:, None]).T @ fi + dtype.type(l2) * np.eye(f.shape[1], dtype=dtype)
        row = _Row(g, fi.T @ (w * xi), dtype.type(l1), nonneg)
        if max_sweeps > 0 and not len(columns):
            z[i] = 0
        before = row.residual(z[i])
        violation, step, still_open = row.solve(z[i], max_sweeps, polish, shrink, tol)
        objective = 0.5 * np.sum(w * (xi - fi @ z[i]) ** 2, dtype=np.float64)
        objective += l1 * np.sum(np.abs(z[i])) + 0.5 * l2 * np.sum(z[i] ** 2)
        total += [violation, step, objective, row.residual(z[i]), still_open, before]
    out[:] = z
    return OwnSwept(*total.tolist())
