"""Matrices that the tests of PCA share."""

import numpy as np
import scipy.sparse as sp

FORMS = {"dense": np.asarray, "csr": sp.csr_array}


def data(n, m, seed=0, dtype=np.float64):
    """Correlated columns, far from the origin."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, m)) * np.linspace(3, 1, m) @ rng.standard_normal((m, m)) + 5
    return X.astype(dtype)


def graded(n, m, decades, k=None, dtype=np.float64):
    """Of rank k, singular values from 1 down by so many decades."""
    rng, k = np.random.default_rng(0), min(n, m) if k is None else k
    U, V = (np.linalg.qr(rng.standard_normal((size, k)))[0] for size in (n, m))
    return ((U * np.logspace(0, -decades, k)) @ V.T).astype(dtype)
