"""Rows with unobserved entries, as the tests of their kernels take them."""

import numpy as np

# rows, columns, components: single ones; one past a group of rows (24), a block and a chunk (48);
# columns past a piece (1024); k below, at and above vector widths, and above both sides.
SHAPES = [
    (1, 1, 1), (1, 9, 3), (9, 1, 2), (25, 40, 5), (49, 33, 8), (97, 61, 17), (5, 1030, 16),
    (3, 2100, 33), (20, 6, 30),
]  # fmt: skip
METHODS = {
    "nonneg": {"nonneg": True},
    "nonneg, penalties": {"nonneg": True, "l1": 0.25, "l2": 0.5},
    "signed, l1": {"nonneg": False, "l1": 0.25},
    "signed, l2": {"nonneg": False, "l2": 0.5},
}


def data(rows, cols, k, dtype, missing=0.3, seed=0):
    """X with a row and a column of NaN, a signed F, a start."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, cols))
    x[rng.random(x.shape) < missing] = np.nan
    if rows > 2 and cols > 2:
        x[rows // 2], x[:, cols // 2] = np.nan, np.nan
    f, start = rng.standard_normal((cols, k)), np.abs(rng.standard_normal((rows, k)))
    return x.astype(dtype), f.astype(dtype), start.astype(dtype)
