"""Missing entries in principal components: NaN is unobserved, and filled in by the components."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..fit.warn import warn
from ..fold.engine import State
from ..fold.observe import observe
from ..fold.source import Source
from ..linalg.powers import scaled

Array = NDArray[Any]

ROUNDS = 1000


def filled_in(X: Array, components: Any, tol: float, low_rank: Callable[[Array], Array]) -> tuple[Array, int]:
    """X with its gaps filled in, and the rounds that it took; warns if they were too few.

    Each round decomposes what is filled in and fills in the result, which never raises the squared error of
    the observed entries (Kiers 1997).

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    components : int, or something else if their number is not known
    tol : float
        The largest relative change of the filled entries in the last round; 0: 1e-6.
    low_rank : callable
        The approximation of a filled X by the components.
    """
    if not isinstance(components, int) or components >= min(X.shape):
        raise ValueError("missing='mask' needs a whole n_components below min(n_samples, n_features)")
    exponent = int(np.frexp(np.nanmax(np.abs(X), initial=0))[1])
    observed = observe(scaled(X, -exponent))  # so that squares stay in range
    filled, gaps, tol = observed.filled, ~observed.seen, tol or 1e-6
    size = float(np.linalg.norm(filled))
    for n_iter in range(1, ROUNDS + 1):
        new = low_rank(filled)[gaps]
        change = float(np.linalg.norm(new - filled[gaps]))
        filled[gaps] = new
        if change <= tol * size:
            return scaled(filled, exponent), n_iter
    warn(
        f"Filling in did not converge in {ROUNDS} rounds: a relative change of {change / size:.1e} "
        f"against tol={float(tol):g}",
        ConvergenceWarning,
    )
    return scaled(filled, exponent), ROUNDS


def observed_codes(rows: Source, shared: tuple[Array, Any], state: State) -> None:
    """Overwrite 'codes' with coordinates that fit what is observed of rows by least squares.

    `shared`: the components, orthonormal, and the mean.
    """
    components, mean = shared
    seen, V, k = observe(rows.x, some=False).seen, components.T, len(components)
    if not k:
        return
    outer = (V[:, :, None] * V[:, None, :]).reshape(len(V), k * k)
    inverse = np.linalg.pinv((seen @ outer).reshape(-1, k, k), hermitian=True)
    state["codes"][:] = np.matmul(inverse, (np.where(seen, rows.x - mean, 0) @ V)[..., None])[..., 0]
