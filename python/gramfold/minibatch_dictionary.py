"""Dictionary learning from mini-batches, on sums that fade."""

from typing import Any, Self

import numpy as np
from sklearn.utils import gen_batches

from ._arguments import Seed, flag, whole
from .codes import Coder
from .dictionary_base import BaseDictionaryLearning, Statistics, generator, size_of
from .fold import Array, Source
from .monitor import Callback, Monitor
from .nmf_base import unchanged_on_error


class MiniBatchDictionaryLearning(BaseDictionaryLearning):
    """Dictionary learning from mini-batches, also one by one with `partial_fit`.

    The objective of `DictionaryLearning`, as `sklearn.decomposition.MiniBatchDictionaryLearning`: each
    batch is coded in one pass, its Z'X and Z'Z join those of earlier batches, which fade, and the atoms are
    updated.

    Parameters
    ----------
    n_components, alpha, fit_algorithm, dict_init, verbose, random_state, positive_code, positive_dict, l2
        As in `DictionaryLearning`.
    n_jobs, n_threads, max_time, split_sign, output, transform_algorithm and all other transform_ parameters
        As in `DictionaryLearning`.
    max_iter : int, default=1000
        Rounds through X.
    batch_size : int, default=256
    shuffle : bool, default=True
        Whether the rows are put in random order before the first round.
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

    # A batch of 512 patches costs more than four sweeps over 256 atoms, which end 0.1% lower than one.
    _atom_sweeps = 4

    def __init__(
        self, n_components: int | None = None, *, alpha: float = 1, max_iter: int = 1000,
        fit_algorithm: str = "lars", n_jobs: int | None = None, batch_size: int = 256, shuffle: bool = True,
        dict_init: Any = None, transform_algorithm: str = "omp",
        transform_n_nonzero_coefs: int | None = None, transform_alpha: float | None = None,
        verbose: int = False, split_sign: bool = False, random_state: Seed = None,
        positive_code: bool = False, positive_dict: bool = False, transform_max_iter: int = 1000,
        callback: Callback | None = None, tol: float = 1e-3, max_no_improvement: int | None = 10,
        l2: float = 0.0, transform_l2: float = 0.0, transform_max_error: Any = None,
        transform_tol: float | None = None, output: str = "dense", n_threads: int | None = None,
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
        self.n_threads = n_threads
        self.max_time = max_time

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the atoms; see `DictionaryLearning.fit`."""
        with unchanged_on_error(self):
            x = self._source(X, reset=True)
            coder = self._check_parameters(x.cols)
            rng = generator(self.random_state)
            atoms = self._start(x, rng)
            if self.shuffle:
                x = Source(x.x[rng.permutation(x.rows)], x.n_threads)
            size = min(self.batch_size, x.rows)
            parts = [Source(x.x[batch], x.n_threads) for batch in gen_batches(x.rows, size)]
            self._statistics, self.n_steps_ = self._nothing(atoms), 0
            with Monitor(
                self.max_iter * len(parts), int(self.verbose), self.callback, self.max_time
            ) as monitor:
                self.converged_ = self._run(parts, coder, atoms, rng, monitor)
            self.components_, self.history_ = atoms, monitor.history
            self.n_iter_ = -(-self.n_steps_ // len(parts))
            self._rng = rng
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one batch more, whose size takes the place of `batch_size`."""
        first = not hasattr(self, "components_")
        with unchanged_on_error(self):
            x = self._source(X, reset=first)
            coder = self._check_parameters(x.cols)
            if first:
                self._rng = generator(self.random_state)
                atoms = self._start(x, self._rng)
                self._statistics, self.n_steps_, self.n_iter_ = self._nothing(atoms), 0, 0
            else:
                atoms = self.components_.astype(x.dtype)
            self._step(x, coder, atoms, self._rng)
            self.components_, self.n_iter_ = atoms, self.n_iter_ + 1
        return self

    def _run(
        self, parts: list[Source], coder: Coder, atoms: Array, rng: np.random.RandomState, monitor: Monitor
    ) -> bool:
        """Go round through the batches until converged or stopped."""
        rows = sum(part.rows for part in parts)
        smooth: float | None = None
        best, idle = np.inf, 0
        for _ in range(self.max_iter):
            for part in parts:
                before = atoms.copy()
                cost = self._step(part, coder, atoms, rng)
                moved = size_of(atoms - before)
                stop = monitor.record(cost, moved / (size_of(atoms) or 1.0))
                if self.n_steps_ > min(100, rows / parts[0].rows):  # the first costs are too high to smooth
                    share = min(1.0, part.rows / (rows + 1))
                    smooth = cost if smooth is None else (1 - share) * smooth + share * cost
                    if self.tol > 0 and moved <= self.tol * len(atoms):
                        return True
                    best, idle = (smooth, 0) if smooth < best else (best, idle + 1)
                    if idle == self.max_no_improvement:
                        return True
                if stop:
                    return False
        return False

    def _step(self, x: Source, coder: Coder, atoms: Array, rng: np.random.RandomState) -> float:
        """Code one batch and update the atoms in place; returns the cost per row."""
        done = self._code(x, atoms, coder)
        assert done.gram is not None
        assert done.sums is not None
        step, size = self.n_steps_, x.rows
        theta = (step + 1) * size if step < size - 1 else size**2 + step + 1 - size
        fade = (theta + 1 - size) / (theta + 1)
        kept = self._statistics
        kept.gram = fade * kept.gram + done.gram / size
        kept.products = fade * kept.products + done.sums / size
        replaced = self._update(atoms, kept, 1.0, x, rng)
        kept.gram[replaced], kept.gram[:, replaced], kept.products[:, replaced] = 0, 0, 0
        self.n_steps_ += 1
        return (0.5 * x.squared_norm + done.objective) / size

    @staticmethod
    def _nothing(atoms: Array) -> Statistics:
        return Statistics(np.zeros((len(atoms), len(atoms))), np.zeros(atoms.shape[::-1]))

    def _check_parameters(self, n_features: int) -> Coder:
        whole(self.batch_size, "batch_size")
        flag(self.shuffle, "shuffle")
        if self.max_no_improvement is not None:
            whole(self.max_no_improvement, "max_no_improvement")
        return super()._check_parameters(n_features)
