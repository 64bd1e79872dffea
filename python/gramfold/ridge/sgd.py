"""Stochastic gradient descent for ridge regression."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..fold.source import Array
from .centred_rows import CentredRows
from .data import Double
from .forms import Form
from .solvers import Held, Iterates


class Drawn:
    """Rows drawn with chances in proportion to their weights."""

    def __init__(self, rows: CentredRows) -> None:
        self.rows, self.count, self.weight = rows, rows.x.rows, rows.weight
        self.ends = None if rows.weights is None else np.cumsum(rows.weights)

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Numbers of `count` rows, with replacement."""
        if self.ends is None:
            return rng.integers(self.count, size=count)
        return np.searchsorted(self.ends, rng.random(count) * self.ends[-1], side="right")

    def gradient(self, B: Double, drawn: Array) -> Double:
        """Mean gradient of 1/2 (x'b - y)^2 over the rows drawn."""
        return -self.rows.pull(B, drawn) / len(drawn)


def decaying(form: Form, rows: Drawn, alpha: Double, batch: int) -> Callable[[int], Double]:
    """Steps c / (t + t0), c = 2 / mu: the mean squared error falls as 1 / t (Bottou et al. 2018).

    mu is the least curvature of F / weight, or 1e-4 of the largest if that is more; the first step is
    1 / L, L the largest curvature that a mean over `batch` rows can have, about.
    """
    low, high = form.extremes()
    top = (high + alpha) / rows.weight
    mu = np.maximum((low + alpha) / rows.weight, 1e-4 * top)
    steepest = np.maximum(top, rows.rows.largest() / batch + top)
    c = np.divide(2, mu, out=np.zeros_like(mu), where=mu > 0)
    return lambda t: c / (t + c * steepest)


def constant(form: Form, rows: Drawn, alpha: Double, step: float) -> Callable[[int], float]:
    """Steps of one size, which leave an error in proportion to it.

    Raises
    ------
    ValueError
        If the mean of the iterates would diverge.
    """
    largest = (form.extremes()[1] + float(alpha.max())) / rows.weight
    if step * largest >= 2:
        unit = 2 * form.units.x
        raise ValueError(
            f"step={np.ldexp(step, -unit):g} diverges: 'sgd' needs a step below 2/L = "
            f"{np.ldexp(2 / largest, -unit):g}, where L = {np.ldexp(largest, unit):g} is the largest "
            "eigenvalue of (X'X + alpha I) / (sum of weights)"
        )
    return lambda t: step


def stochastic_gradients(
    form: Form,
    rows: Drawn,
    alpha: Double,
    step: Callable[[int], Any],
    rng: np.random.Generator,
    batch: int,
    held: Held | None = None,
) -> Iterates:
    """B <- B - step(t) g with g the gradient of F / weight at `batch` rows drawn; yields once an epoch.

    `step` is a function of the number of steps taken. All targets see the same rows.
    """
    per_epoch = max(1, -(-rows.count // batch))
    held = {} if held is None else held
    B, rng = (held["B"], held["rng"]) if held else (np.zeros_like(form.linear), rng)
    shrink = alpha / rows.weight
    t = held.get("t", 0)
    while True:
        for drawn in rows.draw(rng, per_epoch * batch).reshape(per_epoch, batch):
            B = B - step(t) * (rows.gradient(B, drawn) + shrink * B)
            t += 1
        held.update(B=B, rng=rng, t=t)
        yield B, form.apply(B)
