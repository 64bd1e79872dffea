"""The compiled kernels: one module per instruction-set level, the best of this machine picked at import."""

import os
import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

LEVELS = ("v4", "v3", "v2", "numpy")

# What builds all of them from source.
EVERY_LEVEL = "pip install . -C cmake.define.GRAMFOLD_LEVELS=all"


def load(level: str) -> Any:
    """Import the kernels of one level."""
    return import_module(".reference" if level == "numpy" else f"._core_{level}", __name__)


def built() -> list[str]:
    """Levels that were compiled when this package was built, the best first."""
    return [level for level in LEVELS[:-1] if find_spec(f"._core_{level}", __name__)]


def machine() -> str:
    """The best level that this machine and its operating system run."""
    try:
        number = import_module("._cpu", __name__).level()
    except ImportError:
        return "numpy"
    return f"v{number}" if number else "numpy"


def _fitting() -> list[str]:
    """Levels that were built and that this machine runs, the best first; no other is ever loaded."""
    return [level for level in built() if LEVELS.index(level) >= LEVELS.index(machine())]


def _usable() -> Iterator[str]:
    for level in _fitting():
        try:
            load(level)
        except ImportError:
            continue
        yield level
    yield "numpy"


def available() -> list[str]:
    """Levels that this build has and this machine runs, the best first."""
    return list(_usable())


def _why_slow() -> str:
    """Why nothing but NumPy is left, and what to do."""
    reason = f"its kernels are for {', '.join(built())} and this machine runs {machine()} at best"
    if not built():
        reason = "it was installed without compiled kernels"
    elif _fitting():
        try:
            load(_fitting()[0])
        except ImportError as error:
            reason = f"its kernels cannot be loaded: {error}"
    return (
        f"gramfold computes with NumPy alone, many times slower: {reason}. Install it anew on this machine, "
        f"with pip's option --no-cache-dir, lest pip takes what it once built on another one; or for every "
        f"machine, with {EVERY_LEVEL}. GRAMFOLD_ISA=numpy keeps NumPy, without this warning."
    )


def _choose() -> str:
    forced = os.environ.get("GRAMFOLD_ISA")
    if not forced:
        best = next(_usable())
        if best == "numpy":
            warnings.warn(_why_slow(), stacklevel=2)
        return best
    if forced not in available():
        raise ImportError(
            f"GRAMFOLD_ISA={forced!r} is not a level of this build on this machine; "
            f"it has {', '.join(available())}"
        )
    return forced


__all__ = ["EVERY_LEVEL", "LEVELS", "available", "built", "kernels", "level", "load", "machine"]

level = _choose()
if TYPE_CHECKING:
    from . import _core as kernels
else:
    kernels = load(level)
