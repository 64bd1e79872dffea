"""Codes of rows in a fixed dictionary: the convex half of a factorisation."""

from typing import Any

import numpy as np

from ..fit.arguments import effective_threads, flag, real
from ..fit.inputs import read_atoms, read_rows
from ..fit.lazy import lazily_called
from ..fold.segments import source_of
from ..fold.source import Array
from ..io.recognise import is_collection
from ..least_squares.converged import solve_to_convergence
from ..least_squares.rows import Penalty


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
    X : array-like, sparse matrix or `blocks` of shape (n_samples, n_features)
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
        float32 if X is, else float64. A row's code does not depend on the other rows. For a Dask collection a
        Dask array, which is computed when it is asked for, each partition by one thread.

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
    if is_collection(X):
        atoms = read_atoms(components, "components")
        shared = {"components": atoms, "l1": l1, "l2": l2, "nonneg": nonneg, "n_threads": 1}
        return lazily_called(encode, X, shared, {})
    X = read_rows(X, n_threads=threads, segments=True, ensure_all_finite=False)
    components = read_atoms(components, "components", dtype=X.dtype)
    if components.shape[1] != X.shape[1]:
        raise ValueError(
            f"components must have as many columns as X: {components.shape[1]} against {X.shape[1]}"
        )
    penalty = Penalty(real(l1, "l1"), real(l2, "l2"), flag(nonneg, "nonneg"))
    source = source_of(X, threads)
    source.check_finite()
    return solve_to_convergence(source, np.ascontiguousarray(components.T), penalty).factor
