"""Attributes that are found once."""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypeVar

Value = TypeVar("Value")


class cached_property(functools.cached_property[Value]):
    """As that of functools, which before Python 3.12 is computed in one thread at a time, of any object.

    Fits side by side would wait for one that is in it, and that for them to begin a pass.
    """

    def __init__(self, func: Callable[[Any], Value]) -> None:
        super().__init__(func)
        self.lock = nullcontext()
