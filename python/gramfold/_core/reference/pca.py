"""The NumPy twins of the kernels of PCA and robust PCA, with the same signatures."""

import numpy as np

from ..floats import reads_floats


def _clip(z, scale, lam, by_row):
    """Scale z, then bring its entries to at most lam, or its rows to norm lam."""
    if not by_row:
        return np.clip(scale * z, -lam, lam)
    norms = np.sqrt(np.sum(z * z, axis=1, keepdims=True))
    with np.errstate(divide="ignore"):
        return z * np.minimum(scale, np.where(norms > 0, lam / norms, np.inf))


def _size(a, lam, by_row):
    return float(np.sum(lam * (np.sqrt(np.sum(a * a, axis=1)) if by_row else np.abs(a)), dtype=np.float64))


@reads_floats
def shrink(*, x, weights, z, v, f, left, numbers, by_row, dual, gram, q, products, image, n_threads):
    """Threshold, shrink, and what the next threshold needs; formulas in cpp/rpca."""
    w, sums = _open(x, weights, z, numbers, by_row, dual), (0.0,) * 9
    if v is not None:
        scaled = left if f is None else (w @ v) * f.astype(z.dtype)
        w, sums = _advance(x, weights, z, scaled @ v.T, numbers, by_row)
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
def shrink_sparse(*, x, weights, z, left, right, numbers, by_row, out, n_threads):
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
    w, sums = _advance(dense(data), limits, whole, low, numbers, by_row)
    z[:], out[:] = whole[rows, indices], (w - low)[rows, indices]
    return sums


def _open(x, weights, z, numbers, by_row, dual):
    """The input of the threshold, or y."""
    lam, mu_old, mu, _, c_old, _, _ = (z.dtype.type(number) for number in numbers)
    seen = ~np.isnan(x)
    y = _clip(np.where(seen, z, 0), c_old, lam if weights is None else weights, by_row)
    return y if dual else np.where(seen, np.where(seen, x, 0) - (z - y) / mu_old + y / mu, z)


def _advance(x, weights, z, low, numbers, by_row):
    """Overwrite z; the next input and the sums."""
    lam, mu_old, mu, mu_next, c_old, c, relax = (z.dtype.type(number) for number in numbers)
    limit = lam if weights is None or by_row else weights
    seen = ~np.isnan(x)
    x0, z0 = np.where(seen, x, 0), np.where(seen, z, 0)
    y = _clip(z0, c_old, limit, by_row)
    t = (z0 - y) / mu_old
    r = np.where(seen, x0 - low, 0)
    moved = np.where(seen, y + mu * (relax * r + (1 - relax) * t), 0)
    y = _clip(moved, c, limit, by_row)
    t_next, s = (moved - y) / mu, np.where(y == c * moved, 0, (moved - y / c) / mu)
    free = relax * low + (1 - relax) * z
    step = np.where(seen, t_next - t, free - z)
    noise = r - s

    def norm2(a):
        return float(np.sum(a * a, dtype=np.float64))

    sums = (
        _size(r, limit, by_row), float(np.sum(y * x0, dtype=np.float64)), norm2(y), norm2(step),
        norm2(r - t_next), norm2(noise), _size(s, limit, by_row), _size(noise, limit, by_row),
        float(np.count_nonzero(s)),
    )  # fmt: skip
    z[:] = np.where(seen, moved, free)
    return np.where(seen, x0 - t_next + y / mu_next, free), sums


@reads_floats
def centred(*, x, shift, weights, scale, by_row, q, gram, products, image, total, n_threads):
    """Sums over the rows y = weight scale (x - shift), or x less its own mean; returns their squares."""
    wide = x.astype(np.float64)
    s = np.ones(x.shape[1]) if scale is None else scale
    own = (wide @ s**2 / np.sum(s**2))[:, None]
    off = wide - (own if by_row else 0.0 if shift is None else shift)
    w = np.ones((len(x), 1)) if weights is None else weights[:, None]
    y = (w * s * off).astype(x.dtype)
    p = y if q is None else y @ q
    if gram is not None:
        gram[:] = p.T.astype(np.float64) @ p
    if products is not None:
        products[:] = p
    if image is not None:
        image[:] = p.T @ y
    if total is not None:
        total[:] = np.sum(w**2 * off, axis=0)
    return float(np.sum(np.square(y, dtype=np.float64)))
