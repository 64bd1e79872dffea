"""The pictures that `gramfold demo` writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import plot
from ..coding.encode import encode
from ..extras import require
from ..images.patches import average, extract
from .fits import PENALTIES, PLAIN, SIGNS, Comparison, Fit

Array = NDArray[Any]

DPI = 110
STRIDE = 4
L2 = 0.01
ZOOM = (slice(90, 218), slice(170, 298))
N_FACES = 10
FLOAT32_NOISE = 1e-6


def write(
    folder: Path,
    rows: Sequence[Comparison],
    longer: Mapping[tuple[str, int], Fit],
    n_threads: int,
) -> list[Path]:
    """Write every picture.

    Parameters
    ----------
    folder : Path
    rows : sequence of Comparison
    longer : mapping of (data, rank) to Fit
        Plain NMF, run on for as many iterations as scikit-learn.
    n_threads : int

    Returns
    -------
    list of Path
    """
    figures = {}
    for name, rank in longer:
        here = {row.setting.name: row for row in rows if (row.problem.name, row.rank) == (name, rank)}
        figures[f"{name}-r{rank}-signs"] = sheet(
            [here[setting.name] for setting in SIGNS],
            2,
            f"{name}, r = {rank}: signs of the factors",
        )
        figures[f"{name}-r{rank}-penalties"] = sheet(
            [here[setting.name] for setting in PENALTIES], 3, f"{name}, r = {rank}: penalties"
        )
    plain = {(row.problem.name, row.rank): row for row in rows if row.setting is PLAIN}
    figures["faces-reconstructed"] = reconstructed_faces(plain)
    figures["photograph-reconstructed"] = reconstructed_photograph(plain, n_threads)
    figures["convergence"] = convergence(plain, longer)
    figures["penalty-contours"] = penalty_contours()
    figures["basis-comparison"] = basis_comparison()
    files = []
    for name, figure in figures.items():
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=DPI)
    return files


def sheet(rows: Sequence[Comparison], columns: int, title: str) -> Any:
    """The atoms of several models of the same data and rank, the most used atom first."""
    height = 3.8 * (len(rows) // columns) + 0.4
    figure = _figure((3.5 * columns, height), title)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.06)
    axes = figure.subplots(len(rows) // columns, columns)
    for row, ax in zip(rows, axes.flat, strict=True):
        W, H = row.ours.W, row.ours.H
        use = np.linalg.norm(W, axis=0) * np.linalg.norm(H, axis=1)
        plot.atoms(H[np.argsort(-use, kind="stable")], row.problem.shape, ax=ax)
        ax.set_title(f"{row.setting.name}\n{_facts(row)}", fontsize=10)
    return figure


def reconstructed_faces(plain: Mapping[tuple[str, int], Comparison]) -> Any:
    """Ten faces above what NMF of each rank makes of them."""
    rows = [row for (name, _), row in plain.items() if name == "faces"]
    problem = rows[0].problem
    chosen = np.arange(N_FACES) * (len(problem.X) // N_FACES)
    pictures = {"original": problem.X[chosen]}
    for row in rows:
        pictures[f"r = {row.rank}"] = row.ours.W[chosen] @ row.ours.H
    figure = _figure((N_FACES + 1, len(pictures) + 0.5), "Faces as sums of r non-negative atoms")
    axes = figure.subplots(len(pictures), N_FACES)
    for line, (label, faces) in zip(axes, pictures.items(), strict=True):
        for ax, face in zip(line, faces, strict=True):
            _show(ax, face.reshape(problem.shape))
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def reconstructed_photograph(plain: Mapping[tuple[str, int], Comparison], n_threads: int) -> Any:
    """A photograph and a detail of it, as averages of overlapping patches coded with the atoms."""
    image = require("skimage.data", extra="demo").camera() / np.float32(255)
    pictures = {"original": image}
    for (name, rank), row in plain.items():
        if name == "patches":
            shape = row.problem.shape
            atoms = row.ours.H / np.linalg.norm(row.ours.H, axis=1, keepdims=True)
            codes = encode(extract(image, shape, stride=STRIDE), atoms, l2=L2, n_threads=n_threads)
            made = average(codes @ atoms, image.shape, shape, stride=STRIDE)
            noise = 10 * np.log10(1 / np.mean((image - made) ** 2))
            pictures[f"r = {rank}, PSNR {noise:.1f} dB"] = made
    figure = _figure(
        (3.2 * len(pictures), 6.9), "A photograph, each 16 x 16 patch a sum of r non-negative atoms"
    )
    axes = figure.subplots(2, len(pictures), squeeze=False)
    for (label, picture), whole, detail in zip(pictures.items(), *axes, strict=True):
        _show(whole, picture)
        whole.set_title(label, fontsize=11)
        _show(detail, picture[ZOOM])
    return figure


def convergence(plain: Mapping[tuple[str, int], Comparison], longer: Mapping[tuple[str, int], Fit]) -> Any:
    """Objective by seconds for plain NMF, one panel for each data and rank."""
    names = list(dict.fromkeys(name for name, _ in plain))
    columns = len(plain) // len(names)
    figure = _figure((4.2 * columns, 3.4 * len(names) + 0.5), "NMF from the same start: objective by seconds")
    axes = figure.subplots(len(names), columns, sharey=True, squeeze=False)
    for (key, row), ax in zip(plain.items(), axes.flat, strict=True):
        assert row.peer is not None
        curves = {"gramfold": longer[key].curve, "scikit-learn": row.peer.curve}
        histories = {name: _history(curve) for name, curve in curves.items()}
        plot.convergence(histories, ax=ax, against="seconds").set_xscale("log")
        ax.tick_params(axis="x", which="minor", labelbottom=False)
        ax.set_title(f"{key[0]}, r = {key[1]}", fontsize=11)
        ax.set_ylabel("objective, relative gap to the best" if ax in axes[:, 0] else "")
        if ax is not axes[0, 0]:
            ax.get_legend().remove()
    axes[0, 0].set_ylim(bottom=FLOAT32_NOISE)
    return figure


def _history(curve: Array) -> dict[str, Array]:
    """For `plot.convergence`, without the KKT residual, which scikit-learn does not give."""
    objective, seconds = curve.T
    return {"objective": objective, "seconds": seconds, "kkt": np.full(len(curve), np.nan)}


def _facts(row: Comparison) -> str:
    """How close and how sparse."""
    W, H = row.ours.W, row.ours.H
    error = np.linalg.norm(row.problem.X - W @ H) / np.linalg.norm(row.problem.X)
    zeros = f"zeros: W {100 * np.mean(W == 0):.0f}%, H {100 * np.mean(H == 0):.0f}%"
    return f"error {100 * error:.1f}%; {zeros}"


def penalty_contours() -> Any:
    """What L1 and L2 penalties do to two coefficients."""
    figure = _figure((9, 5), "Least squares within a budget of L1 and of L2")
    plot.penalty_contours(axes=figure.subplots(1, 2))
    return figure


def basis_comparison() -> Any:
    """A smooth and a spiky signal from their largest coefficients in four bases."""
    figure = _figure((13, 5.4), "Two signals from their 24 largest coefficients")
    plot.basis_comparison(axes=figure.subplots(2, 4))
    return figure


def _figure(size: tuple[float, float], title: str) -> Any:
    """Without pyplot, which would keep the figure and may open a window."""
    figure = require("matplotlib.figure", extra="demo").Figure(size, layout="constrained")
    figure.suptitle(title, fontsize=13)
    return figure


def _show(ax: Any, picture: Array) -> None:
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
