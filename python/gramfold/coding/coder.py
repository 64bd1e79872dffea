"""What a coder is, and the checks of what users say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fit.arguments import COUNTED, choice, counted, flag, real
from ..fit.floats import name_of
from ..fit.inputs import read_numbers
from ..least_squares.rows import Penalty
from ..least_squares.scales import Scale

ALGORITHMS = ("lasso_cd", "lasso_lars", "lars", "omp", "ols", "threshold")
MATCHING = ("omp", "ols")
# The parameters of a coder as `sparse_encode` calls them; estimators have other names.
OWN = {
    name: name
    for name in ("algorithm", "n_nonzero_coefs", "alpha", "l2", "max_error", "max_iter", "tol", "positive")
}
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
    tol: float | None, max_iter: int, all_atoms: bool = False, names: Mapping[str, str] = OWN,
) -> Coder:  # fmt: skip
    """Check the parameters of a coder, by their `names`; its n_nonzero = 0 stands for the default."""
    size = 0 if n_nonzero is None else counted(n_nonzero, names["n_nonzero_coefs"])
    l1 = 1.0 if alpha is None else real(alpha, names["alpha"])
    l2 = real(l2, names["l2"])
    tolerance = None if tol is None else real(tol, names["tol"])
    rounds = counted(max_iter, names["max_iter"])
    choice(algorithm, names["algorithm"], ALGORITHMS)
    way = f"{names['algorithm']}={algorithm!r}"
    if flag(positive, names["positive"]) and algorithm in ("lars", "ols"):
        raise ValueError(
            f"Positive constraint not supported for {algorithm!r} coding method: {names['positive']}=True "
            f"does not go with {way}"
        )
    if all_atoms and algorithm not in MATCHING:
        raise ValueError(f"{names['max_error']} goes with 'omp' and 'ols', not with {way}")
    lasso = algorithm in ("lasso_cd", "lasso_lars")
    if l2 > 0 and not lasso:
        raise ValueError(f"{names['l2']} goes with the lasso, not with {way}")
    return Coder(
        "lasso" if lasso else algorithm, 0.0 if algorithm in MATCHING else l1, l2, bool(positive),
        COUNTED if all_atoms and not size else size, tolerance, rounds,
    )  # fmt: skip


@lru_cache(64)  # of calls with one row a copy is a tenth of the cost
def with_default_size(coder: Coder, n_features: int) -> Coder:
    """Fill in scikit-learn's default of n_nonzero_coefs."""
    if coder.n_nonzero:
        return coder
    return replace(coder, n_nonzero=max(n_features // 10, 1))


def row_errors(max_error: Any, rows: int, name: str = "max_error") -> NDArray[np.float64] | None:
    """Give the largest error of each row."""
    if max_error is None:
        return None
    errors = read_numbers(max_error, name)
    if errors.shape not in ((), (rows,)) or not np.all(errors >= 0) or not np.isfinite(errors).all():
        raise ValueError(f"{name} must be a number of at least 0, or one for each of {rows} rows")
    return np.ascontiguousarray(np.broadcast_to(errors, (rows,)))
