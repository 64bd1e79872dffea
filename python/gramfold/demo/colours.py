"""Colour quantisation for `gramfold demo`: the pixels of a photograph by k-means, beside scikit-learn."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans as PeerKMeans
from sklearn.exceptions import ConvergenceWarning

from ..extras import require
from ..kmeans.estimator import KMeans

Array = NDArray[Any]

COLOURS = (4, 16, 64)
ITERATIONS = 20
SEED = 0
JITTER = 0.002


@dataclass(frozen=True, slots=True)
class Quantised:
    """A photograph in k colours, the most used colour first, and how long both libraries took."""

    k: int
    picture: Array
    palette: Array
    seconds: float
    peer_seconds: float
    inertia: float
    peer_inertia: float

    @property
    def noise(self) -> float:
        """Peak signal to noise ratio in dB, for values in [0, 1]."""
        return float(10 * np.log10(self.picture.size / self.inertia))


def photograph() -> Array:
    """The coffee cup that comes with scikit-image, (400, 600, 3), float32 in [0, 1]."""
    image = require("skimage.data", extra="demo").coffee() / 255
    return np.asarray(image, dtype=np.float32)


def quantise(image: Array, k: int, n_threads: int, iterations: int = ITERATIONS) -> Quantised:
    """Cluster the pixels by colour from one start with both libraries, the same number of iterations."""
    pixels = image.reshape(-1, image.shape[-1])
    rng = np.random.default_rng(SEED)
    start = pixels[rng.choice(len(pixels), k, replace=False)]
    # Off the grid of 8-bit values, on which many pixels are equally near to two colours: ties are broken
    # differently, and the fits would part.
    start = start + JITTER * rng.standard_normal(start.shape, dtype=start.dtype)
    options: dict[str, Any] = {"n_init": 1, "init": start, "max_iter": iterations, "tol": 0}
    model, seconds = _timed(lambda: KMeans(k, n_threads=n_threads, **options).fit(pixels))
    peer, peer_seconds = _timed(lambda: PeerKMeans(k, **options).fit(pixels))
    shares = np.bincount(model.labels_, minlength=k)
    return Quantised(
        k, model.cluster_centers_[model.labels_].reshape(image.shape),
        model.cluster_centers_[np.argsort(-shares, kind="stable")], seconds, peer_seconds,
        float(model.inertia_), float(peer.inertia_),
    )  # fmt: skip


def _timed(fit: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = fit()
    return model, time.perf_counter() - begun


def report(made: Sequence[Quantised], iterations: int = ITERATIONS) -> str:
    """A line for each number of colours."""
    height, width = made[0].picture.shape[:2]
    lines = [f"Colours of a photograph, {height * width:,} pixels, by k-means; {iterations} iterations each"]
    for one in made:
        faster = one.peer_seconds / one.seconds
        lines.append(
            f"{one.k:>4} colours, PSNR {one.noise:.1f} dB: {one.seconds:>6.3f} s, inertia {one.inertia:.2f}"
            f"; scikit-learn {one.peer_seconds:>6.3f} s, {one.peer_inertia:.2f}; {faster:.1f}x faster"
        )
    return "\n".join(lines) + "\n"


def figure(image: Array, made: Sequence[Quantised]) -> Any:
    """The photograph before and after, each above the colours that it is made of."""
    drawn = require("matplotlib.figure", extra="demo").Figure(
        (3.9 * (1 + len(made)), 3.9), layout="constrained"
    )
    drawn.suptitle("A photograph in k colours, found by k-means", fontsize=13)
    axes = drawn.subplots(2, 1 + len(made), height_ratios=(7, 1), squeeze=False)
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
    axes[0, 0].imshow(image)
    axes[0, 0].set_title(f"original, {len(np.unique(image.reshape(-1, 3), axis=0)):,} colours", fontsize=11)
    for one, (above, below) in zip(made, axes.T[1:], strict=True):
        above.imshow(np.clip(one.picture, 0, 1))
        above.set_title(f"{one.k} colours, PSNR {one.noise:.1f} dB", fontsize=11)
        below.imshow(np.clip(one.palette, 0, 1)[None], aspect="auto", interpolation="nearest")
    return drawn
