"""What passes give and are given: sums that add up, and the state of rows."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

State = Mapping[str, Any]
Pass = Callable[[Any, Any, State], Any]


def state_at(state: State, at: Any) -> State:
    """The state of some rows."""
    return {name: None if a is None else a[at] for name, a in state.items()}


def added(sums: Iterator[Any], count: int, backwards: bool = False) -> Any:
    """Add up so many sums in their order, up a fixed binary tree; also if the last one comes first."""
    if count == 1:
        return next(sums)
    left = 1 << (count - 1).bit_length() - 1
    if backwards:
        other = added(sums, count - left, backwards)
        return add(added(sums, left, backwards), other)
    one = added(sums, left)
    return add(one, added(sums, count - left))


def add(one: Any, other: Any) -> Any:
    """Add two sums: numbers and arrays by +, tuples and dicts part by part, nothing to nothing.

    A class with a method `plus` is added by that.
    """
    if hasattr(one, "plus"):
        return one.plus(other)
    if one is None and other is None:
        return None
    if isinstance(one, dict):
        return {name: add(part, other[name]) for name, part in one.items()}
    if isinstance(one, tuple):
        parts = [add(a, b) for a, b in zip(one, other, strict=True)]
        return type(one)(*parts) if hasattr(one, "_fields") else tuple(parts)
    if isinstance(one, np.ndarray) and one.dtype == bool:
        return one | other
    return one + other


def aligned(a: Any) -> Any:
    """An array as kernels take it: what came over a network may lie anywhere."""
    return np.require(a, requirements="A")
