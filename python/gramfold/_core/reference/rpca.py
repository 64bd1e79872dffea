"""The NumPy twins of the kernels of robust PCA, with the same signatures; formulas in cpp/rpca/shrink.hpp."""

from typing import Any, NamedTuple

import numpy as np

from ..floats import reads_floats
from ..results import ShrinkSums


class _Rule(NamedTuple):
    """What holds for a whole pass, as numbers of the data's type."""

    by_row: bool
    lam: Any
    mu_old: Any
    mu: Any
    mu_next: Any
    damping_old: Any
    damping: Any
    relax: Any

    def limit(self, weights):
        return self.lam if weights is None or self.by_row else weights


def _rule(dtype, by_row, *numbers):
    return _Rule(by_row, *(dtype.type(number) for number in numbers))


def _clip(z, damping, lam, by_row):
    """Dampen z, then bring its entries to at most lam, or its rows to norm lam."""
    if not by_row:
        return np.clip(damping * z, -lam, lam)
    norms = np.sqrt(np.sum(z * z, axis=1, keepdims=True))
    with np.errstate(divide="ignore"):
        return z * np.minimum(damping, np.where(norms > 0, lam / norms, np.inf))


def _size(a, lam, by_row):
    return float(np.sum(lam * (np.sqrt(np.sum(a * a, axis=1)) if by_row else np.abs(a)), dtype=np.float64))


@reads_floats
def shrink(
    *, x, weights, z, v, f, left, lam, mu_old, mu, mu_next, damping_old, damping, relax, by_row, dual, gram,
    q, products, image, n_threads,
):  # fmt: skip
    """Threshold, shrink, and what the next threshold needs; see cpp/rpca/pass.hpp."""
    rule = _rule(z.dtype, by_row, lam, mu_old, mu, mu_next, damping_old, damping, relax)
    w, sums = _decode(x, weights, z, rule, dual), ShrinkSums(*(0.0,) * 9)
    if v is not None:
        scaled = left if f is None else (w @ v) * f.astype(z.dtype)
        w, sums = _advance(x, weights, z, scaled @ v.T, rule)
        if left is not None:
            left[:] = scaled
    p = w if q is None else w @ q
    if gram is not None:
        p64 = p.astype(np.float64)
        gram[:] = p64.T @ p64
    if q is not None and products is not None:
        products[:] = p
    if image is not None:
        image[:] = (products if q is None else p).T @ w
    return sums


@reads_floats
def shrink_sparse(
    *,
    x,
    weights,
    z,
    left,
    right,
    lam,
    mu_old,
    mu,
    mu_next,
    damping_old,
    damping,
    relax,
    by_row,
    out,
    n_threads,
):
    """Shrink for given factors; NaN stands for what is not stored. Overwrites z, and out with W - L."""
    data, indices, indptr, cols = x
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    shape = len(indptr) - 1, cols

    def dense(values, fill=np.nan):
        whole = np.full(shape, fill, data.dtype)
        whole[rows, indices] = values
        return whole

    whole, low = dense(z, 0), dense((left @ right.T)[rows, indices], 0)
    limits = None if weights is None else dense(weights, 1)
    rule = _rule(z.dtype, by_row, lam, mu_old, mu, mu_next, damping_old, damping, relax)
    w, sums = _advance(dense(data), limits, whole, low, rule)
    z[:], out[:] = whole[rows, indices], (w - low)[rows, indices]
    return sums


def _decode(x, weights, z, rule, dual):
    """The input of the threshold, or y."""
    seen = ~np.isnan(x)
    y = _clip(np.where(seen, z, 0), rule.damping_old, rule.limit(weights), rule.by_row)
    t = (z - y) / rule.mu_old
    return y if dual else np.where(seen, np.where(seen, x, 0) - t + y / rule.mu, z)


def _advance(x, weights, z, low, rule):
    """Overwrite z; the next input and the sums."""
    limit, by_row = rule.limit(weights), rule.by_row
    seen = ~np.isnan(x)
    x0, z0 = np.where(seen, x, 0), np.where(seen, z, 0)
    y = _clip(z0, rule.damping_old, limit, by_row)
    t = (z0 - y) / rule.mu_old
    r = np.where(seen, x0 - low, 0)
    moved = np.where(seen, y + rule.mu * (rule.relax * r + (1 - rule.relax) * t), 0)
    y = _clip(moved, rule.damping, limit, by_row)
    t_next = (moved - y) / rule.mu
    s = np.where(y == rule.damping * moved, 0, (moved - y / rule.damping) / rule.mu)
    free = rule.relax * low + (1 - rule.relax) * z
    step = np.where(seen, t_next - t, free - z)
    noise = r - s

    def norm2(a):
        return float(np.sum(a * a, dtype=np.float64))

    sums = ShrinkSums(
        misfit=_size(r, limit, by_row),
        dot=float(np.sum(y * x0, dtype=np.float64)),
        multipliers=norm2(y),
        moved=norm2(step),
        unmet=norm2(r - t_next),
        noise=norm2(noise),
        outlying=_size(s, limit, by_row),
        unexplained=_size(noise, limit, by_row),
        outliers=float(np.count_nonzero(s)),
    )
    z[:] = np.where(seen, moved, free)
    return np.where(seen, x0 - t_next + y / rule.mu_next, free), sums
