"""The arguments of `Ridge`, checked."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from ._arguments import choice, effective_threads, flag, real, whole
from .fold import Array, Source
from .inputs import read_rows, refuse_mask
from .ridge_moments import Double, Moments, moments

SOLVERS = ("auto", "cholesky", "svd", "dual", "cg", "gd", "sgd", "admm", "cd", "lsqr", "sparse_cg", "lbfgs")
SAME = {"lsqr": "cg", "sparse_cg": "cg", "lbfgs": "cd"}


@dataclass(frozen=True, slots=True)
class Data:
    """Checked data: y (n_samples, n_targets), and whether it came with one dimension."""

    x: Source
    y: Array
    weights: Array | None
    single: bool
    centered: bool

    def moments(self) -> Moments:
        """Second moments, in one fold."""
        return moments(self.x, self.y, self.weights, self.centered)


def check_parameters(model: Any) -> None:
    """Check what does not depend on the data."""
    choice(model.solver, "solver", SOLVERS)
    for name in ("fit_intercept", "copy_X", "positive"):
        flag(getattr(model, name), name)
    if model.max_iter is not None:
        whole(model.max_iter, "max_iter")
    real(model.tol, "tol")
    for name in ("step", "rho", "max_time"):
        if getattr(model, name) is not None and real(getattr(model, name), name) == 0:
            raise ValueError(f"{name} must be above 0")
    solver = SAME.get(model.solver, model.solver)
    if model.positive and solver not in ("auto", "cd", "admm"):
        raise ValueError(f"positive=True needs solver 'auto', 'cd' or 'admm', got {model.solver!r}")
    if solver == "cd" and not model.positive:
        raise ValueError(f"solver={model.solver!r} needs positive=True")
    for name, users in (("step", ("gd", "sgd")), ("rho", ("admm",))):
        if getattr(model, name) is not None and solver not in users:
            raise ValueError(f"{name} is for solver {' or '.join(map(repr, users))}, not {model.solver!r}")
    if not isinstance(model.verbose, (bool, Integral)) or model.verbose < 0:
        raise ValueError(f"verbose must be a whole number of at least 0, got {model.verbose!r}")
    if model.callback is not None and not callable(model.callback):
        raise ValueError(f"callback must be callable, got {model.callback!r}")


def read(model: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Data:
    """Check the data; that X is finite is seen from its moments, or by `finite`."""
    X, y = read_rows(
        X, model, y=refuse_mask(y, "y"), multi_output=True, y_numeric=True, ensure_all_finite=False,
        reset=reset,
    )  # fmt: skip
    single = y.ndim == 1
    y = y.reshape(len(y), -1).astype(X.dtype, copy=False)
    weights = None
    if sample_weight is not None:
        weights = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        if weights.min() < 0 or not weights.sum() > 0:
            raise ValueError("sample_weight must be at least 0, with a positive sum")
        weights = np.ascontiguousarray(weights)
    return Data(Source(X, effective_threads(model.n_threads)), y, weights, single, bool(model.fit_intercept))


def penalties(alpha: Any, n_targets: int) -> Double:
    """Give one penalty per target."""
    values = np.asarray(alpha, np.float64) if np.ndim(alpha) else np.array(real(alpha, "alpha"))
    if values.ndim > 1 or values.size not in (1, n_targets):
        raise ValueError(f"alpha must be a number or {n_targets} numbers, one per target; got {alpha!r}")
    if not np.all(np.isfinite(values) & (values >= 0)):
        raise ValueError(f"alpha must be finite and at least 0, got {alpha!r}")
    return np.full(n_targets, values) if values.size == 1 else values


def finite(x: Source) -> None:
    """Refuse NaN and infinity, and squares that overflow."""
    x.check_finite()
    if not np.isfinite(x.squared_norm):
        raise ValueError(f"X is too large for {x.dtype}: the sum of its squares overflows")
