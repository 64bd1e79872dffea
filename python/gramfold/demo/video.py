"""Robust PCA for `gramfold demo`: a video split into scene and objects, faces without what hides them."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..datasets import faces, make_video
from ..extras import require
from ..rpca.estimator import RobustPCA
from ..rpca.online import OnlineRobustPCA

Array = NDArray[Any]

DPI = 110
SEED = 0
SHAPE, FRAMES, SHOWN, RANK = (72, 88), 120, (10, 45, 80, 115), 3
FACE, BLOCK, N_FACES = (25, 25), 8, 10
PRICE = 1.15  # of an outlier: faces are not quite of low rank, and keep more of themselves if that is dear


def write(folder: Path, n_threads: int) -> list[Path]:
    """Write both pictures and print a line for each; returns the PNG files."""
    files = [folder / "video.png", folder / "faces-restored.png"]
    for file, make in zip(files, (video, restored_faces), strict=True):
        figure, line = make(n_threads)
        figure.savefig(file, dpi=DPI)
        print(line)
    print()
    return files


def video(n_threads: int) -> tuple[Any, str]:
    """Frames of a static camera above what `RobustPCA` and `OnlineRobustPCA` make of them."""
    frames, background, _ = make_video(
        FRAMES, SHAPE, dead=0.02, noise=0.01, dtype=np.float32, random_state=SEED
    )
    X = frames.reshape(FRAMES, -1)
    begun = time.perf_counter()
    model = RobustPCA(noise="sqrt", tol=1e-4, n_threads=n_threads).fit(X)
    seconds = time.perf_counter() - begun
    stream = OnlineRobustPCA(RANK, n_start=30, n_threads=n_threads).fit(X)
    scene = model.complete().reshape(frames.shape)
    before = model.sparse_.toarray() if sp.issparse(model.sparse_) else model.sparse_
    error = float(np.sqrt(np.mean((scene - background) ** 2)))
    lines = {
        "frames; dead pixels red": frames,
        "background": scene,
        "foreground": before.reshape(frames.shape),
        "background, online": stream.low_rank_.reshape(frames.shape),
        "foreground, online": stream.sparse_.reshape(frames.shape),
    }
    figure = _sheet(lines, SHOWN, 2.3, "A static camera under changing light: scene and moving objects")
    facts = (
        f"A video of {FRAMES} frames of {SHAPE[0]} x {SHAPE[1]}, split by RobustPCA in {seconds:.2f} s: rank "
        f"{model.rank_}, duality gap {model.dual_gap_:.0e}, error of the background {error:.4f} of 1"
    )
    return figure, facts


def restored_faces(n_threads: int) -> tuple[Any, str]:
    """Faces, the same with a block of noise somewhere, and what is of low rank in these."""
    X = faces()
    hidden = X.reshape(-1, *FACE).copy()
    blocks, rng = np.zeros(hidden.shape, bool), np.random.default_rng(SEED)
    for face, block in zip(hidden[::2], blocks[::2], strict=True):
        top, left = rng.integers(0, np.array(FACE) - BLOCK + 1)
        face[top : top + BLOCK, left : left + BLOCK] = rng.random((BLOCK, BLOCK))
        block[top : top + BLOCK, left : left + BLOCK] = True
    given = hidden.reshape(len(X), -1)
    begun = time.perf_counter()
    model = RobustPCA(lam=PRICE / np.sqrt(X.shape[1]), tol=1e-4, n_threads=n_threads).fit(given)
    seconds = time.perf_counter() - begun
    restored = model.complete()
    lines = {"original": X, "hidden in part": given, "restored": restored}
    shown = 2 * np.arange(N_FACES) * (len(X) // (2 * N_FACES))
    figure = _sheet(
        {name: a.reshape(-1, *FACE) for name, a in lines.items()}, shown, 1.1,
        "Faces with blocks of noise, and their part of low rank",
    )  # fmt: skip
    error = [float(np.sqrt(np.mean((a - X)[blocks.reshape(X.shape)] ** 2))) for a in (given, restored)]
    facts = (
        f"{len(X)} faces, half with a block of {BLOCK} x {BLOCK} noise, by RobustPCA in {seconds:.2f} s: "
        f"error in the blocks {error[0]:.2f} before, {error[1]:.2f} after"
    )
    return figure, facts


def _sheet(lines: dict[str, Array], shown: Any, size: float, title: str) -> Any:
    """Some pictures of each line side by side; unobserved pixels are red."""
    figure = require("matplotlib.figure", extra="demo").Figure(layout="constrained")
    figure.suptitle(title, fontsize=13)
    axes = figure.subplots(len(lines), len(shown), squeeze=False)
    height, width = next(iter(lines.values()))[0].shape
    figure.set_size_inches(size * len(shown) + 1.3, size * height / width * len(lines) + 0.6)
    for line, (label, pictures) in zip(axes, lines.items(), strict=True):
        signed = label.startswith("foreground")
        for ax, i in zip(line, shown, strict=True):
            picture = np.ma.masked_invalid(pictures[i])
            low, high, colours = (-1, 1, "RdBu_r") if signed else (0, 1.2 if size > 2 else 1, "gray")
            ax.imshow(picture, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
            ax.set_facecolor("tab:red")  # shows through where masked
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
        line[0].set_ylabel(label.replace("; ", "\n").replace(", ", "\n"), rotation=0, ha="right", va="center")
    return figure
