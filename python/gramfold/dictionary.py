"""Dictionary learning: alternate between codes of all rows and atoms."""

import warnings
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._arguments import Seed
from .codes import Coder
from .dictionary_base import BaseDictionaryLearning, Statistics, generator, penalty_of
from .fold import Array, Source
from .monitor import Callback, Monitor
from .nmf_base import unchanged_on_error


class DictionaryLearning(BaseDictionaryLearning):
    """A dictionary D in which the rows of X have sparse codes Z, X ~ ZD.

    Minimises 1/2 |X - ZD|^2 + alpha |Z|_1 + l2/2 |Z|^2 over Z and atoms |d_j| <= 1, as
    `sklearn.decomposition.DictionaryLearning`. One pass over X codes its rows and adds up Z'X and Z'Z, from
    which the atoms are updated by block coordinate descent.

    Parameters
    ----------
    n_components : int, optional
        Atoms; n_features by default.
    alpha : float, default=1
    max_iter : int, default=1000
    tol : float, default=1e-8
        The fit ends when the objective falls by less than `tol` of itself.
    fit_algorithm : {'lars', 'cd', 'omp', 'ols'}, default='lars'
        'lars' and 'cd' : the lasso, to its minimiser. 'omp', 'ols' : `transform_n_nonzero_coefs` atoms a row.
    transform_algorithm, transform_n_nonzero_coefs, transform_alpha, split_sign, positive_code,
    transform_max_iter, transform_l2, transform_max_error, transform_tol, output, n_jobs, n_threads
        As in `SparseCoder`; transform_alpha is alpha by default.
    code_init : ignored
        Taken so that scikit-learn's calls work: codes are solved to their minimiser from any start.
    dict_init : array-like of shape (n_components, n_features), optional
        Atoms to start from. Default: right singular vectors of X, then rows of X.
    callback : callable, optional
        Called with an `IterationInfo` after every iteration; True stops the fit. `kkt` is the relative
        change of the atoms.
    verbose : int, default=False
    random_state : int, RandomState or None
    positive_dict : bool, default=False
    l2 : float, default=0
        Ridge penalty on the codes in fit.
    max_time : float, optional
        Seconds after which no iteration begins.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
    error_ : ndarray of shape (n_iter_,)
        The objective after each iteration.
    history_ : dict of ndarray of shape (n_iter_,)
    converged_ : bool
    n_iter_, n_features_in_ : int
    feature_names_in_ : ndarray of str

    References
    ----------
    Mairal, Bach, Ponce & Sapiro (2010), Online learning for matrix factorization and sparse coding, JMLR 11.

    Examples
    --------
    >>> import gramfold as gf
    >>> X = gf.datasets.image_patches((4, 4), n_patches=500, random_state=0)
    >>> X = X - X.mean(axis=1, keepdims=True)
    >>> model = gf.DictionaryLearning(20, alpha=0.1, max_iter=5, tol=0, random_state=0).fit(X)
    >>> model.components_.shape
    (20, 16)
    """

    def __init__(
        self, n_components: int | None = None, *, alpha: float = 1, max_iter: int = 1000, tol: float = 1e-8,
        fit_algorithm: str = "lars", transform_algorithm: str = "omp",
        transform_n_nonzero_coefs: int | None = None, transform_alpha: float | None = None,
        n_jobs: int | None = None, code_init: Any = None, dict_init: Any = None,
        callback: Callback | None = None, verbose: int = False, split_sign: bool = False,
        random_state: Seed = None, positive_code: bool = False, positive_dict: bool = False,
        transform_max_iter: int = 1000, l2: float = 0.0, transform_l2: float = 0.0,
        transform_max_error: Any = None, transform_tol: float | None = None, output: str = "dense",
        n_threads: int | None = None, max_time: float | None = None,
    ) -> None:  # fmt: skip
        self.n_components = n_components
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.fit_algorithm = fit_algorithm
        self.transform_algorithm = transform_algorithm
        self.transform_n_nonzero_coefs = transform_n_nonzero_coefs
        self.transform_alpha = transform_alpha
        self.n_jobs = n_jobs
        self.code_init = code_init
        self.dict_init = dict_init
        self.callback = callback
        self.verbose = verbose
        self.split_sign = split_sign
        self.random_state = random_state
        self.positive_code = positive_code
        self.positive_dict = positive_dict
        self.transform_max_iter = transform_max_iter
        self.l2 = l2
        self.transform_l2 = transform_l2
        self.transform_max_error = transform_max_error
        self.transform_tol = transform_tol
        self.output = output
        self.n_threads = n_threads
        self.max_time = max_time

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the atoms.

        Parameters
        ----------
        X : array-like or CSR/CSC matrix of shape (n_samples, n_features)
        y : ignored

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        with unchanged_on_error(self):
            x = self._source(X, reset=True)
            coder = self._check_parameters(x.cols)
            rng = generator(self.random_state)
            self.components_, converged, monitor = self._run(x, coder, self._start(x, rng), rng)
            self.history_, self.converged_ = monitor.history, converged
            self.error_, self.n_iter_ = self.history_["objective"], len(monitor.rows)
            if not converged and self.tol > 0 and 0 < self.n_iter_ == self.max_iter:
                warnings.warn(
                    f"Maximum number of iterations {self.max_iter} reached before convergence",
                    ConvergenceWarning, stacklevel=2,
                )  # fmt: skip
        return self

    def _run(
        self, x: Source, coder: Coder, atoms: Array, rng: np.random.RandomState
    ) -> tuple[Array, bool, Monitor]:
        last = np.inf
        with Monitor(self.max_iter, int(self.verbose), self.callback, self.max_time) as monitor:
            for _ in range(self.max_iter):
                done = self._code(x, atoms, coder)
                assert done.gram is not None
                assert done.sums is not None
                before = atoms.copy()
                replaced = self._update(atoms, Statistics(done.gram, done.sums), x.rows, x, rng)
                objective = self._objective(x, done, atoms, coder, replaced)
                moved = float(np.linalg.norm(atoms - before) / (np.linalg.norm(atoms) or 1.0))
                stop = monitor.record(objective, moved)
                if self.tol > 0 and not replaced.any() and last - objective < self.tol * objective:
                    return atoms, True, monitor
                if stop:
                    break
                last = objective
        return atoms, False, monitor

    @staticmethod
    def _objective(x: Source, done: Any, atoms: Array, coder: Coder, replaced: Array) -> float:
        """Objective of the codes with the new atoms; codes of replaced ones count as 0."""
        D = np.where(replaced[:, None], 0, atoms).astype(np.float64)
        fit = 0.5 * x.squared_norm - np.vdot(done.sums.T, D) + 0.5 * np.vdot(done.gram, D @ D.T)
        return float(fit) + penalty_of(coder, done.codes)
