"""The compiled kernels: one module per instruction-set level, the best of this machine picked at import."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

LEVELS = ("v4", "v3", "v2", "numpy")


def load(level: str) -> Any:
    """Import the kernels of one level."""
    return import_module(".reference" if level == "numpy" else f"._core_{level}", __name__)


def available() -> list[str]:
    """Levels that this build has and this machine runs, the best first."""
    try:
        best: int = import_module("._cpu", __name__).level()
    except ImportError:
        best = 0
    found = []
    for level in LEVELS:
        if level != "numpy" and int(level[1:]) > best:
            continue
        try:
            load(level)
        except ImportError:
            continue
        found.append(level)
    return found


def _choose() -> str:
    levels = available()
    forced = os.environ.get("GRAMFOLD_ISA")
    if not forced:
        return levels[0]
    if forced not in levels:
        raise ImportError(
            f"GRAMFOLD_ISA={forced!r} is not a level of this build on this machine; "
            f"it has {', '.join(levels)}"
        )
    return forced


__all__ = ["LEVELS", "available", "kernels", "level", "load"]

level = _choose()
if TYPE_CHECKING:
    from . import _core as kernels
else:
    kernels = load(level)
