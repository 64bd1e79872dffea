"""Memory that goes back to the system between segments, and not to malloc, which keeps it for later.

What reads ahead allocates for itself, as NumPy's handlers are those of a thread; and malloc keeps the more
of what it was given back, the larger it was.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple


class Apart(NamedTuple):
    """What a thread calls before it reads for a fit, and what the fit calls before each segment."""

    begin: Callable[[], Any]
    trim: Callable[[], Any]


APART: ContextVar[Apart | None] = ContextVar("APART", default=None)


def apart() -> Apart:
    """Those of the fit that is under way, which do nothing where its memory is not bounded."""
    return APART.get() or Apart(_nothing, _nothing)


def _nothing() -> None:
    """Leave memory as it is."""
