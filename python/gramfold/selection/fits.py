"""Models fitted to all of X, one a rank and restart."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import scipy.sparse as sp
from sklearn.base import clone

from ..fit.blocks import Blocks
from ..fold.in_step import in_files
from ..fold.side_by_side import side_by_side
from ..nmf.estimator import NMF

MOST = 16  # fits side by side: each has factors, or labels, of its own
ROWS = 1 << 22  # entries of what a model says of rows, that are made at a time
DETERMINISTIC = (None, "nndsvd", "nndsvda")  # starts of NMF that are one


def restarted(model: Any, X: Any, ranks: Sequence[int], seeds: Sequence[int], score: Any = None) -> list[Any]:
    """Fit a clone of each rank from each seed, rank by rank.

    Where the start of NMF is one, those after the first are random. With `score`, a callable of a model and
    X, each comes with what that gives.
    """

    def task(rank: int, i: int, x: Any) -> Any:
        fresh = clone(model).set_params(**{size_of(model): rank, "random_state": seeds[i]})
        if i and getattr(model, "init", "") in DETERMINISTIC:
            fresh.set_params(init="random")
        with about(rank, i):
            fresh.fit(x)
            return fresh if score is None else (fresh, score(fresh, x))

    return fitted(model, X, [partial(task, rank, i) for rank in ranks for i in range(len(seeds))])


def fitted(model: Any, X: Any, tasks: Sequence[Callable[[Any], Any]]) -> list[Any]:
    """Give task(X) for each task, of X in files side by side, unless somebody follows the fits in turn.

    So are those of an NMF of a sparse X, of which some would transpose a copy each.
    """
    followed = getattr(model, "callback", None) is not None or bool(getattr(model, "verbose", False))
    copied = isinstance(model, NMF) and is_sparse(X)
    if followed or copied or not in_files(X):
        return [task(X) for task in tasks]
    found = []
    for first in range(0, len(tasks), MOST):
        found += side_by_side(X, tasks[first : first + MOST])
    return found


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix, or Blocks of such."""
    return X.sparse if isinstance(X, Blocks) else bool(sp.issparse(X))


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
