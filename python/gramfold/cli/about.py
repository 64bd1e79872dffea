"""`gramfold info`: what this gramfold is, or what a file holds."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..fit.config import show_config
from .errors import CONVERGED


def run(command: argparse.Namespace) -> int:
    """Print it; gives the exit status."""
    found = show_config() if command.file is None else about(command.file)
    if command.json:
        print(json.dumps(found))
        return CONVERGED
    for name, value in found.items():
        print(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return CONVERGED


def about(place: str) -> dict[str, Any]:
    """What is said of a file."""
    from ..io.recognise import known
    from .market import ENDINGS as MATRIX_MARKET
    from .outputs import MODEL

    path = Path(place)
    if (path / MODEL).is_file():
        path = path / MODEL
    if path.is_file() and not known(place) and not place.lower().endswith(MATRIX_MARKET):
        return _of_saved(path)
    return _of_matrix(place)


def _of_saved(path: Path) -> dict[str, Any]:
    """Of a model or a checkpoint."""
    from ..fit.kept import checked
    from ..keep.layout import read

    described, arrays = read(path, mmap=True)
    written = {"written by": f"gramfold {described['gramfold']}", "level": described["level"]}
    if "checkpoint" in described:
        kept = checked(path, described)
        rows = arrays.get("state.history", ())
        given = {name: one["is"] for name, one in kept["parameters"].items()}
        return {
            "checkpoint of": kept["class"],
            "iterations": len(rows) if np.ndim(rows) else 0,
            **{f"data {name}": one["is"] for name, one in kept["data"].items()},
            **written,
            **given,
        }
    import gramfold

    model = gramfold.load(path, mmap=True)
    learned = {name: _shown(value) for name, value in vars(model).items() if _public(name)}
    shape = described.get("data_shape")
    return {
        "model": type(model).__name__,
        "fitted to": " x ".join(
            "?" if n is None else str(n) for n in (shape if isinstance(shape, list) else ())
        ),
        **written,
        **{name: _shown(value) for name, value in model.get_params(deep=False).items()},
        **learned,
    }


def _public(name: str) -> bool:
    return name.endswith("_") and not name.startswith("_")


def _shown(value: Any) -> Any:
    if getattr(value, "shape", ()):
        return f"{getattr(value, 'dtype', type(value).__name__)} of shape {value.shape}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of length {len(value)}"
    if isinstance(value, dict):
        length = max((one.size for one in value.values() if isinstance(one, np.ndarray)), default=0)
        return f"{', '.join(value)} of {length} iterations"
    if value is None or isinstance(value, bool | str):
        return value
    return value.item() if isinstance(value, np.generic) else value if isinstance(value, int) else repr(value)


def _of_matrix(place: str) -> dict[str, Any]:
    """Of what is read as INPUT."""
    from .inputs import opened

    given = opened(place)
    X = given.X
    found: dict[str, Any] = {"matrix": given.place, "shape": f"{X.shape[0]} x {X.shape[1]}"}
    sparse = getattr(X, "format", None) == "csr" or getattr(X, "sparse", False)
    found |= {"dtype": str(X.dtype), "kind": "sparse" if sparse else "dense"}
    path = place.partition("::")[0]
    if os.path.isfile(path):
        found["bytes"] = os.path.getsize(path)
    if getattr(X, "format", None) == "csr":
        found["entries"] = int(X.nnz)
    for what, names in zip(("rows", "columns"), given.names, strict=True):
        if names:
            found[f"names of {what}"] = f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
    return found
