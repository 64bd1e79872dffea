"""--plot: how the fit converged, and its components."""

from pathlib import Path
from typing import Any

import numpy as np

from ..extras import require
from ..keep.atomic import in_place_of
from ..plot import convergence
from .families import Family

DPI = 120


def write(folder: Path, model: Any, family: Family) -> None:
    """Write the pictures of a fit."""
    if hasattr(model, "history_"):
        figure = _figure((6.4, 4))
        convergence(model.history_, ax=figure.subplots())
        _save(figure, folder / "convergence.png")
    components = np.atleast_2d(getattr(model, family.components))
    if not components.size:
        return
    figure = _figure((8, min(8, 1.5 + 0.25 * len(components))))
    ax = figure.subplots()
    size = float(np.abs(components).max()) or 1.0
    signed = bool((components < 0).any())
    image = ax.imshow(
        components, aspect="auto", interpolation="nearest", cmap="RdBu_r" if signed else "gray_r",
        vmin=-size if signed else 0, vmax=size,
    )  # fmt: skip
    ax.set_xlabel("feature")
    ax.set_ylabel("component")
    figure.colorbar(image)
    _save(figure, folder / "components.png")


def check() -> None:
    """Refuse pictures before a fit, not after it, where matplotlib is missing."""
    require("matplotlib.figure", extra="plot")


def _figure(size: tuple[float, float]) -> Any:
    return require("matplotlib.figure", extra="plot").Figure(figsize=size, layout="constrained")


def _save(figure: Any, path: Path) -> None:
    with in_place_of(path) as file:
        figure.savefig(file, dpi=DPI, format="png")
