"""What a coder is, and the checks of what users say of it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.arguments import choice, flag, real, whole
from ..fit.floats import name_of
from ..least_squares.rows import Penalty
from ..least_squares.scales import Scale

ALGORITHMS = ("lasso_cd", "lasso_lars", "lars", "omp", "ols", "threshold")
MATCHING = ("omp", "ols")
TOLERANCES = {"float32": 1e-6, "float64": 1e-10}


@dataclass(frozen=True, slots=True)
class Coder:
    """How the rows of X are coded in a dictionary F (cols, k).

    'lasso' minimises 1/2 |x - Fz|^2 + l1 |z|_1 + l2/2 |z|^2, over z >= 0 if `nonneg`; 'omp' and 'ols' choose
    at most `n_nonzero` atoms, one by one; 'threshold' shrinks F'x by l1 towards 0.
    """

    algorithm: str
    l1: float = 0.0
    l2: float = 0.0
    nonneg: bool = False
    n_nonzero: int = 1
    tol: float | None = None
    max_iter: int = 1000

    @property
    def penalty(self) -> Penalty:
        """What codes are penalised by."""
        return Penalty(self.l1, self.l2, self.nonneg)

    def scaled(self, scale: Scale, dtype: np.dtype[Any]) -> "Coder":
        """The same for rows and atoms so scaled."""
        own = scale.penalty(self.penalty, dtype)
        if own.l1 == self.l1 and own.l2 == self.l2:
            return self
        return replace(self, l1=own.l1, l2=own.l2)

    def tolerance(self, dtype: np.dtype[Any]) -> float:
        """Give `tol`, or what rounding allows."""
        return TOLERANCES[name_of(dtype)] if self.tol is None else self.tol


def make_coder(
    algorithm: str, *, alpha: float | None, l2: float, positive: bool, n_nonzero: int | None,
    tol: float | None, max_iter: int, all_atoms: bool = False,
) -> Coder:  # fmt: skip
    """Check the parameters of a coder; its n_nonzero = 0 stands for the default."""
    choice(algorithm, "algorithm", ALGORITHMS)
    if flag(positive, "positive") and algorithm in ("lars", "ols"):
        raise ValueError(
            f"Positive constraint not supported for {algorithm!r} coding method: positive=True does not go "
            f"with algorithm={algorithm!r}"
        )
    if all_atoms and algorithm not in MATCHING:
        raise ValueError(f"max_error goes with 'omp' and 'ols', not with algorithm={algorithm!r}")
    lasso = algorithm in ("lasso_cd", "lasso_lars")
    if real(l2, "l2") > 0 and not lasso:
        raise ValueError(f"l2 goes with the lasso, not with algorithm={algorithm!r}")
    if n_nonzero is not None:
        size = whole(n_nonzero, "n_nonzero_coefs")
    else:
        size = int(np.iinfo(np.int32).max) if all_atoms else 0
    return Coder(
        "lasso" if lasso else algorithm,
        0.0 if algorithm in MATCHING else 1.0 if alpha is None else real(alpha, "alpha"),
        l2, positive, size, None if tol is None else real(tol, "tol"), whole(max_iter, "max_iter"),
    )  # fmt: skip


def with_default_size(coder: Coder, n_features: int) -> Coder:
    """Fill in scikit-learn's default of n_nonzero_coefs."""
    if coder.n_nonzero:
        return coder
    return replace(coder, n_nonzero=max(n_features // 10, 1))


def row_errors(max_error: Any, rows: int) -> NDArray[np.float64] | None:
    """Give the largest error of each row."""
    if max_error is None:
        return None
    errors = np.asarray(max_error, np.float64)
    if errors.shape not in ((), (rows,)) or not np.all(errors >= 0) or not np.isfinite(errors).all():
        raise ValueError(f"max_error must be a number of at least 0, or one for each of {rows} rows")
    return np.ascontiguousarray(np.broadcast_to(errors, (rows,)))
