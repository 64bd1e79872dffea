"""Pictures: components as images, how a fit converged, penalties, bases."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..fit.arguments import choice, flag, members, shown, whole
from ..fit.inputs import read_numbers
from .axes import axes
from .convex import basis_comparison, penalty_contours

__all__ = ["atoms", "basis_comparison", "convergence", "penalty_contours"]

Array = NDArray[Any]


def atoms(
    components: ArrayLike,
    shape: tuple[int, ...],
    *,
    ax: Any = None,
    columns: int | None = None,
    signed: bool | None = None,
) -> Any:
    """Draw each row of `components` as an image, all in one grid.

    Each atom is scaled by its own largest absolute value: non-negative ones run from black (0) to
    white, signed ones from blue through white (0) to red. Needs the extra `plot`.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
    shape : (height, width) or (height, width, 3)
        The image behind a row; three channels are red, green and blue, signed ones about grey.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.
    columns : int, optional
        Atoms side by side; by default as many as make the grid about square.
    signed : bool, optional
        Whether to use the signed colours; by default if any value is negative.

    Returns
    -------
    ax : matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the rows of `components` are not of `shape`, hold NaN or infinity, or are negative with
        ``signed=False``.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from gramfold.plot import atoms
    >>> ax = atoms(np.eye(16), (4, 4), ax=Figure().subplots())
    >>> ax.images[0].get_size()  # 4 x 4 atoms of 4 x 4 pixels, and the gaps
    (19, 19)
    """
    values = read_numbers(components, "components")
    shape = tuple(whole(side, "shape") for side in members(shape, "shape"))
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3):
        raise ValueError(f"shape must be (height, width) or (height, width, 3), got {shape}")
    if values.ndim != 2 or 0 in values.shape or values.shape[1] != np.prod(shape):
        raise ValueError(f"components of shape {values.shape} are not rows of images {shape}")
    if not np.isfinite(values).all():
        raise ValueError("components hold NaN or infinity")
    negative = bool((values < 0).any())
    if signed is not None and not flag(signed, "signed") and negative:
        raise ValueError("components hold negative values, but signed=False")
    signed = negative if signed is None else signed
    if columns is None:
        columns = int(np.ceil(np.sqrt(len(values) * shape[0] / shape[1])))
    picture = _mosaic(values, shape, min(whole(columns, "columns"), len(values)))
    if len(shape) == 3:
        picture = np.nan_to_num((picture + 1) / 2 if signed else picture, nan=1.0)
    ax = axes(ax, figsize=(6, 6 * picture.shape[0] / picture.shape[1]))
    ax.imshow(
        picture,
        cmap="RdBu_r" if signed else "gray",
        vmin=-1 if signed else 0,
        vmax=1,
        interpolation="nearest",
    )
    ax.set_axis_off()
    return ax


def convergence(
    history: Mapping[str, Any],
    *,
    ax: Any = None,
    against: Literal["iteration", "seconds"] = "iteration",
    labels: Sequence[str] | None = None,
) -> Any:
    """Draw how far each iteration was from the end, on a logarithmic axis.

    The thick line is the relative gap of the objective to the best value among all the histories
    given, (F - F_best) / F_best; the last tenth of the run that holds the best value is left out,
    where it would fall to 0 by definition. The thin line is the KKT residual. Needs the extra
    `plot`.

    Parameters
    ----------
    history : dict, or mapping of label to dict
        ``history_`` of a fitted model: 1-D arrays 'objective', 'kkt' and 'seconds' of one length.
        A mapping of several, of the same problem, overlays them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.
    against : {'iteration', 'seconds'}, default='iteration'
        The horizontal axis.
    labels : sequence of str, optional
        Names for the legend, one for each history, in place of the keys.

    Returns
    -------
    ax : matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If a history is empty, lacks an array, or has arrays of different lengths; `against` is
        unknown; or the number of labels is not that of the histories.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from gramfold.plot import convergence
    >>> history = {"objective": [9.0, 3.0, 2.0], "kkt": [1.0, 0.1, 0.02], "seconds": [1, 2, 3]}
    >>> ax = convergence(history, ax=Figure().subplots(), against="seconds")
    >>> ax.get_yscale(), ax.get_xlabel()
    ('log', 'time (s)')
    """
    choice(against, "against", ("iteration", "seconds"))
    runs = _runs(history, labels)
    best = min(run["objective"].min() for run in runs.values())
    ax = axes(ax, figsize=(6.4, 4))
    for label, run in runs.items():
        length = len(run["objective"])
        where = np.arange(1, length + 1) if against == "iteration" else run["seconds"]
        gap = (run["objective"] - best) / (abs(best) or 1.0)
        if run["objective"].min() == best:
            gap[length - -(-length // 10) :] = np.nan
        (line,) = ax.plot(where, _positive(gap), linewidth=2.2, label=label)
        ax.plot(where, _positive(run["kkt"]), color=line.get_color(), linewidth=0.8)
    ax.set_yscale("log")
    ax.set_xlabel("iteration" if against == "iteration" else "time (s)")
    ax.set_ylabel("objective gap (thick), KKT residual (thin)")
    ax.xaxis.get_major_locator().set_params(integer=against == "iteration")
    ax.grid(visible=True, axis="y", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if any(runs):
        ax.legend(frameon=False)
    return ax


def _mosaic(values: Array, shape: tuple[int, ...], columns: int) -> Array:
    """Scaled atoms in a grid, NaN in the gaps."""
    peak = np.abs(values).max(axis=1, keepdims=True)
    scaled = values / np.where(peak > 0, peak, 1)
    rows = -(-len(values) // columns)
    gap = max(1, round(min(shape[:2]) / 16))
    height, width = shape[0] + gap, shape[1] + gap
    cells = np.full((rows * columns, height, width, *shape[2:]), np.nan)
    cells[: len(values), : shape[0], : shape[1]] = scaled.reshape(len(values), *shape)
    grid = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, *shape[2:])[:-gap, :-gap]


def _runs(history: Mapping[str, Any], labels: Sequence[str] | None) -> dict[str, dict[str, Array]]:
    """Histories by label, checked."""
    if not isinstance(history, Mapping):
        raise TypeError(f"history must be a dict, or a mapping of label to dict, got {shown(history)}")
    runs = {"": history} if "objective" in history else dict(history)
    if not runs:
        raise ValueError("history is empty")
    if labels is not None:
        labels = members(labels, "labels")
        same = len(set(map(str, labels))) == len(labels) == len(runs)
        if not same or not all(isinstance(label, str) for label in labels):
            raise ValueError(f"labels must be {len(runs)} different names, got {shown(labels)}")
        runs = dict(zip(labels, runs.values(), strict=True))
    checked = {}
    for label, run in runs.items():
        name = f"history[{label!r}]" if label else "history"
        if not isinstance(run, Mapping):
            raise TypeError(f"{name} must be a dict, got {shown(run)}")
        lacking = [key for key in ("objective", "kkt", "seconds") if key not in run]
        if lacking:
            raise ValueError(f"{name} lacks {', '.join(lacking)}")
        arrays = {key: read_numbers(run[key], f"{name}[{key!r}]") for key in ("objective", "kkt", "seconds")}
        shapes = {array.shape for array in arrays.values()}
        if len(shapes) > 1 or len(shapes.pop()) != 1 or not len(arrays["objective"]):
            raise ValueError(f"{name} must hold 1-D arrays of one length, at least 1")
        checked[label] = arrays
    return checked


def _positive(values: Array) -> Array:
    """What a logarithmic axis can show; the rest as NaN, which breaks the line."""
    return np.where(values > 0, values, np.nan)
