"""Pictures of sparse coding for `gramfold demo`: two dictionaries, and a photograph restored with each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import plot
from ..datasets.photographs import PHOTOGRAPHS, grey
from ..dictionary.minibatch import MiniBatchDictionaryLearning
from ..extras import require
from ..images.patches import extract
from ..images.restore import denoise, inpaint

Array = NDArray[Any]

DPI = 110
SEED = 0
SIDE, WAVES = 8, 12  # pixels of a patch; cosines in each direction, more than pixels
COLUMNS = 13  # 12 x 12 - 1 cosine atoms are 13 x 11
PATCHES = 1500  # of each photograph
ALPHA, ROUNDS, BATCH = 0.1, 2, 512
RESTORED, CROP = "camera", (slice(60, 316), slice(100, 356))
SIGMA = 25 / 255
KNOWN = 0.4
L1, STRIDE = 0.03, 3
MISSING = "#7aa6d6"  # a missing pixel's colour


def write(folder: Path, n_threads: int) -> list[Path]:
    """Learn atoms, restore the photograph, print what came of it; returns the PNG files."""
    cosines = cosine_atoms()
    dictionaries = {"cosines": cosines, "learned": learned_atoms(cosines, n_threads)}
    image = grey(RESTORED, np.dtype(np.float32))[CROP]
    denoised = noisy_and_cleaned(image, dictionaries, n_threads)
    inpainted = holes_and_filled(image, dictionaries, n_threads)
    print(report(image, denoised, inpainted))
    figures = {
        "dictionaries": atoms_figure(dictionaries),
        "photograph-restored": figure(image, denoised, inpainted),
    }
    files = [folder / f"{name}.png" for name in figures]
    for file, drawn in zip(files, figures.values(), strict=True):
        drawn.savefig(file, dpi=DPI)
    return files


def cosine_atoms(side: int = SIDE, waves: int = WAVES) -> Array:
    """Products of cosines down and across, (waves^2 - 1, side^2), slow ones first; centred, of norm 1."""
    lines = np.cos(np.pi * np.outer(np.arange(side) + 0.5, np.arange(waves)) / waves)
    speed = np.add.outer(np.arange(waves), np.arange(waves)).ravel()
    atoms = np.einsum("ai,bj->ijab", lines, lines).reshape(waves**2, side**2)
    atoms = atoms[np.argsort(speed, kind="stable")[1:]]
    return normed(atoms - atoms.mean(axis=1, keepdims=True))


def normed(atoms: Array) -> Array:
    """Rows of norm 1, float32."""
    return np.asarray(atoms / np.linalg.norm(atoms, axis=1, keepdims=True), dtype=np.float32)


def learned_atoms(start: Array, n_threads: int) -> Array:
    """Atoms for patches of the other photographs, from those of `start`, the most used first."""
    rows = np.concatenate(
        [
            extract(grey(name, np.dtype(np.float32)), (SIDE, SIDE), max_patches=PATCHES, random_state=SEED)
            for name in PHOTOGRAPHS
            if name != RESTORED
        ]
    )
    rows -= rows.mean(axis=1, keepdims=True)
    model = MiniBatchDictionaryLearning(
        len(start), alpha=ALPHA, max_iter=ROUNDS, batch_size=BATCH, tol=0, max_no_improvement=None,
        dict_init=start, transform_algorithm="lasso_cd", random_state=SEED, n_threads=n_threads,
    )  # fmt: skip
    use = np.abs(model.fit_transform(rows)).sum(axis=0)
    return normed(model.components_[np.argsort(-use, kind="stable")])


def noisy_and_cleaned(image: Array, dictionaries: Mapping[str, Array], n_threads: int) -> dict[str, Array]:
    """The photograph with white noise, and without it by each dictionary."""
    rng = np.random.default_rng(SEED)
    noisy = image + np.float32(SIGMA) * rng.standard_normal(image.shape, dtype=image.dtype)
    cleaned = {
        name: denoise(noisy, atoms, (SIDE, SIDE), sigma=SIGMA, stride=STRIDE, n_threads=n_threads)
        for name, atoms in dictionaries.items()
    }
    return {"noise": noisy} | cleaned


def holes_and_filled(image: Array, dictionaries: Mapping[str, Array], n_threads: int) -> dict[str, Array]:
    """The photograph with most pixels missing (NaN), and these filled by each dictionary."""
    known = np.random.default_rng(SEED).random(image.shape) < KNOWN
    holes = np.where(known, image, np.float32(np.nan))
    filled = {
        name: inpaint(holes, known, atoms, (SIDE, SIDE), alpha=L1, stride=STRIDE, n_threads=n_threads)
        for name, atoms in dictionaries.items()
    }
    return {"holes": holes} | filled


def psnr(image: Array, made: Array) -> float:
    """Peak signal to noise ratio in dB, for values in [0, 1]; NaN where pixels are missing."""
    return float(-10 * np.log10(np.mean(np.square(image - made, dtype=np.float64))))


def report(image: Array, denoised: Mapping[str, Array], inpainted: Mapping[str, Array]) -> str:
    """A line for each task."""
    lines = ["Restored from sparse codes of 8 x 8 patches, PSNR in dB"]
    for task, made in (("denoised", denoised), ("inpainted", inpainted)):
        values = {name: psnr(image, picture) for name, picture in made.items()}
        lines.append(f"{task:>10}: " + ", ".join(f"{name} {v:.1f}" for name, v in values.items() if v == v))
    return "\n".join(lines) + "\n"


def atoms_figure(dictionaries: Mapping[str, Array]) -> Any:
    """The atoms of each dictionary."""
    drawn = _figure((11, 5.2), f"Two dictionaries of {len(dictionaries['cosines'])} atoms, 8 x 8 pixels each")
    drawn.get_layout_engine().set(w_pad=0.12, h_pad=0.06)
    titles = {
        "cosines": "products of cosines, slow ones first",
        "learned": "learned from nine photographs, most used first",
    }
    for ax, (name, atoms) in zip(drawn.subplots(1, 2), dictionaries.items(), strict=True):
        plot.atoms(atoms, (SIDE, SIDE), ax=ax, columns=COLUMNS)
        ax.set_title(titles[name], fontsize=11)
    return drawn


def figure(image: Array, denoised: Mapping[str, Array], inpainted: Mapping[str, Array]) -> Any:
    """What is given, what each dictionary makes of it, and the original."""
    drawn = _figure((13, 7.1), "A photograph restored from sparse codes of its overlapping patches")
    titles = {
        "noise": "white noise", "holes": f"{1 - KNOWN:.0%} of the pixels missing",
        "cosines": "cosine atoms", "learned": "learned atoms",
    }  # fmt: skip
    for line, made in zip(drawn.subplots(2, 4), (denoised, inpainted), strict=True):
        for ax, (name, picture) in zip(line, made.items(), strict=False):
            noise = psnr(image, picture)
            _show(ax, picture, titles[name] + (f", PSNR {noise:.1f} dB" if np.isfinite(noise) else ""))
        _show(line[-1], image, "original")
    return drawn


def _show(ax: Any, picture: Array, title: str) -> None:
    grey_or_missing = require("matplotlib", extra="demo").colormaps["gray"].with_extremes(bad=MISSING)
    ax.imshow(picture, cmap=grey_or_missing, vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize=11)
    ax.set_axis_off()


def _figure(size: tuple[float, float], title: str) -> Any:
    drawn = require("matplotlib.figure", extra="demo").Figure(size, layout="constrained")
    drawn.suptitle(title, fontsize=13)
    return drawn
