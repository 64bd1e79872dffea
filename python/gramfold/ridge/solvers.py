"""Iterations for ridge regression, generators of (coefficients, X'X coefficients), and their driver.

They minimise F(B) = 1/2 |XB - Y|^2 + 1/2 sum_t alpha_t |B_t|^2 over the columns B_t of B, which share X'X.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as la

from ..fit.monitor import Monitor
from .data import Double
from .forms import Form, NearForm

DIVERGED = 1e12
SINGULAR, TINY = 1e-12, float(np.finfo(np.float64).tiny)
LEAST_RHO = 1e-9  # times L: rounding of X'X grows by L / rho in an iteration

Held = dict[str, Any]  # what an iteration needs of those before; of one that was stopped, to go on from
Iterates = Iterator[tuple[Double, Double]]
Measured = tuple[float, float, Double]


@dataclass(frozen=True, slots=True)
class Found:
    """Coefficients (n_features, n_targets) that a solver ends at, in units."""

    coef: Double
    n_iter: int = 1
    converged: bool = True


def gradient_descent(
    form: Form, alpha: Double, step: float | None = None, start: Double | None = None,
    held: Held | None = None,
) -> Iterates:  # fmt: skip
    """B <- B - step F'(B); with the default step 2 / (mu + L) errors shrink by (L - mu) / (L + mu) at least.

    mu and L are the extreme eigenvalues of X'X + alpha I; where mu is 0 to rounding the step is 1 / L.

    Raises
    ------
    ValueError
        If step >= 2 / L: it would diverge.
    """
    low, high = form.extremes()
    largest = high + float(alpha.max())
    if step is not None and step * largest >= 2:
        raise ValueError(
            f"step={in_units(step, form):g} diverges: gradient descent needs a step below 2/L = "
            f"{in_units(2 / largest, form):g}, where L = {np.ldexp(largest, form.units.curvature):g} is the "
            "largest eigenvalue of X'X + alpha I"
        )
    mu, L = low + alpha, high + alpha
    rate = (
        np.where(mu > SINGULAR * L, 2 / np.maximum(mu + L, TINY), 1 / np.maximum(L, TINY))
        if step is None
        else step
    )
    held = {} if held is None else held
    B, product = (held["B"], held["product"]) if held else _start(form, start)
    while True:
        B = B - rate * (product + alpha * B - form.linear)
        product = form.apply(B)
        held.update(B=B, product=product)
        yield B, product


def conjugate_gradients(
    form: Form, alpha: Double, start: Double | None = None, held: Held | None = None
) -> Iterates:
    """Conjugate gradients (Hestenes & Stiefel 1952), each target with steps of its own."""
    held = {} if held is None else held
    if held:
        B, product, residual, direction = (held[name] for name in ("B", "product", "residual", "direction"))
    else:
        B, product = _start(form, start)
        residual = direction = form.linear - product - alpha * B
    squared = np.sum(residual**2, axis=0)
    while True:
        moved = form.apply(direction)
        curvature = np.sum(direction * (moved + alpha * direction), axis=0)
        length = np.divide(squared, curvature, out=np.zeros_like(squared), where=curvature > 0)
        B, product = B + length * direction, product + length * moved
        residual = residual - length * (moved + alpha * direction)
        before, squared = squared, np.sum(residual**2, axis=0)
        turn = np.divide(squared, before, out=np.zeros_like(squared), where=before > 0)
        direction = residual + turn * direction
        held.update(B=B, product=product, residual=residual, direction=direction)
        yield B, product


def best_rho(form: Form, alpha: Double) -> float:
    """Give the rho of the fastest ADMM.

    The rate is (rho^2 + alpha q) / ((alpha + rho)(q + rho)) at eigenvalue q of X'X. Its largest value over
    [mu, L] is at mu for rho >= alpha, else at L; rho = alpha makes it 1/2 everywhere.
    """
    low, high = form.extremes()
    least = float(alpha.min())
    if least == 0:
        return max(low, LEAST_RHO * high) or 1.0
    return float(max(np.sqrt(least * min(max(low, least), high)), LEAST_RHO * high)) or least


def admm(
    form: NearForm, alpha: Double, rho: float | None = None, positive: bool = False,
    held: Held | None = None,
) -> Iterates:  # fmt: skip
    """ADMM (Boyd et al. 2011) on 1/2 |XB - Y|^2 + alpha/2 |Z|^2, B = Z; one Cholesky factor of X'X + rho I
    or of XX' + rho I.

    Iterates are Z, non-negative on request.

    Raises
    ------
    ValueError
        If rho is so small that X'X + rho I is singular to rounding.
    """
    rho = best_rho(form, alpha) if rho is None else rho
    try:
        nearest = form.nearest(rho)
    except la.LinAlgError:
        given = np.ldexp(rho, form.units.curvature)
        raise ValueError(f"rho={given:g} is too small: X'X + rho I is singular to rounding") from None
    held = {} if held is None else held
    Z, U = (held["Z"], held["U"]) if held else (np.zeros_like(form.linear), np.zeros_like(form.linear))
    while True:
        B = nearest(Z - U)
        Z = rho * (B + U) / (alpha + rho)
        if positive:
            Z = np.maximum(Z, 0)
        U = U + B - Z
        held.update(Z=Z, U=U)
        yield Z, form.apply(Z)


def measure(form: Form, alpha: Double, B: Double, product: Double, positive: bool = False) -> Measured:
    """Objective, relative gradient, and duality gap per target, at B with product = X'X B."""
    pull = form.linear - product
    objective = 0.5 * float(np.sum(form.squares) + np.sum(B * (alpha * B - pull - form.linear)))
    return objective, *optimality(pull, alpha, B, la.norm(form.linear, axis=0), positive)


