"""Codes of rows in a fixed dictionary: the convex half of a factorisation."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._core import kernels
from ..fit.arguments import effective_threads, flag, real
from ..fit.inputs import read_atoms, read_rows
from ..fold.source import Array, Pass, Penalty, Source, Sweeps, solve_rows
from ..least_squares.from_data import Rows
from ..least_squares.scales import Scale, solve_in_range
from ..least_squares.sound_rows import mend
from ..linalg.powers import times_power

MOST_SWEEPS, POLISH = 10_000, 8


def solve_to_convergence(x: Source, shared: Array, penalty: Penalty, *, sums: Array | None = None) -> Pass:
    """Solve every row of x for the fixed `shared` (cols, k), from 0; the products are formed once.

    A row ends when its step is at most 1e-10 (float32: 1e-5) of its own size, and does not depend on the
    other rows.
    """

    def run(some: Source, factor: Array, own: Penalty, gram: Any, sweeps: Sweeps, start: Any = None) -> Pass:
        return solve_rows(
            some,
            factor,
            gram,
            own,
            sweeps,
            start=start,
            sums=sums,
            squares=sums is not None,
            n_threads=x.n_threads,
        )

    done: Pass | None = None  # as long as it is of the codes that are given back
    n_open, times = 0.0, 0

    def solve(scale: Scale, which: Any) -> Array:
        nonlocal done, n_open, times
        some, factor, own = (
            scale.rows(x, which),
            times_power(shared, scale.atoms),
            scale.penalty(penalty, x.dtype),
        )
        gram = kernels.gram(factor, x.n_threads)
        sweeps = Sweeps(MOST_SWEEPS, tol=1e-10 if x.dtype == np.float64 else 1e-5, polish=POLISH)
        result = run(some, factor, own, gram, sweeps)
        rows = Rows(some, factor.T.astype(np.float64), own)
        ridged = gram + own.l2 * np.eye(len(gram))
        codes, is_open, changed = mend(rows, result.factor, most=MOST_SWEEPS, n_open=result.open, gram=ridged)
        n_open, times = n_open + is_open, times + 1
        done = result if some is x and not (changed.size or scale.atoms or times > 1) else None
        return codes

    codes = solve_in_range(x, shared.T, penalty.l2, solve)
    if n_open:
        warnings.warn(
            f"{n_open:.0f} of {x.rows} rows did not converge in {MOST_SWEEPS} sweeps: the "
            "components are nearly dependent; a small L2 penalty helps",
            ConvergenceWarning,
            stacklevel=3,
        )
    if done is None and sums is None:
        return Pass(codes, None, np.empty((0, 0)), None, 0.0, 0.0, 0.0, 0.0, n_open)
    if done is None:
        done = run(x, shared, penalty, kernels.gram(shared, x.n_threads), Sweeps(0), codes)
    return replace(done, factor=codes, open=n_open)


def encode(
    X: Any,
    components: Any,
    *,
    l1: float = 0.0,
    l2: float = 0.0,
    nonneg: bool = True,
    n_threads: int | None = None,
) -> Array:
    """Codes Z of the rows of X in a fixed dictionary.

    Row by row, minimises 1/2 |x - z @ components|^2 + l1 |z|_1 + l2/2 |z|^2, over z >= 0 if `nonneg`, by
    cyclic coordinate descent on the Gram matrix; without `nonneg` and `l1`, in closed form.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
    components : array-like of shape (n_components, n_features)
    l1, l2 : float
        Penalties, not scaled by anything.
    nonneg : bool
        Whether codes must be non-negative.
    n_threads : int, optional
        Default: OMP_NUM_THREADS, else the CPUs that this process may use.

    Returns
    -------
    ndarray of shape (n_samples, n_components)
        float32 if X is, else float64. A row's code does not depend on the other rows.

    Raises
    ------
    ValueError
        If shapes do not fit, an entry is not finite or a penalty is negative.

    References
    ----------
    Cichocki & Phan (2009), Fast local algorithms for large scale nonnegative matrix and tensor
    factorizations, IEICE Trans. Fundamentals E92-A.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> dictionary = np.array([[1.0, 0.0, 1.0], [0.0, 2.0, 0.0]])
    >>> gf.encode([[3.0, -4.0, 3.0], [1.0, 6.0, 1.0]], dictionary)
    array([[3., 0.],
           [1., 3.]])
    """
    threads = effective_threads(n_threads)
    X = read_rows(X, n_threads=threads, ensure_all_finite=False)
    components = read_atoms(components, "components", dtype=X.dtype)
    if components.shape[1] != X.shape[1]:
        raise ValueError(
            f"components must have as many columns as X: {components.shape[1]} against {X.shape[1]}"
        )
    penalty = Penalty(real(l1, "l1"), real(l2, "l2"), flag(nonneg, "nonneg"))
    source = Source(X, threads)
    source.check_finite()
    return solve_to_convergence(source, np.ascontiguousarray(components.T), penalty).factor
