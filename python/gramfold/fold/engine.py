"""Who runs a pass: this process, segment after segment.

A pass is a picklable function of a family, with its parameters bound by keyword:

    sums = pass_(rows, shared, state)

`rows` is a source, `shared` what all rows are given (a factor), `state` what they have of their own, arrays
with a row for each of theirs, which the pass may overwrite, or CSR to be read. It gives back sums, which add
up over segments; it knows neither how many there are nor who computes them.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import numpy as np

State = Mapping[str, Any]
Pass = Callable[[Any, Any, State], Any]


def run(pass_: Pass, source: Any, shared: Any = None, state: State | None = None) -> Any:
    """Run a pass over all rows of a source, and add up what it gives.

    Parameters
    ----------
    pass_ : callable
    source : Source, or what has segments as it has
    shared : object
        Handed on as it is.
    state : mapping of str to ndarray or CSR matrix with source.rows rows, or None
        Handed on segment by segment: of arrays as views.

    Returns
    -------
    object
        The sums of the pass; see `add`.
    """
    state = state or {}
    if len(source.segments) == 1:
        return pass_(source.segments[0], shared, state)

    backwards = bool(getattr(source.segments, "backwards", False))
    sums = each(source, lambda segment, at: pass_(segment, shared, state_at(state, at)), backwards)
    return added(sums, len(source.segments), backwards)


def each(source: Any, of: Callable[[Any, slice], Any], backwards: bool = False) -> Iterator[Any]:
    """Yield of(segment, its rows) for each segment of a source, from the first to the last or backwards.

    No segment is held when the next one is asked for, as the variable of a loop would. Where `of` fails,
    reading ends at once.
    """
    turn: Any = reversed if backwards else iter
    segments = turn(source.segments)
    try:
        yield from map(of, segments, turn(source.spans))
    finally:
        if isinstance(segments, Generator):
            segments.close()


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