def optimality(
    pull: Double, alpha: Double, B: Double, scale: Double, positive: bool = False,
    noise: Double | float = 0.0,
) -> tuple[float, Double]:  # fmt: skip
    """Relative gradient, and duality gap per target, at B with pull = X'(Y - XB); scale is |X'Y|.

    The gap is that of the worst gradient that differs by `noise` from this one.

    With residuals t = y - Xb the dual value is y't - |t|^2 / 2 - |c|^2 / (2 alpha), c = X't (its positive
    part for b >= 0), so that the gap is |F'(b)|^2 / (2 alpha) without any difference of objectives. It is
    infinite for alpha = 0, unless the gradient is 0.
    """
    gradient = alpha * B - pull
    slope = np.where((B == 0) & positive, np.minimum(gradient, 0), gradient)
    size = la.norm(slope, axis=0)
    kkt = float(np.divide(size, scale, out=np.zeros_like(size), where=scale > 0).max(initial=0))
    inactive = positive & (pull <= 0)
    squared = (la.norm(np.where(inactive, 0, gradient), axis=0) + noise) ** 2
    with np.errstate(divide="ignore", over="ignore"):
        gap = np.divide(squared, 2 * alpha, out=np.zeros_like(squared), where=squared > 0)
    return kkt, gap + np.sum(np.where(inactive, B * (alpha / 2 * B - pull), 0), axis=0)


def descend(
    iterates: Iterates, form: Form, alpha: Double, tol: float, max_iter: int, monitor: Monitor,
    gaps: list[float], positive: bool = False, held: Held | None = None,
) -> Found:  # fmt: skip
    """Take iterates until the relative gradient is at most tol, or the monitor or max_iter ends it.

    Their duality gaps join `gaps`; `held` is what the iterates hold for the next one.
    """
    n_iter = 0
    for n_iter, (B, product) in enumerate(iterates, len(monitor.rows) + 1):
        objective, kkt, gap = measure(form, alpha, B, product, positive)
        if not kkt < DIVERGED:
            raise ValueError(f"the iterations diverge: the gradient is {kkt:.1e} times that at 0; lower step")
        gaps.append(float(form.units.objective(gap.sum())))
        stop = monitor.record(float(form.units.objective(objective)), kkt)
        if kkt <= tol or stop or n_iter >= max_iter:
            break
        monitor.keep(held=held, gaps=gaps)
    return Found(B, n_iter, bool(kkt <= tol))


def in_units(step: float, form: Form) -> float:
    """A step as it is for X itself."""
    return float(np.ldexp(step, -form.units.curvature))


def _start(form: Form, start: Double | None) -> tuple[Double, Double]:
    if start is None:
        return np.zeros_like(form.linear), np.zeros_like(form.linear)
    return start, form.apply(start)
