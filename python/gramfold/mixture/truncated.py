"""EM for Gaussian mixtures in which each row has responsibilities among a few components alone.

A truncated variational E step (Lücke & Eggert 2010, Expectation truncation and the benefits of preselection
in training generative models): what is maximised is the log of a sum over some components, a lower bound of
the log-likelihood. Rows are grouped by their best component, and a group shares its candidates (Forster &
Lücke 2018, Can clustering scale sublinearly with its clusters?), so that strips of rows meet few components.
Candidates are those that some rows of the group, seen exactly, have responsibilities in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..fold.source import Array
from .gaussian_model import GaussianModel
from .gaussian_parameters import Double, GaussianParameters, diagonals
from .gaussian_points import Points, Sets

SAMPLE = 16  # rows for each component that tell which components share rows
ROOM = 2**22  # responsibilities that are looked at together
LEAST = 1e-6  # of a row: what distances decide, where no row does


@dataclass(frozen=True, slots=True)
class TruncatedParameters:
    """What `TruncatedModel` iterates.

    Attributes
    ----------
    parameters : GaussianParameters
    sets : Sets or None
        None before the first step.
    labels : ndarray or Kept of shape (n,), or None
        The best candidate of each row in the last step, if the next one renews the sets.
    steps : int
        How many there have been.
    """

    parameters: GaussianParameters
    sets: Sets | None = None
    labels: NDArray[np.int32] | None = None
    steps: int = 0

    def vector(self) -> Double:
        """Give the parameters as `GaussianParameters.vector`."""
        return self.parameters.vector()

    def moved(self, vector: Double) -> "TruncatedParameters":
        """Give the parameters that a vector stands for, with the same candidates."""
        return replace(self, parameters=self.parameters.moved(vector))


class TruncatedModel(GaussianModel):
    """A `GaussianModel` in which each row has responsibilities among `candidates` components alone.

    Parameters
    ----------
    candidates : int
    *arguments
        Those of `GaussianModel`.

    Raises
    ------
    ValueError
        If X is a file that is read in its order.
    """

    def __init__(self, candidates: int, *arguments: Any) -> None:
        super().__init__(*arguments)
        if self.source.held and self.source.flat:
            raise ValueError(
                "truncated reads rows in the order of their components, which is slow in a file: set "
                "truncated=None, or pass X in memory"
            )
        self.candidates = candidates

    def resumed(self, theta: GaussianParameters) -> TruncatedParameters:
        """Give what `step` takes; candidates come with the first one."""
        return TruncatedParameters(theta)

    def parameters(self, theta: TruncatedParameters) -> GaussianParameters:
        """Give the parameters of what `step` gave."""
        return theta.parameters

    def step(self, theta: TruncatedParameters) -> tuple[TruncatedParameters, float]:
        """EM within the candidates, which are renewed before the steps 1, 2, 4, 8, ...

        From one renewal to the next the bound cannot fall: the sets are the same.
        """
        if _renews(theta.steps):
            theta = self._renewed(theta)
        labels = self.points.x.kept(dtype=np.int32) if _renews(theta.steps + 1) else None
        over_rows = partial(self.points.run, sets=theta.sets, labels=labels)
        found, bound = self.updated(theta.parameters, over_rows)
        return TruncatedParameters(found, theta.sets, labels, theta.steps + 1), bound

    def gap(self, theta: TruncatedParameters) -> float:
        """By how much the mean log-likelihood is above its bound."""
        theta = self._renewed(theta) if theta.sets is None else theta
        exact, bound = (
            self.points.run(theta.parameters, sets=sets).likelihood for sets in (None, theta.sets)
        )
        return max(0.0, exact - bound) / self.weight

    def _renewed(self, theta: TruncatedParameters) -> TruncatedParameters:
        """Group rows by their best component, and choose the candidates of each group."""
        if theta.labels is None:
            found = self.points.x.kept(dtype=np.int64)
            self.points.run(theta.parameters, labels=found)
            groups = np.asarray(found).astype(np.int32)
        else:
            groups = theta.labels
        likeness = self._shared_rows(theta.parameters)
        likeness += LEAST / (1 + _divergences(theta.parameters, self.points.d))
        np.fill_diagonal(likeness, np.inf)
        lists = np.argpartition(-likeness, self.candidates - 1, axis=1)[:, : self.candidates]
        return replace(theta, sets=Sets(groups, np.sort(lists, axis=1).astype(np.int32)))

    def _shared_rows(self, theta: GaussianParameters) -> Double:
        """Of some rows whose best component is the one, what responsibility the other has: (k, k)."""
        shared = np.zeros((self.k, self.k))
        for labels, resp in self._sample(theta):
            rows = np.arange(len(labels))
            best = sp.csr_array((np.ones(len(labels), resp.dtype), (labels, rows)), (self.k, len(labels)))
            shared += best @ resp
        return shared

    def _sample(self, theta: GaussianParameters) -> Iterator[tuple[NDArray[np.int64], Array]]:
        """Yield labels and responsibilities of some rows, evenly far from each other, block by block."""
        points = self.points
        some = np.arange(points.n) if points.weights is None else np.flatnonzero(points.weights)
        rows = some[np.linspace(0, len(some) - 1, min(len(some), SAMPLE * self.k)).astype(np.intp)]
        for block in np.array_split(rows, -(-len(rows) * self.k // ROOM)):
            part = Points(points.x.some(block, once=True), None, points.frame)
            labels = np.empty(part.n, np.int64)
            resp = part.run(theta, resp=True, labels=labels).resp
            assert resp is not None
            yield labels, resp


def _renews(steps: int) -> bool:
    """Whether the step after so many renews the sets: 1, 2, 4, 8, ..."""
    return steps & (steps + 1) == 0


def _divergences(theta: GaussianParameters, d: int) -> Double:
    """Of each component from the others, by diagonals and less log weights, from the least on: (k, k)."""
    means, k = theta.means, len(theta.means)
    variances = diagonals(theta.covariances, theta.kind)
    variances = np.broadcast_to(variances[:, None] if theta.kind == "spherical" else variances, (k, d))
    precisions = 1 / variances
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = (variances + means * means) @ precisions.T - 2 * means @ (means * precisions).T
        found += (means * means * precisions + np.log(variances)).sum(axis=1) - 2 * np.log(theta.weights)
        found -= found.min(axis=1, keepdims=True)
    return np.nan_to_num(found, nan=np.inf)
