"""Where mixtures start: responsibilities from clusters, from rows or at random."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.blocks import Blocks
from ..fold.source import Array
from ..kmeans.base import Labels
from ..kmeans.estimator import KMeans, clusterings
from ..kmeans.seeding import kmeans_plusplus

CLUSTERED = ("kmeans", "k-means++")  # starts that look at X
INITS = (*CLUSTERED, "random", "random_from_data")
BLOCK = 2**14  # rows whose responsibilities are made at once

Rows = slice | NDArray[np.intp]


class Start:
    """The responsibilities that the first parameters are made from, block by block.

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
    labels : ndarray of shape (n,), optional
        The clusters of 'kmeans'; by default those of a fit.
    """

    def __init__(
        self, X: Blocks, k: int, init: str, rng: np.random.RandomState, weights: NDArray[np.float64] | None,
        n_threads: int, labels: Labels | None = None,
    ) -> None:  # fmt: skip
        self.n, self.dtype, self.k, self.rng = X.shape[0], X.dtype, k, rng
        self.state: Any = None
        self.labels, self.chosen = labels, None
        rows = _rows(X)
        if labels is not None:
            pass
        elif init == "kmeans":
            fit = KMeans(k, n_init=1, random_state=rng, n_threads=n_threads).fit(rows, sample_weight=weights)
            self.labels = fit.labels_
        elif init == "k-means++":
            _, self.chosen = kmeans_plusplus(
                rows, k, random_state=rng, sample_weight=weights, n_threads=n_threads
            )
        elif init == "random_from_data":
            some = np.arange(self.n) if weights is None else np.flatnonzero(weights)
            self.chosen = some[rng.choice(len(some), size=k, replace=False)]

    def draw_past(self) -> None:
        """Leave the generator where `blocks` would."""
        if self.chosen is None and self.labels is None:
            rng = self._fresh()
            for first in range(0, self.n, BLOCK):
                rng.uniform(size=(min(BLOCK, self.n - first), self.k))

    @property
    def complete(self) -> bool:
        """Whether the responsibilities of every row sum to 1."""
        return self.chosen is None

    def blocks(self) -> Iterator[tuple[Rows, Array]]:
        """Yield the rows of a block and their responsibilities; the same ones each time."""
        if self.chosen is not None:
            yield self.chosen, np.eye(self.k)
            return
        rng = self._fresh() if self.labels is None else None
        for first in range(0, self.n, BLOCK):
            rows = slice(first, min(first + BLOCK, self.n))
            yield rows, self._responsibilities(rows, rng)

    def _fresh(self) -> np.random.RandomState:
        """The generator, or after its first use one that draws the same once more."""
        rng = self.rng
        if self.state is not None:
            rng = np.random.RandomState()
            rng.set_state(self.state)
        self.state = rng.get_state()
        return rng

    def _responsibilities(self, rows: slice, rng: np.random.RandomState | None) -> Array:
        if self.labels is not None:
            return np.eye(self.k)[self.labels[rows]]
        assert rng is not None
        drawn = rng.uniform(size=(rows.stop - rows.start, self.k)).astype(self.dtype)
        drawn /= drawn.sum(axis=1, keepdims=True)
        return drawn


def starts(
    X: Blocks, k: int, init: str, rng: np.random.RandomState, weights: NDArray[np.float64] | None,
    n_threads: int, count: int,
) -> list[Start]:  # fmt: skip
    """Give the starts of several runs, which draw in turn; fits of 'kmeans' share their reads of files."""
    labels: list[Any] = [None] * count
    if init == "kmeans" and count > 1:
        model = KMeans(k, n_init=count, random_state=rng, n_threads=n_threads)
        labels = [found.labels for found in clusterings(model, _rows(X), weights)]
    drawn = []
    for one in labels:
        drawn.append(Start(X, k, init, rng, weights, n_threads, one))
        if count > 1:
            drawn[-1].draw_past()
    return drawn


def _rows(X: Blocks) -> Any:
    """Give the array that X is, if it is one, which is checked faster; else X."""
    return X.parts[0] if len(X.parts) == 1 else X
