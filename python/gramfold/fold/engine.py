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
from .given import Drawn, Given
from .kept import Kept
from .sums import Pass, State, add, added, state_at

__all__ = ["State", "add", "added", "each", "run", "run_state", "state_at"]


def run(
    pass_: Pass, source: Any, shared: Any = None, state: State | None = None, *,
    fixed: State | None = None, writes: tuple[str, ...] = (),
) -> Any:  # fmt: skip
    """Run a pass over all rows of a source, and add up what it gives.

    Parameters
    ----------
    pass_ : callable
    source : Source, or what has segments as it has
    shared : object
        Handed on as it is.
    state : mapping of str to ndarray or CSR matrix with source.rows rows, or None
        Handed on segment by segment: of arrays as views.
    fixed : mapping, optional
        State that no pass changes, such as weights: the same arrays in every pass go to workers once.
    writes : tuple of str, optional
        What of the state that `Source.kept` gave the pass overwrites, if not for the first time.

    Returns
    -------
    object
        The sums of the pass; see `add`.
    """
    both = {**(state or {}), **(fixed or {})}
    there, client = cluster.goes_to(source.segments)
    if there and all(map(_of_rows, both.values())):
        return cluster.run(
            pass_, source.segments, shared, state or {}, client, fixed=fixed, writes=writes
        )  # fmt: skip
    if len(source.segments) == 1:
        return pass_(source.segments[0], shared, both)

    backwards = bool(getattr(source.segments, "backwards", False))
    sums = each(source, lambda segment, at: pass_(segment, shared, state_at(both, at)), backwards)
    return added(sums, len(source.segments), backwards)


def _of_rows(a: Any) -> bool:
    """Whether state is of rows as workers are given it."""
    return a is None or isinstance(a, np.ndarray | Kept | Drawn | Given) or sp.issparse(a)


def run_state(
    pass_: Pass, source: Any, shared: Any, state: State, *, fixed: State | None = None,
    writes: tuple[str, ...] = (),
) -> Any:  # fmt: skip
    """Run a pass that reads the state of rows alone: it is given None for the rows.

    Parameters and what is given back are those of `run`.
    """
    there, client = cluster.goes_to(source.segments)
    if there:
        return cluster.run(
            pass_, source.segments, shared, state, client, fixed=fixed, writes=writes, reads=False
        )  # fmt: skip
    both = {**state, **(fixed or {})}
    return added((pass_(None, shared, state_at(both, at)) for at in source.spans), len(source.spans))


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
