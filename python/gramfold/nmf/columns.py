"""The half-step of NMF that no method gives: H for a fixed W."""

from typing import Any

import numpy as np

from ..fold.source import Array
from .base import BaseNMF
from .losses import Frobenius


def columns_for(model: BaseNMF, X: Any, W: Array) -> Array:
    """Give the best H (k, m) for X and a fixed W (n, k), under the penalties of an unfitted model."""
    loss = model._loss(X, None, reset=True)
    across = Frobenius(loss.x.transposed, loss.penalty_H, loss.penalty_W)
    return np.ascontiguousarray(across.encode(np.ascontiguousarray(W, loss.x.dtype)).T)
