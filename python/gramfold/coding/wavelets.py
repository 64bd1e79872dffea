"""Periodised orthonormal wavelet transforms of any size, one level after the other, by PyWavelets."""

from typing import Any

import numpy as np

from ..extras import require
from ..fold.source import Array

ORTHONORMAL = 1e-10  # a wavelet's filters may be off by this before they are corrected


def orthogonal_wavelet(name: str) -> Any:
    """Give the wavelet as an object of PyWavelets, its filters orthonormal to rounding.

    Raises
    ------
    ImportError
        If PyWavelets is not installed.
    ValueError
        If there is no such wavelet or it is not orthogonal.
    """
    pywt = require("pywt", extra="wavelets")
    if name not in pywt.wavelist(kind="discrete"):
        raise ValueError(
            f"name must be 'dct', 'fourier' or an orthogonal wavelet such as 'haar' or 'db4', got {name!r}"
        )
    wavelet = pywt.Wavelet(name)
    low = np.array(wavelet.dec_lo)
    if not wavelet.orthogonal or np.abs(_overlaps(low)).max() > ORTHONORMAL:
        raise ValueError(f"the wavelet {name!r} is not orthogonal")
    low = _orthonormal(low)
    high = low[::-1] * (-1.0) ** np.arange(1, len(low) + 1)
    return pywt.Wavelet(name, [low, high, low[::-1], high[::-1]])


def wavelet_transform(signals: Array, shape: tuple[int, ...], wavelet: Any, inverse: bool) -> Array:
    """Transform signals (n_samples, *shape) along each of their sides that is as long as the filter."""
    out = np.array(signals)
    levels = _levels(shape, wavelet.dec_len)
    for sides in reversed(levels) if inverse else levels:
        block = (slice(None), *(slice(side) for side in sides))
        for axis, side in enumerate(sides, 1):
            if side >= wavelet.dec_len:
                out[block] = (_join if inverse else _split)(out[block], wavelet, axis)
    return out


def _levels(shape: tuple[int, ...], length: int) -> list[tuple[int, ...]]:
    """The sizes of the blocks that are split, from fine to coarse."""
    levels = []
    while any(side >= length for side in shape):
        levels.append(shape)
        shape = tuple(side - side // 2 if side >= length else side for side in shape)
    return levels


def _split(x: Array, wavelet: Any, axis: int) -> Array:
    """One level along an axis: means, a last sample that is left over, then details."""
    pywt = require("pywt", extra="wavelets")
    even = x.shape[axis] // 2 * 2
    pairs, rest = np.split(x, [even], axis)
    low, high = pywt.dwt(pairs, wavelet, "periodization", axis)
    return np.concatenate([low, rest, high], axis)


def _join(z: Array, wavelet: Any, axis: int) -> Array:
    pywt = require("pywt", extra="wavelets")
    half = z.shape[axis] // 2
    low, rest, high = np.split(z, [half, z.shape[axis] - half], axis)
    return np.concatenate([pywt.idwt(low, high, wavelet, "periodization", axis), rest], axis)


def _overlaps(low: Array) -> Array:
    """Inner products of a filter with its even shifts, less those of an orthonormal one."""
    products = np.correlate(low, low, "full")[len(low) - 1 :: 2]
    products[0] -= 1
    return products


def _orthonormal(low: Array) -> Array:
    """The filter corrected to orthonormal by Newton's steps of least norm; tables hold some to 1e-11 only."""
    length = len(low)
    for _ in range(2):
        slopes = np.zeros((length // 2, length))
        for i in range(length // 2):
            slopes[i, 2 * i :] += low[: length - 2 * i]
            slopes[i, : length - 2 * i] += low[2 * i :]
        low = low - np.linalg.lstsq(slopes, _overlaps(low), rcond=None)[0]
    return low
