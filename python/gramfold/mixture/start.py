"""Where mixtures start: responsibilities from clusters, from rows or at random."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.blocks import Blocks
from ..fold.source import Array
from ..kmeans.estimator import KMeans
from ..kmeans.seeding import kmeans_plusplus

INITS = ("kmeans", "k-means++", "random", "random_from_data")
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
    """

    def __init__(
        self, X: Blocks, k: int, init: str, rng: np.random.RandomState, weights: NDArray[np.float64] | None,
        n_threads: int,
    ) -> None:  # fmt: skip
        self.n, self.dtype, self.k, self.rng = X.shape[0], X.dtype, k, rng
        self.state: Any = None
        self.labels = self.chosen = None
        rows = X.parts[0] if len(X.parts) == 1 else X  # an array is checked faster
        if init == "kmeans":
            fit = KMeans(k, n_init=1, random_state=rng, n_threads=n_threads).fit(rows, sample_weight=weights)
            self.labels = fit.labels_
        elif init == "k-means++":
            _, self.chosen = kmeans_plusplus(
                rows, k, random_state=rng, sample_weight=weights, n_threads=n_threads
            )
        elif init == "random_from_data":
            some = np.arange(self.n) if weights is None else np.flatnonzero(weights)
            self.chosen = some[rng.choice(len(some), size=k, replace=False)]

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
