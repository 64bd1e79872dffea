"""Image patches: cut them out as the rows of X, average them back into images."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.random import sample_without_replacement

from ..fit.arguments import COUNTED, Seed, check_room, flag, members, pair, seeded, whole
from ..fit.inputs import naming, refuse_mask

__all__ = ["average", "corners", "extract"]

Array = NDArray[Any]
Pair = tuple[int, int]


def corners(
    image_shape: Pair, patch_shape: Pair, *, stride: int | Pair = 1
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Top-left corners of the patches of an image.

    Where the stride does not divide the way to the border, one more row or column of patches lies
    flush with it: for a stride up to the patch size, every pixel is in some patch.

    Parameters
    ----------
    image_shape : (height, width), in pixels
    patch_shape : (height, width), in pixels
    stride : int or (int, int), default=1
        Pixels from one patch to the next, down and across.

    Returns
    -------
    rows, columns : 1-D arrays of int
        There is a patch at each (row, column): ``len(rows) * len(columns)`` in all.

    Raises
    ------
    ValueError
        If a patch is larger than the image, or a size or stride is below 1.

    Examples
    --------
    >>> from gramfold.images.patches import corners
    >>> rows, columns = corners((8, 9), (4, 4), stride=3)
    >>> print(rows, columns)
    [0 3 4] [0 3 5]
    """
    image, patch = pair(image_shape, "image_shape"), pair(patch_shape, "patch_shape")
    check_room(max(image), "image_shape", max(image))
    return _corners(image, patch, stride, "image_shape")


