"""X with its mask or weights checked, and combined."""

from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fit.blocks import Blocks, gathered, mapped, opened
from ..fit.floats import Floats
from ..fit.inputs import dimensions
from ..fit.missing import nan_from_mask
from ..io.parts import Beside
from ..io.recognise import is_file
from .cluster import goes_to
from .engine import State
from .observed import Observed
from .observed_segments import ObservedSegments
from .source import Array

NOTHING = "X has no observed entry: all are NaN, masked or of weight 0"


def observe(X: Any, mask: Any = None, *, n_threads: int = 1, some: bool = True) -> Observed:
    """Check X with its mask or weights, and combine them.

    Parameters
    ----------
    X : array-like, numpy masked array or Blocks of such, of shape (n_samples, n_features)
        NaN and masked entries are unobserved. float32 stays, other types become float64.
    mask : array-like or Blocks of shape (n_samples, n_features), optional
        Boolean: True where an entry is observed. Of numbers: the weight of each entry's squared
        error, at least 0 and finite; 0 is unobserved. X may hold anything where `mask` is False or 0.
    n_threads : int
    some : bool
        Whether something must be observed.

    Returns
    -------
    Observed
        With a copy of X only where a mask hides some of it.

    Raises
    ------
    TypeError
        If X or `mask` is sparse.
    ValueError
        If shapes do not fit, a weight is negative or not finite, an observed entry is infinite, or
        nothing is observed.

    Examples
    --------
    >>> import numpy as np
    >>> from gramfold.fold.observe import observe
    >>> observe([[1.0, np.nan], [3.0, 4.0]], [[True, True], [True, False]]).seen
    array([[ True, False],
           [ True, False]])
    """
    mask = gathered(mask)
    dimensions(mask, "mask")
    X = opened(X) if is_file(X) else X
    for name, argument in (("X", X), ("mask", mask)):
        if sp.issparse(argument):
            raise TypeError(f"missing='mask' and mask= need dense arrays, but {name} is sparse")
    if isinstance(X, Blocks):
        return _observe_blocks(X, mask, n_threads, some)
    hidden = np.ma.getmaskarray(X) if isinstance(X, np.ma.MaskedArray) else None
    x: Any = X if isinstance(X, Floats) else np.asarray(X if hidden is None else X.data)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    if x.ndim != 2:
        raise ValueError(f"X must have two dimensions, got {x.ndim}")
    seen, weights = _split(mask, x)
    if hidden is not None:
        seen = ~hidden if seen is None else seen & ~hidden
    observed = Observed(nan_from_mask(x, seen), weights, n_threads)
    if observed.something_seen and np.isinf([observed.least, observed.look.most]).any():
        raise ValueError("X contains infinity in an observed entry")
    if some and not observed.something_seen:
        raise ValueError(NOTHING)
    return observed


def _observe_blocks(X: Blocks, mask: Any, n_threads: int, some: bool) -> Observed:
    if mask is not None:
        mask = np.asarray(mask)
        _check_shape(mask, X.shape)
    parts: Any = mapped(X.parts, X.spans, Beside(partial(_seen, n_threads=n_threads), {"mask": mask}))
    found = ObservedSegments(parts)
    seen = found.something_seen if goes_to(parts)[0] else (part.something_seen for part in parts)
    if some and not any(seen):
        raise ValueError(NOTHING)
    return found


def _seen(part: Any, state: State, *, n_threads: int) -> Observed:
    return observe(part, state["mask"], n_threads=n_threads, some=False)


def _check_shape(mask: Array, shape: tuple[int, ...]) -> None:
    if mask.shape != shape:
        raise ValueError(f"mask must have the shape of X, {shape}, got {mask.shape}")


def _split(mask: Any, x: Array) -> tuple[NDArray[np.bool_] | None, Array | None]:
    """The mask as what is seen, or as weights if there are others than 0 and 1."""
    if mask is None:
        return None, None
    given = np.asarray(mask)
    _check_shape(given, x.shape)
    if given.dtype == bool:
        return given, None
    try:
        weights = given.astype(x.dtype, copy=False)
    except (TypeError, ValueError):
        raise ValueError(f"mask must be boolean or weights, got dtype {given.dtype}") from None
    if not np.isfinite(weights).all():
        raise ValueError("mask holds weights that are not finite")
    if weights.min(initial=0) < 0:
        raise ValueError(f"mask holds negative weights, the least is {weights.min():g}")
    return (weights > 0, None) if np.all((weights == 0) | (weights == 1)) else (None, weights)
