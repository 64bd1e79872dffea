"""Lloyd's iteration: assign every row to its nearest centroid, then move the centroids to the means."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fit.checkpoint import restore, state_of
from ..fit.monitor import Monitor
from ..fold.engine import run
from ..fold.source import Array, Source
from . import passes
from .bounds import Bounds
from .rows import Overflow, Rows

Double = NDArray[np.float64]

# A row that the narrow search cannot decide costs as much as several; from this share on search in float64.
UNDECIDED = 0.04
# Beyond a fall to this share of what it was when it was last added up, the inertia is added up again.
FALLEN = 0.25
# A fall of the objective by less than this share is rounding to relocated centroids.
FALL = 1e-6
# Of an assigner, what a checkpoint has. Bounds decide in which order rows are added up, and so the last bits.
STATE = ("labels", "wide", "_passes", "_sums", "_last", "_whole", "bounds")


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one pass gives back: sums and counts of the clusters, weighted, and how many labels changed."""

    sums: Double | None
    counts: Double
    inertia: float
    changed: int


class Step(NamedTuple):
    """New centroids (k, cols), how far each went, squared, and what the inertia gains if no label changes."""

    centers: Array
    squares: Double
    gained: float | None


class Assigner:
    """Assigns the rows of one X, pass after pass, and remembers what spares work in the next pass.

    Parameters
    ----------
    x : Source of shape (rows, cols)
    weights : ndarray of shape (rows,), of x's dtype, or None for ones

    Attributes
    ----------
    labels : ndarray or Kept of shape (rows,), int32
        Overwritten by each pass; -1 before the first.
    """

    def __init__(self, x: Source, weights: Array | None) -> None:
        self.x, self.weights = x, weights
        self.labels = x.kept(dtype=np.int32, start=-1)
        self.wide = False
        self._bounds: Bounds | None = None
        self._passes, self._summed = 0, True
        self._sums: Double | None = None
        self._last: dict[str, Any] = {}
        self._whole = 0.0

    def __call__(self, centers: Array, *, sums: bool = True, step: Step | None = None) -> Assignment:
        """Find the nearest of `centers`, (k, cols), for every row; equally near ones: the first.

        `step`: how they came from those of the last pass, if that is known.

        Raises
        ------
        ValueError
            If squared distances overflow.
        RuntimeError
            If sums are asked for after a pass without: those of the clusters are added up from pass to pass.
        """
        if sums and not self._summed:
            raise RuntimeError("a pass with sums cannot follow one without")
        # Centroids move far at first: bounds begin with the second pass, and serve from the third one on.
        if self._bounds is None and self._passes == 1 and Bounds.worth(len(centers), self.x):
            self._bounds = Bounds(self.x, centers, self.labels)
        self._passes, self._summed = self._passes + 1, sums
        squares = None if step is None else step.squares
        plan = self._bounds.plan(centers, self.labels, sums, squares) if self._bounds else passes.UNBOUNDED
        state = {"labels": self.labels, "lower": None, "upper": None}
        if self._bounds:
            state |= {"lower": self._bounds.lower, "upper": self._bounds.upper if sums else None}
        found, gain = run(
            partial(passes.assign, sums=sums, wide=self.wide), self.x, {"centers": centers, **plan}, state,
            fixed={"weights": self.weights}, writes=("labels", "lower", "upper"),
        )  # fmt: skip
        self.wide = self.wide or found.undecided > UNDECIDED * self.x.rows
        inertia = found.inertia
        if gain is not None and plan["moved"] is not None:
            gained = self._gained(centers) if step is None or step.gained is None else step.gained
            inertia = self._last["inertia"] + gained + found.gained
            if inertia < FALLEN * self._whole:
                self._whole = inertia = self._added_up(centers)
        else:
            self._whole = inertia
        if not math.isfinite(inertia):
            raise Overflow(self.x.dtype)
        if gain is None:
            return Assignment(None, found.counts, inertia, found.changed)
        self._sums = gain if self._sums is None else self._sums + gain
        self._last = {"centers": centers, "counts": found.counts.copy(), "inertia": inertia}
        return Assignment(self._sums.copy(), found.counts, inertia, found.changed)

    @property
    def bounds(self) -> dict[str, Array] | None:
        """Those of the rows, for a checkpoint; None before there are any."""
        return self._bounds.state() if self._bounds else None

    @bounds.setter
    def bounds(self, state: dict[str, Array] | None) -> None:
        self._bounds = Bounds(self.x, self._last["centers"], self.labels, state) if state else None

    def _gained(self, centers: Array) -> float:
        """What the inertia of the last pass gains with other centroids and the same labels.

        sum w |x - new|^2 = sum w |x - old|^2 - 2 (new - old)' sum w (x - old) + sum w |new - old|^2
        """
        assert self._sums is not None
        old, counts = self._last["centers"].astype(np.float64), self._last["counts"][:, None]
        step = centers - old
        return float(np.sum(step * (counts * (step + 2 * old) - 2 * self._sums)))

    def _added_up(self, centers: Array) -> float:
        state, fixed = {"labels": self.labels, "distances": None}, {"weights": self.weights}
        found = run(partial(passes.apart, wide=self.wide), self.x, centers, state, fixed=fixed)
        return float(found.inertia)

    def distances(self, centers: Array) -> Array:
        """Squared distances of the rows to the centroids that they are assigned to."""
        found = self.x.kept()
        state = {"labels": self.labels, "distances": found}
        run(partial(passes.apart, wide=self.wide), self.x, centers, state, fixed={"weights": self.weights})
        return np.asarray(found)

    def go_on(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        labels = self.x.kept(start=state["labels"])
        restore(self, {**state, "labels": labels}, STATE)


@dataclass(frozen=True, slots=True)
class Prior:
    """What the centroids are besides means: drawn to `mean` with weight `ridge`, frozen, or of norm 1.

    The first `frozen` centroids never move. With a ridge a centroid minimises
    sum w |x - c|^2 + ridge |c - mean|^2, so that c = (ridge mean + sum w x) / (ridge + sum w).
    """

    mean: Double
    ridge: float = 0.0
    frozen: int = 0
    unit: bool = False

    def step(self, centers: Array, sums: Double, counts: Double) -> Step:
        """Give the new centroids; an empty cluster without a ridge goes where the largest one is."""
        new, squares = np.empty_like(centers), np.empty(len(centers))
        gained = kernels.move_centers(
            centers=centers, sums=sums, counts=counts, mean=self.mean if self.ridge else None,
            ridge=self.ridge, frozen=self.frozen, unit=self.unit, out=new, steps=squares,
        )  # fmt: skip
        return Step(new, squares, gained)

    def penalty(self, centers: Array) -> float:
        """Evaluate ridge sum |c - mean|^2 over the centroids that move."""
        if not self.ridge:
            return 0.0
        return self.ridge * float(np.sum(np.square(centers[self.frozen :] - self.mean)))


@dataclass(frozen=True, slots=True)
class Clustering:
    """Where Lloyd's iteration ended: `objective` is the inertia and the penalty, `counts` are weights.

    Centroids, inertia and objective are in the units of what was given, see `Rows`.
    """

    centers: Array
    labels: Any  # ndarray or Kept
    counts: Double
    inertia: float
    objective: float
    n_iter: int
    converged: bool
    stopped: bool


def lloyd(
    x: Rows,
    weights: Array | None,
    mass: int,
    centers: Array,
    prior: Prior,
    monitor: Monitor,
    max_iter: int,
    tol: float,
) -> Clustering:
    """Iterate from `centers` until no label changes or the squared steps add up to at most `tol`.

    The labels are those of the returned centroids. Without a ridge an empty cluster takes the row that adds
    most to the inertia, of rows without weights the one that scikit-learn takes; while that gains, no label
    need change. `weights` and `mass` are of `checked_weights`.
    """
    assign = Assigner(x.x, weights)
    converged = stopped = False

    def ended(found: Assignment, n_iter: int, converged: bool) -> Clustering:
        objective = found.inertia + prior.penalty(centers)
        return Clustering(
            x.outside(centers), assign.labels, found.counts, x.objective(found.inertia, mass),
            x.objective(objective, mass), n_iter, converged, stopped,
        )  # fmt: skip

    if monitor.state is not None:
        centers = monitor.state["centers"]
        assign.go_on(monitor.state)
    n_iter = done = len(monitor.rows)
    step = None
    for n_iter in range(done + 1, max_iter + 1):
        found = assign(centers, step=step)
        assert found.sums is not None
        sums, counts = found.sums, found.counts
        empty = not (prior.ridge or prior.unit or counts[prior.frozen :].all())
        relocated = empty and _relocate(assign, centers, sums, counts, prior.frozen)
        step = prior.step(centers, sums, counts)
        if empty:  # `gained` is that of other sums
            step = step._replace(gained=None)
        objective = found.inertia + prior.penalty(centers)
        pull = float((counts + prior.ridge) @ step.squares)
        kkt = math.sqrt(pull / objective) if objective > 0 else 0.0
        stopped = monitor.record(x.objective(objective, mass), kkt)
        if found.changed == 0 and not relocated:
            monitor.say(f"Converged at iteration {n_iter}: strict convergence")
            return ended(found, n_iter, True)
        centers = step.centers
        moved = float(step.squares.sum())
        # A relocated centroid may lie where another lies, and take no row before the next one is relocated.
        goes_on = relocated and (n_iter == 1 or monitor.rows[-1][0] < (1 - FALL) * monitor.rows[-2][0])
        converged = moved <= tol or (found.changed == 0 and not goes_on)
        if converged:
            shift, allowed = (x.objective(size, 0) for size in (moved, tol))
            within = f"center shift {shift:g} within tolerance {allowed:g}"
            monitor.say(f"Converged at iteration {n_iter}: {within if moved <= tol else 'no label changes'}")
        if converged or stopped:
            break
        monitor.keep(partial(state_of, assign, STATE), centers=centers)
    return ended(assign(centers, sums=False, step=step), n_iter, converged)


def _relocate(assign: Assigner, centers: Array, sums: Double, counts: Double, frozen: int) -> bool:
    """Give empty clusters the rows of the largest w |x - c|^2; False if that is 0 of all.

    Changes sums and counts. Without weights the choice of rows is scikit-learn's.
    """
    weights = assign.weights
    apart = assign.distances(centers).astype(np.float64)
    if weights is not None:
        apart *= weights
    empty = (frozen + np.flatnonzero(counts[frozen:] == 0))[: np.count_nonzero(apart)]
    if not len(empty):
        return False
    far = np.argpartition(apart, -len(empty))[: -len(empty) - 1 : -1]
    for cluster, row in zip(empty, far, strict=True):
        weight = 1.0 if weights is None else float(weights[row])
        moved = assign.x.take([row])[0].astype(np.float64) * weight
        old = assign.labels[row]
        sums[old] -= moved
        sums[cluster] = moved
        counts[old] -= weight
        counts[cluster] = weight
    return True
