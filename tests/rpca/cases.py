"""Planted low-rank matrices with outliers, for the tests of robust PCA."""

import numpy as np
import scipy.sparse as sp


def planted(m, n, rank, share, *, seed=0, observed=1.0, noise=0.0):
    """Candes et al. 2011, section 4: L0 = XY' with entries N(0, 1/n), S0 of signs on a uniform support."""
    rng = np.random.default_rng(seed)
    L = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n)) / max(m, n)
    S = np.zeros((m, n))
    S.flat[rng.choice(m * n, int(share * m * n), replace=False)] = 1
    S *= rng.choice([-1, 1], (m, n))
    seen = rng.random((m, n)) < observed
    X = np.where(seen, L + S + noise * rng.standard_normal((m, n)), np.nan)
    return X, L, np.where(seen, S, 0)


def error(model, L):
    return np.linalg.norm(model.complete() - L) / np.linalg.norm(L)


def dense(a):
    return a.toarray() if sp.issparse(a) else a
