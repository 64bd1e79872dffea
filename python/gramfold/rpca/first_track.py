"""The subspace that the first rows of a stream have."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .estimator import RobustPCA
from .low_rank import LowRank
from .track import Track

Array = NDArray[Any]

TOL = 1e-4


def first_track(x: Array, n_components: int, n_threads: int) -> Track:
    """Follow what `RobustPCA` finds in x; directions that it does not have are left for later rows."""
    k = min(n_components, x.shape[1])
    if not np.any(x[~np.isnan(x)]):
        return Track.of(np.zeros((x.shape[1], 0), x.dtype), np.zeros(0), k)
    if len(x) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a start need neither be exact nor know every column
            fit = RobustPCA(max_rank=k, tol=TOL, max_iter=200, n_threads=n_threads).fit(x)
        if fit.rank_:
            return Track.of(fit.low_rank_.V, fit.low_rank_.s, k)
    # So few rows cannot tell: they are taken as they are.
    low = LowRank.of(np.eye(len(x), dtype=x.dtype), np.nan_to_num(x, nan=0.0).T)
    return Track.of(low.V[:, :k], low.s[:k], k)
