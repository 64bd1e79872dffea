"""Multipliers Y and outliers S, packed in one array."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .numbers import Numbers

Array = NDArray[Any]


class Packing(NamedTuple):
    """How z carries Y and S where an entry is observed: z = Y / damping + mu S.

    S is not 0 only where Y has the size lam, so that damping z, clipped at lam, is Y, and what is clipped off
    is S. See cpp/rpca/shrink.hpp, which does the same in its passes.

    Parameters
    ----------
    lam, mu, damping : float
        Those that z was written with.
    by_row : bool
        Whether outliers are rows: then the norms of rows are clipped.
    """

    lam: float
    mu: float
    damping: float
    by_row: bool

    @classmethod
    def of(cls, numbers: Numbers, by_row: bool) -> "Packing":
        """That of a z which `numbers` decodes."""
        return cls(numbers.lam, numbers.mu_old, numbers.damping_old, by_row)

    def pack(self, s: Any, y: Array) -> Array:
        """Give z."""
        return y / self.damping + self.mu * s

    def multipliers(self, z: Array, weights: Array | None, squares: Array | None) -> Array:
        """Give Y.

        Parameters
        ----------
        z : ndarray
            Of observed entries.
        weights : ndarray or None
            lam of each entry.
        squares : ndarray or None
            For outlying rows: the squared norm of its row, for each entry or as a column.
        """
        if squares is not None:
            with np.errstate(divide="ignore"):
                scale = np.minimum(self.damping, self.lam / np.sqrt(squares))
            return z * scale.astype(z.dtype)
        bound: Any = self.lam if weights is None else weights
        return np.clip(self.damping * z, -bound, bound)

    def outliers(self, z: Array, y: Array) -> Array:
        """Give S, exactly 0 where nothing was clipped."""
        clipped = np.abs(self.damping * z - y) > 4 * np.finfo(z.dtype).eps * np.abs(y)
        return np.where(clipped, (z - y / self.damping) / self.mu, 0).astype(z.dtype)
