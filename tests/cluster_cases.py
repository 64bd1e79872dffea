"""Rows as Dask collections, for the tests of clusters."""

import dask
import dask.array as da
import numpy as np
import scipy.sparse as sp


def parted(X, size):
    """Rows cut into parts of `size`."""
    return [X[a : a + size] for a in range(0, X.shape[0], size)]


def collection(parts):
    """A Dask array with a chunk for each part."""
    made = [da.from_delayed(dask.delayed(part), part.shape, meta=part[:0]) for part in parts]
    return da.concatenate(made)


def learned(model):
    """What a model learned, as arrays."""
    return {
        name: np.asarray(value) for name, value in vars(model).items()
        if name.endswith("_") and isinstance(value, np.ndarray | float | np.floating | int)
    }  # fmt: skip


def check_same(found, expected):
    """The same bits, by name."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def rows(n=600, cols=20, seed=0, *, dtype=np.float64, sparse=False):
    """Rows of three kinds."""
    rng = np.random.default_rng(seed)
    kinds = rng.random((3, cols)) * 4
    x = (kinds[rng.integers(3, size=n)] + rng.random((n, cols))).astype(dtype)
    return sp.csr_array(np.where(x > 2, x, 0)) if sparse else x
