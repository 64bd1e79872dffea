"""Leading singular vectors of what is known by its products."""

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

Array = NDArray[Any]


def leading(X: Any, k: int, rng: np.random.RandomState) -> tuple[Array, Array, Array]:
    """The truncated SVD U, s, V of scikit-learn (Halko et al. 2011), whatever X is.

    Parameters
    ----------
    X : ndarray, sparse matrix, or what has `shape`, `dtype`, `T` and `@`, of shape (rows, cols)
    k : int
    rng : RandomState

    Returns
    -------
    ndarrays of shape (rows, k), (k,) and (k, cols)
        The largest entry of each left vector is positive.
    """
    whole = getattr(X, "whole", X)
    if isinstance(whole, np.ndarray) or sp.issparse(whole):
        return randomized_svd(whole, k, random_state=rng)
    wide = X.shape[0] < X.shape[1]
    tall = X.T if wide else X
    q = rng.normal(size=(tall.shape[1], k + 10)).astype(X.dtype)
    for _ in range(7 if k < 0.1 * min(X.shape) else 4):
        q = scipy.linalg.lu(tall @ q, permute_l=True)[0]
        q = scipy.linalg.lu(tall.T @ q, permute_l=True)[0]
    q = scipy.linalg.qr(tall @ q, mode="economic")[0]
    u, s, v = scipy.linalg.svd((tall.T @ q).T, full_matrices=False)
    left, right = (v.T, (q @ u).T) if wide else (q @ u, v)
    left, right = left[:, :k], right[:k]
    signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(k)])
    return left * signs, s[:k], right * signs[:, None]
