"""report.json: what was fitted, how far it got, and what it took."""

import hashlib
import json
import math
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np

from ..fit.config import show_config
from ..fit.fingerprint import data_marks, parameter_marks
from .families import Family
from .inputs import Input

LIMITS = ("max_iter", "max_time", "n_threads")  # what a fit that goes on may have otherwise


def parameters_digest(model: Any) -> str:
    """What the parameters are known by, but the limits."""
    return _digest({name: mark for name, mark in parameter_marks(model).items() if name != "max_iter"})


def data_digest(given: Input, y: Any) -> str:
    """What the data are known by."""
    return _digest(data_marks({"X": given.X, "y": y}))


def _digest(found: Any) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def parameters_of(model: Any) -> dict[str, Any]:
    """The parameters as JSON."""
    given = model.get_params(deep=False)
    return {name: plain(value) for name, value in given.items() if name != "callback"}


def report_of(
    model: Any, family: Family, given: Input, seconds: dict[str, float], fingerprint: dict[str, str]
) -> dict[str, Any]:  # fmt: skip
    """What is said of a fit."""
    return {
        "model": family.model,
        "parameters": parameters_of(model),
        "input": given.place,
        "shape": list(given.X.shape),
        "dtype": str(given.X.dtype),
        "converged": bool(getattr(model, "converged_", True)),
        "iterations": plain(getattr(model, "n_iter_", 1)),
        "objective": _said(model, family.objective),
        "certificate": _said(model, family.certificate),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "peak_memory_bytes": peak_memory(),
        "versions": versions(),
        "fingerprint": fingerprint,
        "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _said(model: Any, name: str) -> dict[str, Any]:
    """A number by its name: of an attribute, its sum or largest, or the last of the history."""
    if not name.endswith("_"):
        return {"name": name, "value": plain(float(model.history_[name][-1]))}
    value = np.asarray(getattr(model, name))
    if name == "error_":
        value = value[-1]
    elif name == "explained_variance_ratio_":
        value = value.sum()
    return {"name": name.rstrip("_"), "value": plain(float(value.max(initial=-math.inf)))}


def objective_in(report: dict[str, Any], family: Family) -> float:
    """The objective of a report, the smaller the better; NaN counts for nothing."""
    value = report["objective"]["value"]
    if not isinstance(value, int | float):
        return math.inf
    return -value if family.largest else value


def versions() -> dict[str, str]:
    """Of what a result depends on."""
    found = {name: version(name) for name in ("gramfold", "numpy", "scipy", "scikit-learn")}
    return {**found, "python": sys.version.split()[0], "level": str(show_config()["level"])}


def peak_memory() -> int | None:
    """The most memory that this process had, in bytes; None where that is not known."""
    try:
        import resource
    except ImportError:
        return None
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size << 10


def plain(value: Any) -> Any:
    """A value as JSON has it: what is none of its kinds is described."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, list | tuple) and len(value) <= 20:
        return [plain(one) for one in value]
    return f"{type(value).__name__} of shape {np.shape(value)}" if np.ndim(value) else repr(value)
