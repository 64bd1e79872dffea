"""Ridge regression and ordinary least squares, many targets at a time."""

from typing import Any, Self

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if

from ..fit.arguments import Seed, effective_threads
from ..fit.callbacks import fit_task
from ..fit.checkpoint import resumable
from ..fit.estimator import Estimator, check_fitted
from ..fit.inputs import read_rows
from ..fit.monitor import Callback
from ..fit.out import rows_to_file
from ..fit.unchanged import unchanged_on_error
from ..fold.engine import run
from ..fold.segments import source_of
from ..fold.source import Array
from .data import Data, check_parameters, read
from .fit import solve
from .moments import moments
from .passes import fitted
from .seen import Seen
from .solution import RidgeSolution


def _takes_blocks(model: "Ridge") -> bool:
    if model.solver not in ("svd", "dual", "sgd"):
        return True
    raise AttributeError(
        f"solver={model.solver!r} needs all rows at once; partial_fit takes 'cholesky', 'cg', ..."
    )


class Ridge(MultiOutputMixin, RegressorMixin, Estimator):
    """Linear least squares with an L2 penalty.

    Minimises 1/2 sum_i w_i |y_i - B'x_i - c|^2 + 1/2 sum_t alpha_t |B_t|^2 over coefficients B and intercepts
    c, all targets at once. X is read once for X'X and X'y, unless said otherwise below, and once more to
    measure what is given back. Means are taken off rows, not off sums, so that columns far from 0 lose
    nothing. Where X'X is too ill-conditioned for coefficients exact to 1e-12, they are refined by their
    gradient in the data, or come from an SVD, for which columns are brought to one length. Powers of two as
    factors of X, y and the weights change nothing else.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Penalty, at least 0. With 0 and dependent columns, the solution of least norm.
    fit_intercept : bool, default=True
        Whether there is an intercept, which is not penalised.
    copy_X : bool, default=True
        Without effect: X is not changed, nor copied whole but by 'svd', or with fewer rows than columns.
    max_iter : int, optional
        Iterations of 'cg', 'gd', 'admm', by default 10,000, or epochs of 'sgd', by default 1,000.
    tol : float, default=1e-4
        Iterations end when the gradient is at most `tol` times its size at 0; 0 is never. Direct solvers
        ignore it.
    solver : str, default='auto'
        'cholesky' of X'X, or its eigenvalues for several alphas; 'dual': the same for XX'; of these two, for
        either name, the one of the shorter side of X; 'svd' of a dense X; 'cg': conjugate gradients; 'gd':
        gradient descent;
        'sgd': stochastic gradient descent on batches of 32 rows; 'admm': alternating directions; 'cd': the
        exact non-negative solution. scikit-learn's 'lsqr' and 'sparse_cg' are 'cg', its 'lbfgs' is 'cd', and
        its 'sag' and 'saga' are 'auto', which needs no many epochs; all but 'svd' take a sparse X with an
        intercept.
        'cg', 'gd' and 'sgd' read X once per iteration if it has more than 4096 columns. 'auto' is 'cd' with
        `positive`, else 'cholesky', 'dual' or 'cg' by the shape of X.
    positive : bool, default=False
        Whether coefficients must be at least 0: by 'cd' or 'admm'.
    random_state : int, RandomState or None
        Draws the rows of 'sgd'.
    step : float, optional
        Step of 'gd', less than 2/L, L the largest eigenvalue of X'X + alpha I; by default the best one,
        2/(mu + L). For 'sgd' a constant step on the objective divided by the sum of weights; by default steps
        fall as 1/t.
    rho : float, optional
        Penalty parameter of 'admm'; by default the one that converges fastest.
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
    coef_ : ndarray of shape (n_features,) or, for several targets, (n_targets, n_features)
    intercept_ : float, or ndarray of shape (n_targets,) if y has two dimensions
        0.0 without an intercept.
    solver_ : str
        The solver that gave the solution, by scikit-learn's name if that was given: 'dual' for 'cholesky'
        with fewer rows than columns, 'svd' or, for CSR, 'eigen' where 'cholesky' met a singular X'X.
    n_iter_ : int
        1 for direct solvers.
    duality_gap_ : float or ndarray of shape (n_targets,)
        At least what the objective is above its minimum at `coef_` and `intercept_` as they are, from the
        data; after `partial_fit` from its sums, with room for their rounding. Infinite for alpha=0, where no
        dual point is known.
    kkt_residual_ : float
        Gradient at `coef_`, relative to that at 0.
    converged_ : bool
        Whether that is at most `tol`, up to what rounding `coef_` to the dtype of X makes of it; of direct
        solvers, whether rounding leaves digits of the coefficients.
    history_ : dict of ndarray of shape (n_iter_,)
        'objective' (up to a rounding of |y|^2), 'kkt', 'gap' and 'seconds', per iteration.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X has string names.

    References
    ----------
    Hoerl & Kennard (1970), Ridge regression. Hestenes & Stiefel (1952), Methods of conjugate gradients. Boyd
    et al. (2011), Distributed optimization by ADMM. Bottou, Curtis & Nocedal (2018), Optimization methods for
    large-scale machine learning.

    Examples
    --------
    >>> import gramfold as gf
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]], [1.0, 2.0, 5.0, 6.0]
    >>> model = gf.Ridge(alpha=0.5).fit(X, y)
    >>> model.coef_.round(3), round(float(model.intercept_), 3)
    (array([1.529, 0.588]), 0.618)
    >>> model.duality_gap_ < 1e-20
    True
    """

    def __init__(
        self, alpha: Any = 1.0, *, fit_intercept: bool = True, copy_X: bool = True,
        max_iter: int | None = None, tol: float = 1e-4, solver: str = "auto", positive: bool = False,
        random_state: Seed = None, step: float | None = None, rho: float | None = None, verbose: int = 0,
        n_threads: int | None = None, callback: Callback | None = None, max_time: float | None = None,
    ) -> None:  # fmt: skip
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state
        self.step = step
        self.rho = rho
        self.verbose = verbose
        self.n_threads = n_threads
        self.callback = callback
        self.max_time = max_time

    @resumable
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the coefficients.

        Parameters
        ----------
        X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : float or array-like of shape (n_samples,), optional
            At least 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, X, y or a weight is not as described; nothing of the estimator is changed then.
        """
        with fit_task(self, X, y):
            check_parameters(self)
            data = read(self, X, y, sample_weight, reset=True)
            if hasattr(self, "_moments"):
                del self._moments
            self._keep(data, solve(self, data))
        return self

    @available_if(_takes_blocks)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Take in another block of rows, and solve for all rows seen so far.

        Sums of the blocks are kept, not the blocks: the result is that of `fit` on all of them, up to
        rounding, which grows with the square of the condition of what varies within blocks. Where no digit of
        the coefficients is sure for that reason, it warns.

        For 'auto', 'cholesky', 'cg', 'gd', 'admm' and 'cd'; a call costs a fold over the block and
        one solve.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`. A first call after `fit` starts over.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `fit`.
        AttributeError
            If the solver needs all rows at once.
        """
        with unchanged_on_error(self):
            check_parameters(self)
            seen: Seen | None = getattr(self, "_moments", None)
            units = None if seen is None else seen.units
            data = read(self, X, y, sample_weight, reset=seen is None, units=units)
            if seen is not None:
                seen.refuse(data)
            sums = Seen.of(moments(data)) if seen is None else seen.add(Seen.of(moments(data)))
            self._keep(data, solve(self, data, sums))
            self._moments = sums
        return self

    @rows_to_file
    def predict(self, X: Any) -> Array:
        """Return X @ coef_.T + intercept_: (n_samples,) or, for several targets, (n_samples, n_targets)."""
        check_fitted(self)
        X = read_rows(X, self, reset=False, segments=True, ensure_all_finite=False)
        x = source_of(X, effective_threads(self.n_threads))
        out = np.empty((x.rows, *self.coef_.shape[:-1]), np.result_type(x.dtype, self.coef_))
        with np.errstate(invalid="ignore"):
            run(fitted, x, (self.coef_, self.intercept_), {"out": out})
        x.check_by(out, self)
        return out

    def _keep(self, data: Data, solution: RidgeSolution) -> None:
        coef = np.ascontiguousarray(solution.coef)
        self.coef_ = coef[0] if len(coef) == 1 else coef
        intercept = solution.intercept[0] if data.single else solution.intercept
        self.intercept_ = intercept if data.centered else 0.0
        self.duality_gap_ = float(solution.gap[0]) if data.single else solution.gap
        self.kkt_residual_, self.converged_ = solution.kkt, bool(solution.converged)
        self.solver_, self.history_, self.n_iter_ = solution.solver, solution.history, solution.n_iter

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.solver != "svd"
        return tags
