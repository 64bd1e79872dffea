"""Weights of the rows of NMF, by scaling: a beta divergence of a x and a y is a^beta times that of x and y.

The objective is sum_i w_i (d(x_i, W_i H) + penalty(W_i)) + penalty(H), so that a whole weight is a row that
often. With a_i = w_i^(1/beta) it is that of rows a_i x_i and a_i W_i without weights, the penalty on W being
a_i^beta times its own where it is L2 and beta 2, or L1 and beta 1.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..fit.row_weights import RowWeights
from ..fold.row_state import scaled_rows
from ..fold.source import Array
from ..least_squares.rows import Penalty
from .losses import Loss


@dataclass(frozen=True, slots=True)
class Weighted:
    """A loss of scaled rows, and what it takes to come back.

    Rows of weight 0 are not in it. The objective of `loss` is that of the weights over 4**exponent.
    """

    loss: Loss
    kept: Array | None
    scale: Array
    exponent: int
    total: float

    @classmethod
    def of(cls, loss: Loss, beta: float, sample_weight: Any) -> "Weighted":
        """Scale the rows of a loss.

        Raises
        ------
        ValueError
            If weights are not as described, or the penalty on W cannot be scaled along.
        """
        if beta <= 0:
            raise ValueError(f"sample_weight needs a beta_loss above 0, got {beta:g}")
        for name, value, needs in (("L1", loss.penalty_W.l1, 1), ("L2", loss.penalty_W.l2, 2)):
            if value and beta != needs:
                least = "the Frobenius loss" if needs == 2 else "beta_loss='kullback-leibler'"
                raise ValueError(
                    f"sample_weight with an {name} penalty on W needs {least}; set alpha_W=0 "
                    f"(alpha_H may stay), or l1_ratio={0 if beta == 2 else 1}"
                )
        x = loss.x
        weights = RowWeights(sample_weight, x)
        assert weights.values is not None
        scale = (weights.values ** (1 / beta)).astype(x.dtype)
        kept: Any = x if weights.kept is None else x.some(weights.kept)
        share, H = weights.total / x.rows, loss.penalty_H
        scaled = replace(  # type: ignore[type-var]
            loss, x=kept.scaled_rows(scale), penalty_H=Penalty(H.l1 * share, H.l2 * share, H.nonneg)
        )
        return cls(scaled, weights.kept, scale, weights.exponent, weights.total)

    def rows(self, W: Array) -> Array:
        """Those of W in the units of the loss."""
        return scaled_rows(self.loss.x, W if self.kept is None else np.asarray(W)[self.kept], self.scale)
