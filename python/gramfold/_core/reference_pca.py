"""The NumPy twins of the kernels of PCA and robust PCA, with the same signatures."""

import numpy as np


def _clip(z, scale, lam, by_row):
    """Scale z, then bring its entries to at most lam, or its rows to norm lam."""
    if not by_row:
        return np.clip(scale * z, -lam, lam)
    norms = np.sqrt(np.sum(z * z, axis=1, keepdims=True))
    with np.errstate(divide="ignore"):
        return z * np.minimum(scale, np.where(norms > 0, lam / norms, np.inf))


def _size(a, lam, by_row):
    return np.sum(lam * (np.sqrt(np.sum(a * a, axis=1)) if by_row else np.abs(a)), dtype=np.float64)


def shrink(x, weights, z, v, f, numbers, by_row, dual, gram, n_threads):
    """Threshold, shrink, and the Gram of the next input; formulas in cpp/rows/shrink.hpp, cpp/rpca.hpp."""
    lam, mu_old, mu, mu_next, c_old, c, relax = (z.dtype.type(number) for number in numbers)
    limit = lam if weights is None or by_row else weights
    seen = ~np.isnan(x)
    x0, z0 = np.where(seen, x, 0), np.where(seen, z, 0)
    y = _clip(z0, c_old, limit, by_row)
    t = (z0 - y) / mu_old
    w = y if dual else np.where(seen, x0 - t + y / mu, z)
    sums = [0.0] * 9
    if v is not None:
        low = ((w @ v) * f.astype(z.dtype)) @ v.T
        r = np.where(seen, x0 - low, 0)
        moved = np.where(seen, y + mu * (relax * r + (1 - relax) * t), 0)
        y = _clip(moved, c, limit, by_row)
        t_next, s = (moved - y) / mu, np.where(y == c * moved, 0, (moved - y / c) / mu)
        free = relax * low + (1 - relax) * z
        step = np.where(seen, t_next - t, free - z)
        noise = r - s
        sums = [
            _size(r, limit, by_row), np.sum(y * x0, dtype=np.float64), np.sum(y * y, dtype=np.float64),
            np.sum(step * step, dtype=np.float64), np.sum((r - t_next) ** 2, dtype=np.float64),
            np.sum(noise**2, dtype=np.float64), _size(s, limit, by_row), _size(noise, limit, by_row),
            float(np.count_nonzero(s)),
        ]  # fmt: skip
        z[:] = np.where(seen, moved, free)
        w = np.where(seen, x0 - t_next + y / mu_next, free)
    if gram is not None:
        w64 = w.astype(np.float64)
        gram[:] = w64.T @ w64
    return tuple(float(value) for value in sums)
