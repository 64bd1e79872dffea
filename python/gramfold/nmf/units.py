"""Powers of two that X and factors are counted in, so that no guard and no floor depends on their scale."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..fold.source import Array, Source
from ..least_squares.rows import Penalty
from ..linalg.powers import exponent_of, power_of_two


@dataclass(frozen=True, slots=True)
class Units:
    """X = 2^x X', W = 2^W W', H = 2^H H' with x = W + H: the same problem in X', W' and H'.

    A beta divergence shrinks by 2^(beta x). For beta = 2 kernels take X as it is: x is 0, `half` the exponent
    of both factors.
    """

    x: int
    W: int
    H: int
    beta: float
    half: int = 0

    @classmethod
    def of(cls, x: Source, H: Array, beta: float) -> "Units":
        """Units in which X' and H', or for beta = 2 H' and W', are of one size."""
        own, shared = exponent_of(x.mean), exponent_of(float(H.mean(dtype=np.float64)))
        if beta == 2:
            shared -= own // 2
            return cls(0, -shared, shared, beta, own // 2)
        return cls(own, own - shared, shared, beta)

    @property
    def loss(self) -> float:
        """What a divergence in these units is multiplied by."""
        return power_of_two(self.beta * self.x)

    def rows(self, n: int) -> NDArray[np.float64] | None:
        """What a kernel divides each of n rows of X by."""
        return np.full(n, np.ldexp(1.0, self.x)) if self.beta != 2 else None

    def penalty(self, penalty: Penalty, shared: int) -> Penalty:
        """A penalty as a kernel takes it that divides rows by their units, the other factor by 2^shared."""
        return Penalty(
            float(np.ldexp(penalty.l1, -shared)), float(np.ldexp(penalty.l2, -2 * shared)), penalty.nonneg
        )

    def penalty_here(self, penalty: Penalty, shared: int) -> Penalty:
        """A penalty on a factor in these units, beside a divergence in these units."""
        kernel, b = self.penalty(penalty, shared), self.beta
        l1, l2 = (
            value * power_of_two(self.x * (n - b)) if value else 0.0
            for n, value in ((1, kernel.l1), (2, kernel.l2))
        )
        return Penalty(l1, l2, penalty.nonneg)
