"""Who runs a pass: this process, segment after segment, or the tasks of `cluster`.

A pass is a picklable function of a family, with its parameters bound by keyword:

    sums = pass_(rows, shared, state)

`rows` is a source, `shared` what all rows are given (a factor), `state` what they have of their own, arrays
with a row for each of theirs, which the pass may overwrite, or CSR to be read. It gives back sums, which add
up over segments; it knows neither how many there are nor who computes them.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from . import cluster
from .kept import Kept
from .sums import Pass, State, add, added, state_at

__all__ = ["State", "add", "added", "each", "run", "state_at"]


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
    there, client = cluster.goes_to(source.segments)
    if there and all(a is None or isinstance(a, np.ndarray | Kept) or sp.issparse(a) for a in state.values()):
        return cluster.run(pass_, source.segments, shared, state, client)
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