def _corners(
    image: Pair, patch: Pair, stride: int | Pair, name: str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The corners of patches of an image that comes as `name`."""
    if patch[0] > image[0] or patch[1] > image[1]:
        raise ValueError(f"patch_shape {patch} is larger than the image, {image}: see {name}")
    down, across = _steps(stride)
    return _starts(image[0], patch[0], down), _starts(image[1], patch[1], across)


def extract(
    images: ArrayLike,
    patch_shape: Pair,
    *,
    stride: int | Pair = 1,
    max_patches: int | None = None,
    channels: bool = False,
    random_state: Seed = None,
) -> Array:
    """Cut images into patches, one a row.

    Parameters
    ----------
    images : array-like of shape (height, width) or (n_images, height, width)
        With `channels`, one more axis at the end. Values are copied, not scaled or checked: a NaN
        (a missing pixel) stays a NaN.
    patch_shape : (height, width), in pixels
    stride : int or (int, int), default=1
        Pixels from one patch to the next, down and across; the last row and column of patches lie
        flush with the border (see `corners`). Beyond the patch size, pixels are left out.
    max_patches : int, optional
        Keep at most so many, drawn at random without replacement. Only these are built.
    channels : bool, default=False
        Whether the last axis holds channels.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    patches : C-contiguous array of shape (n_patches, height * width [* n_channels])
        Image by image, from the top left, row by row; a draw keeps this order. float32 where it
        holds every value of the images' type (float16, bool, integers of 8 or 16 bits), else
        float64.

    Raises
    ------
    TypeError
        If `images` are not real numbers.
    ValueError
        If `images` do not have the axes expected, a patch is larger than the image, or a size,
        `stride` or `max_patches` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from gramfold.images.patches import extract
    >>> image = np.arange(12.0).reshape(3, 4)
    >>> print(extract(image, (2, 2), stride=2))
    [[ 0.  1.  4.  5.]
     [ 2.  3.  6.  7.]
     [ 4.  5.  8.  9.]
     [ 6.  7. 10. 11.]]
    """
    return cut(
        images, patch_shape, stride=stride, max_patches=max_patches, channels=channels,
        random_state=random_state,
    )  # fmt: skip


def cut(
    images: ArrayLike, patch_shape: Pair, *, stride: int | Pair = 1, max_patches: int | None = None,
    channels: bool = False, random_state: Seed = None, name: str = "images",
) -> Array:  # fmt: skip
    """Cut as `extract` does images that come as `name`."""
    array = _real(images, name)
    stack = array.reshape(_axes(array.shape, channels, name))
    patch_shape = pair(patch_shape, "patch_shape")
    rows, columns = _corners(stack.shape[1:3], patch_shape, stride, name)
    grid = (len(stack), len(rows), len(columns))
    n_patches = grid[0] * grid[1] * grid[2]
    if max_patches is None or whole(max_patches, "max_patches") >= n_patches:
        chosen = np.arange(n_patches)
    else:
        rng = seeded(random_state)
        chosen = np.sort(sample_without_replacement(n_patches, max_patches, random_state=rng))
    image, row, column = np.unravel_index(chosen, grid)
    windows = np.lib.stride_tricks.sliding_window_view(stack, patch_shape, axis=(1, 2))
    windows = np.moveaxis(windows, 3, -1)  # image, row, column, patch height, width, channel
    size = windows.shape[3] * windows.shape[4] * windows.shape[5]
    found = windows[image, rows[row], columns[column]]
    return np.ascontiguousarray(found).reshape(len(chosen), size)


def average(
    patches: ArrayLike,
    image_shape: tuple[int, ...],
    patch_shape: Pair,
    *,
    stride: int | Pair = 1,
    channels: bool = False,
) -> Array:
    """Put patches back; where they overlap, a pixel is their mean.

    The inverse of `extract` (without `max_patches`) for the same shapes and stride: exact for
    float32, whose sums are taken in float64, and to rounding for float64.

    Parameters
    ----------
    patches : array-like of shape (n_patches, height * width [* n_channels])
        In the order of `extract`. A NaN makes the pixels it covers NaN.
    image_shape : tuple of int
        The shape of the images given to `extract`: (height, width) or (n_images, height, width),
        and with `channels` the number of channels at the end.
    patch_shape, stride, channels
        As given to `extract`. A stride beyond the patch size leaves pixels without a value and is
        refused.

    Returns
    -------
    images : array of shape `image_shape`, float32 or float64 by the rule of `extract`

    Raises
    ------
    TypeError
        If `patches` are not real numbers.
    ValueError
        If the number or the size of the patches does not fit the shapes and stride, or some pixel
        is in no patch.

    Examples
    --------
    >>> import numpy as np
    >>> from gramfold.images.patches import average, extract
    >>> image = np.arange(20.0).reshape(4, 5)
    >>> patches = extract(image, (2, 3), stride=2)
    >>> bool((average(patches, image.shape, (2, 3), stride=2) == image).all())
    True
    """
    image_shape = tuple(members(image_shape, "image_shape"))
    n_images, height, width, n_channels = _axes(image_shape, channels, "image_shape")
    patch_shape = pair(patch_shape, "patch_shape")
    rows, columns = corners((height, width), patch_shape, stride=stride)
    down, across = _steps(stride)
    if down > patch_shape[0] or across > patch_shape[1]:
        raise ValueError(f"stride {stride} is beyond patch_shape {patch_shape}: pixels in no patch")
    expected = (n_images * len(rows) * len(columns), patch_shape[0] * patch_shape[1] * n_channels)
    flat = _real(patches, "patches")
    if flat.shape != expected:
        raise ValueError(
            f"patches have shape {flat.shape}; image_shape {image_shape} with patch_shape {patch_shape} "
            f"at stride {stride} needs {expected}"
        )
    # Columns, then rows: patch width + patch height additions, and the first pass reads in order.
    strip = (n_images * len(rows), len(columns), patch_shape[0], patch_shape[1], n_channels)
    strips = _overlap_add(flat.reshape(strip), width, across)
    strips = strips.reshape(n_images, len(rows), width, patch_shape[0], n_channels)
    total = _overlap_add(strips, height, down)
    total /= np.multiply.outer(_cover(rows, patch_shape[0], height), _cover(columns, patch_shape[1], width))[
        :, :, None
    ]
    return total.astype(flat.dtype, copy=False).reshape(image_shape)


def _starts(length: int, patch: int, step: int) -> NDArray[np.intp]:
    starts = np.arange(0, length - patch + 1, step)
    return starts if starts[-1] == length - patch else np.append(starts, length - patch)


def _cover(starts: NDArray[np.intp], patch: int, length: int) -> NDArray[np.intp]:
    """In how many patches each pixel of one axis lies."""
    return np.bincount((starts[:, None] + np.arange(patch)).ravel(), minlength=length)


def _overlap_add(pieces: Array, length: int, step: int) -> NDArray[np.float64]:
    """Sum pieces of shape (a, n_starts, b, patch, c) into (a, length, b, c), along the axis."""
    _, n_starts, _, patch, _ = pieces.shape
    regular = (length - patch) // step + 1
    total = np.zeros((len(pieces), length, pieces.shape[2], pieces.shape[4]))
    for offset in range(patch):
        total[:, offset : offset + (regular - 1) * step + 1 : step] += pieces[:, :regular, :, offset]
        if regular < n_starts:
            total[:, length - patch + offset] += pieces[:, -1, :, offset]
    return total


def _axes(shape: tuple[int, ...], channels: bool, name: str) -> tuple[int, int, int, int]:
    tail = 1 if flag(channels, "channels") else 0
    if len(shape) not in (2 + tail, 3 + tail):
        axes = "(n_images, height, width, n_channels)" if channels else "(n_images, height, width)"
        raise ValueError(
            f"{name}: expected {axes}, n_images optional, with channels={channels}, got shape {tuple(shape)}"
        )
    if min(whole(side, name, 0) for side in shape) < 1:
        raise ValueError(f"{name}: an axis is empty, got shape {tuple(shape)}")
    n_images = shape[0] if len(shape) == 3 + tail else 1
    height, width = shape[len(shape) - 2 - tail : len(shape) - tail]
    return n_images, height, width, shape[-1] if channels else 1


def _real(values: ArrayLike, name: str) -> Array:
    with naming(name):
        array = np.asarray(refuse_mask(values, name))
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}")
    exact_in_float32 = np.result_type(array.dtype, np.float32) == np.float32
    return array.astype(np.float32 if exact_in_float32 else np.float64, copy=False)


def _steps(stride: int | Pair) -> Pair:
    down, across = pair((stride, stride) if isinstance(stride, Integral) else stride, "stride")
    return min(down, COUNTED), min(across, COUNTED)
