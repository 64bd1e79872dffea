"""What was made of small arrays not long ago: of calls with few rows, preparing is most of the cost."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

Made = TypeVar("Made")

LARGEST = 1 << 15  # bytes of arrays that are looked up: more takes as long as making it
COUNT = 64


def remembered(make: Callable[..., Made], *arrays: np.ndarray, **more: Any) -> Made:
    """Give make(*arrays, **more), which depends on nothing else, or what it gave for the same numbers.

    What is given is shared, and never to be written to.
    """
    size, contents = 0, []
    for a in arrays:
        size += a.nbytes
        if size > LARGEST:
            return make(*arrays, **more)
        contents.append((a.tobytes(), a.shape, a.dtype))
    return _made(make, tuple(more.items()), *contents)


@lru_cache(COUNT)
def _made(make: Callable[..., Any], more: Any, *contents: Any) -> Any:
    arrays = [np.frombuffer(data, dtype).reshape(shape) for data, shape, dtype in contents]
    found = make(*arrays, **dict(more))
    for one in found if isinstance(found, tuple) else (found,):
        if isinstance(one, np.ndarray):
            one.setflags(write=False)
    return found
