"""The NumPy twins of the kernels for beta divergences, with the same signatures; see `reference`.

X is taken dense, a few hundred rows at a time.
"""

from itertools import count

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy

from ..floats import reads_floats
from ..results import Descended, Multiplied

BLOCK = 256
LEAST = 2.0**-40  # what divides is at least this, where X is of the order of 1


def _blocks(x):
    """Yield (slice of rows, those rows as an array)."""
    if isinstance(x, tuple):
        data, indices, indptr, cols = x
        x = sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, cols))
    for first in range(0, x.shape[0], BLOCK):
        rows = slice(first, first + BLOCK)
        yield rows, x[rows].toarray() if sp.issparse(x) else x[rows]


def _scaled(x, units, rows):
    """Those rows of x, each divided by its unit; and the units as a column."""
    unit = np.ones((len(x), 1)) if units is None else units[rows, None]
    return x * (1 / unit).astype(x.dtype), unit


def _safe(wh, beta):
    """Keep wh so far from 0 that its powers beta - 2 and beta - 1 do not overflow."""
    guard = 2.0**-22 if 0 < beta < 1 else max(LEAST, LEAST ** (2 / (2 - min(beta, 1))))
    return np.maximum(wh, wh.dtype.type(guard))


def _quotients(x, wh, beta):
    """Give x wh^(beta-2) and wh^(beta-1), guarded."""
    safe = _safe(wh, beta)
    q = x * (safe if beta < 2 else wh) ** (beta - 2) if beta != 2 else x
    return q, (safe if beta < 1 else wh) ** (beta - 1)


def _divergence(x, wh, beta):
    """The beta divergence; for beta = 2 without 1/2 |x|^2."""
    x, wh = x.astype(np.float64), wh.astype(np.float64)
    if beta == 2:
        return np.sum(wh * (0.5 * wh - x))
    safe = _safe(wh, beta)
    counts = x > 0
    ratio = np.where(counts, x / safe, 1)
    if beta == 0:
        return np.sum(ratio - np.log(ratio) - 1)
    if beta == 1:
        return np.sum(wh) + np.sum(np.where(counts, xlogy(x, ratio) - x, 0))
    stored = x**beta / (beta * (beta - 1)) - x * safe ** (beta - 1) / (beta - 1)
    power = (safe if beta < 1 else wh) ** (beta - 1)
    return np.sum(np.where(counts, stored, 0)) + np.sum(power * wh) / beta


def _penalties(l1, l2, beta, unit, dtype):
    """The penalties of rows whose x and z are divided by their units."""
    with np.errstate(over="ignore"):
        both = l1 * unit ** (1 - beta), l2 * unit ** (2 - beta)
    return tuple(np.minimum(penalty, np.finfo(dtype).max / 4).astype(dtype) for penalty in both)


def _denominator(den, z, l1, l2):
    """What divides num; the largest number where that is 0, so that z becomes 0."""
    den = den + l1 + l2 * z
    return den, np.where(den == 0, np.finfo(z.dtype).max, den)


def _update(x, f, z, beta, l1, l2, floor, max_sweeps, tol):
    """Multiplicative sweeps (Fevotte & Idier 2011, eq. 55); returns the rows still open."""
    gamma = 1 / (2 - beta) if beta < 1 else 1 / (beta - 1) if beta > 2 else 1
    open_ = np.ones(len(z), bool)
    for _ in range(max_sweeps):
        q, power = _quotients(x, z @ f.T, beta)
        den, divisor = _denominator(power @ f, z, l1, l2)
        moved = z * (q @ f / divisor) ** gamma
        moved[~(moved >= floor)] = 0
        step, size = np.sum(np.abs(moved - z) * den, axis=1), np.sum(moved * den, axis=1)
        z[open_] = moved[open_]
        open_ &= step > z.dtype.type(tol) * size
        if not open_.any():
            break
    return float(open_.sum())


def _measure(num, denominators, z, scale):
    """Residual and size: sum |g| times the step that balances num and den, and sum z num."""
    den, divisor = denominators
    g = den - num
    reach = np.where(g >= 0, z, z + scale.astype(z.dtype))
    residual = reach * g * (g / np.where(g >= 0, divisor, num))
    return np.sum(residual, dtype=np.float64), np.sum(z * num, dtype=np.float64)


