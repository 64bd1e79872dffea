"""Photographs that come with scikit-image, as rows of X; `datasets` offers them."""

from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..extras import require
from ..fit.arguments import Seed, flag, floating, generator, seeded, whole
from ..images.patches import corners, extract

Array = NDArray[Any]

PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "moon",
    "rocket",
)  # scikit-image's wheel carries these; its other photographs are downloads
LUMINANCE = np.array([0.2125, 0.7154, 0.0721])  # of red, green, blue: ITU-R BT.709


def image_patches(
    patch_shape: tuple[int, int] = (8, 8),
    *,
    n_patches: int | None = None,
    stride: int | tuple[int, int] = 1,
    center: bool = False,
    dtype: DTypeLike = np.float32,
    random_state: Seed = None,
) -> Array:
    """Patches of ten photographs that come with scikit-image, in grey.

    Nothing is downloaded. Needs the extra `demo`.

    Parameters
    ----------
    patch_shape : (height, width), in pixels, default=(8, 8)
    n_patches : int, optional
        How many to draw at random without replacement. By default all are returned: 2.3 million
        at stride 1, 0.6 GB for 8 x 8 in float32.
    stride : int or (int, int), default=1
        Pixels from one patch to the next, down and across.
    center : bool, default=False
        Subtract from each patch its mean; patches are then signed.
    dtype : float32 or float64, default=float32
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    patches : array of shape (n_patches, height * width)
        Values in [0, 1] (before `center`), photograph by photograph.

    Raises
    ------
    ImportError
        If scikit-image is not installed.
    ValueError
        If there are fewer than `n_patches` patches, or for the reasons of `patches.extract`.

    Examples
    --------
    >>> from gramfold.datasets import image_patches
    >>> image_patches((8, 8), n_patches=1000, random_state=0).shape
    (1000, 64)
    """
    kept, rng = floating(dtype), seeded(random_state)
    flag(center, "center")
    images = [grey(name, kept) for name in PHOTOGRAPHS]
    grids = [corners(image.shape, patch_shape, stride=stride) for image in images]
    shares = np.array([len(rows) * len(columns) for rows, columns in grids])
    if n_patches is not None:
        if whole(n_patches, "n_patches") > shares.sum():
            raise ValueError(f"n_patches={n_patches}, but there are only {shares.sum()}")
        shares = generator(rng).multivariate_hypergeometric(shares, n_patches)
    patches = np.concatenate(
        [
            extract(image, patch_shape, stride=stride, max_patches=int(share), random_state=rng)
            for image, share in zip(images, shares, strict=True)
            if share
        ]
    )
    if center:
        patches -= patches.mean(axis=1, keepdims=True)
    return patches


def faces() -> Array:
    """Load 100 faces of 25 x 25 pixels, one a row, that come with scikit-image.

    Cut from Labeled Faces in the Wild [1]_. Nothing is downloaded. Needs the extra `demo`.

    Returns
    -------
    faces : array of shape (100, 625), float64
        Grey values in [0, 1]; ``faces.reshape(-1, 25, 25)`` are the images.

    Raises
    ------
    ImportError
        If scikit-image is not installed.

    References
    ----------
    .. [1] G. Huang, M. Mattar, H. Lee, E. Learned-Miller, "Learning to align from scratch",
       NIPS 2012.

    Examples
    --------
    >>> from gramfold.datasets import faces
    >>> faces().shape
    (100, 625)
    """
    stored = require("skimage.data", extra="demo").lfw_subset()  # then 100 that are not faces
    return cast(Array, stored[:100].reshape(100, -1))


def grey(name: str, dtype: np.dtype[Any]) -> Array:
    """One of `PHOTOGRAPHS`, (height, width), values in [0, 1]."""
    image = getattr(require("skimage.data", extra="demo"), name)()
    grey = image @ LUMINANCE if image.ndim == 3 else image
    return cast(Array, np.minimum(grey / 255, 1).astype(dtype))
