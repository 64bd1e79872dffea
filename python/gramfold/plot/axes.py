"""Where a picture is drawn."""

from typing import Any

from ..extras import require


def axes(ax: Any, figsize: tuple[float, float]) -> Any:
    """The axes that were given, or those of a new figure."""
    if ax is not None:
        return ax
    pyplot = require("matplotlib.pyplot", extra="plot")
    return pyplot.subplots(figsize=figsize, layout="constrained")[1]
