"""The arguments of `Ridge`, checked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fit.arguments import check_reporting, choice, effective_threads, flag, real, shown, whole
from ..fit.inputs import dimensions, read_array, read_numbers, read_rows, refuse_mask
from ..fit.row_weights import read_weights
from ..fold.segments import source_of
from ..fold.source import Source
from ..linalg.powers import times_power
from .units import Units

Double = NDArray[np.float64]

SAME = {"lsqr": "cg", "sparse_cg": "cg", "lbfgs": "cd", "sag": "auto", "saga": "auto"}
SOLVERS = ("auto", "cholesky", "svd", "dual", "cg", "gd", "sgd", "admm", "cd", *SAME)
LARGEST = 1e304  # of alpha in the units of X'X: sums with it stay in range
POSITIVE = ("auto", "cd", "lbfgs", "admm")


@dataclass(frozen=True, slots=True)
class Data:
    """Checked data: y (n_samples, n_targets) and weights in their units, and whether y had one dimension."""

    x: Source
    y: Double
    weights: Double | None
    single: bool
    centered: bool
    units: Units

    @property
    def weight(self) -> float:
        """The sum of the weights."""
        return float(self.x.rows if self.weights is None else self.weights.sum())


def check_parameters(model: Any) -> None:
    """Check what does not depend on the data."""
    choice(model.solver, "solver", SOLVERS)
    for name in ("fit_intercept", "copy_X", "positive"):
        flag(getattr(model, name), name)
    if model.max_iter is not None:
        whole(model.max_iter, "max_iter")
    real(model.tol, "tol")
    for name in ("step", "rho"):
        if getattr(model, name) is not None and real(getattr(model, name), name) == 0:
            raise ValueError(f"{name} must be above 0")
    solver = SAME.get(model.solver, model.solver)
    if model.positive and model.solver not in POSITIVE:
        raise ValueError(
            f"solver={model.solver!r} does not support positive fitting: positive=True needs solver 'auto', "
            "'cd' or 'admm'"
        )
    if solver == "cd" and not model.positive:
        raise ValueError(f"solver={model.solver!r} needs positive=True")
    for name, users in (("step", ("gd", "sgd")), ("rho", ("admm",))):
        if getattr(model, name) is not None and solver not in users:
            raise ValueError(f"{name} is for solver {' or '.join(map(repr, users))}, not {model.solver!r}")
    check_reporting(model)


def read(model: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool, units: Units | None = None) -> Data:
    """Check the data; that X is finite is seen from its moments, or by `x.check_finite`."""
    try:
        X, y = read_rows(
            X, model, y=refuse_mask(y, "y"), multi_output=True, y_numeric=True, ensure_all_finite=False,
            reset=reset, segments=True,
        )  # fmt: skip
        single = y.ndim == 1
        y = y.reshape(len(y), -1).astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise _of_targets(error, y) from None
    weights = read_weights(sample_weight, X)
    x = source_of(X, effective_threads(model.n_threads))
    units = units or Units.of(x, y, weights)
    y, weights = times_power(y, -units.y), times_power(weights, -units.weight)
    return Data(x, y, weights, single, bool(model.fit_intercept), units)


def _of_targets(error: Exception, y: Any) -> Exception:
    """Give an error that names y, if y is what is at fault."""
    if sp.issparse(y):
        return TypeError(f"y must be a dense array, got sparse data of shape {y.shape}")
    if y is not None and (isinstance(y, str | bytes | dict) or not hasattr(y, "__len__")):
        return TypeError(f"y must be an array with as many rows as X, got {shown(y)}: {error}")
    if isinstance(y, np.ndarray | list | tuple):
        read_array(y, "y", dtype=np.float64, ensure_2d=False)
    if "inconsistent numbers of samples" in str(error):
        return ValueError(f"{error}: y must have as many rows as X")
    return error


def penalties(alpha: Any, n_targets: int, units: Units) -> Double:
    """Give one penalty per target, in the unit of X'X."""
    values = read_numbers(alpha, "alpha") if dimensions(alpha, "alpha") else np.array(real(alpha, "alpha"))
    if values.ndim == 1 and values.size not in (1, n_targets):
        raise ValueError(
            f"Number of targets and number of penalties do not correspond: {values.size} != {n_targets}, got "
            f"alpha={shown(alpha)}"
        )
    if values.ndim > 1:
        raise ValueError(f"alpha must be a number or {n_targets} numbers, one per target; got {shown(alpha)}")
    if not np.all(np.isfinite(values) & (values >= 0)):
        raise ValueError(f"alpha must be finite and at least 0, got {shown(alpha)}")
    with np.errstate(over="ignore"):
        scaled = np.ldexp(values, -units.curvature)
    if scaled.max() > LARGEST:
        raise ValueError(
            f"alpha={shown(alpha)} is too large beside the squares of X; scale X, or sample_weight, up, or "
            "alpha down"
        )
    return np.full(n_targets, scaled) if values.size == 1 else scaled
