"""Robust PCA: a matrix of low rank plus outliers, from what is observed of it."""

from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags

from ..fit.arguments import check_reporting, choice, effective_threads, flag, real, whole
from ..fit.blocks import each_part
from ..fit.callbacks import fit_task, told
from ..fit.checkpoint import kept_by, resumable
from ..fit.estimator import Estimator, check_fitted
from ..fit.inputs import FLOATS, read_array
from ..fit.missing import nan_from_mask
from ..fit.monitor import Callback, Monitor
from ..fit.out import rows_to_file
from ..fit.warn import warn
from ..fold.engine import State, run
from ..io.parts import Beside
from ..linalg.blas import one_thread
from ..linalg.powers import times_power
from .least_absolute import code_rows
from .low_rank import LowRank
from .observed import check_enough, looked_at, masked, validated
from .parts import nothing, split
from .prices import priced
from .pursuit import Pursuit
from .solve import Driver
from .sparse_passes import differing

Array = NDArray[Any]


LEAST_NOISE = 1e-307  # of which the reciprocal is in range


class RobustPCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Split X into a matrix L of low rank and outliers S, with a certificate of how well.

    Minimises |L|_* + sum of lam |S_ij| over the observed entries, subject to L + S = X there (principal
    component pursuit). |L|_* is the sum of the singular values. Unobserved entries cost nothing and are
    filled in by L.

    Parameters
    ----------
    lam : 'auto', float or array-like of shape (n_samples, n_features), default='auto'
        Price of an outlier. 'auto': 1 / sqrt(p max(n_samples, n_features)) with p the observed share
        (Candes et al. 2011); with 'l21', 3 / (7 sqrt(0.02 n_samples)), which finds a few hundredths of
        outlying rows (Xu et al. 2012). An array prices single entries, 0 meaning unobserved.
    penalty : {'l1', 'l21'}, default='l1'
        'l21': outliers are whole rows, and cost lam times their norm.
    noise : None, 'sqrt' or float, default=None
        A third part N of small entries. A float is their standard deviation, and |N|_F is at most that
        times the root of the number of observed entries. 'sqrt': the level is unknown, and
        sqrt(p min(n_samples, n_features) / 2) |N|_F is added to the objective.
    max_rank : int or None
        Largest rank of L. If it binds, the problem is not convex any more: the fit ends when the residuals
        are at most `tol`, and `dual_gap_` is still the distance from the optimum without the bound. Give it
        where few entries of a large X are observed: without, iterates of high rank come before the last.
    tol : float, default=1e-6
        The fit has converged when the relative duality gap is at most this. In float32 rounding
        allows about 1e-5. 0: never.
    max_iter : int, default=1000
    warm_start : bool, default=False
        Start from the last solution if X has the same shape, as along a path of lam.
    verbose : int, default=0
        If not 0, prints each iteration, by the logger "gramfold".
    n_threads : int or None
        Default: OMP_NUM_THREADS, else the CPUs that this process may use. Results do not depend on it.
    callback : callable or None
        Called with an `IterationInfo` after each iteration; a true return value stops the fit.
    max_time : float or None
        Seconds after which no further iteration begins.

    Attributes
    ----------
    low_rank_ : LowRank
        L as factors U, s, V; `low_rank_.dense()` is the matrix.
    sparse_ : CSR array or ndarray of shape (n_samples, n_features)
        S; CSR if mostly 0. 0 where nothing is observed. Without noise S = X - L where S is not 0, and what
        X - L is elsewhere is at most `tol` |X|_F; in a fit that was stopped before, S is all of X - L. With
        a given level the same holds of what X - L - S is too large by.
    components_ : ndarray of shape (rank_, n_features)
        V transposed: the basis of the rows of L.
    singular_values_ : ndarray of shape (rank_,)
    rank_, n_features_in_, n_iter_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X has string names.
    lam_ : float or ndarray
        An array if `lam` is one: of X's shape or, if X is sparse, of its stored entries.
    objective_ : float
        Of L with what of X it leaves taken as S.
    dual_gap_ : float
        An upper bound of (objective_ - minimum) / objective_, up to rounding and, beyond 600 columns or in
        a sparse X, as far as the subspace that is kept has the largest singular values of dual_.
    dual_ : ndarray or CSR array of X's shape
        The multipliers Y that prove it: |Y|_2 <= 1, |Y_ij| <= lam ('l21': |Y_i| <= lam, noise 'sqrt': also
        |Y|_F <= its factor), and <Y, X>, less |Y|_F times the level of noise if one is given, bounds the
        minimum from below.
    converged_ : bool
    history_ : dict of ndarray of shape (n_iter_,)
        'objective', 'kkt' (the larger of the relative primal and dual residuals) and 'seconds'.

    References
    ----------
    Candes, Li, Ma & Wright (2011), Robust principal component analysis? Lin, Chen & Ma (2010), The augmented
    Lagrange multiplier method for exact recovery of corrupted low-rank matrices. Zhou, Li, Wright, Candes &
    Ma (2010), Stable principal component pursuit. Zhang, Yan & Wright (2021), Square root principal component
    pursuit. Xu, Caramanis & Sanghavi (2012), Robust PCA via outlier pursuit.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.outer(np.arange(1.0, 31), np.linspace(1, 2, 20))
    >>> X[3, 4], X[7, 7] = 900, np.nan
    >>> model = gf.RobustPCA().fit(X)
    >>> model.rank_, model.sparse_.nnz, round(float(model.complete()[3, 4]), 3)
    (1, 1, 4.842)
    >>> model.dual_gap_ <= 1e-6
    True
    """

    low_rank_: LowRank
    sparse_: Any
    components_: Array
    dual_: Any
    dual_gap_: float
    converged_: bool
    n_iter_: int
    _mu: float
    _unit: int

    def __init__(
        self, *, lam: Any = "auto", penalty: str = "l1", noise: float | str | None = None,
        max_rank: int | None = None, tol: float = 1e-6, max_iter: int = 1000, warm_start: bool = False,
        verbose: int = 0, n_threads: int | None = None, callback: Callback | None = None,
        max_time: float | None = None,
    ) -> None:  # fmt: skip
        self.lam = lam
        self.penalty = penalty
        self.noise = noise
        self.max_rank = max_rank
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_threads = n_threads
        self.callback = callback
        self.max_time = max_time

    @resumable
    def fit(self, X: Any, y: Any = None, mask: Any = None) -> Self:
        """Split X.

        Parameters
        ----------
        X : array-like, numpy masked array, sparse matrix, or `blocks`, of shape (n_samples, n_features)
            NaN and masked entries are unobserved. Of a sparse matrix the stored entries are the
            observed ones, zeros among them included, and it is never made dense.
        y : ignored
        mask : array-like of bool of shape (n_samples, n_features), optional
            True where a dense X is observed.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        with fit_task(self, X, y):
            self._check_parameters()
            monitor = Monitor(self.max_iter, self.verbose, told(self), self.max_time, kept=kept_by(self))
            pursuit = self._pursuit(X, mask)
            with monitor, one_thread(), np.errstate(over="ignore"):
                self._solve(pursuit, monitor)
            self.lam_ = pursuit.lam if pursuit.weights is None else pursuit.weights
            self.history_ = monitor.history
        if not self.converged_ and self.tol > 0 and self.n_iter_ == self.max_iter:
            warn(
                f"Maximum number of iterations {self.max_iter} reached with a duality gap of "
                f"{self.dual_gap_:.1e}; raise max_iter or tol={float(self.tol):g}",
                ConvergenceWarning,
            )
        return self

    @rows_to_file
    def transform(self, X: Any, mask: Any = None) -> Array:
        """Code each row in the learned subspace, robustly: by the least sum of absolute errors.

        Parameters
        ----------
        X : array-like, numpy masked array, sparse matrix, or `blocks`, of shape (n_samples, n_features)
        mask : array-like of bool, optional
            As in `fit`; a row with nothing observed has code 0.

        Returns
        -------
        ndarray of shape (n_samples, rank_)
        """
        check_fitted(self)
        given = masked(validated(self, X, reset=False), mask)
        x, _ = looked_at(given, effective_threads(self.n_threads))
        codes = np.empty((x.rows, self.rank_), x.dtype)
        with one_thread():
            run(code_rows, x, self.components_.T.astype(np.float64), {"codes": codes})
        return codes

    def inverse_transform(self, codes: Any) -> Array:
        """Return codes @ components_, of shape (n_samples, n_features)."""
        check_fitted(self)
        codes = read_array(codes, "codes", dtype=FLOATS, ensure_min_features=0)
        if codes.shape[1] != self.rank_:
            raise ValueError(f"codes must have {self.rank_} columns, got {codes.shape[1]}")
        product: Array = codes @ self.components_
        return product

    def complete(self) -> Array:
        """L as a dense array: the matrix without its outliers, unobserved entries filled in."""
        check_fitted(self)
        return self.low_rank_.dense()

    def _solve(self, pursuit: Pursuit, monitor: Monitor) -> None:
        state, unit = pursuit.state(), pursuit.unit
        driver: Driver | None
        if self._can_go_on(pursuit):
            low, sparse = self.low_rank_.times_power(-unit), times_power(self.sparse_, -unit)
            mu = float(np.ldexp(self._mu, unit - self._unit))
            driver = pursuit.go_on(state, low, sparse, self.dual_, mu, self.tol)
        else:
            driver = pursuit.begin(state, self.tol)
        if driver is None:  # X is 0
            self.low_rank_, self.sparse_, self.dual_ = nothing(pursuit)
            self.objective_, self.dual_gap_, self.n_iter_, self.converged_ = 0.0, 0.0, 1, True
            if hasattr(self, "_mu"):
                del self._mu
        else:
            outcome = driver.run(monitor, self.tol)
            low, sparse, self.dual_ = split(pursuit, state, outcome)
            self.low_rank_, self.sparse_ = low.times_power(unit), times_power(sparse, unit)
            self.objective_, self.dual_gap_ = float(np.ldexp(outcome.objective, unit)), outcome.gap
            self.n_iter_, self.converged_ = outcome.n_iter, outcome.converged
            self._mu, self._unit = outcome.numbers.mu_old, unit
        self.components_ = np.ascontiguousarray(self.low_rank_.V.T)
        self.singular_values_, self.rank_ = self.low_rank_.s, self.low_rank_.rank
        if not np.isfinite([self.objective_, *self.low_rank_.s]).all():
            raise ValueError(
                f"X is too large for {pursuit.x.dtype}: singular values of L or the objective leave its "
                "range; divide X by a constant"
            )

    def _can_go_on(self, pursuit: Pursuit) -> bool:
        """Whether the last solution is one of an X like this."""
        x = pursuit.x
        if not self.warm_start or not hasattr(self, "_mu") or self.low_rank_.shape != (x.rows, x.cols):
            return False
        if abs(pursuit.unit - self._unit) > 1 or pursuit.zero:
            return False
        if sp.issparse(self.dual_) != x.sparse or self.dual_.dtype != x.dtype:
            return False
        return not x.sparse or not run(differing, x, None, {"dual": self.dual_})

    def _pursuit(self, X: Any, mask: Any) -> Pursuit:
        by_row, threads = self.penalty == "l21", effective_threads(self.n_threads)
        given = masked(validated(self, X, reset=True), mask)
        x, seen = looked_at(given, threads)
        check_enough(seen, x.sparse)
        lam, weights = priced(x, seen, self.lam, by_row)
        if weights is not None and not weights.all():
            given = each_part(given, Beside(_without_light, {"heavy": weights > 0}))
            x, seen = looked_at(given, threads)
            if not seen.observed:
                raise ValueError("lam is 0 wherever X is observed")
            weights = np.where(weights > 0, weights, 1)
        most = min(self.max_rank or x.rows, x.rows, x.cols)
        return Pursuit(x, seen, weights, lam, by_row, self.noise, most)

    def _check_parameters(self) -> None:
        choice(self.penalty, "penalty", ("l1", "l21"))
        if isinstance(self.noise, str):
            choice(self.noise, "noise", ("sqrt",))
        elif self.noise is not None and real(self.noise, "noise") < LEAST_NOISE:
            raise ValueError(
                f"noise must be above 0 and at least {LEAST_NOISE:g}, 'sqrt' or None, got {self.noise}"
            )
        if self.max_rank is not None:
            whole(self.max_rank, "max_rank")
        real(self.tol, "tol")
        whole(self.max_iter, "max_iter")
        flag(self.warm_start, "warm_start")
        check_reporting(self)

    @property
    def _n_features_out(self) -> int:
        return self.rank_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _without_light(rows: Any, state: State) -> Any:
    """Rows of which those of weight 0 are not observed."""
    return nan_from_mask(rows, state["heavy"])
