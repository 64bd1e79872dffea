"""Sparse codes of rows in a fixed dictionary."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..fit.arguments import choice, effective_threads
from ..fit.inputs import read_array, read_atoms, read_rows
from ..fit.lazy import lazily_called
from ..fold.engine import run
from ..fold.observe import observe
from ..fold.observed import Observed
from ..fold.segments import source_of
from ..fold.source import Array, Source
from ..io.recognise import is_collection
from ..least_squares.rows import gram_of
from ..least_squares.scales import Scale, solve_in_range
from ..linalg.powers import times_power
from . import masked_codes
from .coder import OWN, Coder, make_coder, row_errors, with_default_size
from .codes import code_rows, lars, mend_codes, row_budgets, warn_of_unconverged


def sparse_encode(
    X: Any, dictionary: Any, *, gram: Any = None, cov: Any = None, algorithm: str = "lasso_lars",
    n_nonzero_coefs: int | None = None, alpha: float | None = None, copy_cov: bool = True,
    init: Any = None, max_iter: int = 1000, n_jobs: int | None = None, check_input: bool = True,
    verbose: int = 0, positive: bool = False, l2: float = 0.0, max_error: Any = None, mask: Any = None,
    tol: float | None = None, output: str = "dense", n_threads: int | None = None,
) -> Any:  # fmt: skip
    """Codes Z of the rows of X in a dictionary, X ~ Z @ dictionary.

    As `sklearn.decomposition.sparse_encode`, in one pass over the rows.

    Parameters
    ----------
    X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
    dictionary : array-like of shape (n_components, n_features)
        Atoms of any norm.
    gram : array-like of shape (n_components, n_components), optional
        dictionary @ dictionary.T, if known.
    cov : array-like of shape (n_components, n_samples), optional
        dictionary @ X.T, if known; not changed.
    algorithm : {'lasso_lars', 'lasso_cd', 'lars', 'omp', 'ols', 'threshold'}
        'lasso_lars', 'lasso_cd' : the minimiser of 1/2 |x - z @ dictionary|^2 + alpha |z|_1 + l2/2 |z|^2, for
        both names by an active set to rounding. With alpha=0 and `positive` non-negative least squares.
        'omp' : orthogonal matching pursuit; with `positive`, its atoms join while their correlation is
        positive, and codes are the non-negative least squares on them.
        'ols' : orthogonal least squares, which takes the atom that lowers the error most.
        'threshold' : X @ dictionary.T shrunk by alpha.
        'lars' : by scikit-learn, row after row.
    n_nonzero_coefs : int, optional
        Atoms in a code of 'omp', 'ols', 'lars'. Default: n_features / 10, or all if there is `max_error`.
    alpha : float, optional
        L1 penalty, or the threshold; 1 by default.
    copy_cov, n_jobs, check_input, verbose
        Taken so that scikit-learn's calls work; nothing depends on them.
    init : array-like of shape (n_samples, n_components), optional
        Codes that the lasso starts from.
    max_iter : int
        Rounds in which atoms join or leave a row's support, or sweeps.
    positive : bool
        Whether codes must be non-negative; not with 'ols' and 'lars'.
    l2 : float
        Ridge penalty of the lasso: an elastic net.
    max_error : float or array-like of shape (n_samples,), optional
        'omp' and 'ols' end a row once |x - z @ dictionary| is at most this.
    mask : array-like of shape (n_samples, n_features), optional
        Boolean: True where an entry is observed. Of numbers: the weight of each entry's squared error. With
        a mask NaN is unobserved as well. For the lasso, 'omp' and 'ols'.
    tol : float, optional
        A row ends when no optimality condition is missed by more than tol times its largest |cov|. Default:
        1e-10 (float32: 1e-6).
    output : {'dense', 'csr'}
    n_threads : int, optional
        Default: OMP_NUM_THREADS, else the CPUs that this process may use.

    Returns
    -------
    ndarray or csr_matrix of shape (n_samples, n_components)
        float32 if X is, else float64. A row's code does not depend on the other rows. For a Dask collection a
        Dask array, which is computed when it is asked for, each partition by one thread; of `cov`, `init`,
        `max_error` and `mask`, arrays of Dask too, a partition is given what belongs to its rows, and checks
        that, as it does X, then alone.

    Raises
    ------
    ValueError
        If shapes do not fit, an entry is not finite, a parameter is not as described, or `algorithm` does not
        have it.

    References
    ----------
    Lee, Battle, Raina & Ng (2007), Efficient sparse coding algorithms, NIPS.
    Rubinstein, Zibulevsky & Elad (2008), Efficient implementation of the K-SVD algorithm using batch
    orthogonal matching pursuit, Technion.
    Chen, Billings & Luo (1989), Orthogonal least squares methods and their application to non-linear
    system identification, Int. J. Control 50.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> dictionary = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.0, 0.8]])
    >>> X = np.array([[3.0, 0.5, 0.0], [0.6, 0.0, 0.8]])
    >>> gf.sparse_encode(X, dictionary, algorithm="lasso_cd", alpha=1.0)
    array([[2., 0., 0.],
           [0., 0., 0.]])
    >>> print(gf.sparse_encode(X, dictionary, algorithm="omp", n_nonzero_coefs=1))
    [[3. 0. 0.]
     [0. 0. 1.]]
    """
    coder = make_coder(
        algorithm, alpha=alpha, l2=l2, positive=positive, n_nonzero=n_nonzero_coefs, tol=tol,
        max_iter=max_iter, all_atoms=max_error is not None,
    )  # fmt: skip
    if is_collection(X):
        atoms = read_atoms(dictionary, "dictionary")
        shared = {"dictionary": atoms, "coder": coder, "gram": gram, "output": output, "n_threads": 1}
        effective_threads(n_threads)
        one = max_error is None or np.ndim(max_error) == 0
        shared |= {"max_error": max_error} if one else {}
        of_rows = {"init": init, "mask": mask, "max_error": None if one else max_error}
        of_rows |= {"cov.T": None if cov is None else cov.T if hasattr(cov, "T") else np.transpose(cov)}
        return lazily_called(_of_rows, X, shared, of_rows)
    return codes_of(
        X, dictionary, coder, gram=gram, cov=cov, init=init, max_error=max_error, mask=mask, output=output,
        n_threads=n_threads,
    )  # fmt: skip


def _of_rows(X: Any, **given: Any) -> Any:
    """Codes of a partition, of arguments that have its rows."""
    products = given.pop("cov.T", None)
    return codes_of(X, **given, cov=None if products is None else products.T)


def codes_of(
    X: Any, dictionary: Any, coder: Coder, *, gram: Any = None, cov: Any = None, init: Any = None,
    max_error: Any = None, mask: Any = None, output: str = "dense", n_threads: int | None = None,
    names: Mapping[str, str] = OWN, estimator: Any = None,
) -> Any:  # fmt: skip
    """Code rows as `sparse_encode` does, by a coder that was checked; errors say `names`, and the class.

    With an `estimator` X was read by it.
    """
    choice(output, "output", ("dense", "csr"))
    threads = effective_threads(n_threads)
    if mask is not None:
        if any(given is not None for given in (gram, cov)) or coder.algorithm in ("threshold", "lars"):
            raise ValueError("mask goes with the lasso, 'omp' and 'ols', and without gram and cov")
        x: Source | Observed = observe(X, mask, n_threads=threads)
    else:
        if estimator is None:
            X = read_rows(X, n_threads=threads, segments=True, ensure_all_finite=False)
        x = source_of(X, threads)
        x.check_finite(estimator)
    atoms = _dictionary(dictionary, x.dtype, x.cols)
    k, rows = len(atoms), x.rows
    gram = _given(gram, "gram", (k, k), np.float64)
    cov = _given(cov, "cov", (k, rows), x.dtype)
    init = _given(init, "init", (rows, k), x.dtype)
    coder = with_default_size(coder, x.cols)
    errors = row_errors(max_error, rows, names["max_error"])
    unconverged = 0.0

    def solve(scale: Scale, which: Any) -> Any:
        nonlocal unconverged
        part = _Part(scale, which)
        with np.errstate(over="ignore"):  # an error that is infinite then asks for nothing
            most, start = part.of(errors, scale.x), part.of(init, scale.x - scale.atoms)
        if start is not None and scale.x != scale.atoms:  # so far from x, a start is none
            sizes = np.abs(start)
            start[(sizes == np.inf) | (sizes < np.sqrt(np.finfo(x.dtype).tiny))] = 0
        found, late = _encode(
            scale.rows(x, which), times_power(atoms, scale.atoms), coder.scaled(scale, x.dtype),
            gram=times_power(gram, 2 * scale.atoms),
            products=part.of(None if cov is None else cov.T, scale.x + scale.atoms),
            start=start, errors=most, sparse=output == "csr",
        )  # fmt: skip
        unconverged += late
        return found

    codes = solve_in_range(x, atoms, coder.l2, solve, products=coder.algorithm == "threshold")
    warn_of_unconverged(unconverged, rows, coder.max_iter)
    return codes


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows, None for all, and how they are scaled."""

    scale: Scale
    rows: Any

    def of(self, given: Any, exponent: int) -> Any:
        """What is given for these rows, scaled."""
        if given is None:
            return None
        return np.ascontiguousarray(times_power(given if self.rows is None else given[self.rows], exponent))


