"""Checks of plain arguments, and the generator behind `random_state`."""

import os
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import DTypeLike
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError  # a ValueError and a TypeError

from ..io.sizes import physical_memory

Seed = int | np.random.RandomState | None
LONGEST = 200  # of what messages show
COUNTED = 2**31 - 1  # as far as kernels count: more rounds, sweeps or threads are as many


def shown(value: Any) -> str:
    """Give a value as messages show it: in one line, short, and whatever it is."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of an int of thousands of digits, or of what a user has written
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def effective_threads(n_threads: int | None) -> int:
    """Give the number of threads: the argument, else OMP_NUM_THREADS, else the CPUs this process may use.

    The last counts the CPU affinity and the quota of a container.
    """
    if n_threads is None:
        limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
        if limit.isdigit() and int(limit) > 0:
            return int(limit)
        affinity = getattr(os, "sched_getaffinity", None)
        return _usable_cpus(
            frozenset(affinity(0)) if affinity else None, os.environ.get("LOKY_MAX_CPU_COUNT")
        )
    if isinstance(n_threads, bool) or not isinstance(n_threads, (int, np.integer)) or n_threads < 1:
        raise InvalidParameterError(
            f"n_threads must be None or an integer of at least 1, got {shown(n_threads)}"
        )
    return min(int(n_threads), COUNTED)


@cache
def _usable_cpus(affinity: frozenset[int] | None, limit: str | None) -> int:
    """The CPUs that this process may use; the quota of its container takes long to read, and stays."""
    return int(cpu_count())


def whole(value: Any, name: str, least: int = 1) -> int:
    """Return `value` as an int, at least `least`."""
    if type(value) is int and value >= least:
        return value
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InvalidParameterError(f"{name} must be at least {least} and whole, got {shown(value)}")
    return int(value)


def counted(value: Any, name: str, least: int = 1) -> int:
    """Return `value` as `whole` does, and no more than kernels count to."""
    return min(whole(value, name, least), COUNTED)


def check_room(value: int, name: str, numbers: int) -> None:
    """Refuse a size of which so many numbers follow, if they fit into no memory that this machine has."""
    if 8 * numbers > physical_memory():
        raise InvalidParameterError(
            f"{name}={shown(value)} is too large: what it asks for does not fit into the "
            f"{physical_memory() / 2**30:.3g} GiB of memory of this machine"
        )


def real(value: Any, name: str, *, low: float = 0.0, high: float = np.inf) -> float:
    """Return `value` as a finite float with low <= value <= high."""
    if type(value) is float and low <= value <= high and abs(value) != np.inf:
        return value
    try:
        found = float(value) if isinstance(value, Real) else np.nan
    except OverflowError:  # an int beyond all floats
        found = np.inf
    if not low <= found <= high or np.isinf(found):
        raise InvalidParameterError(f"{name} must be finite and in [{low:g}, {high:g}], got {shown(value)}")
    return found


def choice(value: Any, name: str, options: Sequence[Any]) -> Any:
    """Return `value` if it is one of `options`."""
    if type(value) is str and value in options:
        return value
    if not any(value is o or (isinstance(value, str) and value == o) for o in options):
        names = ", ".join(repr(o) for o in options)
        raise InvalidParameterError(f"{name} must be one of {names}, got {shown(value)}")
    return value


def flag(value: Any, name: str) -> bool:
    """Return `value` as a bool; only True and False will do."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidParameterError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def pair(value: Any, name: str) -> tuple[int, int]:
    """Return `value` as two ints of at least 1."""
    try:
        found = list(value) if np.ndim(value) == 1 else []
    except ValueError:  # lists of different lengths
        found = []
    if len(found) != 2:
        raise InvalidParameterError(f"{name} must be two whole numbers, got {shown(value)}")
    return whole(found[0], name), whole(found[1], name)


def file_path(value: Any, name: str) -> str:
    """Return `value` as the path of a file."""
    path = os.fsdecode(value) if isinstance(value, str | bytes | os.PathLike) else ""
    if not path or "\0" in path:
        raise InvalidParameterError(f"{name} must be the path of a file, got {shown(value)}")
    return path


def members(value: Any, name: str) -> list[Any]:
    """Return what a sequence, or another iterable, holds."""
    try:
        return list(value)
    except TypeError:
        raise InvalidParameterError(f"{name} must be a sequence, got {shown(value)}") from None


def floating(dtype: DTypeLike) -> np.dtype[Any]:
    """Return float32 or float64 as a dtype."""
    try:
        kept = np.dtype(dtype)
    except (TypeError, ValueError):
        raise InvalidParameterError(f"dtype must be float32 or float64, got {shown(dtype)}") from None
    if kept not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {kept}")
    return kept


def seeded(random_state: Seed) -> np.random.RandomState:
    """Return the RandomState behind scikit-learn's kind of `random_state`."""
    try:
        return check_random_state(random_state)
    except (ValueError, TypeError):
        way = ""
        if isinstance(random_state, np.random.Generator):
            way = "; numpy.random.RandomState(generator.bit_generator) draws from the same source"
        raise ValueError(
            f"random_state must be None, an int or a numpy RandomState, got {shown(random_state)}{way}"
        ) from None


def check_seed(random_state: Seed) -> None:
    """Refuse what `seeded` refuses, without making a generator of a number, which takes .1 ms."""
    if not (isinstance(random_state, Integral) and 0 <= random_state < 2**32):
        seeded(random_state)


def one_each(rng: np.random.RandomState, count: int) -> list[np.random.RandomState]:
    """Give each of several runs a generator of its own, so that none waits for what others draw.

    The first has `rng` itself, and draws what a single run would.
    """
    seeds = deepcopy(rng).randint(2**32, size=count - 1, dtype=np.uint32)
    return [rng, *(np.random.RandomState(seed) for seed in seeds)]


def generator(random_state: Seed) -> np.random.Generator:
    """Return a fast generator seeded by scikit-learn's kind of `random_state`."""
    seed = seeded(random_state).randint(2**32, size=4, dtype=np.uint32)
    return np.random.default_rng(seed)


def check_reporting(model: Any) -> None:
    """Check what every fit has for reporting and for stopping: verbose, callback, max_time, n_threads."""
    if not isinstance(model.verbose, (bool, np.bool_, Integral)) or model.verbose < 0:
        raise InvalidParameterError(
            f"verbose must be a whole number of at least 0, got {shown(model.verbose)}"
        )
    if model.callback is not None and not callable(model.callback):
        raise InvalidParameterError(f"callback must be callable, got {shown(model.callback)}")
    if model.max_time is not None:
        real(model.max_time, "max_time")
    effective_threads(getattr(model, "n_threads", None))
