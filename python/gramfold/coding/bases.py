"""Orthonormal bases of signals and images: cosines, real Fourier, wavelets; codes by keeping or shrinking."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.fft

from ..fit.arguments import choice, real, shown, whole
from ..fit.blocks import Blocks
from ..fit.cached import cached_property
from ..fit.inputs import FLOATS, read_array, read_rows
from ..fold.engine import State, run
from ..fold.segments import source_of
from ..fold.source import Array, Source
from .wavelets import orthogonal_wavelet, wavelet_transform


class OrthoBasis:
    """An orthonormal basis of R^n, n = prod(shape): a fixed dictionary whose codes need no solver.

    Parameters
    ----------
    name : str
        'dct': cosines (DCT-II). 'fourier': cosines and sines (real, in two dimensions their products).
        'haar', 'db4', 'sym8', 'coif2', ...: a wavelet that PyWavelets calls orthogonal, needs the extra
        `wavelets`.
    shape : int or tuple of one or two ints
        Samples of a signal, or (height, width) of an image.

    Attributes
    ----------
    name : str
    shape : tuple of int
    n_features : int
        prod(shape); as many atoms.

    Raises
    ------
    ImportError
        If a wavelet is asked for and PyWavelets is not installed.
    ValueError
        If the name is unknown, the wavelet is not orthogonal ('bior2.4', 'dmey', ...), `shape` is not one or
        two sizes, or every side is shorter than the wavelet's filter.

    Notes
    -----
    Wavelets are periodised, and split the long sides as long as they are at least as long as the filter. Of
    an odd number of samples the last one goes on to the next level as it is, so that every size has an
    orthonormal basis; even sizes represent smooth signals best. Coefficients are arranged as the signal is,
    coarse ones first.

    References
    ----------
    Mallat (2009), A wavelet tour of signal processing, chapters 7 and 9.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> x = np.cos(np.pi * 3 * (np.arange(16) + 0.5) / 16)
    >>> z = gf.OrthoBasis("dct", 16).encode(x, n_nonzero=2)
    >>> int(np.argmax(z)), round(float(z[3]), 6)
    (3, 2.828427)
    """

    def __init__(self, name: str, shape: int | tuple[int, ...]) -> None:
        sides = shape if isinstance(shape, tuple) else (shape,)
        if len(sides) not in (1, 2):
            raise ValueError(f"shape must be one or two sizes, got {shape!r}")
        if not isinstance(name, str):
            raise TypeError(f"name must be a string, got {shown(name)}")
        self.name = name
        self.shape = tuple(whole(side, "shape") for side in sides)
        self.n_features = math.prod(self.shape)
        if name not in ("dct", "fourier") and max(self.shape) < self._wavelet.dec_len:
            raise ValueError(
                f"shape {self.shape} is too short for {name!r}: it needs a side of at least "
                f"{self._wavelet.dec_len}"
            )

    def __repr__(self) -> str:
        return f"OrthoBasis({self.name!r}, {self.shape})"

    def analyze(self, X: Any) -> Array:
        """Coefficients of signals: the inner products with all atoms.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), `shape`, or (n_samples, \\*shape); or `blocks`

        Returns
        -------
        ndarray of the shape of X
            float32 if X is, else float64.

        Raises
        ------
        ValueError
            If X has another shape, is complex or holds NaN or infinity.
        """
        return self._apply(X, "X", inverse=False)

    def synthesize(self, Z: Any) -> Array:
        """Signals of coefficients Z, the inverse of `analyze`; ``synthesize(np.eye(n))`` are the atoms."""
        return self._apply(Z, "Z", inverse=True)

    def encode(
        self, X: Any, *, n_nonzero: int | None = None, threshold: float | None = None, mode: str = "hard"
    ) -> Array:
        """Sparse coefficients of signals, each signal on its own.

        Parameters
        ----------
        X : array-like or `blocks`
            As in `analyze`.
        n_nonzero : int, optional
            Keep the so many largest magnitudes (of equal ones the first): the best approximation by so
            many atoms.
        threshold : float, optional
            'hard': keep magnitudes of at least this. 'soft': lower them by this, which minimises
            1/2 |x - synthesize(z)|^2 + threshold |z|_1.
        mode : {'hard', 'soft'}

        Returns
        -------
        ndarray of the shape of X

        Raises
        ------
        ValueError
            As `analyze`, or if not exactly one of `n_nonzero` and `threshold` is given.
        """
        if (n_nonzero is None) == (threshold is None):
            raise ValueError("exactly one of n_nonzero and threshold must be given")
        choice(mode, "mode", ("hard", "soft"))
        if n_nonzero is not None and mode == "soft":
            raise ValueError("mode='soft' needs threshold")
        Z = self.analyze(X)
        if n_nonzero is not None:
            keep = largest(np.abs(Z).reshape(-1, self.n_features), whole(n_nonzero, "n_nonzero"))
            return np.where(keep.reshape(Z.shape), Z, 0)
        least = Z.dtype.type(real(threshold, "threshold"))
        if mode == "hard":
            return np.where(np.abs(Z) >= least, Z, 0)
        return np.sign(Z) * np.maximum(np.abs(Z) - least, 0)

    def _apply(self, X: Any, name: str, *, inverse: bool) -> Array:
        if isinstance(X, Blocks):
            X = read_rows(X, name=name, sparse=False, segments=True)
        else:
            X = read_array(X, name, dtype=FLOATS, ensure_2d=False, allow_nd=True)
        flat = X.ndim == 2 and X.shape[1] == self.n_features
        if not flat and X.shape != self.shape and X.shape[1:] != self.shape:
            raise ValueError(
                f"{name} must have shape (n_samples, {self.n_features}), {self.shape} or (n_samples, "
                f"*{self.shape}), got {X.shape}"
            )
        if not isinstance(X, Blocks):
            return np.ascontiguousarray(self.apply(X, inverse), X.dtype).reshape(X.shape)
        state = {"out": np.empty(X.shape, X.dtype)}
        run(partial(transform, inverse=inverse), source_of(X, 1), self, state)
        return state["out"]

    def apply(self, signals: Array, inverse: bool) -> Array:
        """Transform signals that were checked; gives an array of shape (n_samples, \\*shape)."""
        signals = signals.reshape(-1, *self.shape)
        if self.name not in ("dct", "fourier"):
            return wavelet_transform(signals, self.shape, self._wavelet, inverse)
        for axis in range(-len(self.shape), 0):
            signals = TRANSFORMS[self.name, inverse](signals, axis)
        return signals

    @cached_property
    def _wavelet(self) -> Any:
        return orthogonal_wavelet(self.name)


def transform(rows: Source, shared: OrthoBasis, state: State, *, inverse: bool) -> None:
    """A pass: rows transformed into `out`."""
    state["out"][:] = shared.apply(rows.x, inverse).reshape(rows.rows, rows.cols)


def largest(magnitudes: Array, count: int) -> Array:
    """Mark the `count` largest entries of each row; of equal ones the first."""
    n = magnitudes.shape[1]
    if count >= n:
        return np.ones(magnitudes.shape, bool)
    last = np.partition(magnitudes, n - count, axis=1)[:, n - count, None]
    above, equal = magnitudes > last, magnitudes == last
    missing = count - above.sum(axis=1, keepdims=True)
    return above | (equal & (np.cumsum(equal, axis=1) <= missing))


def _fourier(x: Array, axis: int) -> Array:
    """Constant, then cosine and sine of each frequency, then the alternating signal if n is even."""
    n = x.shape[axis]
    f = np.moveaxis(scipy.fft.rfft(x, axis=axis, norm="ortho"), axis, -1)
    z = np.empty((*f.shape[:-1], n), x.dtype)
    z[..., 0] = f[..., 0].real
    pairs = (n - 1) // 2
    root = x.dtype.type(np.sqrt(2))
    z[..., 1 : 2 * pairs : 2] = root * f[..., 1 : pairs + 1].real
    z[..., 2 : 2 * pairs + 1 : 2] = -root * f[..., 1 : pairs + 1].imag
    if n % 2 == 0:
        z[..., -1] = f[..., -1].real
    return np.moveaxis(z, -1, axis)


def _inverse_fourier(z: Array, axis: int) -> Array:
    n = z.shape[axis]
    z = np.moveaxis(z, axis, -1)
    f = np.zeros((*z.shape[:-1], n // 2 + 1), np.result_type(z.dtype, np.complex64))
    f[..., 0] = z[..., 0]
    pairs = (n - 1) // 2
    root = z.dtype.type(np.sqrt(0.5))
    f[..., 1 : pairs + 1] = root * (z[..., 1 : 2 * pairs : 2] - 1j * z[..., 2 : 2 * pairs + 1 : 2])
    if n % 2 == 0:
        f[..., -1] = z[..., -1]
    return np.moveaxis(scipy.fft.irfft(f, n, axis=-1, norm="ortho"), -1, axis)


TRANSFORMS: dict[tuple[str, bool], Callable[[Array, int], Array]] = {
    ("dct", False): lambda x, axis: scipy.fft.dct(x, axis=axis, norm="ortho"),
    ("dct", True): lambda z, axis: scipy.fft.idct(z, axis=axis, norm="ortho"),
    ("fourier", False): _fourier,
    ("fourier", True): _inverse_fourier,
}
