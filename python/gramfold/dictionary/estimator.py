"""Dictionary learning: alternate between codes of all rows and atoms."""

import time
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags

from ..coding.coder import Coder
from ..fit.arguments import Seed, choice, effective_threads, flag, one_each, whole
from ..fit.callbacks import fit_task, told
from ..fit.checkpoint import Runs, kept_by, resumable
from ..fit.estimator import check_fitted
from ..fit.inputs import read_rows
from ..fit.monitor import Callback, Monitor
from ..fit.out import rows_to_file
from ..fit.warn import warn
from ..fold.in_step import in_files
from ..fold.observe import observe
from ..fold.observed import Observed
from ..fold.side_by_side import runs_beside
from ..fold.source import Source
from .algorithms import ALL_CODERS, RESIDUAL, fitting, make_steps
from .atoms import AtomRule, held, read_matrix, some_rows
from .base import BaseDictionaryLearning
from .iterate import Learned, learn


class DictionaryLearning(BaseDictionaryLearning):
    """A dictionary D in which the rows of X have sparse codes Z, X ~ ZD.

    Minimises over the codes Z and the atoms d_j, the rows of D,

        1/2 |X - ZD|^2 + alpha |Z|_1 + l2/2 |Z|^2 + dict_l1 |D|_1 + dict_l2/2 |D|^2,   |d_j| <= 1,

    as `sklearn.decomposition.DictionaryLearning`, which has no l2, dict_l1 and dict_l2. One pass over X codes
    its rows and adds up Z'X and Z'Z, from which the atoms are updated by block coordinate descent.

    Parameters
    ----------
    n_components : int, optional
        Atoms; n_features by default.
    alpha : float, default=1
    max_iter : int, default=1000
    tol : float, default=1e-8
        The fit ends when the objective falls by less than `tol` of itself, or would rise. 0: it goes on.
    fit_algorithm : str, default='lars'
        'lars', 'cd', 'lasso_lars', 'lasso_cd' : the lasso, to its minimiser; with `positive_code` too.
        'omp', 'ols' : instead of the penalties on Z at most `transform_n_nonzero_coefs` atoms a row, or as
        many as `transform_max_error` needs. 'threshold' : XD' shrunk by alpha.
        'ksvd' : approximate K-SVD, 'omp' with atoms of norm 1 that are updated along with their codes.
        'soup_l1', 'soup_l0' : SOUP-DIL, the penalty alpha |Z|_1 or alpha |Z|_0 (how many are not 0), with
        atoms of norm 1: all codes of an atom, then the atom, each to its minimiser. 'soup_l0' ends in the
        nearest of many minima: start it from `dict_init` and `code_init` of another fit.
    transform_algorithm, transform_n_nonzero_coefs, transform_alpha, split_sign, positive_code,
    transform_max_iter, transform_l2, transform_max_error, transform_tol, output, n_jobs, n_threads
        As in `SparseCoder`; transform_alpha is alpha by default.
    code_init : array-like of shape (n_samples, n_components), optional
        Codes to start from, together with `dict_init`; without that not used, as in scikit-learn. The lasso
        reaches the same minimiser from any; 'omp' and 'ols' have no use for it.
    dict_init : array-like of shape (n_components, n_features), optional
        Atoms to start from, longer ones brought to norm 1. Default: right singular vectors of X, then rows.
    n_init : int, default=1
        Starts, of which the result with the lowest objective is kept; those after the first are random rows
        of X. `max_time` is that of all together. Of an X in files they run side by side, and X is read once
        for all, unless a checkpoint is kept; 'ksvd' and 'soup' run in turn.
    callback : callable, optional
        Called with an `IterationInfo` after every iteration; True stops the fit. `kkt` is the relative
        change of the atoms.
    verbose : int, default=False
    random_state : int, RandomState or None
    positive_dict : bool, default=False
    l2 : float, default=0
        Ridge penalty on the codes in fit.
    dict_l1, dict_l2 : float, default=0
        Penalties on the atoms. With one, atoms that are not used become 0, and none is replaced.
    unit_ball : bool, default=True
        Whether |d_j| <= 1. False needs a penalty on the atoms.
    missing : {'error', 'mask'}, default='error'
        'mask' : NaN is unobserved, and so is what `mask` of `fit` says. For the lasso, 'omp' and 'ols'.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit: from its atoms and, for 'ksvd' and 'soup', its codes.
    max_time : float, optional
        Seconds after which no iteration begins.

    Notes
    -----
    Atoms whose codes are (nearly) all 0, and all but one of the same atoms, make room for rows of X before
    the next iteration, which is taken back if that raises the objective. No other iteration raises it,
    except with tol=0 by 'omp', 'ols' and 'threshold', which do not minimise it.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The atoms of the least objective; those of the last iteration if `transform_max_error` is what rows
        are coded to.
    error_ : ndarray of shape (n_iter_,)
        The objective after each iteration, of its atoms with their codes.
    history_ : dict of ndarray of shape (n_iter_,)
    converged_ : bool
    n_iter_, n_features_in_ : int
    feature_names_in_ : ndarray of str

    References
    ----------
    Mairal, Bach, Ponce & Sapiro (2010), Online learning for matrix factorization and sparse coding, JMLR 11.
    Rubinstein, Zibulevsky & Elad (2008), Efficient implementation of the K-SVD algorithm using batch
    orthogonal matching pursuit, Technion.
    Ravishankar, Nadakuditi & Fessler (2017), Efficient sum of outer products dictionary learning (SOUP-DIL)
    and its application to inverse problems, IEEE Trans. Computational Imaging 3.

    Examples
    --------
    >>> import gramfold as gf
    >>> X = gf.datasets.image_patches((4, 4), n_patches=500, random_state=0)
    >>> X = X - X.mean(axis=1, keepdims=True)
    >>> model = gf.DictionaryLearning(20, alpha=0.1, max_iter=5, tol=0, random_state=0).fit(X)
    >>> model.components_.shape
    (20, 16)

    K-SVD with three atoms a patch:

    >>> ksvd = gf.DictionaryLearning(20, fit_algorithm="ksvd", transform_n_nonzero_coefs=3, max_iter=5, tol=0)
    >>> bool(ksvd.fit(X).error_[-1] < ksvd.error_[0])
    True
    """

    _coders = ALL_CODERS

    def __init__(
        self, n_components: int | None = None, *, alpha: float = 1, max_iter: int = 1000, tol: float = 1e-8,
        fit_algorithm: str = "lars", transform_algorithm: str = "omp",
        transform_n_nonzero_coefs: int | None = None, transform_alpha: float | None = None,
        n_jobs: int | None = None, code_init: Any = None, dict_init: Any = None,
        callback: Callback | None = None, verbose: int = False, split_sign: bool = False,
        random_state: Seed = None, positive_code: bool = False, positive_dict: bool = False,
        transform_max_iter: int = 1000, l2: float = 0.0, transform_l2: float = 0.0,
        transform_max_error: Any = None, transform_tol: float | None = None, output: str = "dense",
        dict_l1: float = 0.0, dict_l2: float = 0.0, unit_ball: bool = True, missing: str = "error",
        warm_start: bool = False, n_threads: int | None = None, max_time: float | None = None,
        n_init: int = 1,
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
        self.dict_l1 = dict_l1
        self.dict_l2 = dict_l2
        self.unit_ball = unit_ball
        self.missing = missing
        self.warm_start = warm_start
        self.n_threads = n_threads
        self.max_time = max_time
        self.n_init = n_init

    @resumable
    def fit(self, X: Any, y: Any = None, mask: Any = None) -> Self:
        """Learn the atoms.

        Parameters
        ----------
        X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
        y : ignored
        mask : array-like or `blocks` of shape (n_samples, n_features), optional
            With missing='mask' and a dense X: True where an entry is observed, or a weight >= 0 of the
            squared error of each entry.

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        begun = time.perf_counter()
        with fit_task(self, X, y):
            warm = flag(self.warm_start, "warm_start") and hasattr(self, "components_")
            x = self._given(X, mask, reset=not warm)
            coder, rule = self._check_parameters(x.cols)
            atoms, rng = self._begin(x, rule, warm)
            kept, draws = kept_by(self), one_each(rng, self._starts(warm))
            watch = partial(Monitor, self.max_iter, max_time=self.max_time, begun=begun)

            def run(i: int, x: Source | Observed, monitor: Monitor) -> Learned:
                mine = atoms if i == 0 else held(some_rows(x, len(atoms), rule, draws[i]), x, rule, draws[i])
                steps = make_steps(
                    self.fit_algorithm, x, coder, rule, draws[i], max_error=self.transform_max_error,
                    start=None if i else self._start_codes(x, len(atoms), warm),
                )  # fmt: skip
                steps.faulty = getattr(self, "_faulty", None) if warm else None
                return learn(steps, mine, monitor, self.max_iter, float(self.tol))

            runs = Runs(kept, len(draws), draws)
            if len(draws) > 1 and kept is None and isinstance(x, Source) and self._reads_files(x):
                whole, silent = watch(verbose=int(self.verbose), callback=told(self)), partial(watch, 0)
                found = runs_beside(x, whole, silent, [partial(run, i) for i in runs])
                runs.best = min(found, key=lambda one: one.objective)
            else:
                for i in runs:
                    with watch(verbose=int(self.verbose), callback=told(self), kept=kept) as monitor:
                        one = run(i, x, monitor)
                    if runs.best is None or one.objective < runs.best.objective:
                        runs.best = one
                    if monitor.stopped:
                        break
            best: Learned = runs.best
            self.components_, self._rng = best.atoms, rng
            self._codes, self._faulty = best.codes, best.faulty
            self.history_, self.converged_ = best.history, best.converged
            self.error_ = self.history_["objective"]
            self.n_iter_ = len(self.error_)
            if not self.converged_ and self.tol > 0 and 0 < self.n_iter_ == self.max_iter:
                warn(
                    f"Maximum number of iterations {self.max_iter} reached before convergence",
                    ConvergenceWarning)  # fmt: skip
        return self

    def fit_transform(self, X: Any, y: Any = None, mask: Any = None) -> Any:
        """`fit(X, mask=mask).transform(X, mask=mask)`."""
        return self.fit(X, mask=mask).transform(X, mask=mask)

    @rows_to_file
    def transform(self, X: Any, mask: Any = None) -> Any:
        """Codes of X by `transform_algorithm`, of shape (n_samples, n_components); `mask` as in `fit`."""
        check_fitted(self)
        if choice(self.missing, "missing", ("error", "mask")) == "error":
            self._refuse_mask(mask)
            return self._encode(X, self.components_)
        X = read_rows(X, self, sparse=False, gaps=True, segments=True, reset=False)
        return self._encode(X, self.components_, np.ones(X.shape, bool) if mask is None else mask)

    def _given(self, X: Any, mask: Any, *, reset: bool) -> Source | Observed:
        """Check X, with its mask if entries may be missing."""
        if choice(self.missing, "missing", ("error", "mask")) == "error":
            self._refuse_mask(mask)
            return self._source(X, reset=reset)
        X = read_rows(X, self, sparse=False, gaps=True, segments=True, reset=reset)
        return observe(X, mask, n_threads=effective_threads(self.n_threads))

    def _reads_files(self, x: Source) -> bool:
        """Whether each pass of an iteration does: those that keep a residual have X in memory beside it."""
        return in_files(x) and self.fit_algorithm not in RESIDUAL

    @staticmethod
    def _refuse_mask(mask: Any) -> None:
        if mask is not None:
            raise ValueError("mask is only used with missing='mask'")

    def _check_parameters(self, n_features: int) -> tuple[Coder, AtomRule]:
        coder, rule = super()._check_parameters(n_features)
        if whole(self.n_init, "n_init") > 1 and self.transform_max_error is not None:
            raise ValueError(
                f"n_init={self.n_init} keeps the result of the lowest objective, which says nothing where "
                "rows are coded to transform_max_error: set n_init=1"
            )
        return fitting(self.fit_algorithm, coder, rule, self.missing)

    def _start_codes(self, x: Source | Observed, k: int, warm: bool) -> Any:
        """Give the codes of the last fit, or code_init, or None."""
        if warm:
            codes = self._codes if self.fit_algorithm in RESIDUAL else None
            if codes is not None and codes.shape[0] != x.rows:
                raise ValueError(
                    f"warm_start=True goes on with the codes of the {codes.shape[0]} rows learned from, "
                    f"but X has {x.rows}: give those rows, or set warm_start=False"
                )
            return None if codes is None else codes.astype(x.dtype)
        if self.code_init is None or self.dict_init is None:
            return None
        return read_matrix(self.code_init, "code_init", (x.rows, k), x.dtype)

    def _starts(self, warm: bool) -> int:
        """How many starts to try: of one that is given only that."""
        if warm or self.dict_init is None or self.n_init == 1:
            return 1 if warm else self.n_init
        warn(
            f"dict_init is one start: performing only that in {type(self).__name__} instead of "
            f"n_init={self.n_init}",
            RuntimeWarning,
        )
        return 1

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.missing != "mask"
        tags.input_tags.allow_nan = self.missing == "mask"
        return tags
