"""The rule for mu, the step size of robust PCA's alternating directions.

mu first grows as in the inexact method of multipliers (Lin, Chen & Ma 2010), which finds rank and support
fast; while L = 0 it grows faster. If it grew on, the limit need not be the optimum. So from `HOLD` times the
first mu on, or from where L is not 0, it only balances the primal with the dual residual (Boyd et al. 2011,
3.4.1), and steps are over-relaxed: much while rank and outliers are still to be found, little once they stay
the same. From then on the iteration is one between two subspaces: a step leaves the cosine of their angle of
the error, a relaxed one more (Bauschke, Cruz, Nghia, Phan & Wang 2014).
"""

from dataclasses import dataclass

from .noise import TINY
from .numbers import Numbers

# Chosen on ten to thirteen planted, noisy, masked and video-like problems by iterations to a gap of 1e-6.
GROWTH, LEAP, HOLD, BALANCE, SLACK, EVERY = 1.5, 5.0, 30.0, 20.0, 3.0, 5
RELAX, SETTLED, SETTLED_RELAX = 1.6, 2, 1.2
ROUNDING = 16


@dataclass(slots=True)
class Steps:
    """How mu follows the residuals.

    Parameters
    ----------
    hold : float
        The mu at which growth ends.
    balance : float
        The ratio of dual to primal residual that is kept.
    relaxes : bool
        Whether steps may be over-relaxed.
    eps : float
        That of X's dtype.
    """

    hold: float
    balance: float
    relaxes: bool
    eps: float
    held: int = -1
    every: int = EVERY
    last_change: float = 1.0
    zero: bool = True  # whether L has been 0 so far
    begun: bool = False  # whether mu has been set by where L was not 0 first
    found: tuple[int, float] = (0, 0.0)
    same: int = 0  # for how many iterations `found` has not changed

    @property
    def rounding(self) -> float:
        """A relative residual that is rounding."""
        return ROUNDING * self.eps

    def following(self, numbers: Numbers, primal: float, dual: float, found: tuple[int, float]) -> Numbers:
        """Numbers of the next pass, given those of the last, its relative residuals, rank and outliers.

        The mu of the next pass is settled: the last pass made the input of the threshold for it. Chosen here
        is the mu after it.
        """
        self.same, self.found = self.same + 1 if found == self.found else 0, found
        mu = numbers.mu_next
        if self.zero:
            mu *= LEAP
        elif not self.begun:
            mu, self.begun = min(mu, numbers.mu * GROWTH), True
            self.hold = max(self.hold, mu)
        elif self.held < 0 and mu < self.hold:
            mu = min(self.hold, mu * GROWTH)
        else:
            self.held += 1
            if self.held % self.every == self.every - 1:
                mu *= self._change(primal, dual)
        relax = 1.0
        if self.held > 0 and self.relaxes:
            relax = RELAX if self.same < SETTLED else SETTLED_RELAX
        return numbers.after()._replace(mu=numbers.mu_next, mu_next=mu, relax=relax)

    def _change(self, primal: float, dual: float) -> float:
        """Balance the residuals: the factor of mu.

        Convergence is proven for a mu that stays, so changes become half as frequent whenever one takes back
        the last. Residuals that are rounding cannot be balanced; a smaller mu then makes the gap smaller.
        """
        ratio = self.balance * primal / max(dual, TINY)
        change = 2.0 if ratio > SLACK else 0.5 if ratio < 1 / SLACK else 1.0
        if max(primal, dual) <= self.rounding:
            change = 0.5
        if change != 1:
            if change * self.last_change == 1:
                self.every *= 2
            self.last_change = change
        return change
