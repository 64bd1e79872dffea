"""Where a picture is drawn."""

from typing import Any

from ..extras import require
from ..fit.arguments import shown


def axes(ax: Any, figsize: tuple[float, float]) -> Any:
    """The axes that were given, or those of a new figure."""
    if ax is not None:
        return checked(ax, "ax")
    pyplot = require("matplotlib.pyplot", extra="plot")
    return pyplot.subplots(figsize=figsize, layout="constrained")[1]


def checked(ax: Any, name: str) -> Any:
    """What can be drawn on."""
    if not all(hasattr(ax, method) for method in ("imshow", "errorbar", "set_title", "figure")):
        raise TypeError(f"{name} must be axes of matplotlib, got {shown(ax)}")
    return ax
