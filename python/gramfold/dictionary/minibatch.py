"""Dictionary learning from mini-batches, on sums that fade."""

from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.utils import gen_batches

from ..coding.coder import MATCHING, Coder
from ..fit.arguments import Seed, flag, whole
from ..fit.callbacks import fit_task, told
from ..fit.checkpoint import kept_by, restore, resumable, state_of
from ..fit.inputs import dimensions
from ..fit.monitor import Callback, Monitor
from ..fit.unchanged import unchanged_on_error
from ..fold.runs import permuted
from ..fold.source import Array, Source
from .atoms import AtomRule, size_of
from .base import BaseDictionaryLearning
from .online import Online


class MiniBatchDictionaryLearning(BaseDictionaryLearning):
    """Dictionary learning from mini-batches, also one by one with `partial_fit`.

    Minimises the mean over the rows x, with their codes z, of

        1/2 |x - zD|^2 + alpha |z|_1 + l2/2 |z|^2,   plus dict_l1 |D|_1 + dict_l2/2 |D|^2,   |d_j| <= 1,

    as `sklearn.decomposition.MiniBatchDictionaryLearning`, which has no l2, dict_l1 and dict_l2. Each batch
    is coded in one pass, its Z'X and Z'Z join those of earlier batches, which fade, and atoms are updated.

    All columns share one Z'Z, so no entry may be missing; `DictionaryLearning` has missing='mask'.

    Parameters
    ----------
    n_components, alpha, dict_init, verbose, random_state, positive_code, positive_dict, l2, unit_ball
        As in `DictionaryLearning`.
    fit_algorithm : {'lars', 'cd', 'lasso_lars', 'lasso_cd', 'omp', 'ols', 'threshold'}, default='lars'
        As in `DictionaryLearning`.
    dict_l1, dict_l2 : float, default=0
        Penalties on the atoms, beside the mean over the rows: those of `DictionaryLearning` divided by
        n_samples. With one, no atom is replaced, and those not used stay as they are.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit or `partial_fit`, with its sums and in its shuffled order.
    n_jobs, n_threads, max_time, split_sign, output, transform_algorithm and all other transform_ parameters
        As in `DictionaryLearning`.
    max_iter : int, default=1000
        Rounds through X.
    batch_size : int, default=256
    shuffle : bool, default=True
        Whether the rows are put in random order before the first round; of X in files of more than 1 GiB, it
        is runs of rows that follow each other (256 KiB, in compressed files 4 MiB).
    callback : callable, optional
        As in `DictionaryLearning`, after each batch; the objective is that of the batch, per row.
    tol : float, default=1e-3
        The fit has converged when a batch moves the atoms by at most tol n_components. 0: never.
    max_no_improvement : int or None, default=10
        The fit has also converged after so many batches without a better smoothed cost.

    Attributes
    ----------
    components_, n_features_in_, feature_names_in_
        As in `DictionaryLearning`.
    n_iter_, n_steps_ : int
        Rounds through X that were begun, and batches.
    converged_ : bool
    history_ : dict of ndarray of shape (n_steps_,)

    References
    ----------
    Mairal, Bach, Ponce & Sapiro (2010), Online learning for matrix factorization and sparse coding, JMLR 11.

    Examples
    --------
    >>> import gramfold as gf
    >>> X = gf.datasets.image_patches((4, 4), n_patches=500, random_state=0)
    >>> X = X - X.mean(axis=1, keepdims=True)
    >>> model = gf.MiniBatchDictionaryLearning(20, alpha=0.1, max_iter=5, random_state=0).fit(X)
    >>> model.components_.shape
    (20, 16)
    """

    _about_nan = (
        "mini-batches have no form for missing entries, whose sums would be a Z'Z for each column; "
        "DictionaryLearning(missing='mask') has"
    )

    def __init__(
        self, n_components: int | None = None, *, alpha: float = 1, max_iter: int = 1000,
        fit_algorithm: str = "lars", n_jobs: int | None = None, batch_size: int = 256, shuffle: bool = True,
        dict_init: Any = None, transform_algorithm: str = "omp",
        transform_n_nonzero_coefs: int | None = None, transform_alpha: float | None = None,
        verbose: int = False, split_sign: bool = False, random_state: Seed = None,
        positive_code: bool = False, positive_dict: bool = False, transform_max_iter: int = 1000,
        callback: Callback | None = None, tol: float = 1e-3, max_no_improvement: int | None = 10,
        l2: float = 0.0, transform_l2: float = 0.0, transform_max_error: Any = None,
        transform_tol: float | None = None, output: str = "dense", dict_l1: float = 0.0, dict_l2: float = 0.0,
        unit_ball: bool = True, warm_start: bool = False, n_threads: int | None = None,
        max_time: float | None = None,
    ) -> None:  # fmt: skip
        self.n_components = n_components
        self.alpha = alpha
        self.max_iter = max_iter
        self.fit_algorithm = fit_algorithm
        self.n_jobs = n_jobs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.dict_init = dict_init
        self.transform_algorithm = transform_algorithm
        self.transform_n_nonzero_coefs = transform_n_nonzero_coefs
        self.transform_alpha = transform_alpha
        self.verbose = verbose
        self.split_sign = split_sign
        self.random_state = random_state
        self.positive_code = positive_code
        self.positive_dict = positive_dict
        self.transform_max_iter = transform_max_iter
        self.callback = callback
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.l2 = l2
        self.transform_l2 = transform_l2
        self.transform_max_error = transform_max_error
        self.transform_tol = transform_tol
        self.output = output
        self.dict_l1 = dict_l1
        self.dict_l2 = dict_l2
        self.unit_ball = unit_ball
        self.warm_start = warm_start
        self.n_threads = n_threads
        self.max_time = max_time

    @resumable
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the atoms; see `DictionaryLearning.fit`."""
        with fit_task(self, X, y):
            warm = flag(self.warm_start, "warm_start") and hasattr(self, "components_")
            x = self._source(X, reset=not warm)
            online = self._online(x, warm)
            kept = kept_by(self)
            if self.shuffle:
                if kept is not None and kept.state is not None:
                    self._order = kept.state["order"]
                elif not (warm and hasattr(self, "_order")):
                    self._order = online.rng.randint(np.iinfo(np.int32).max)
                if kept is not None:
                    kept.outer = {"order": self._order}
            batches: list[Any] = list(gen_batches(x.rows, min(self.batch_size, x.rows)))
            if self.shuffle:
                order = permuted(x, np.random.RandomState(self._order))
                batches = [order[batch] for batch in batches]
            with Monitor(
                self.max_iter * len(batches), int(self.verbose), told(self), self.max_time, kept=kept
            ) as monitor:
                self.converged_ = self._run(x, batches, online, monitor)
            self._keep(online)
            self.history_ = monitor.history
            self._count(warm, len(monitor.rows))
            self.n_iter_ = -(-len(monitor.rows) // len(batches))
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one batch more, whose size takes the place of `batch_size`."""
        warm = hasattr(self, "components_")
        with unchanged_on_error(self):
            x = self._source(X, reset=not warm)
            online = self._online(x, warm, "partial_fit")
            online.step(x)
            self._keep(online)
            self._count(warm, 1)
            self.n_iter_ = (self.n_iter_ if warm else 0) + 1
        return self

    def _online(self, x: Source, warm: bool, way: str = "warm_start=True") -> Online:
        """Give the state to go on from, or a new one."""
        coder, rule = self._check_parameters(x.cols)
        atoms, rng = self._begin(x, rule, warm, way)
        error = self.transform_max_error if coder.algorithm in MATCHING else None
        if error is not None and dimensions(error, "transform_max_error"):
            raise ValueError("transform_max_error must be one number to learn from mini-batches")
        if not warm:
            return Online(atoms, coder, rule, rng, max_error=error)
        gram, products, cost = self._sums
        return Online(atoms, coder, rule, rng, gram.copy(), products.copy(), cost, self._seen, error)

    def _count(self, warm: bool, steps: int) -> None:
        self.n_steps_: int = steps + (self.n_steps_ if warm else 0)

    def _keep(self, online: Online) -> None:
        self.components_, self._rng, self._seen = online.atoms, online.rng, online.seen
        self._sums = online.gram, online.products, online.cost

    @property
    def _A(self) -> Array:  # scikit-learn's names for the sums, read by some who carry them on
        return np.asarray(self._sums[0], self.components_.dtype)

    @property
    def _B(self) -> Array:
        return np.asarray(self._sums[1], self.components_.dtype)

    def _run(self, x: Source, batches: list[Any], online: Online, monitor: Monitor) -> bool:
        """Go round through the batches, numbers of rows, until converged or stopped."""
        enough = min(100 * int(self.batch_size), x.rows)  # the first costs are too high to smooth
        smooth: float | None = None
        best, idle = np.inf, 0
        if monitor.state is not None:
            restore(online, monitor.state, online.kept)
            smooth, best, idle = (monitor.state[name] for name in ("smooth", "best", "idle"))
        for steps in range(len(monitor.rows), self.max_iter * len(batches)):
            before, batch = online.atoms.copy(), x.some(batches[steps % len(batches)])
            cost = online.step(batch)
            moved = size_of(online.atoms - before)
            stop = monitor.record(cost, moved / (size_of(before) or 1.0))
            if online.seen > enough:
                share = min(1.0, batch.rows / (x.rows + 1))
                smooth = cost if smooth is None else (1 - share) * smooth + share * cost
                if self.tol > 0 and moved <= self.tol * len(before):
                    return True
                best, idle = (smooth, 0) if smooth < best else (best, idle + 1)
                if idle == self.max_no_improvement:
                    return True
            if stop:
                return False
            monitor.keep(partial(state_of, online, online.kept), smooth=smooth, best=best, idle=idle)
        return False

    def _check_parameters(self, n_features: int) -> tuple[Coder, AtomRule]:
        whole(self.batch_size, "batch_size")
        flag(self.shuffle, "shuffle")
        if self.max_no_improvement is not None:
            whole(self.max_no_improvement, "max_no_improvement")
        return super()._check_parameters(n_features)
