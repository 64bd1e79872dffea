"""Codes of rows in a subspace under the sum of absolute errors, exactly where a vertex proves itself optimal.

min_c sum over the observed j of |x_j - v_j'c|. Alternating directions bring every row close; then the k
entries fitted best are fitted exactly (Barrodale & Roberts 1973). A row is done when multipliers y in [-1,
1] with V'y = 0 prove that no code is better by more than 1e-9: the bound is y'x.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fold.source import Source
from .pieces import pieces

Array = NDArray[Any]

EVERY, MOST = 25, 1000


def code_rows(rows: Source, V: Array, state: Any) -> None:
    """Overwrite codes, a pass; what a sparse X does not store is not observed."""
    for some in pieces(rows.rows, 4 * rows.cols):
        state["codes"][some] = least_absolute(_with_gaps(rows.x[some]), V)


def _with_gaps(x: Any) -> Array:
    """Rows in float64, NaN where nothing is observed."""
    if isinstance(x, np.ndarray):
        return np.asarray(x, np.float64)
    given = np.full(x.shape, np.nan)
    given[np.repeat(np.arange(x.shape[0]), np.diff(x.indptr)), x.indices] = x.data
    return given


def least_absolute(X: Array, V: Array) -> Array:
    """Code the rows of X.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float64
        NaN is unobserved; a row of nothing else has code 0.
    V : ndarray of shape (n_features, k), orthonormal columns

    Returns
    -------
    ndarray of shape (n_samples, k)

    Examples
    --------
    >>> import numpy as np
    >>> from gramfold.rpca.least_absolute import least_absolute
    >>> float(round(least_absolute(np.array([[1.0, 1, 9, 1, np.nan]]), np.ones((5, 1)) / 5**0.5)[0, 0], 6))
    2.236068
    """
    codes = np.zeros((len(X), V.shape[1]))
    seen = ~np.isnan(X)
    x = np.where(seen, X, 0.0)
    unit = np.frexp(np.abs(x).max(axis=1, initial=0))[1][:, None]  # so that no scale is out of range
    x = np.ldexp(x, -unit)
    size = np.abs(x).sum(axis=1)
    undecided = np.flatnonzero(size > 0)
    if not V.shape[1] or not len(undecided):
        return codes
    state = _Rows(x[undecided], seen[undecided], V)
    best = np.full(len(X), np.inf)
    for _ in range(MOST // EVERY):
        state.iterate(EVERY)
        bound = state.bound()
        for tried in (state.c, state.vertices()):
            cost = state.cost(tried)
            better = cost < best[undecided]
            codes[undecided[better]], best[undecided[better]] = tried[better], cost[better]
        done = best[undecided] - bound <= 1e-9 * best[undecided] + 1e-13 * size[undecided]
        undecided = undecided[~done]
        if not len(undecided):
            break
        state.keep(~done)
    scaled: Array = np.ldexp(codes, unit)
    return scaled


class _Rows:
    """Iterates of the undecided rows: s + Vc = x where observed, scaled multipliers u, a step size each."""

    def __init__(self, x: Array, seen: Array, V: Array) -> None:
        self.x, self.seen, self.V = x, seen, V
        self.c = x @ V
        self.u = np.zeros_like(x)
        rest = np.abs(np.where(seen, x - self.c @ V.T, 0)).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        self.step = np.maximum(rest, 1e-12 * np.abs(x).max(axis=1))[:, None]
        self.s = np.zeros_like(x)
        k = V.shape[1]
        outer = (V[:, :, None] * V[:, None, :]).reshape(len(V), k * k)
        self.inverse = np.linalg.pinv((seen @ outer).reshape(-1, k, k), hermitian=True)

    def keep(self, rows: Array) -> None:
        for name in ("x", "seen", "c", "u", "step", "s", "inverse"):
            setattr(self, name, getattr(self, name)[rows])

    def iterate(self, n_iter: int) -> None:
        for _ in range(n_iter):
            fit, old = self.c @ self.V.T, self.s
            rest = self.x - fit + self.u
            s = np.sign(rest) * np.maximum(np.abs(rest) - self.step, 0)
            self.u = np.where(self.seen, rest - s, 0)
            self.s = np.where(self.seen, s, 0)
            self.c = np.where(self.seen, self.x - self.s + self.u, fit) @ self.V
        primal = np.abs(np.where(self.seen, self.x - self.s - self.c @ self.V.T, 0)).sum(axis=1)
        dual = np.abs(self.s - old).sum(axis=1)
        factor = np.where(primal > 4 * dual, 0.5, np.where(dual > 4 * primal, 2.0, 1.0))[:, None]
        self.step *= factor
        self.u *= factor

    def cost(self, c: Array) -> Array:
        total: Array = np.abs(np.where(self.seen, self.x - c @ self.V.T, 0)).sum(axis=1)
        return total

    def bound(self) -> Array:
        """A lower bound of each row's cost, from its multipliers made feasible."""
        y = np.where(self.seen, np.clip(self.u / self.step, -1, 1), 0)
        y -= np.where(self.seen, np.matmul(self.inverse, (y @ self.V)[..., None])[..., 0] @ self.V.T, 0)
        bound: Array = np.sum(y * self.x, axis=1) / np.maximum(1, np.abs(y).max(axis=1))
        return bound

    def vertices(self) -> Array:
        """Codes that fit the k best fitted entries of each row exactly, where these determine one."""
        k = self.V.shape[1]
        rest = np.abs(np.where(self.seen, self.x - self.c @ self.V.T, np.inf))
        if self.x.shape[1] < k:
            return self.c
        chosen = np.argpartition(rest, k - 1, axis=1)[:, :k]
        square = self.V[chosen]
        sound = np.take_along_axis(self.seen, chosen, 1).all(axis=1)
        sound &= np.linalg.slogdet(square)[0] != 0
        c = self.c.copy()
        given = np.take_along_axis(self.x, chosen, 1)[..., None]
        c[sound] = np.linalg.solve(square[sound], given[sound])[..., 0]
        return c
