"""Which float other numbers are read as, and how the twins read them."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import numpy as np


@cache
def float_of(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The float that numbers of a dtype are read as; None of what kernels do not take.

    float32 has all digits of up to 16 bits and its own; all others become float64.
    """
    if dtype.kind in "iu":
        return np.dtype(np.float64 if dtype.itemsize >= 4 else np.float32)
    if dtype.kind == "b" or dtype.name in ("float16", "bfloat16"):
        return np.dtype(np.float32)
    return dtype.newbyteorder("=") if dtype.name in ("float32", "float64") else None


@cache
def name_of(dtype: np.dtype[Any]) -> str:
    """The name of a dtype, which NumPy spells anew each time."""
    return dtype.name


def reads_floats(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Give a twin its x, or the data of x = (data, indices, indptr, cols), as floats.

    Of what leaves the range it says as little as a compiled kernel.
    """

    @wraps(kernel)
    def run(*arguments: Any, **named: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            if arguments:
                return kernel(_converted(arguments[0]), *arguments[1:], **named)
            return kernel(**(named | {"x": _converted(named["x"])}))

    return run


def _converted(x: Any) -> Any:
    if isinstance(x, tuple):
        return _converted(x[0]), *x[1:]
    return x if x is None else np.require(x.astype(float_of(x.dtype), copy=False), requirements="A")
