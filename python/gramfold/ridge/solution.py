"""What `Ridge` gives back, judged by the data at the very numbers that are given back."""

from dataclasses import dataclass, field

import numpy as np
import scipy.linalg as la

from .._core.results import Misfit
from ..fold.source import Array
from .centred_rows import CentredRows
from .data import Data, Double
from .direct import Solve
from .moments import RidgeMoments
from .seen import Seen
from .solvers import Found, optimality

EXACT = 1e-12  # relative error of coefficients in float64 that needs no refinement
HIDDEN = 1e-3  # share of the rounding of a dtype that is not seen beside it
MOST_STEPS = 20
MOST_ROUNDING = 32  # times what is usual, of sums over few rows in the dtype of X
LEFT = 1e-2  # share of Y'Y above which squares of residuals lose no digits of EXACT by a difference
TRUSTED = 0.1  # relative error of solutions below which corrections by them are believed to end


@dataclass(slots=True)
class RidgeSolution:
    """Coefficients (n_targets, n_features) and intercepts in the dtype of X, and how near they are.

    `gap` is P - D per target, P the objective and D a dual one, see `optimality`.
    """

    coef: Array
    intercept: Array
    objective: float
    kkt: float
    gap: Double
    n_iter: int
    converged: bool
    solver: str = ""
    history: dict[str, Array] = field(default_factory=dict)


class Judge:
    """Measures coefficients by the rows or, where these are gone, by their moments.

    Parameters
    ----------
    data : Data
    about : CentredRows or Seen
    alpha : ndarray of shape (n_targets,)
        In units.
    linear : ndarray of shape (n_features, n_targets)
        X'Y.
    sums : RidgeMoments, optional
        Of the rows.
    """

    def __init__(
        self,
        data: Data,
        about: CentredRows | Seen,
        alpha: Double,
        linear: Double,
        sums: RidgeMoments | None = None,
    ) -> None:
        self.data, self.about, self.alpha = data, about, alpha
        self.scale = la.norm(linear, axis=0)
        eps = float(np.finfo(data.x.dtype).eps)
        self.exact, self.hidden = max(EXACT, eps), max(EXACT, HIDDEN * eps)
        self.sums = sums
        self._known: tuple[Double, Misfit] | None = None

    def misfit(self, B: Double) -> Misfit:
        """What the data say of B; of the last one again without another read."""
        if self._known is None or not np.array_equal(self._known[0], B):
            self._known = B, self.about.misfit(B)
        return self._known[1]

    def near_misfit(self, B: Double) -> tuple[Misfit, Double | float]:
        """The same, and a bound on the error of its gradient.

        No read is needed where the moments are as exact as one, nor near the last B: X'X tells how the misfit
        differs from that one.
        """
        if isinstance(self.about, Seen):
            return self.misfit(B), self.about.noise(B)
        if self.sums is None:
            return self.misfit(B), 0.0
        if self._known is None:
            told, noise = self.sums.misfit(B), self.sums.noise(B)
            left = LEFT * EXACT / self.hidden * self.sums.squares
            if (noise <= self.hidden * self.scale).all() and (told.squares >= left).all():
                return told, noise
            return self.misfit(B), 0.0
        last, at_last = self._known
        d = B - last
        moved = self.sums.gram @ d
        sizes = np.sqrt(np.maximum(self.sums.gram.diagonal(), 0))
        noise = MOST_ROUNDING * self.sums.rounding * la.norm(sizes) * (sizes @ np.abs(d))
        pull = at_last.pull - moved
        if not (noise <= 0.1 * la.norm(pull - self.alpha * B, axis=0)).all():
            return self.misfit(B), 0.0
        squares = at_last.squares - np.sum(d * (at_last.pull + pull), axis=0)
        return Misfit(pull, squares, at_last.sums), noise

    def rounded(self, B: Double) -> Double:
        """Coefficients rounded to the dtype of X where they are given back, still in units.

        Raises
        ------
        ValueError
            If that dtype does not hold them.
        """
        units, dtype = self.data.units, self.data.x.dtype
        with np.errstate(over="ignore", under="ignore"):
            back = np.ldexp(units.coefs(B).astype(dtype).astype(np.float64), units.x - units.y)
        if not (np.isfinite(back).all() and np.sum((back - B) ** 2) <= 0.25 * np.sum(B**2)):
            raise ValueError(
                f"coefficients leave the range of {dtype}: X, y or sample_weight are too large or too small; "
                "scale X or y"
            )
        return back

    def gradient(self, B: Double) -> Double:
        """X'(Y - XB) - alpha B."""
        return self.misfit(B).pull - self.alpha * B

    def solution(self, found: Found, positive: bool) -> RidgeSolution:
        """Round, and measure what is given back."""
        dtype, units, weight = self.data.x.dtype, self.data.units, self.about.weight
        B = self.rounded(found.coef)
        misfit, noise = self.near_misfit(B)
        best: Array = np.zeros(B.shape[1], np.longdouble)
        if self.data.centered:
            best = self.about.y_mean - self.about.x_mean.astype(np.longdouble) @ B + misfit.sums / weight
        with np.errstate(over="ignore"):
            intercept = np.ldexp(best, units.y).astype(dtype)
        if not np.isfinite(intercept).all():
            raise ValueError(f"the intercept leaves the range of {dtype}: X or y is too far from 0")
        off = (np.ldexp(intercept.astype(np.longdouble), -units.y) - best).astype(np.float64)
        least = misfit.squares - (misfit.sums**2 / weight if self.data.centered else 0)
        kkt, gap = optimality(misfit.pull, self.alpha, B, self.scale, positive, noise)
        objective = np.sum(least + weight * off**2 + self.alpha * np.sum(B * B, axis=0)) / 2
        return RidgeSolution(
            coef=units.coefs(B).astype(dtype).T,
            intercept=intercept,
            objective=float(units.objective(objective)),
            kkt=kkt,
            gap=units.objective(gap + weight / 2 * off**2),
            n_iter=found.n_iter,
            converged=found.converged,
        )


def settle(judge: Judge, B: Double, correct: Solve, error: float) -> tuple[bool, Double]:
    """Refine coefficients by their gradient in the data until they are exact in the dtype of X.

    Parameters
    ----------
    judge : Judge
    B : ndarray of shape (n_features, n_targets)
    correct : callable
        Solves (X'X + alpha I) d = g, about.
    error : float
        The relative error of its solutions, at most about; infinite where it leaves out directions that may
        not be 0.

    Returns
    -------
    settled : bool
        Whether what is left to correct is rounding.
    B : ndarray
    """
    last, best, whole = 1.0, B, bool(np.isfinite(error))
    for _ in range(MOST_STEPS):
        B = judge.rounded(B)
        step = correct(judge.gradient(B))
        sizes = la.norm(B, axis=0)
        moved = la.norm(step, axis=0)
        size = float(np.divide(moved, sizes, out=np.where(moved > 0, 1.0, 0.0), where=sizes > 0).max())
        if size <= last:
            best = B
        if size <= judge.exact:
            return whole, B
        if size <= last and error * size <= judge.exact / 10:  # another read would show no error
            return whole, B + step
        if not size <= last / 2:
            break
        last, B = size, B + step
    return error < TRUSTED, best
