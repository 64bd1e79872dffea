"""Images restored from sparse codes of their overlapping patches.

Examples
--------
>>> import numpy as np
>>> import gramfold as gf
>>> gf.restore.denoise(np.ones((8, 8)), np.eye(16), (4, 4), sigma=0.1).shape
(8, 8)
"""

from typing import Any

import numpy as np

from ..coding.sparse_encode import sparse_encode
from ..fit.arguments import real
from ..fit.inputs import dimensions, naming, refuse_mask
from ..fold.source import Array
from .patches import Pair, average, cut

INPAINT_TOL = 1e-4  # of a patch's codes: far below one of 256 grey levels


def denoise(
    image: Any, dictionary: Any, patch_shape: Pair, *, sigma: float, stride: int | Pair = 1,
    gain: float = 1.15, n_threads: int | None = None,
) -> Array:  # fmt: skip
    """Remove white noise: each patch becomes the sparsest code within the noise, overlaps are averaged.

    Parameters
    ----------
    image : array-like of shape (height, width)
    dictionary : array-like of shape (n_components, height * width of a patch)
        Of centred patches; the mean of each patch is kept as it is.
    patch_shape : (height, width), in pixels
    sigma : float
        Standard deviation of the noise, in the units of the image.
    stride : int or (int, int), default=1
        Pixels from one patch to the next.
    gain : float, default=1.15
        A patch is coded until its error is at most gain sigma sqrt(pixels).
    n_threads : int, optional

    Returns
    -------
    ndarray of shape (height, width)

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite or `sigma` is negative.

    References
    ----------
    Elad & Aharon (2006), Image denoising via sparse and redundant representations over learned
    dictionaries, IEEE Trans. Image Processing 15.

    Examples
    --------
    >>> import numpy as np
    >>> from gramfold.images.restore import denoise
    >>> image = np.add.outer(np.arange(8.0), np.arange(8.0))
    >>> atoms = image[:4, :4].reshape(1, 16) - image[:4, :4].mean()
    >>> bool(np.allclose(denoise(image, atoms, (4, 4), sigma=0.1, stride=4), image))
    True
    """
    rows = cut(image, patch_shape, stride=stride, name="image")
    if not np.isfinite(rows).all():
        raise ValueError("image has pixels that are not finite: inpaint fills those that are not known")
    _check_size(dictionary, rows, patch_shape)
    means = rows.mean(axis=1, keepdims=True, dtype=rows.dtype)
    sigma, gain = real(sigma, "sigma"), real(gain, "gain")
    error = sigma * gain * np.sqrt(rows.shape[1])
    if not np.isfinite(error):
        raise ValueError(f"sigma={sigma:g} and gain={gain:g} are too large together")
    codes = sparse_encode(
        rows - means, dictionary, algorithm="omp", max_error=error, output="csr", n_threads=n_threads
    )
    atoms = np.asarray(dictionary, dtype=rows.dtype)
    return average(codes @ atoms + means, np.shape(image), patch_shape, stride=stride)


def inpaint(
    image: Any, mask: Any, dictionary: Any, patch_shape: Pair, *, alpha: float, stride: int | Pair = 1,
    n_threads: int | None = None,
) -> Array:  # fmt: skip
    """Fill what is missing of an image from sparse codes of what is seen of each patch.

    Parameters
    ----------
    image : array-like of shape (height, width)
        Anything where `mask` is False.
    mask : array-like of bool, of shape (height, width)
        True where a pixel is known.
    dictionary : array-like of shape (n_components, height * width of a patch)
        Of centred patches; patches are centred by the mean of their known pixels.
    patch_shape : (height, width), in pixels
    alpha : float
        L1 penalty of the codes, in the units of the image.
    stride : int or (int, int), default=1
    n_threads : int, optional

    Returns
    -------
    ndarray of shape (height, width)
        Known pixels as they were. What no patch with a known pixel covers is the mean of all known ones.

    Raises
    ------
    ValueError
        If shapes do not fit or no pixel is known.

    References
    ----------
    Mairal, Elad & Sapiro (2008), Sparse representation for color image restoration, IEEE Trans. Image
    Processing 17, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from gramfold.images.restore import inpaint
    >>> image = np.add.outer(np.arange(4.0), np.arange(4.0))
    >>> known = np.ones((4, 4), bool)
    >>> known[1, 1] = False
    >>> filled = inpaint(image, known, (image - 3).reshape(1, 16), (4, 4), alpha=0.0)
    >>> bool(abs(filled[1, 1] - 2) < 0.1)
    True
    """
    with naming("image"):
        image = np.asarray(refuse_mask(image, "image"))
    with naming("mask"):
        mask = np.asarray(refuse_mask(mask, "mask"))
    if mask.shape != image.shape or mask.dtype != bool:
        raise ValueError(f"mask must be boolean and of the shape of image, {image.shape}")
    if not mask.any():
        raise ValueError("mask leaves no pixel known")
    seen = cut(mask, patch_shape, stride=stride, name="image") > 0
    rows = np.where(seen, cut(np.where(mask, image, 0), patch_shape, stride=stride, name="image"), 0)
    if not np.isfinite(image[mask]).all():
        raise ValueError("image has pixels that are not finite where mask says that they are known")
    _check_size(dictionary, rows, patch_shape)
    counts = seen.sum(axis=1, keepdims=True)
    means = np.where(counts > 0, rows.sum(axis=1, keepdims=True) / np.maximum(counts, 1), image[mask].mean())
    means = means.astype(rows.dtype)
    codes = sparse_encode(
        rows - means, dictionary, alpha=alpha, mask=seen, tol=INPAINT_TOL, n_threads=n_threads
    )
    filled = average(
        codes @ np.asarray(dictionary, dtype=rows.dtype) + means, image.shape, patch_shape, stride=stride
    )
    return np.where(mask, image, filled)


def _check_size(dictionary: Any, rows: Array, patch_shape: Pair) -> None:
    """Refuse atoms that are no patches."""
    shape = dimensions(dictionary, "dictionary")
    if len(shape) == 2 and shape[1] != rows.shape[1]:
        raise ValueError(
            f"dictionary has atoms of {shape[1]} pixels, but patch_shape {tuple(patch_shape)} has "
            f"{rows.shape[1]}"
        )
