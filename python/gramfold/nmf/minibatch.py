"""NMF from mini-batches: the pass of NMF over a few rows at a time, on sums that fade."""

from dataclasses import replace
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.utils import gen_batches

from ..fit.arguments import Seed, counted, flag, real, whole
from ..fit.callbacks import fit_task, told
from ..fit.checkpoint import kept_by, resumable
from ..fit.inputs import FLOATS
from ..fit.monitor import Callback, Monitor
from ..fit.unchanged import unchanged_on_error
from ..fold.observed import Observed
from ..fold.source import Array, Source
from ..io.recognise import is_collection
from .base import BaseNMF
from .batches import BatchLoss, FadingSums, step
from .start import initialize

ROUNDING = 1e-14  # of a cost


class MiniBatchNMF(BaseNMF):
    """Non-negative matrix factorisation from mini-batches, also one by one with `partial_fit`.

    The objective of `NMF`, with its penalties per row. Each batch is solved for its rows of W by
    coordinate descent in one pass; its sums X'W and W'W join those of earlier batches, which fade by
    `forget_factor` per n_samples rows, and H is solved from them.

    Parameters
    ----------
    n_components : int, 'auto' or None, default='auto'
    init : {None, 'random', 'nndsvd', 'nndsvda', 'nndsvdar', 'custom'}
        As in `NMF`.
    batch_size : int, default=1024
    beta_loss : float or {'frobenius', 'kullback-leibler', 'itakura-saito'}
        As in `NMF`; losses other than 'frobenius' by multiplicative updates.
    tol : float, default=1e-4
        The fit has converged when a round through X moves H by at most `tol` of its norm per batch. 0: never.
    max_no_improvement : int or None, default=10
        The fit has also converged after so many batches, at least a round, without a better smoothed cost.
    max_iter : int, default=200
        Rounds through X.
    alpha_W, alpha_H, l1_ratio
        As in `NMF`, with the rows that the sums stand for in place of n_samples.
    forget_factor : float in [0, 1], default=0.7
    fresh_restarts : bool, default=False
        Whether each batch is solved from 0, and not from where its rows ended in the last round.
    fresh_restarts_max_iter : int, default=30
        Updates of a batch's rows with `fresh_restarts`, for losses other than 'frobenius'; for that one each
        row is solved to 1e-4 of its size.
    transform_max_iter : int or None
        Not used: `transform` solves each row to convergence. Taken so that scikit-learn's calls work.
    random_state, verbose
        As in `NMF`.
    W_nonneg, H_nonneg, n_threads, callback, max_time
        As in `NMF`; the callback is called after each batch.
    missing : {'error', 'mask'}, default='error'
        With 'mask' NaN and the masked entries of a masked array are not observed, for least squares: rows of
        W are solved for what is observed, and H for the batch filled in with W H, which bounds the objective
        from above and touches it at the H at hand.

    Attributes
    ----------
    components_, n_components_, n_features_in_, feature_names_in_, reconstruction_err_, kkt_residual_
        As in `NMF`.
    n_iter_, n_steps_ : int
        Rounds through X that were begun, and batches.
    converged_ : bool
    history_ : dict of ndarray of shape (n_steps_,)
        As in `NMF`, per batch and divided by its rows.

    References
    ----------
    Mairal, Bach, Ponce & Sapiro (2010), Online learning for matrix factorization and sparse coding.
    Lefevre, Bach & Fevotte (2011), Online algorithms for nonnegative matrix factorization with the
    Itakura-Saito divergence, for the forgetting.
    Mairal (2013), Stochastic majorization-minimization algorithms for large-scale optimization, for
    `missing`.

    Examples
    --------
    >>> import gramfold as gf
    >>> X, _, _ = gf.datasets.make_nmf(500, 30, 4, random_state=0)
    >>> model = gf.MiniBatchNMF(4, batch_size=100, random_state=0).fit(X)
    >>> model.transform(X).shape
    (500, 4)
    """

    @property
    def solver(self) -> str:  # type: ignore[override]
        """The solver of `NMF` that `transform` uses."""
        known = isinstance(self.beta_loss, str | Real)
        return "cd" if known and self.beta_loss in ("frobenius", "kullback-leibler", 2, 1) else "mu"

    def __init__(
        self, n_components: int | str | None = "auto", *, init: str | None = None, batch_size: int = 1024,
        beta_loss: float | str = "frobenius", tol: float = 1e-4, max_no_improvement: int | None = 10,
        max_iter: int = 200, alpha_W: float = 0.0, alpha_H: float | str = "same",
        l1_ratio: float = 0.0, forget_factor: float = 0.7, fresh_restarts: bool = False,
        fresh_restarts_max_iter: int = 30, transform_max_iter: int | None = None,
        random_state: Seed = None, verbose: int = 0, W_nonneg: bool = True, H_nonneg: bool = True,
        n_threads: int | None = None, callback: Callback | None = None, max_time: float | None = None,
        missing: str = "error",
    ) -> None:  # fmt: skip
        self.n_components = n_components
        self.init = init
        self.batch_size = batch_size
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.max_iter = max_iter
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.forget_factor = forget_factor
        self.fresh_restarts = fresh_restarts
        self.fresh_restarts_max_iter = fresh_restarts_max_iter
        self.transform_max_iter = transform_max_iter
        self.random_state = random_state
        self.verbose = verbose
        self.W_nonneg = W_nonneg
        self.H_nonneg = H_nonneg
        self.n_threads = n_threads
        self.callback = callback
        self.max_time = max_time
        self.missing = missing

    @resumable
    def fit(self, X: Any, y: Any = None, W: Any = None, H: Any = None) -> Self:
        """Learn the components; see `fit_transform`."""
        self.fit_transform(X, y, W=W, H=H)
        return self

    @resumable
    def fit_transform(self, X: Any, y: Any = None, W: Any = None, H: Any = None) -> Array:
        """Learn the components and return W, which is what `transform` gives for the same X.

        Parameters
        ----------
        X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
        y : ignored
        W, H : array-like of shape (n_samples, n_components), (n_components, n_features), optional
            The start, with init='custom'; turned into the dtype of X, and not overwritten.

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        with fit_task(self, X, y):
            W = self._fit(X, W, H)
        return self.transform(X) if is_collection(X) else np.asarray(W)

    def _fit(self, X: Any, W: Any, H: Any) -> Array:
        self._check_parameters()
        loss = self._loss(X, None, reset=True, once=True)
        assert isinstance(loss, BatchLoss)
        W, H = self._start(loss.x, W, H, self.random_state)
        batches = list(gen_batches(loss.x.rows, min(self.batch_size, loss.x.rows)))
        sums = FadingSums(self._beta())
        monitor = Monitor(
            self.max_iter * len(batches), self.verbose, told(self), self.max_time, kept=kept_by(self)
        )
        with monitor:
            H_rows, converged = self._run(loss, batches, W, np.ascontiguousarray(H.T), monitor, sums)
        steps = len(monitor.rows)
        if self.tol > 0 and steps == monitor.max_iter and (not converged or self.max_iter == 1):
            self._warn_of_the_limit()
        W, self.reconstruction_err_, self.kkt_residual_ = loss.finish(H_rows)
        self._keep(H_rows)
        self._sums = sums
        self.n_iter_, self.n_steps_ = -(-steps // len(batches)), steps
        self.converged_, self.history_ = converged, monitor.history
        return W

    def partial_fit(self, X: Any, y: Any = None, W: Any = None, H: Any = None) -> Self:
        """Learn from one batch more.

        Parameters
        ----------
        X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
            The batch; its own size takes the place of `batch_size`.
        y : ignored
        W, H : array-like, optional
            The start at the first call, with init='custom'.

        Returns
        -------
        self
        """
        with unchanged_on_error(self):
            self._fit_batch(X, W, H)
        return self

    def _fit_batch(self, X: Any, W: Any, H: Any) -> None:
        first = not hasattr(self, "components_")
        self._check_parameters()
        dtype = FLOATS if first else self.components_.dtype
        loss = self._loss(X, None, reset=first, dtype=dtype, once=True)
        assert isinstance(loss, BatchLoss)
        if first:
            H_rows = np.ascontiguousarray(self._start(loss.x, W, H, self.random_state)[1].T)
            self._sums = FadingSums(self._beta())
            self.n_steps_ = self.n_iter_ = 0
        else:
            self._check_unchanged()
            H_rows = np.ascontiguousarray(self._revived(loss.x).T)
        sums = replace(self._sums)  # those of before stay if this fails
        self._keep(step(loss, None, H_rows, sums, float(self.forget_factor), self._restarts).H)
        self._sums = sums
        self.n_steps_ += 1
        self.n_iter_ += 1

    def _check_unchanged(self) -> None:
        """Whether the sums of earlier batches are of the model that the parameters describe now."""
        k = self.n_components_
        if self.n_components not in ("auto", None, k):
            raise ValueError(
                f"n_components={self.n_components}, but the model that partial_fit goes on with has {k}; "
                "keep it, or begin anew with a clone"
            )
        if self._sums.beta != self._beta():
            raise ValueError(
                f"beta_loss={self.beta_loss!r} is not that of the earlier batches; keep it, or begin anew "
                "with a clone"
            )

    def _revived(self, x: Source | Observed) -> Array:
        """The components, or a new start where nothing so far has left any."""
        if self.components_.any() or not x.largest:
            return self.components_
        self._sums = FadingSums(self._beta())
        init = "random" if self.init == "random" else None
        return initialize(x, self.n_components_, init, self.random_state, (self.W_nonneg, self.H_nonneg))[1]

    def _keep(self, H_rows: Array) -> None:
        self.components_ = np.ascontiguousarray(H_rows.T)
        self.n_components_ = len(self.components_)

    def _run(
        self, loss: BatchLoss, batches: list[slice], W: Array, H: Array, monitor: Monitor, sums: FadingSums
    ) -> tuple[Array, bool]:
        """Go round through the batches until converged or stopped; H is (m, k)."""
        x, W = loss.x, np.array(W)
        parts: list[Any] = [x.some(batch, once=self.max_iter == 1) for batch in batches]
        before, smooth, best, idle = H, None, np.inf, 0
        if monitor.state is not None:
            H, W, before = (monitor.state[name] for name in ("H", "W", "before"))
            smooth, best, idle = (monitor.state[name] for name in ("smooth", "best", "idle"))
            vars(sums).update(vars(monitor.state["sums"]))
        for steps in range(len(monitor.rows), self.max_iter * len(parts)):
            i = steps % len(parts)
            part, batch = parts[i], batches[i]
            piece = replace(loss, x=part, penalty_H=self._penalties(part.rows, x.cols)[1])
            start = None if self.fresh_restarts else W[batch]
            fade = float(self.forget_factor) ** (part.rows / x.rows)
            H, W[batch], cost, kkt = step(piece, start, H, sums, fade, self._restarts)
            share = min(1.0, part.rows / (x.rows + 1))
            smooth = cost if smooth is None else (1 - share) * smooth + share * cost
            best, idle = (smooth, 0) if smooth + ROUNDING * abs(smooth) < best else (best, idle + 1)
            stop = monitor.record(cost, kkt)
            if self.max_no_improvement is not None and idle >= max(self.max_no_improvement, len(parts)):
                return H, True
            if stop:
                return H, False
            if i + 1 == len(parts):
                moved, size = np.linalg.norm(H - before), np.linalg.norm(H)
                if self.tol > 0 and moved <= self.tol * len(parts) * size:
                    return H, True
                before = H
            monitor.keep(H=H, W=W, before=before, smooth=smooth, best=best, idle=idle, sums=sums)
        return H, False

    @property
    def _restarts(self) -> int:
        """fresh_restarts_max_iter, as far as kernels count."""
        return counted(self.fresh_restarts_max_iter, "fresh_restarts_max_iter")

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.missing == "mask" and self._beta() != 2:
            raise ValueError(
                f"missing='mask' needs beta_loss='frobenius', got {self.beta_loss!r}; NMF has more"
            )
        whole(self.batch_size, "batch_size")
        counted(self.fresh_restarts_max_iter, "fresh_restarts_max_iter")
        for name in ("max_no_improvement", "transform_max_iter"):
            if getattr(self, name) is not None:
                whole(getattr(self, name), name)
        real(self.forget_factor, "forget_factor", high=1.0)
        flag(self.fresh_restarts, "fresh_restarts")
