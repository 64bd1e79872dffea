"""The NumPy twin of the kernel of PCA, with the same signature."""

import numpy as np

from ..floats import reads_floats


@reads_floats
def centred(*, x, shift, weights, scale, by_row, q, gram, products, image, total, n_threads):
    """Sums over the rows y = weight scale (x - shift), or x less its own mean; with a total gives squares."""
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
    if total is None:
        return 0.0
    total[:] = np.sum(w**2 * off, axis=0)
    return float(np.sum(np.square(y, dtype=np.float64)))
