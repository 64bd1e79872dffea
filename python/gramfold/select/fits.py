"""Models fitted to all of X, one a rank and restart."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone

from ..fit.blocks import Blocks

ROWS = 1 << 22  # entries of what a model says of rows, that are made at a time
DETERMINISTIC = (None, "nndsvd", "nndsvda")  # starts of NMF that are one


def restarted(model: Any, X: Any, rank: int, seeds: Sequence[int]) -> list[Any]:
    """Fit a clone from each seed; where the start of NMF is one, the later ones are random."""
    fitted = []
    for i, seed in enumerate(seeds):
        fresh = clone(model).set_params(**{size_of(model): rank, "random_state": seed})
        if i and getattr(model, "init", "") in DETERMINISTIC:
            fresh.set_params(init="random")
        with about(rank, i):
            fitted.append(fresh.fit(X))
    return fitted


def size_of(model: Any) -> str:
    """What a model calls its rank."""
    return "n_clusters" if hasattr(model, "n_clusters") else "n_components"


@contextmanager
def about(rank: int, restart: int) -> Iterator[None]:
    """Let an error say which fit it is of."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in the fit of rank {rank}, restart {restart}")
        raise


def pieces(X: Any, width: int) -> Iterator[Any]:
    """Some rows of X at a time, of which a model says `width` numbers each."""
    size = max(1, ROWS // width)
    for part in X.parts if isinstance(X, Blocks) else (X,):
        rows = part.tocsr() if sp.issparse(part) else part
        for first in range(0, rows.shape[0], size):
            yield rows[first : first + size]


def best_of(scores: Sequence[float]) -> int:
    """The place of the highest score."""
    return int(np.argmax(scores))
