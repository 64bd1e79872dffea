"""Expectation maximisation: the loop, and SQUAREM, which extrapolates its steps."""

from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from ..fit.monitor import Monitor
from ..fold.source import Array

GROWTH = 4.0  # of the longest step allowed when it succeeds, and the cut of one that fails
ROUNDING = 1e-14  # of a bound
SHRINK = 0.1  # extrapolated parameters keep at least this share of themselves


class Parameters(Protocol):
    """What EM iterates; vectors are for extrapolation."""

    def vector(self) -> Array:
        """Give the parameters as one vector without bounds or scales."""

    def moved(self, vector: Array) -> Self:
        """Give the parameters that a vector stands for."""


class Degenerate(ValueError):
    """Parameters that EM cannot go on from."""


class Model(Protocol):
    """A mixture and the data it is fitted to."""

    def step(self, theta: Any) -> tuple[Any, float]:
        """Give EM's next parameters, and the lower bound at `theta`, by one read of the data.

        Raises
        ------
        Degenerate
        """


@dataclass
class Trace:
    """How far a run of EM came."""

    theta: Any
    bounds: list[float] = field(default_factory=list)
    converged: bool = False
    stopped: bool = False

    @property
    def bound(self) -> float:
        """The last lower bound."""
        return self.bounds[-1] if self.bounds else -np.inf


def run(
    model: Model, theta: Any, monitor: Monitor, *, tol: float, max_iter: int, accelerate: bool = False,
    bound: float = -np.inf,
) -> Trace:  # fmt: skip
    """Iterate until the lower bound rises by less than `tol`.

    Parameters
    ----------
    model : Model
    theta : Parameters
        The start.
    monitor : Monitor
        Told the bound and its rise once per iteration.
    tol : float
    max_iter : int
        Steps of EM at most, each one read of the data.
    accelerate : bool
        Whether steps are extrapolated by SQUAREM.
    bound : float
        Lower bound of the step before the first, if this run goes on from another.
    """
    trace = Trace(theta)
    steps: Plain | Squarem = Squarem(theta) if accelerate else Plain(theta)
    if monitor.state is not None:
        trace, steps = monitor.state["trace"], monitor.state["steps"]
        bound = trace.bound
    for _ in range(len(trace.bounds), max_iter):
        trace.theta, new, is_step = steps.next(model)
        trace.bounds.append(new)
        rise, bound = new - bound, new
        trace.converged = bool(is_step and abs(rise) < tol)
        trace.stopped = monitor.record(new, abs(rise))
        if trace.converged or trace.stopped:
            break
        monitor.keep(trace=trace, steps=steps)
    return trace


@dataclass(slots=True)
class Plain:
    """Steps of EM."""

    theta: Any

    def next(self, model: Model) -> tuple[Any, float, bool]:
        """Give EM's parameters, the bound before the step, and that the step led there."""
        self.theta, bound = model.step(self.theta)
        return self.theta, bound, True


@dataclass(slots=True)
class Squarem:
    """Steps as `Plain`: two of EM, then one from the point that they extrapolate to.

    Scheme S3 of Varadhan & Roland (2008), Simple and globally convergent methods for accelerating the
    convergence of any EM algorithm. That point itself may lie lower, as EM mends at once what a long step
    spoils: it is given up if one step of EM from it has not reached the last bound, or cannot be made. So
    only EM itself can let the bounds that are given fall.

    Attributes
    ----------
    theta : Parameters
        Where two steps begin.
    first, second : Parameters or None
        Where they lead, once they are made.
    safe : Parameters or None
        What to go back to, if `theta` was extrapolated.
    """

    theta: Any
    first: Any = None
    second: Any = None
    safe: Any = None
    bound: float = -np.inf
    length: float = np.inf
    longest: float = np.inf

    def next(self, model: Model) -> tuple[Any, float, bool]:
        """Give parameters, their bound before the step, and whether a step of EM led there."""
        if self.second is not None and self._extrapolate(model):
            return self.safe, self.bound, False
        if self.first is not None:
            self.second, self.bound = model.step(self.first)
            return self.second, self.bound, True
        first, reached = model.step(self.theta) if self.safe is None else _tried(model, self.theta)
        if self.safe is not None and reached < self.bound - ROUNDING * abs(self.bound):
            self.longest, self.theta, self.safe = max(self.length / GROWTH, 1.0), self.safe, None
            return self.theta, self.bound, False
        self.first, self.bound = first, reached
        return first, reached, self.safe is None

    def _extrapolate(self, model: Model) -> bool:
        """Move on from two steps: to where they lead (False), or further."""
        start, middle, second = self.theta.vector(), self.first.vector(), self.second
        self.first = self.second = None
        step, bend = middle - start, second.vector() - 2 * middle + start
        most = float(np.abs(bend).max())  # its square may leave the range
        length = (
            max(float(np.linalg.norm(step / most) / np.linalg.norm(bend / most)), 1.0) if most > 0 else 1.0
        )
        if length >= self.longest:
            length, self.longest = self.longest, self.longest * GROWTH
        self.length = length
        if length == 1.0:
            self.theta, self.safe = second, None
            return False
        self.safe = second
        self.theta, _ = _tried(model, second.moved(start + 2 * length * step + length**2 * bend))
        return True


def _tried(model: Model, theta: Any) -> tuple[Any, float]:
    """Give a step of EM; where it cannot be made `theta` itself, and a bound below any other."""
    try:
        return model.step(theta)
    except Degenerate:
        return theta, -np.inf
