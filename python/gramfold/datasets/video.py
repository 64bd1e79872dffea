"""A synthetic video of a static camera, with what is behind and before it known."""

from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..fit.arguments import Seed, check_room, floating, generator, pair, real, whole

Array = NDArray[Any]


def make_video(
    n_frames: int = 100,
    shape: tuple[int, int] = (72, 88),
    *,
    n_objects: int = 3,
    dead: float = 0.01,
    noise: float = 0.0,
    dtype: DTypeLike = np.float64,
    random_state: Seed = None,
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Make frames of a smooth scene under changing light, with objects moving before it and dead pixels.

    Parameters
    ----------
    n_frames : int, default=100
    shape : (int, int), default=(72, 88)
        Height and width of a frame.
    n_objects : int, default=3
        Rectangles, brighter or darker than the scene, that cross it again and again.
    dead : float in [0, 1), default=0.01
        Share of the pixels that the camera lost: NaN in every third frame.
    noise : float, default=0.0
        Standard deviation of the noise of the camera; the scene is in [0, 1].
    dtype : float32 or float64, default=float64
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    frames : array of shape (n_frames, height, width)
        NaN at dead pixels.
    background : array of shape (n_frames, height, width)
        The scene without objects, of rank 3 as a matrix of frames.
    moving : array of bool of shape (n_frames, height, width)
        Where an object is.

    Raises
    ------
    ValueError
        If a size is below 1, `dead` or `noise` is out of range or `dtype` is another.

    Examples
    --------
    >>> from gramfold.datasets import make_video
    >>> frames, background, moving = make_video(20, (30, 40), random_state=0)
    >>> frames.shape, bool((frames == background)[~moving].mean() > 0.98)
    ((20, 30, 40), True)
    """
    whole(n_frames, "n_frames")
    height, width = pair(shape, "shape")
    whole(n_objects, "n_objects", 0)
    dead, noise = real(dead, "dead", high=1.0), real(noise, "noise")
    if dead == 1:
        raise ValueError("dead must be below 1")
    kept, rng = floating(dtype), generator(random_state)
    check_room(n_frames, "n_frames", n_frames * height * width)
    y, x = (
        np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        if min(height, width) > 1
        else np.zeros((2, height, width))
    )
    scenes = [_scene(x, y, rng) for _ in range(3)]
    time = np.linspace(0, 1, n_frames)
    lights = [0.7 + 0.3 * time, 0.15 * np.sin(9 * time), 0.1 * time**2]  # a ramp, a flicker, a slow change
    background = sum(light[:, None, None] * scene for light, scene in zip(lights, scenes, strict=True))
    background = np.asarray(background).astype(kept)
    frames, moving = background.copy(), np.zeros(background.shape, bool)
    for _ in range(n_objects):
        _add_object(frames, moving, rng)
    if noise > 0:
        with np.errstate(over="ignore"):
            frames += kept.type(noise) * rng.standard_normal(frames.shape, dtype=cast(Any, kept))
        if not np.isfinite(frames).all():
            raise ValueError(f"noise={noise:g} leaves the range of {kept}")
    lost = rng.random((height, width)) < dead
    frames[::3, lost] = np.nan
    return frames, background, moving


def _scene(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """A smooth picture with values in [0, 1]."""
    picture = np.zeros(x.shape)
    for _ in range(8):
        a, b, phase = rng.uniform(-7, 7), rng.uniform(-7, 7), rng.uniform(0, 2 * np.pi)
        picture += rng.random() * np.sin(a * x + b * y + phase)
    picture -= picture.min()
    return picture / (picture.max() or 1)


def _add_object(frames: Array, moving: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """A rectangle on a straight way that wraps round."""
    n_frames, height, width = frames.shape
    rows, columns = max(1, height // rng.integers(5, 9)), max(1, width // rng.integers(7, 12))
    top, left = rng.uniform(0, height), rng.uniform(0, width)
    down, right = rng.uniform(-0.5, 0.5), rng.choice([-1, 1]) * rng.uniform(0.8, 2) * width / 80
    value = rng.choice([0.0, 1.2])
    for t in range(n_frames):
        y = (int(top + down * t) + np.arange(rows)) % height
        x = (int(left + right * t) + np.arange(columns)) % width
        frames[t][np.ix_(y, x)] = value
        moving[t][np.ix_(y, x)] = True
