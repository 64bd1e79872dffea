"""--plot: how the fit converged, and its components."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..extras import require
from ..keep.atomic import in_place_of
from ..plot import convergence
from .families import Family

DPI = 120


def write(folder: Path, model: Any, family: Family) -> None:
    """Write the pictures of a fit."""
    if hasattr(model, "history_"):
        save(lambda ax: convergence(model.history_, ax=ax), folder / "convergence.png")
    components = np.atleast_2d(getattr(model, family.components))
    if components.size:
        save(lambda ax: _drawn(components, ax), folder / "components.png")


def _drawn(components: NDArray[Any], ax: Any) -> None:
    """Draw a line for each component, and its features by colour."""
    size = float(np.abs(components).max()) or 1.0
    signed = bool((components < 0).any())
    image = ax.imshow(
        components, aspect="auto", interpolation="nearest", cmap="RdBu_r" if signed else "gray_r",
        vmin=-size if signed else 0, vmax=size,
    )  # fmt: skip
    ax.set_xlabel("feature")
    ax.set_ylabel("component")
    ax.figure.colorbar(image, ax=ax)


def check() -> None:
    """Refuse pictures before a fit, not after it, where matplotlib is missing."""
    require("matplotlib.figure", extra="plot")


def save(draw: Callable[[Any], Any], path: Path) -> None:
    """Write what is drawn on axes as a picture."""
    figure = require("matplotlib.figure", extra="plot").Figure(figsize=(7, 5), layout="constrained")
    draw(figure.subplots())
    with in_place_of(path) as file:
        figure.savefig(file, dpi=DPI, format="png")
