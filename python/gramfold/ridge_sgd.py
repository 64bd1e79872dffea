"""Stochastic gradient descent for ridge regression."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .fold import Array
from .ridge_forms import Form
from .ridge_moments import Double
from .ridge_solvers import Iterates


class Rows:
    """Rows drawn with chances in proportion to their weights, centred.

    Parameters
    ----------
    x : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_targets)
    weights : ndarray of shape (n_samples,), optional
    x_mean, y_mean : ndarray
        Taken off every row.
    """

    def __init__(self, x: Any, y: Array, weights: Array | None, x_mean: Double, y_mean: Double) -> None:
        self.x, self.y = x, y
        self.x_mean, self.y_mean = x_mean, y_mean
        self.weight = float(len(y)) if weights is None else float(weights.sum(dtype=np.float64))
        self.ends = None if weights is None else np.cumsum(weights, dtype=np.float64)

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Numbers of `count` rows, with replacement."""
        if self.ends is None:
            return rng.integers(len(self.y), size=count)
        return np.searchsorted(self.ends, rng.random(count) * self.ends[-1], side="right")

    def gradient(self, B: Double, drawn: Array) -> Double:
        """Mean gradient of 1/2 (x'b - y)^2 over the rows drawn."""
        x = self.x[drawn]
        miss = x @ B - self.x_mean @ B - (self.y[drawn] - self.y_mean)
        return (x.T @ miss - np.outer(self.x_mean, miss.sum(axis=0))) / len(drawn)

    def largest(self) -> float:
        """Largest |x - x_mean|^2."""
        squares = self.x.multiply(self.x).sum(axis=1) if hasattr(self.x, "multiply") else _squares(self.x)
        inner = np.asarray(squares, np.float64).ravel() - 2 * (self.x @ self.x_mean)
        return float(inner.max() + self.x_mean @ self.x_mean)


def decaying(form: Form, rows: Rows, alpha: Double, batch: int) -> Callable[[int], Double]:
    """Steps c / (t + t0), c = 2 / mu: the mean squared error falls as 1 / t (Bottou et al. 2018).

    mu is the least curvature of F / weight, or 1e-4 of the largest if that is more; the first step is
    1 / L, L the largest curvature that a mean over `batch` rows can have, about.
    """
    low, high = form.extremes()
    top = (high + alpha) / rows.weight
    mu = np.maximum((low + alpha) / rows.weight, 1e-4 * top)
    steepest = np.maximum(top, rows.largest() / batch + top)
    c = np.divide(2, mu, out=np.zeros_like(mu), where=mu > 0)
    return lambda t: c / (t + c * steepest)


def constant(form: Form, rows: Rows, alpha: Double, step: float) -> Callable[[int], float]:
    """Steps of one size, which leave an error in proportion to it.

    Raises
    ------
    ValueError
        If the mean of the iterates would diverge.
    """
    largest = (form.extremes()[1] + float(alpha.max())) / rows.weight
    if step * largest >= 2:
        raise ValueError(
            f"step={step:g} diverges: 'sgd' needs a step below 2/L = {2 / largest:g}, where L = {largest:g} "
            "is the largest eigenvalue of (X'X + alpha I) / (sum of weights)"
        )
    return lambda t: step


def stochastic_gradients(
    form: Form,
    rows: Rows,
    alpha: Double,
    step: Callable[[int], Any],
    rng: np.random.Generator,
    batch: int,
) -> Iterates:
    """B <- B - step(t) g with g the gradient of F / weight at `batch` rows drawn; yields once an epoch.

    `step` is a function of the number of steps taken. All targets see the same rows.
    """
    per_epoch = max(1, -(-len(rows.y) // batch))
    B = np.zeros_like(form.linear)
    shrink = alpha / rows.weight
    t = 0
    while True:
        for drawn in rows.draw(rng, per_epoch * batch).reshape(per_epoch, batch):
            B = B - step(t) * (rows.gradient(B, drawn) + shrink * B)
            t += 1
        yield B, form.apply(B)


def _squares(x: Array) -> Array:
    return np.einsum("ij,ij->i", x, x, dtype=np.float64)
