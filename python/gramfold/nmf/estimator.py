"""Non-negative matrix factorisation, semi-NMF and plain alternating least squares."""

import time
from typing import Any, Self

import numpy as np

from ..fit.arguments import Seed, counted, flag, whole
from ..fit.callbacks import fit_task
from ..fit.checkpoint import kept_by, resumable
from ..fit.monitor import Callback
from ..fit.warn import warn
from ..fold.source import Array
from ..io.recognise import is_collection
from .base import BaseNMF
from .losses import Loss
from .runs import Starts
from .start import Factors
from .weights import Weighted


class NMF(BaseNMF):
    """Non-negative matrix factorisation X ~ WH.

    Minimises 1/2 |X - WH|^2 + l1_W |W|_1 + l2_W/2 |W|^2 + l1_H |H|_1 + l2_H/2 |H|^2 over W >= 0 and H >= 0
    (Frobenius loss), with scikit-learn's scaling of the penalties: l1_W = n_features alpha_W l1_ratio,
    l2_W = n_features alpha_W (1 - l1_ratio), and alpha_H with n_samples.

    The W of `fit_transform` is that of `transform`, solved for the final H: to rounding for the losses that
    'cd' takes, by whatever solver; for others until a step is 1e-6 (float32: 1e-5) of a row, which leaves
    entries that fade to 0 small.

    Parameters
    ----------
    n_components : int, 'auto' or None, default='auto'
        Rank k; None is the number of features, 'auto' the same or that of a custom start.
    init : {None, 'random', 'nndsvd', 'nndsvda', 'nndsvdar', 'custom'}
        The start. None is 'nndsvda' if n_components <= min(n_samples, n_features) and X >= 0, else
        'random'. 'custom' takes W and H from `fit_transform`, turned into the type of X and not overwritten.
    n_init : int, default=1
        Starts, of which the result with the lowest objective is kept. Those after the first are 'random', or
        'nndsvdar' if that is `init`. `max_time` is that of all together. Of X in files they run side by
        side, each with factors of its own, and X is read once for all, unless a checkpoint is kept or
        `shuffle` is True; the callback then hears of them as of one fit, in another thread.
    solver : {'cd', 'hals', 'mu'}, default='cd'
        'cd', also called 'hals': coordinate descent. 'mu': multiplicative updates.
    beta_loss : float or {'frobenius', 'kullback-leibler', 'itakura-saito'}
        The loss; 'cd' takes the first two. A number is the beta of a beta divergence (2, 1, 0 are the named
        ones) and needs 'mu', as does any below or equal 0 an X without zeros.
    tol : float, default=1e-4
        The fit has converged when the violation of the optimality conditions (the sum of the absolute
        projected gradient met in the first sweep of an iteration) has fallen to `tol` times that of
        the first iteration, or the KKT residual to rounding. 0: never.
    max_iter : int, default=200
        Iterations, each one read of X.
    random_state : int, RandomState or None
        For the start and for `shuffle`.
    alpha_W, alpha_H : float or 'same'
        Strength of the penalties on W and H. Of one alone there is no minimum: its factor shrinks without end
        while the other grows.
    l1_ratio : float, default=0
        Share of L1 in the penalties.
    verbose : int, default=0
        If not 0, prints each iteration, by the logger "gramfold".
    shuffle : bool, default=False
        Whether the order of the components is drawn anew for each half iteration.
    W_nonneg, H_nonneg : bool, default=True
        Whether a factor must be non-negative. One False: semi-NMF. Both: alternating least squares.
        X may then have negative entries.
    max_sweeps : int or None
        Rounds of coordinate updates per product with X; None for as many as the product is worth
        (Gillis & Glineur 2012); but for a tiny X that depends on how many entries are stored, so that a dense
        and a sparse fit that stop early differ.
    extrapolate : bool, default=True
        Whether factors move on along their last step (Ang & Gillis 2019). max_sweeps=1 without
        extrapolation makes scikit-learn's iterates.
    missing : {'error', 'mask', 'unstored'}, default='error'
        'mask': NaN in a dense X is an unobserved entry, left out of the loss. 'unstored': of a sparse X,
        ratings say, only the stored entries are observed, zeros among them; the fit takes memory for those
        and for the factors. Rows and columns of which nothing is observed are 0 in W and H. Both need
        solver='cd'.
    frozen : array-like of shape (n_frozen, n_features), optional
        The first components, which stay as they are; `init` makes the others. For the Frobenius loss and
        solver='cd'.
    n_threads : int or None
        Default: OMP_NUM_THREADS, else the CPUs that this process may use. Results do not depend on it.
    callback : callable or None
        Called with an `IterationInfo` after each iteration; a true return value stops the fit.
    max_time : float or None
        Seconds after which no further iteration begins. With losses other than 'frobenius', `transform`,
        and the last solve of a fit, take no longer either.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        H.
    n_components_, n_features_in_, n_iter_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X has string names.
    reconstruction_err_ : float
        |X - WH|_F over the observed entries, or the square root of twice the beta divergence.
    kkt_residual_ : float
        How far W and H are from optimality, whatever the scale of X: the root of sum h d^2 over all
        coordinates divided by |X|_F, where d is the step that a coordinate of curvature h could make.
    converged_ : bool
    history_ : dict of ndarray of shape (n_iter_,)
        'objective', 'kkt' and 'seconds' since the start of the fit, per iteration.

    References
    ----------
    Cichocki & Phan (2009), Fast local algorithms for large scale nonnegative matrix and tensor
    factorizations. Gillis & Glineur (2012), Accelerated multiplicative updates and hierarchical ALS
    algorithms for nonnegative matrix factorization. Ang & Gillis (2019), Accelerating nonnegative
    matrix factorization algorithms using extrapolation.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.array([[1.0, 0, 2], [2, 0, 4], [0, 3, 0], [0, 1, 0]])
    >>> model = gf.NMF(2, random_state=0)
    >>> W = model.fit_transform(X)
    >>> bool(np.allclose(W @ model.components_, X, atol=1e-3))
    True
    """

    _ways = ("error", "mask", "unstored")

    def __init__(
        self, n_components: int | str | None = "auto", *, init: str | None = None, n_init: int = 1,
        solver: str = "cd", beta_loss: float | str = "frobenius", tol: float = 1e-4, max_iter: int = 200,
        random_state: Seed = None, alpha_W: float = 0.0, alpha_H: float | str = "same",
        l1_ratio: float = 0.0, verbose: int = 0, shuffle: bool = False, W_nonneg: bool = True,
        H_nonneg: bool = True, max_sweeps: int | None = None, extrapolate: bool = True,
        missing: str = "error", frozen: Any = None, n_threads: int | None = None,
        callback: Callback | None = None, max_time: float | None = None,
    ) -> None:  # fmt: skip
        self.n_components = n_components
        self.init = init
        self.n_init = n_init
        self.solver = solver
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.verbose = verbose
        self.shuffle = shuffle
        self.W_nonneg = W_nonneg
        self.H_nonneg = H_nonneg
        self.max_sweeps = max_sweeps
        self.extrapolate = extrapolate
        self.missing = missing
        self.frozen = frozen
        self.n_threads = n_threads
        self.callback = callback
        self.max_time = max_time

    @resumable
    def fit(
        self, X: Any, y: Any = None, W: Any = None, H: Any = None, mask: Any = None, sample_weight: Any = None
    ) -> Self:  # fmt: skip
        """Learn the components; see `fit_transform`."""
        self.fit_transform(X, y, W=W, H=H, mask=mask, sample_weight=sample_weight)
        return self

    @resumable
    def fit_transform(
        self, X: Any, y: Any = None, W: Any = None, H: Any = None, mask: Any = None, sample_weight: Any = None
    ) -> Array:  # fmt: skip
        """Learn the components and return W, which is what `transform` gives for the same X.

        Parameters
        ----------
        X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
        y : ignored
        W, H : array-like of shape (n_samples, n_components), (n_components, n_features), optional
            The start, with init='custom'; turned into the dtype of X.
        mask : array-like of shape (n_samples, n_features), optional
            With missing='mask' and a dense X: True where an entry is observed, or a weight >= 0 per
            entry, 0 being unobserved.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0. A row of a whole weight counts as that many equal rows would: in the loss, in the
            penalty on W and in n_samples. One of weight 0 leaves H alone, and its W is that for H. The fit
            takes a scaled copy of X. A penalty on W must be L2 with the Frobenius loss, L1 with
            Kullback-Leibler, and 0 with others; beta_loss must be above 0.

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        with fit_task(self, X, y):
            loss, weighted, best = self._factorise(X, W, H, mask, sample_weight)
            W, error, self.kkt_residual_ = (weighted.loss if weighted else loss).finish(best.H, best.W)
            self.reconstruction_err_ = float(np.ldexp(error, weighted.exponent)) if weighted else error
            self.components_ = np.ascontiguousarray(best.H.T)
            self.n_components_ = len(self.components_)
            self.n_iter_, self.converged_, self.history_ = best.n_iter, best.converged, best.history
            if weighted and not is_collection(X):
                W = loss.encode(best.H)
        return self.transform(X, mask) if is_collection(X) else np.asarray(W)

    def _factorise(
        self, X: Any, W: Any, H: Any, mask: Any, sample_weight: Any
    ) -> tuple[Loss, Weighted | None, Factors]:
        """Check everything and iterate from each start; gives the best."""
        begun = time.perf_counter()
        self._check_parameters()
        loss = self._loss(X, mask, reset=True)
        weighted = None if sample_weight is None else Weighted.of(loss, self._beta(), sample_weight)
        best = Starts(self, loss, weighted, begun).best(W, H, kept_by(self))
        # One iteration is the measure of later ones, whatever it reached.
        if self.tol > 0 and best.n_iter == self.max_iter and (not best.converged or best.n_iter == 1):
            self._warn_of_the_limit()
        return loss, weighted, best

    def _check_parameters(self) -> None:
        super()._check_parameters()
        whole(self.n_init, "n_init")
        flag(self.shuffle, "shuffle")
        if self.solver == "mu" and self.init == "nndsvd":
            warn(
                "The multiplicative update ('mu') solver cannot update zeros present in the initialization, "
                "as init='nndsvd' makes them; use 'nndsvda' or 'nndsvdar'",
                UserWarning,
            )
        flag(self.extrapolate, "extrapolate")
        _ = self._most_sweeps

    @property
    def _most_sweeps(self) -> int | None:
        """max_sweeps, as far as kernels count."""
        return None if self.max_sweeps is None else counted(self.max_sweeps, "max_sweeps")