def _encode(
    x: Source | Observed, atoms: Array, coder: Coder, *, gram: Any, products: Any, start: Any, errors: Any,
    sparse: bool,
) -> tuple[Any, float]:  # fmt: skip
    """Codes of all rows of x, and how many of them did not end."""
    if isinstance(x, Observed):
        codes, unconverged = masked_codes.solve(x, atoms, coder, errors, start)
        return sp.csr_matrix(codes) if sparse else codes, unconverged
    if coder.algorithm == "lars":
        codes = np.empty((x.rows, len(atoms)), x.dtype)
        run(partial(lars, n_nonzero=min(coder.n_nonzero, len(atoms))), x, atoms, {"codes": codes})
        return sp.csr_matrix(codes) if sparse else codes, 0.0
    shared = np.ascontiguousarray(atoms.T)
    if gram is None:
        gram = gram_of(shared.astype(np.float64), x.n_threads)
    done = code_rows(
        x, shared, coder, gram=gram, products=products, start=start, enough=row_budgets(x, errors),
        sparse=sparse,
    )  # fmt: skip
    return mend_codes(
        x, atoms, coder, done.codes, done.unconverged, gram=gram, start=start, doubtful=done.doubtful
    )


def _dictionary(dictionary: Any, dtype: Any, n_features: int) -> Array:
    atoms = read_atoms(dictionary, "dictionary", dtype=dtype)
    if atoms.shape[1] != n_features:
        raise ValueError(
            f"dictionary and X have different numbers of features: {atoms.shape[1]} and {n_features}"
        )
    return atoms


def _given(array: Any, name: str, shape: tuple[int, int], dtype: Any) -> Any:
    if array is None:
        return None
    array = read_array(array, name, dtype=dtype, order="C", ensure_min_samples=0)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    return array
