"""Pictures of convex problems: penalties against a loss, and signals in orthonormal bases."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..coding.bases import OrthoBasis
from ..coding.encode import encode
from ..extras import require
from ..fit.arguments import members, real, shown, whole
from ..fit.inputs import naming, read_numbers
from ..ridge.path import ridge_path
from .axes import checked

Array = NDArray[Any]

BLUE, ORANGE, GREY = "#2a6fb0", "#d1602b", "0.45"
N_PENALTIES = 201


def penalty_contours(
    X: ArrayLike | None = None, y: ArrayLike | None = None, *, shrink: float = 0.5, axes: Any = None
) -> Any:
    """Draw the L1 diamond and the L2 ball against the contours of a least-squares loss.

    For each penalty, the solutions for all its strengths make a path from the minimum of the loss to 0. One
    of them is marked: there the contour of the loss through it touches the ball through it. All are solved
    for, by `encode` (L1) and `ridge_path` (L2). Needs the extra `plot`.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2), optional
    y : array-like of shape (n_samples,), optional
        The loss is 1/2 |Xb - y|^2 over two coefficients b; by default that of a small problem with correlated
        columns.
    shrink : float in (0, 1), default=0.5
        The marked solution has this share of the L1 norm (the L2 norm) that the minimum of the loss has.
    axes : sequence of two matplotlib.axes.Axes, optional
        By default on a new figure.

    Returns
    -------
    axes : ndarray of two matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If X does not have two independent columns, y does not fit, or the minimum is at 0.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from gramfold.plot import penalty_contours
    >>> left, right = penalty_contours(axes=Figure().subplots(1, 2))
    >>> left.get_title()
    'L1: sparse'
    """
    shrink = real(shrink, "shrink")
    if not 0 < shrink < 1:
        raise ValueError(f"shrink must be above 0 and below 1, got {shrink}")
    X, y = _two_columns(X, y)
    axes = _grid(axes, 1, 2, (9, 4.6)).ravel()
    strongest = float(np.abs(X.T @ y).max())
    l1 = np.linspace(0, 1, N_PENALTIES) * strongest
    l2 = np.append(0, np.geomspace(1e-4, 1e4, N_PENALTIES)) * float(np.sum(X**2))
    paths = (
        np.array([encode(y[None], X.T, l1=alpha, nonneg=False)[0] for alpha in l1]),
        ridge_path(X, y, l2, fit_intercept=False)[0],
    )
    minimum = paths[1][0]
    if not np.linalg.norm(minimum) > 1e-9:
        raise ValueError("the minimum of the loss is at 0: there is no path to draw")
    reach = 1.5 * float(np.abs(minimum).max())
    grid = np.linspace(-reach, reach, 301) + 0.15 * reach * np.sign(minimum)[:, None]
    for ax, path, order, name in zip(axes, paths, (1, 2), ("L1: sparse", "L2: small"), strict=True):
        sizes = np.linalg.norm(path, ord=order, axis=1)
        radius = shrink * sizes[0]
        at = min(int(np.searchsorted(-sizes, -radius)), len(sizes) - 1)  # the path of L2 ends before 0
        share = min(1.0, (sizes[at - 1] - radius) / (sizes[at - 1] - sizes[at]))
        marked = path[at - 1] + share * (path[at] - path[at - 1])
        _loss_and_ball(ax, grid, X.T @ X, path, marked, order)
        ax.set_title(name)
    axes[0].legend(loc="lower right", fontsize=8)
    return axes


def basis_comparison(
    signal: ArrayLike | Mapping[str, ArrayLike] | None = None,
    *,
    n_nonzero: int = 24,
    bases: Sequence[str] = ("dct", "fourier", "haar", "db4"),
    axes: Any = None,
) -> Any:
    """Draw what the k largest coefficients of a signal keep of it, in several orthonormal bases.

    One row for each signal, one column for each basis; a title gives |x - x_k| / |x|. Needs the extra `plot`,
    and `wavelets` for wavelets.

    Parameters
    ----------
    signal : array-like of shape (n,), or mapping of name to such, optional
        By default a smooth signal and one of a few spikes and jumps, of 256 samples.
    n_nonzero : int, default=24
        How many coefficients are kept.
    bases : sequence of str
        Names for `OrthoBasis`.
    axes : array of matplotlib.axes.Axes of shape (n_signals, n_bases), optional
        By default on a new figure.

    Returns
    -------
    axes : ndarray of matplotlib.axes.Axes of shape (n_signals, n_bases)

    Raises
    ------
    ImportError
        If matplotlib, or PyWavelets for a wavelet, is not installed.
    ValueError
        If a signal is not one-dimensional or holds NaN or infinity, or for the reasons of `OrthoBasis`.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from gramfold.plot import basis_comparison
    >>> axes = basis_comparison(np.arange(64.0), bases=["dct", "fourier"], axes=Figure().subplots(1, 2))
    >>> axes[0, 0].get_title()
    'dct, 24 of 64: error 0.026%'
    """
    if signal is None:
        signals = _smooth_and_spiky()
    elif isinstance(signal, Mapping):
        signals = {name: read_numbers(x, f"signal[{name!r}]") for name, x in signal.items()}
    else:
        signals = {"": read_numbers(signal, "signal")}
    bases = members(bases, "bases")
    if not all(isinstance(name, str) for name in bases):
        raise TypeError(f"bases must be names, got {shown(bases)}")
    whole(n_nonzero, "n_nonzero")
    if not signals or not bases:
        raise ValueError("signal and bases must not be empty")
    for name, x in signals.items():
        if x.ndim != 1 or not x.size or not np.isfinite(x).all():
            raise ValueError(f"signal {name!r} must be one-dimensional and finite, got shape {x.shape}")
    axes = _grid(axes, len(signals), len(bases), (3.2 * len(bases), 2.5 * len(signals)))
    for line, (name, x) in zip(axes, signals.items(), strict=True):
        for ax, base in zip(line, bases, strict=True):
            with naming("bases"):
                basis = OrthoBasis(base, len(x))
            kept = basis.synthesize(basis.encode(x, n_nonzero=n_nonzero))
            error = np.linalg.norm(x - kept) / (np.linalg.norm(x) or 1.0)
            ax.plot(x, color="0.75", linewidth=3)
            ax.plot(kept, color=BLUE, linewidth=1.2)
            kept_of = f"{min(n_nonzero, len(x))} of {len(x)}"
            ax.set_title(f"{base}, {kept_of}: error {100 * error:.2g}%", fontsize=10)
            ax.spines[["top", "right"]].set_visible(False)
            ax.margins(x=0.02)
        line[0].set_ylabel(name)
    return axes


def _two_columns(X: ArrayLike | None, y: ArrayLike | None) -> tuple[Array, Array]:
    if (X is None) != (y is None):
        raise ValueError("X and y must be given together")
    if X is None:
        X, y = [[1.0, 0.4], [0.0, 0.8], [0.0, 0.0]], [1.4, 0.4, 0.3]
    X, y = read_numbers(X, "X"), read_numbers(y, "y")
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise ValueError("X and y must be finite")
    if X.ndim != 2 or X.shape[1] != 2 or np.linalg.matrix_rank(X) < 2:
        raise ValueError(f"X must have two independent columns, got shape {X.shape}")
    if y.shape != (len(X),):
        raise ValueError(f"y must have {len(X)} entries, got shape {y.shape}")
    return X, y


def _loss_and_ball(ax: Any, grid: Array, gram: Array, path: Array, marked: Array, order: int) -> None:
    minimum = path[0]
    radius = np.linalg.norm(marked, ord=order)
    b = np.stack(np.meshgrid(*grid), axis=-1) - minimum
    loss = 0.5 * np.einsum("...i,ij,...j", b, gram, b)
    step = marked - minimum
    level = 0.5 * float(step @ gram @ step)
    ax.contour(*grid, loss, level * np.array([0.1, 0.4, 2.0, 3.5, 5.5, 8.0]), colors="0.75", linewidths=0.8)
    ax.contour(*grid, loss, [level], colors=[GREY], linewidths=1.6)
    angle = np.linspace(0, 2 * np.pi, 401)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    ball = radius * circle / np.linalg.norm(circle, ord=order, axis=0)
    ax.fill(*ball, color=BLUE, alpha=0.15, linewidth=0)
    ax.plot(*ball, color=BLUE, linewidth=1.4)
    ax.axhline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.plot(*path.T, color=ORANGE, linewidth=2, label="solutions for all strengths")
    ax.plot(*minimum, "o", color=GREY, markersize=6, label="minimum of the loss")
    ax.plot(*marked, "o", color=ORANGE, markersize=8)
    ax.set_aspect("equal")
    ax.set_xlim(grid[0][0], grid[0][-1])
    ax.set_ylim(grid[1][0], grid[1][-1])
    ax.set_xlabel("first coefficient")
    ax.set_ylabel("second coefficient")


def _smooth_and_spiky() -> dict[str, Array]:
    t = (np.arange(256) + 0.5) / 256
    smooth = np.exp(-(((t - 0.3) / 0.12) ** 2)) + 0.6 * np.cos(2 * np.pi * (2 * t + t**2)) * t
    spiky = np.where((t > 0.55) & (t < 0.8), 0.5, 0.0)
    spiky[[40, 75, 76, 110, 225]] += [1.4, -1.0, -0.6, 1.1, -0.9]
    return {"smooth": smooth, "spiky": spiky}


def _grid(axes: Any, rows: int, columns: int, figsize: tuple[float, float]) -> Array:
    """The axes given, or new ones, as an array of (rows, columns)."""
    if axes is None:
        pyplot = require("matplotlib.pyplot", extra="plot")
        axes = pyplot.subplots(rows, columns, figsize=figsize, layout="constrained", squeeze=False)[1]
    axes = np.asarray(axes, dtype=object)
    if axes.size != rows * columns:
        raise ValueError(f"axes must be {rows} x {columns}, got {axes.size}")
    for ax in axes.flat:
        checked(ax, "axes")
    return np.reshape(axes, (rows, columns))
