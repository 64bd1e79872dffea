"""The arguments of `Ridge`, checked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from ..fit.arguments import check_reporting, choice, effective_threads, flag, real, whole
from ..fit.inputs import read_rows, refuse_mask
from ..fold.source import Array, Source

Double = NDArray[np.float64]

SOLVERS = ("auto", "cholesky", "svd", "dual", "cg", "gd", "sgd", "admm", "cd", "lsqr", "sparse_cg", "lbfgs")
SAME = {"lsqr": "cg", "sparse_cg": "cg", "lbfgs": "cd"}

SAMPLE = 4096
# Numbers up to 2^ORDINARY and their inverses have squares and sums of these in the range of float32.
ORDINARY = 40


@dataclass(frozen=True, slots=True)
class Units:
    """Powers of two that X, y and the weights are measured in, 0 for ordinary ones.

    Solvers see data of about size 1 whatever the scale of X, so that no square leaves the range of a dtype,
    and what they find is brought back by exponents: a scaled problem has the scaled solution, bit for bit.
    """

    x: int = 0
    y: int = 0
    weight: int = 0

    @property
    def scale(self) -> float:
        """What X is multiplied by."""
        return 2.0**-self.x

    @property
    def curvature(self) -> int:
        """The unit of X'X and of alpha."""
        return self.weight + 2 * self.x

    def coefs(self, B: Double) -> Double:
        """Coefficients as they are for X and y themselves."""
        return np.ldexp(B, self.y - self.x)

    def objective(self, value: Any) -> Any:
        """An objective, or a gap, as it is for X, y and the weights themselves."""
        with np.errstate(over="ignore"):
            return np.ldexp(value, self.weight + 2 * self.y)


@dataclass(frozen=True, slots=True)
class Data:
    """Checked data: y (n_samples, n_targets) and weights in their units, and whether y had one dimension."""

    x: Source
    y: Double
    weights: Double | None
    single: bool
    centered: bool
    units: Units = Units()

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
    if model.positive and solver not in ("auto", "cd", "admm"):
        raise ValueError(f"positive=True needs solver 'auto', 'cd' or 'admm', got {model.solver!r}")
    if solver == "cd" and not model.positive:
        raise ValueError(f"solver={model.solver!r} needs positive=True")
    for name, users in (("step", ("gd", "sgd")), ("rho", ("admm",))):
        if getattr(model, name) is not None and solver not in users:
            raise ValueError(f"{name} is for solver {' or '.join(map(repr, users))}, not {model.solver!r}")
    check_reporting(model)


def read(model: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool, units: Units | None = None) -> Data:
    """Check the data; that X is finite is seen from its moments, or by `finite`."""
    X, y = read_rows(
        X, model, y=refuse_mask(y, "y"), multi_output=True, y_numeric=True, ensure_all_finite=False,
        reset=reset,
    )  # fmt: skip
    single = y.ndim == 1
    y = y.reshape(len(y), -1).astype(np.float64, copy=False)
    weights = None
    if sample_weight is not None:
        weights = _check_sample_weight(refuse_mask(sample_weight, "sample_weight"), X, dtype=np.float64)
        if weights.min() < 0 or not weights.max() > 0:
            raise ValueError("sample_weight must be at least 0, with a positive sum")
    x = Source(X, effective_threads(model.n_threads))
    if units is None:
        units = Units(_exponent(x), _order(y), 0 if weights is None else _order(weights))
    y = y if units.y == 0 else np.ldexp(y, -units.y)
    if weights is not None:
        weights = np.ldexp(weights, -units.weight)
    return Data(x, y, weights, single, bool(model.fit_intercept), units)


def _exponent(x: Source) -> int:
    """The order of X, guessed from a few entries unless these are not ordinary."""
    few = x.values[:: max(1, x.rows // 64)] if not x.sparse else x.values
    few = few[:, :: max(1, few.shape[1] // SAMPLE)]
    top = float(np.abs(few, dtype=np.float64).max(initial=0))
    if top == 0 or _exponent_of(top):
        top = x.largest
    most = 100 if x.dtype == np.float32 else 1000
    return int(np.clip(_exponent_of(top), -most, most))


def _order(values: Array) -> int:
    return _exponent_of(max(float(values.max(initial=0)), -float(values.min(initial=0))))


def _exponent_of(top: float) -> int:
    exponent = int(np.frexp(top)[1]) // 2 * 2 if np.isfinite(top) else 0  # even: its root is one of two, too
    return exponent if abs(exponent) > ORDINARY else 0


def penalties(alpha: Any, n_targets: int, units: Units) -> Double:
    """Give one penalty per target, in the unit of X'X."""
    values = np.asarray(alpha, np.float64) if np.ndim(alpha) else np.array(real(alpha, "alpha"))
    if values.ndim > 1 or values.size not in (1, n_targets):
        raise ValueError(f"alpha must be a number or {n_targets} numbers, one per target; got {alpha!r}")
    if not np.all(np.isfinite(values) & (values >= 0)):
        raise ValueError(f"alpha must be finite and at least 0, got {alpha!r}")
    with np.errstate(over="ignore"):
        scaled = np.ldexp(values, -units.curvature)
    if not np.isfinite(scaled).all():
        raise ValueError(f"alpha={alpha!r} is too large beside the squares of X; scale X up, or alpha down")
    return np.full(n_targets, scaled) if values.size == 1 else scaled


def finite(x: Source) -> None:
    """Refuse NaN and infinity."""
    x.check_finite()
