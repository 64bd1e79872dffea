"""Where mixtures start: responsibilities from clusters, from rows or at random."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.blocks import Blocks
from ..fold.engine import run
from ..fold.segments import source_of
from ..fold.source import Source
from ..kmeans.estimator import KMeans, clusterings
from ..kmeans.seeding import kmeans_plusplus
from . import passes

CLUSTERED = ("kmeans", "k-means++")  # starts that look at X
INITS = (*CLUSTERED, "random", "random_from_data")


class Start:
    """The responsibilities that the first parameters are made from: `passes.given` makes them.

    Parameters
    ----------
    X : Blocks of shape (n, d)
        What is clustered.
    k : int
    init : {'kmeans', 'k-means++', 'random', 'random_from_data'}
        As in scikit-learn's mixtures; those of single rows leave all other rows without a component.
    rng : RandomState
    weights : ndarray of shape (n,), optional
    n_threads : int
    labels : ndarray or Kept of shape (n,), optional
        The clusters of 'kmeans'; by default those of a fit.
    """

    def __init__(
        self, X: Blocks, k: int, init: str, rng: np.random.RandomState, weights: NDArray[np.float64] | None,
        n_threads: int, labels: Any = None,
    ) -> None:  # fmt: skip
        self.k, self.labels, self.chosen, self.drawn = k, labels, None, None
        rows, n = _rows(X), X.shape[0]
        if labels is not None:
            pass
        elif init == "kmeans":
            fit = KMeans(k, init="k-means++", n_init=1, random_state=rng, n_threads=n_threads)
            self.labels = clusterings(fit, rows, weights)[0].labels
        elif init == "k-means++":
            _, self.chosen = kmeans_plusplus(
                rows, k, random_state=rng, sample_weight=weights, n_threads=n_threads
            )
        elif init == "random_from_data":
            some = np.arange(n) if weights is None else np.flatnonzero(weights)
            self.chosen = some[rng.choice(len(some), size=k, replace=False)]
        else:
            self.drawn = source_of(rows, n_threads).draws(rng, "uniform", k)

    @property
    def complete(self) -> bool:
        """Whether the responsibilities of every row sum to 1."""
        return self.chosen is None


def with_start(pass_: Any, x: Source, shared: Any, start: Start | None, k: int, fixed: dict[str, Any]) -> Any:
    """What a pass gives for the responsibilities of a start, or, without one, of 1 for all rows.

    `fixed` are weights and exposures of the rows.
    """
    if start is not None and start.chosen is not None:
        own = {name: None if a is None else a[start.chosen] for name, a in fixed.items()}
        return run(pass_, x.some(start.chosen), shared, own | {"given": np.eye(k)})
    fixed = {"weights": None, "exposure": None} | fixed
    fixed["labels"] = None if start is None else start.labels
    drawn = None if start is None else start.drawn
    return run(partial(passes.given, pass_=pass_, k=k), x, shared, {"drawn": drawn}, fixed=fixed)


def starts(
    X: Blocks, k: int, init: str, rng: np.random.RandomState, weights: NDArray[np.float64] | None,
    n_threads: int, count: int,
) -> list[Start]:  # fmt: skip
    """Give the starts of several runs, which draw in turn; fits of 'kmeans' share their reads of files."""
    labels: list[Any] = [None] * count
    if init == "kmeans" and count > 1:
        model = KMeans(k, init="k-means++", n_init=count, random_state=rng, n_threads=n_threads)
        labels = [found.labels for found in clusterings(model, _rows(X), weights)]
    return [Start(X, k, init, rng, weights, n_threads, one) for one in labels]


def _rows(X: Blocks) -> Any:
    """Give the array that X is, if it is one, which is checked faster; else X."""
    return X.parts[0] if len(X.parts) == 1 else X
