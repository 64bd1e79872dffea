"""Expectation maximisation: the loop, and SQUAREM, which extrapolates its steps."""

from collections.abc import Iterator
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
    steps = _squarem(model, theta) if accelerate else _plain(model, theta)
    for _ in range(max_iter):
        trace.theta, new, is_step = next(steps)
        trace.bounds.append(new)
        rise, bound = new - bound, new
        trace.converged = bool(is_step and abs(rise) < tol)
        trace.stopped = monitor.record(new, abs(rise))
        if trace.converged or trace.stopped:
            break
    return trace


def _plain(model: Model, theta: Any) -> Iterator[tuple[Any, float, bool]]:
    """Yield EM's parameters, the bound before the step, and that the step led there."""
    while True:
        theta, bound = model.step(theta)
        yield theta, bound, True


def _squarem(model: Model, theta: Any) -> Iterator[tuple[Any, float, bool]]:
    """Yield as `_plain`: two steps of EM, then one from the point that they extrapolate to.

    Scheme S3 of Varadhan & Roland (2008), Simple and globally convergent methods for accelerating the
    convergence of any EM algorithm. That point itself may lie lower, as EM mends at once what a long step
    spoils: it is given up if one step of EM from it has not reached the last bound, or cannot be made. So
    only EM itself can let the bounds that are yielded fall.
    """
    longest = length = np.inf
    bound, safe = -np.inf, None
    while True:
        first, reached = _tried(model, theta) if safe is not None else model.step(theta)
        if safe is not None and reached < bound - ROUNDING * abs(bound):
            longest, theta, safe = max(length / GROWTH, 1.0), safe, None
            yield theta, bound, False
            continue
        bound = reached
        yield first, bound, safe is None
        second, bound = model.step(first)
        yield second, bound, True
        start, middle, safe = theta.vector(), first.vector(), second
        step, bend = middle - start, second.vector() - 2 * middle + start
        most = float(np.abs(bend).max())  # its square may leave the range
        length = (
            max(float(np.linalg.norm(step / most) / np.linalg.norm(bend / most)), 1.0) if most > 0 else 1.0
        )
        if length >= longest:
            length, longest = longest, longest * GROWTH
        if length == 1.0:
            theta, safe = second, None
            continue
        theta, _ = _tried(model, second.moved(start + 2 * length * step + length**2 * bend))
        yield second, bound, False


def _tried(model: Model, theta: Any) -> tuple[Any, float]:
    """Give a step of EM; where it cannot be made `theta` itself, and a bound below any other."""
    try:
        return model.step(theta)
    except Degenerate:
        return theta, -np.inf
