"""Gaussian mixtures, scikit-learn's way."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..fit.arguments import Seed, choice, counted, effective_threads, real, seeded
from ..fit.callbacks import fit_task
from ..fit.checkpoint import kept_by, resumable
from ..fit.estimator import check_fitted
from ..fit.inputs import read_rows
from ..fit.monitor import Callback
from ..fit.remember import remembered
from ..fold.segments import source_of
from .base import (
    BaseMixture,
    Posterior,
    check_mixing,
    check_samples,
    check_weights,
    narrowed,
    relative,
)
from .gaussian_far import mend_far_rows
from .gaussian_model import GaussianModel
from .gaussian_parameters import (
    Double,
    GaussianParameters,
    diagonals,
    drawn,
    given_precisions,
    given_start,
    in_units,
    out_of_units,
    precisions_of,
    shapes,
)
from .gaussian_points import Frame, Points, framed, in_frame
from .truncated import TruncatedModel

KINDS = ("full", "tied", "diag", "spherical")


class GaussianMixture(BaseMixture):
    """Mixture of Gaussian distributions, by EM; scikit-learn's, reading X once per iteration.

    Parameters
    ----------
    n_components : int, default=1
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
        A covariance matrix for each component, one for all, variances for each component, or one each.
    tol : float, default=1e-3
        The fit has converged when the lower bound changes by less. 0: never.
    reg_covar : float, default=1e-6
        Added to all variances. With 0 a component that is left with one row, or with equal ones, is refused:
        its variance is 0, and not what rounding makes of it.
    max_iter : int, default=100
        Steps of EM, each one read of X. With 0 the start is given back, its lower bound unknown: -inf.
    n_init : int, default=1
        Starts; the one with the highest lower bound is kept. Of an X in files they run side by side, and X
        is read once for all, unless a checkpoint is kept.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}, default='kmeans'
        Where the responsibilities of the start come from: clusters, single rows or random numbers.
    weights_init, means_init, precisions_init : array-like, optional
        The start, or what is known of it, in the shapes of `weights_`, `means_` and `precisions_`.
    random_state : int, RandomState or None
        For the start, and for `sample`.
    accelerate : bool, default=False
        Whether steps are extrapolated by SQUAREM: far fewer where components overlap. An extrapolation that
        lowers the likelihood is not taken. Where there are several maxima it may lead to another one.
    truncated : int or None, default=None
        Among how many components each row has responsibilities in the fit; in the others it has none. None,
        or as many as there are: all, which is exact. With 256 to 512 components, steps among 32 are four to
        twelve times as fast. What is maximised is a lower bound of the log-likelihood, see `lower_bound_`.
        X may be in segments, but not in a flat file. `predict` and the like are exact.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit, which must have been of the same kind of model: of as many
        components and columns, with the same `covariance_type`.
    verbose : int, default=0
        If not 0, prints iterations, by the logger "gramfold".
    verbose_interval : int, default=10
        Iterations from one log line to the next.
    n_threads : int or None
        Default: OMP_NUM_THREADS, else the CPUs that this process may use. Results do not depend on it.
    callback : callable or None
        Called with an `IterationInfo` after each iteration (objective: the lower bound, kkt: its change);
        a true return value stops the fit.
    max_time : float or None
        Seconds after which no further iteration begins.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
    covariances_, precisions_, precisions_cholesky_ : ndarray
        The covariances, their inverses P, and upper triangular U with P = U U'. By `covariance_type` of shape
        (n_components, n_features, n_features), (n_features, n_features), (n_components, n_features) or
        (n_components,); for the last two U holds reciprocal standard deviations.
    converged_ : bool
    n_iter_, n_features_in_ : int
    lower_bound_ : float
        Mean log-likelihood of a row under the parameters before the last step, as in scikit-learn. With
        `truncated` a bound of it from below, which counts the candidates of a row alone. It cannot fall but
        at the steps 2, 4, 8, ..., before which they are chosen anew.
    lower_bounds_ : list of float
        One for each iteration of the best start.
    truncation_gap_ : float
        Only with `truncated`: the mean log-likelihood of a row under the final parameters, less its bound.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X has string names.
    history_ : dict of ndarray of shape (n_iter_,)
        'objective' (the lower bound), 'kkt' (its last change) and 'seconds', per iteration of the best start.

    References
    ----------
    Dempster, Laird & Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm.
    Varadhan & Roland (2008), Simple and globally convergent methods for accelerating the convergence of
    any EM algorithm.
    Forster & Lücke (2018), Can clustering scale sublinearly with its clusters? A variational EM acceleration
    of GMMs and k-means.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = gf.GaussianMixture(2, random_state=0).fit(X)
    >>> model.means_[np.argsort(model.means_[:, 0])].round(6)
    array([[ 1.,  2.],
           [10.,  2.]])
    >>> model.predict([[0, 0]]) == model.predict([[12, 3]])
    array([False])
    """

    def __init__(
        self, n_components: int = 1, *, covariance_type: str = "full", tol: float = 1e-3,
        reg_covar: float = 1e-6, max_iter: int = 100, n_init: int = 1, init_params: str = "kmeans",
        weights_init: Any = None, means_init: Any = None, precisions_init: Any = None,
        random_state: Seed = None, accelerate: bool = False, truncated: int | None = None,
        warm_start: bool = False, verbose: int = 0, verbose_interval: int = 10, n_threads: int | None = None,
        callback: Callback | None = None, max_time: float | None = None,
    ) -> None:  # fmt: skip
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.accelerate = accelerate
        self.truncated = truncated
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_threads = n_threads
        self.callback = callback
        self.max_time = max_time

    @resumable
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Estimate weights, means and covariances.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            How often each row counts; a multiple of all changes nothing.

        Raises
        ------
        ValueError
            If a parameter or X is not as described, a covariance cannot be inverted, or a result leaves the
            range of X's type; nothing of the estimator is changed then.
        """
        with fit_task(self, X, y):
            self._check_parameters()
            # A step of EM tells NaN in any row that has a weight.
            steps = self.max_iter > 0 and sample_weight is None and self.truncated is None
            unread = steps and kept_by(self) is None
            X = read_rows(X, self, sparse=False, ensure_min_samples=2, segments=True, unread=unread)
            x = source_of(X, effective_threads(self.n_threads))
            weights, _ = relative(check_weights(sample_weight, x.rows))
            self._check_rows(x.rows, weights)
            if self._is_warm:
                shape = {"n_components": self.n_components, "covariance_type": self.covariance_type}
                k, d = self.means_.shape
                fitted = {"n_components": k, "covariance_type": self._kind, "n_features_in_": d}
                self._check_warm(shape | {"n_features_in_": x.cols}, fitted)
            common = self.covariance_type == "spherical"
            frame = Frame.of_rows(x, weights, float(self.reg_covar), common=common, estimator=self)
            points = Points(x, weights, frame, self)
            model = self._model(points)
            found = self._run(
                model,
                lambda: model.resumed(in_frame(frame, *self._attributes(), self._kind, covariances=True)),
            )
            self._set(model.parameters(found.theta), points)
            if self.truncated is not None:
                self.truncation_gap_ = model.gap(found.theta)
            elif hasattr(self, "truncation_gap_"):
                del self.truncation_gap_
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> NDArray[np.int64]:
        """Fit, and give the most probable component of each row."""
        return self.fit(X, sample_weight=sample_weight).predict(X)

    def sample(self, n_samples: int = 1) -> tuple[Double, NDArray[np.int64]]:
        """Draw rows from the mixture, component by component.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        labels : ndarray of shape (n_samples,)
        """
        check_fitted(self)
        n_samples = check_samples(n_samples, self.means_.shape[1])
        spreads = self.covariances_
        return drawn(n_samples, self.weights_, self.means_, spreads, self._kind, seeded(self.random_state))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        choice(self.covariance_type, "covariance_type", KINDS)
        real(self.reg_covar, "reg_covar")
        if self.truncated is not None:
            counted(self.truncated, "truncated")

    def _model(self, points: Points) -> GaussianModel:
        k, d, kind = self.n_components, points.d, self.covariance_type
        precisions = given_precisions(self.precisions_init, kind, k, d)
        arguments = (
            points, k, kind, float(self.reg_covar), self.init_params, check_mixing(self.weights_init, k),
            given_start(self.means_init, "means_init", (k, d), "means"), precisions,
        )  # fmt: skip
        if self.truncated is None or self.truncated >= k:
            return GaussianModel(*arguments)
        return TruncatedModel(self.truncated, *arguments)

    @property
    def _kind(self) -> str:
        """The covariance_type of the fit."""
        return getattr(self, "_fitted_kind", self.covariance_type)

    def _set(self, theta: GaussianParameters, points: Points) -> None:
        dtype, kind, (shift, scale) = points.dtype, self.covariance_type, points.frame
        with np.errstate(over="ignore", under="ignore"):
            covariances = out_of_units(theta.covariances, kind, scale)
            factors = in_units(theta.factors, kind, scale)
            precisions = precisions_of(factors, kind)
            means = theta.means / scale + shift
        self.weights_ = theta.weights.astype(dtype)
        self.means_ = narrowed(means, dtype, "means_")
        attributes = {"covariances_": covariances, "precisions_cholesky_": factors, "precisions_": precisions}
        for name, found in attributes.items():
            narrowed(diagonals(found, kind), dtype, name, "X or reg_covar", positive=True)
            setattr(self, name, narrowed(found, dtype, name, "X or reg_covar"))
        self._fitted_kind = kind

    def _attributes(self) -> tuple[Double, Double, Double]:
        """Weights, means and factors, which may have been set by hand."""
        names = ("weights_", "means_", "precisions_cholesky_")
        try:
            weights, means, factors = [np.asarray(getattr(self, name), np.float64) for name in names]
        except AttributeError:
            check_fitted(self)
            raise
        k, d = means.shape
        shape = shapes(k, d)[self._kind]
        for name, a, expected in (("weights_", weights, (k,)), ("precisions_cholesky_", factors, shape)):
            if a.shape != expected:
                raise ValueError(
                    f"{name} must have shape {expected}, as means_ and covariance_type={self._kind!r} say, "
                    f"got {a.shape}: fit again"
                )
        return weights, means, factors

    def _posterior(self, X: Any, *, resp: bool = False) -> Posterior:
        attributes = self._attributes()
        X = read_rows(X, self, sparse=False, reset=False, segments=True)
        frame, theta = remembered(framed, *attributes, kind=self._kind, dtype=X.dtype)
        points = Points(source_of(X, effective_threads(self.n_threads)), None, frame)
        score, labels = np.empty(points.n), np.empty(points.n, np.int64)
        found = points.run(theta, resp=resp, score=score, labels=labels).resp
        mend_far_rows(points, theta, score, labels, found)
        return Posterior(score, labels, None if found is None else found.astype(X.dtype, copy=False))

    def _n_parameters(self) -> int:
        k, d = self.means_.shape
        pairs = d * (d + 1) // 2
        spread = {"full": k * pairs, "tied": pairs, "diag": k * d, "spherical": k}[self._kind]
        return k * d + k - 1 + spread
