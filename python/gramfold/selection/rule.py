"""The rank that scores speak for, if any."""

from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Choice(NamedTuple):
    """A rank, or None and why."""

    rank: int | None
    reason: str = ""


def by_standard_error(ranks: Sequence[int], values: Array, baseline: str, most: float) -> Choice:
    """The least rank whose error is within one standard error of the lowest one.

    Parameters
    ----------
    ranks : sequence of int
        Rising.
    values : ndarray of shape (n_ranks, n_folds)
        Relative errors of the same folds for all ranks: 1 is that of `baseline`. So standard errors are those
        of differences, in which the folds themselves cancel.
    baseline : str
        What predicts without components.
    most : float
        The largest rank that the method can try.
    """
    best = int(np.argmin(values.mean(axis=1)))
    if 1 - values[best].mean() <= standard_error(1 - values[best]):
        return Choice(None, f"no rank predicts what was left out better than {baseline}")
    apart = values - values[best]
    near = [bool(gap.mean() <= standard_error(gap)) for gap in apart]
    return inner(ranks, near.index(True), 1, most)


def inner(ranks: Sequence[int], at: int, least: int, most: float = inf) -> Choice:
    """The rank at a place, if those on both sides are worse; no others but `least` to `most` can be."""
    rank = ranks[at]
    if at == len(ranks) - 1:
        advice = "try larger ones as well" if rank < most else "the method has none beyond, try another"
        return Choice(None, f"the best is the largest that was tried, {rank}: {advice}")
    if at == 0 and rank > least:
        return Choice(None, f"the best is the smallest that was tried, {rank}: try smaller ones as well")
    return Choice(rank)


def estimated(ranks: Sequence[int], rank: int, method: str) -> Choice:
    """A rank that does not depend on those that were tried, if it is among them."""
    if rank in ranks:
        return Choice(rank)
    return Choice(None, f"{method} says {rank}, which is not among ranks")


def standard_error(values: Array) -> float:
    """Of the mean of values."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
