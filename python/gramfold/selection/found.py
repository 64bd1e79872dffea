"""What a way of selecting ranks gives."""

from typing import Any, NamedTuple

from .rule import Array, Choice


class Found(NamedTuple):
    """Records, what ranks are compared by, and the choice.

    Attributes
    ----------
    records : list of dict
        One a rank and restart, all with the same names.
    criterion : str
        The name of what ranks are compared by.
    scores, spreads : ndarray of shape (n_ranks,)
        That of each rank, and its standard error or threshold; `spreads` may be None.
    choice : Choice
    models : dict of int to list
        Models fitted to X, the best first.
    """

    records: list[dict[str, Any]]
    criterion: str
    scores: Array
    spreads: Array | None
    choice: Choice
    models: dict[int, list[Any]]
