"""The data of the calls, of several kinds, each always the same; a tuple as `fit` takes it."""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from bench import data

Data = tuple[Any, ...]


def factors(n: int, m: int, k: int, dtype: str) -> Data:
    """Gamma factors of rank k, times gamma noise of 30 %."""
    rng = np.random.default_rng(0)
    X = rng.gamma(0.5, size=(n, k)) @ rng.gamma(0.5, size=(k, m))
    X *= rng.gamma(1 / 0.3**2, 0.3**2, size=X.shape)
    return (X.astype(dtype),)


def planted(n: int, m: int, k: int, dtype: str) -> Data:
    """Sparse factors of twice the rank, with noise of a tenth."""
    return (data.planted(n, m, k).astype(dtype),)


def patches(n: int, dtype: str) -> Data:
    """16 x 16 patches of photographs."""
    return (data.patches()[:n].astype(dtype),)


@lru_cache(maxsize=1)
def details(n: int, dtype: str) -> Data:
    """8 x 8 patches of photographs without their means, scaled to a mean square of 1."""
    from gramfold.datasets import image_patches

    X = image_patches((8, 8), n_patches=n, center=True, dtype=np.float64, random_state=0)
    return ((X / X.std()).astype(dtype),)


def coded_details(n: int, k: int, dtype: str) -> Data:
    """Details, and some of them at length 1 as atoms."""
    (X,) = details(n, dtype)
    D = X[np.random.default_rng(0).choice(np.flatnonzero(np.abs(X).max(axis=1) > 1), k, replace=False)]
    return X, D / np.linalg.norm(D, axis=1, keepdims=True)


@lru_cache(maxsize=1)
def _text(n: int, m: int) -> sparse.csr_matrix:
    from gramfold.datasets import make_counts

    counts, _, _ = make_counts(n, m, 40, row_nnz=60, random_state=0)
    return sparse.csr_matrix(TfidfTransformer(sublinear_tf=True).fit_transform(counts))


def text(n: int, m: int, dtype: str) -> Data:
    """Documents of 60 different words that a Zipf law draws from topics, by tf-idf."""
    return (_text(n, m).astype(dtype),)


def sparse_noise(n: int, m: int, density: float, dtype: str) -> Data:
    """CSR without structure."""
    rng = np.random.default_rng(0)
    return (
        sparse.csr_matrix(sparse.random_array((n, m), density=density, format="csr", rng=rng, dtype=dtype)),
    )


def blobs(n: int, d: int, k: int, spread: float, dtype: str) -> Data:
    """Rows around k centres."""
    return (data.blobs(n, d, k, spread).astype(dtype, copy=False),)


def noise(n: int, d: int, dtype: str) -> Data:
    """Normal rows without structure."""
    return (np.random.default_rng(0).standard_normal((n, d)).astype(dtype),)


def decaying(n: int, m: int, dtype: str) -> Data:
    """30 directions above noise."""
    return (data.decaying(n, m, dtype),)


def counts(n: int, d: int, k: int, dtype: str) -> Data:
    """Counts of k components."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(2.0, 1.0, (k, d))
    return (rng.poisson(rates[rng.integers(k, size=n)]).astype(dtype),)


def corrupted(n: int, m: int, rank: int, dtype: str) -> Data:
    """Low rank, with one entry in twenty changed by 1 up or down."""
    from bench.rpca import planted as low_and_sparse

    return (low_and_sparse(n, m, rank)[0].astype(dtype),)


def regression(n: int, p: int, targets: int, density: float, dtype: str) -> Data:
    """X, CSR where it is not full, and targets that are half noise; one target is a vector."""
    rng = np.random.default_rng(0)
    if density < 1:
        X = sparse.csr_matrix(
            sparse.random_array((n, p), density=density, format="csr", rng=rng, dtype=dtype)
        )
    else:
        X = (rng.standard_normal((n, p), dtype=np.float32) + 1).astype(dtype)
    y = X @ rng.standard_normal((p, targets)).astype(dtype)
    y = (y + rng.standard_normal(y.shape) * y.std()).astype(dtype)
    return X, y.ravel() if targets == 1 else y
