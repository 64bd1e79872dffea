"""The quick check of what most people pass: an array of floats that needs no conversion.

What scikit-learn's checks would say of it is known from its shape and sum; all else, and all that is wrong,
goes to them, who find the words.
"""

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from .arguments import effective_threads
from .floats import plain

LARGE = 1 << 20  # entries that are worth more threads than one


def passes(X: Any, estimator: Any, checks: dict[str, Any]) -> bool:
    """Whether X satisfies `checks`, and is what `estimator` expects; one that learns from X does so.

    Parameters
    ----------
    X : object
    estimator : object or None
    checks : dict
        As for `read_rows`.
    """
    if not _is_as_asked(X, estimator, **checks) or ("y" in checks and not _are_targets(checks["y"], X)):
        return False
    if estimator is None:
        return True
    if hasattr(estimator, "feature_names_in_"):
        return False
    if checks.get("reset", True):
        estimator.n_features_in_ = X.shape[1]
        return True
    return bool(getattr(estimator, "n_features_in_", None) == X.shape[1])


def _is_as_asked(
    X: Any, estimator: Any, dtype: Any = None, order: str | None = None, ensure_2d: bool = True,
    reset: bool = True, accept_sparse: Any = False, ensure_all_finite: bool = True,
    ensure_min_samples: int = 1, ensure_min_features: int = 1, y: Any = None,
    multi_output: bool = False, y_numeric: bool = False, **more: Any,
) -> bool:  # fmt: skip
    """Whether an array satisfies these checks but that of y, and there are no `more`."""
    if more or type(X) is not np.ndarray or X.ndim != 2 or not plain(X):
        return False
    if X.dtype not in (dtype if isinstance(dtype, list) else [dtype]):
        return False
    if X.shape[0] < ensure_min_samples or X.shape[1] < max(1, ensure_min_features):
        return False
    if order == "C" and not X.flags.c_contiguous:
        return False
    return not ensure_all_finite or _is_finite(X, 1 if X.size < LARGE else _threads(estimator))


def _are_targets(y: Any, X: NDArray[Any]) -> bool:
    """Whether y has a number, or some, for each row of X."""
    if type(y) is not np.ndarray or y.ndim not in (1, 2) or len(y) != len(X) or not y.size:
        return False
    return plain(y) and _is_finite(y.reshape(len(y), -1), 1)


def _threads(estimator: Any) -> int:
    """As many as the estimator may have; a number that will be refused counts as none."""
    n_threads = getattr(estimator, "n_threads", None)
    return effective_threads(n_threads if type(n_threads) is int and n_threads > 0 else None)


def _is_finite(X: NDArray[Any], n_threads: int) -> bool:
    """Whether the sum is, and so all entries."""
    return isfinite(kernels.scan(x=X, n_threads=n_threads).sum)