@reads_floats
def multiplicative(
    *, x, f, beta, start, out, num, den, l1, l2, floor, scale, max_sweeps, tol,
    loss_at_start, measure_at_end, n_threads, units=None,
):  # fmt: skip
    """Multiplicative updates of every row, and the sums that the other factor's update needs.

    With `units`, powers of two, rows of x are divided by theirs, and so are those of start and out.
    """
    sums, powers = np.zeros_like(f), np.zeros_like(f)
    stats, total = np.zeros(5), np.zeros(f.shape[1])
    for rows, block in _blocks(x):
        z = start[rows].copy()
        block, unit = _scaled(block, units if beta != 2 else None, rows)
        l1_rows, l2_rows = _penalties(l1, l2, beta, unit, z.dtype)
        if loss_at_start:
            stats[0] += _divergence(block, z @ f.T, beta)
        stats[4] += _update(block, f, z, beta, l1_rows, l2_rows, floor, max_sweeps, tol)
        q, power = _quotients(block, z @ f.T, beta)
        sums += q.T @ z
        powers += power.T @ z
        if measure_at_end:
            stats[1] += _divergence(block, z @ f.T, beta)
            stats[2:4] += _measure(q @ f, _denominator(power @ f, z, l1_rows, l2_rows), z, scale)
        total += np.sum(z, axis=0, dtype=np.float64)
        out[rows] = z
    if num is not None:
        num[:] = sums
    if den is not None and beta not in (1, 2):
        den[:] = powers
    return Multiplied(total, *(float(s) for s in stats))


def _curvatures(x, wh, f, t):
    """N, M and rho of component t; see cpp/nmf/kl_row.hpp."""
    least = 1e-60 if wh.dtype == np.float64 else np.float32(1e-12)
    share = np.where(x != 0, f[:, t] / np.maximum(wh, least), 0)
    part = x * share
    return part.sum(axis=1), (part * share).sum(axis=1), share.max(axis=1, initial=0)


def _moved(n, m, rho, z, slope, l2):
    """The new z_t: up by Newton on 1 / R, down by the bound through rho, so never past the minimiser."""
    a = slope + l2 * z
    g = a - n
    up = g < 0
    top = np.where(up, -g * n, -g)
    bottom = np.where(up, a * m + l2 * n, m + rho * g + l2)
    cross = np.where(up, 4 * l2 * top * m, 4 * l2 * rho * top)
    if np.any(l2):
        bottom = (bottom + np.sqrt(bottom * bottom + cross)) / 2
    curved = np.maximum(z + np.divide(top, bottom, out=np.zeros_like(z), where=m > 0), 0)
    return np.where(m > 0, curved, np.where(g > 0, 0, z))


def _kl_measure(x, f, z, slope, l2):
    """Loss without sum wh, and sum |g d|, d Newton's step cut off at 0."""
    wh = z @ f.T
    residual = 0.0
    for t in range(f.shape[1]):
        n, m, _ = _curvatures(x, wh, f, t)
        g, h = slope[:, t] + l2 * z[:, t] - n, m + l2
        at = np.maximum(z[:, t] - np.divide(g, h, out=np.zeros_like(g), where=h > 0), 0)
        d = np.where(h > 0, at, np.where(g > 0, 0, z[:, t])) - z[:, t]
        residual -= np.sum(g * d, dtype=np.float64)
    return _divergence(x, wh, 1) - np.sum(wh, dtype=np.float64), residual


@reads_floats
def kl_coordinate(
    *, x, f, slope, start, out, l2, max_sweeps, shrink, tol, measure_start, measure_end, n_threads, units=None
):
    """Solve every row for the Kullback-Leibler loss by coordinate descent (cpp/nmf/kl_row.hpp).

    `slope` is that of all rows, of shape (k,), or of each, of shape (rows, k).
    With `units`, powers of two, rows of x are divided by theirs, and so are those of start and out.
    """
    stats, total = np.zeros(5), np.zeros(f.shape[1])
    dtype = f.dtype.type
    slope, shrink, tol = np.broadcast_to(slope.astype(dtype), start.shape), dtype(shrink), dtype(tol)
    for rows, x_dense in _blocks(x):
        z = start[rows].copy()
        x_dense, unit = _scaled(x_dense, units, rows)
        l2_rows = _penalties(0.0, l2, 1, unit, dtype)[1][:, 0]
        if measure_start:
            stats[[0, 2]] += _kl_measure(x_dense, f, z, slope[rows], l2_rows)
        stats[4] += _kl_sweeps(x_dense, f, z, slope[rows], l2_rows, max_sweeps, shrink, tol)
        if measure_end:
            stats[[1, 3]] += _kl_measure(x_dense, f, z, slope[rows], l2_rows)
        total += np.sum(z, axis=0, dtype=np.float64)
        out[rows] = z
    return Descended(total, *(float(s) for s in stats))


def _kl_sweeps(x, f, z, slope, l2, max_sweeps, shrink, tol):
    """Sweep until every row has ended; returns the rows still open."""
    open_ = np.ones(len(z), bool)
    wh, size = z @ f.T, x.sum(axis=1)
    for sweep in count():
        if sweep == max_sweeps or not open_.any():
            return float(open_.sum())
        step = np.zeros_like(size)
        for t in range(f.shape[1]):
            n, m, rho = _curvatures(x, wh, f, t)
            d = np.where(open_, _moved(n, m, rho, z[:, t], slope[:, t], l2) - z[:, t], 0)
            step += (m + l2) * d * d
            z[:, t] += d
            wh += np.outer(d, f[:, t])
        if sweep == 0:
            first = step
        open_ &= step > np.maximum(first * shrink**2, size * tol**2)
