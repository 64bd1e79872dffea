"""Matrices and fits that the tests of NMF share."""

import numpy as np
import scipy.sparse as sp
from sklearn import decomposition

import gramfold as gf
from gramfold.datasets import make_nmf

SHAPES = {"tall": (90, 20), "wide": (20, 90), "square": (40, 40)}
FORMATS = {"dense": np.asarray, "fortran": np.asfortranarray, "csr": sp.csr_array, "csc": sp.csc_matrix}
PENALTIES = [
    {}, {"alpha_W": 0.01}, {"alpha_W": 0.02, "alpha_H": 0.0, "l1_ratio": 1.0},
    {"alpha_W": 0.0, "alpha_H": 0.03, "l1_ratio": 0.5}, {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3},
]  # fmt: skip
BOTH_OR_NONE = [p for p in PENALTIES if 0.0 not in p.values()]
PARITY = {"max_sweeps": 1, "extrapolate": False}


def random_x(shape, density=0.5, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.random(shape) * (rng.random(shape) < density)).astype(dtype)


def random_start(shape, k, seed=1, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.random((shape[0], k)).astype(dtype), rng.random((k, shape[1])).astype(dtype)


def planted(shape, k=4):
    return make_nmf(*shape, k, density=0.5, noise=0.1, random_state=0)[0]


def signed_x(shape, nonneg, k=3):
    """Noisy product of two factors, one of them signed, so that a well-conditioned best pair exists."""
    rng = np.random.default_rng(0)
    W, H = rng.standard_normal((shape[0], k)), rng.standard_normal((k, shape[1]))
    W, H = abs(W) if nonneg[0] else W, abs(H) if nonneg[1] else H
    return W @ H + 0.1 * rng.standard_normal(shape)


def last_iterates(X, W, H, k, **options):
    """W, H, n_iter of the last iteration, before W is solved once more."""
    best = gf.NMF(k, **options)._factorise(X, W, H, None, None)[2]
    return best.W, best.H.T, best.n_iter


def both(X, k, **options):
    """W, H, n_iter of gramfold in parity mode and of scikit-learn, from the same start.

    The start has the size of X: a large one falls onto parallel components, a saddle that rounding leaves.
    """
    size = np.sqrt(X.mean() / k)
    W, H = (size * factor for factor in random_start(X.shape, k))
    options = {"init": "custom", "solver": "cd", "random_state": 3, **options}
    mine = last_iterates(X, W, H, k, **PARITY, **options)
    theirs = decomposition.non_negative_factorization(X, W=W.copy(), H=H.copy(), n_components=k, **options)
    return mine, theirs


def fit(X, k, **options):
    """A fit to convergence, and its W."""
    options = {"tol": 1e-7, "max_iter": 5000, "random_state": 0, **options}
    model = gf.NMF(k, **options)
    return model, model.fit_transform(X)


def csr(x, index):
    """As the kernels take it."""
    s = sp.csr_array(x)
    return s.data, s.indices.astype(index), s.indptr.astype(index), x.shape[1]


def make(rows, cols, k, dtype, *, positive=False, density=0.4, seed=0):
    """X >= 0, with a row and a column of zeros unless positive; a shared factor with zeros; a start."""
    rng = np.random.default_rng(seed)
    x = rng.gamma(1.0, 2.0, (rows, cols)) * (rng.random((rows, cols)) < density)
    if rows > 2 and cols > 2:
        x[rows // 2], x[:, cols // 2] = 0, 0
    x = x + 0.1 if positive else x
    f = rng.random((cols, k)) * (rng.random((cols, k)) < 0.8) + 1e-3 * (np.arange(k) == 0)
    return x.astype(dtype), f.astype(dtype), (0.1 + rng.random((rows, k))).astype(dtype)


def stored(x, *, index=np.int32, shuffled=True, seed=0):
    """The observed entries of x as CSR, zeros among them, by default in no order."""
    rows, cols = np.nonzero(~np.isnan(x))
    if shuffled:
        order = np.random.default_rng(seed).permutation(len(rows))
        order = order[np.argsort(rows[order], kind="stable")]
        rows, cols = rows[order], cols[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(x)))])
    return sp.csr_array((x[rows, cols], cols.astype(index), starts.astype(index)), x.shape)


def ratings(n=60, m=45, dtype=np.float64, seed=0):
    """Non-negative X, half of it NaN and some of it 0, with a row and a column of NaN."""
    rng = np.random.default_rng(seed)
    x = rng.gamma(1.0, size=(n, 3)) @ rng.gamma(1.0, size=(3, m)) + 0.1 * rng.random((n, m))
    x[rng.random(x.shape) < 0.1] = 0
    x[rng.random(x.shape) < 0.5] = np.nan
    x[4], x[:, 7] = np.nan, np.nan
    return x.astype(dtype)
