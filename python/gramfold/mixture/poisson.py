"""Mixtures of independent Poisson counts, scikit-learn's way."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Tags

from ..fit.arguments import Seed, effective_threads, real, seeded
from ..fit.callbacks import fit_task
from ..fit.checkpoint import resumable
from ..fit.estimator import check_fitted
from ..fit.inputs import read_array, read_rows
from ..fit.monitor import Callback
from ..fit.out import rows_to_file
from ..fold.source import Array
from .base import (
    BaseMixture,
    Double,
    Posterior,
    check_mixing,
    check_samples,
    check_weights,
    narrowed,
)
from .poisson_errors import standard_errors
from .poisson_model import Counts, PoissonModel, PoissonParameters

MOST_COUNTS = 1e18  # the mean up to which NumPy draws Poisson counts, whole numbers of 64 bits


class PoissonMixture(BaseMixture):
    """Mixture of products of Poisson distributions, by EM.

    A row x of counts with exposure s comes from component k with chance `weights_[k]`, and its entries are
    then independent Poisson counts of means s `rates_[k]`. Maximises the likelihood, or with a Gamma prior on
    the rates the posterior density.

    Parameters
    ----------
    n_components : int, default=1
    prior_shape, prior_rate : float, default=1 and 0
        Each rate has a Gamma prior of this shape >= 1 and rate >= 0: proportional to
        lambda ** (prior_shape - 1) exp(-prior_rate lambda). The default is flat: maximum likelihood. Both 1
        give rates sum r x / (1 + sum r).
    tol : float, default=1e-3
        The fit has converged when a step of EM raises the lower bound by less. 0: never.
    max_iter : int, default=100
        Steps of EM, each one read of X. With 0 the start is given back, its lower bound unknown: -inf.
    n_init : int, default=1
        Starts; the one with the highest lower bound is kept. Of an X in files they run side by side, and X
        is read once for all, unless a checkpoint is kept.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}, default='kmeans'
        Where the responsibilities of the start come from: clusters of the square roots of X, single rows or
        random numbers.
    weights_init, rates_init : array-like of shape (n_components,), (n_components, n_features), optional
        The start, or what is known of it.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit, which must have been of as many components and columns.
    random_state : int, RandomState or None
        For the start, and for `sample`.
    accelerate : bool, default=True
        Whether steps are extrapolated by SQUAREM. The lower bound never falls.
    n_threads : int or None
        Default: OMP_NUM_THREADS, else the CPUs that this process may use. Results do not depend on it.
    callback : callable or None
        Called with an `IterationInfo` after each iteration (objective: the lower bound, kkt: its rise);
        a true return value stops the fit.
    max_time : float or None
        Seconds after which no further iteration begins.
    verbose : int, default=0
        If not 0, prints iterations, by the logger "gramfold".
    verbose_interval : int, default=10
        Iterations from one log line to the next.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    rates_ : ndarray of shape (n_components, n_features)
    lower_bound_ : float
        Mean log-likelihood of a row; with a prior, plus its log density (not normalised) divided by the
        number of rows. Of the parameters before the last step, as in scikit-learn.
    lower_bounds_ : list of float
        One for each iteration of the best start; it never falls but by rounding.
    converged_ : bool
    n_iter_, n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X has string names.
    history_ : dict of ndarray of shape (n_iter_,)
        'objective' (the lower bound), 'kkt' (its last rise) and 'seconds', per iteration of the best start.

    References
    ----------
    Dempster, Laird & Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm.
    Varadhan & Roland (2008), Simple and globally convergent methods for accelerating the convergence of
    any EM algorithm.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.array([[0, 9], [1, 8], [0, 11], [7, 1], [9, 0]])
    >>> model = gf.PoissonMixture(2, random_state=0).fit(X)
    >>> model.predict([[8, 1]]) == model.predict([[7, 0]])
    array([ True])
    >>> np.sort(model.weights_).round(2)
    array([0.4, 0.6])
    """

    rates_: Array

    def __init__(
        self, n_components: int = 1, *, prior_shape: float = 1.0, prior_rate: float = 0.0, tol: float = 1e-3,
        max_iter: int = 100, n_init: int = 1, init_params: str = "kmeans", weights_init: Any = None,
        rates_init: Any = None, warm_start: bool = False, random_state: Seed = None, accelerate: bool = True,
        n_threads: int | None = None, callback: Callback | None = None, max_time: float | None = None,
        verbose: int = 0, verbose_interval: int = 10,
    ) -> None:  # fmt: skip
        self.n_components = n_components
        self.prior_shape = prior_shape
        self.prior_rate = prior_rate
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.rates_init = rates_init
        self.warm_start = warm_start
        self.random_state = random_state
        self.accelerate = accelerate
        self.n_threads = n_threads
        self.callback = callback
        self.max_time = max_time
        self.verbose = verbose
        self.verbose_interval = verbose_interval

    @resumable
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, exposure: Any = None) -> Self:
        """Estimate weights and rates.

        Parameters
        ----------
        X : array-like or CSR/CSC matrix of counts, of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            How often each row counts; without a prior a multiple of all changes nothing.
        exposure : array-like of shape (n_samples,), optional
            Positive; by default 1.

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        with fit_task(self, X, y):
            self._check_parameters()
            counts = self._counts(X, exposure, sample_weight, reset=True)
            self._check_rows(counts.source.rows, counts.weights)
            if self._is_warm:
                k, d = self.rates_.shape
                now = {"n_components": self.n_components, "n_features_in_": counts.source.cols}
                self._check_warm(now, {"n_components": k, "n_features_in_": d})
            model = self._model(counts)
            theta = self._run(model, self._fitted).theta
            dtype = counts.source.dtype
            self.weights_ = theta.weights.astype(dtype)
            self.rates_ = narrowed(theta.rates, dtype, "rates_", "X or exposure")
            if theta.rates.any():
                narrowed(theta.rates.max(), dtype, "rates_", "X or exposure", positive=True)
        return self

    def fit_predict(
        self, X: Any, y: Any = None, sample_weight: Any = None, exposure: Any = None
    ) -> NDArray[np.int64]:
        """Fit, and give the most probable component of each row."""
        return self.fit(X, sample_weight=sample_weight, exposure=exposure).predict(X, exposure)

    @rows_to_file
    def predict(self, X: Any, exposure: Any = None) -> NDArray[np.int64]:
        """Give the most probable component of each row, of shape (n_samples,)."""
        return self._posterior(X, exposure=exposure).labels

    @rows_to_file
    def predict_proba(self, X: Any, exposure: Any = None) -> Array:
        """Give the probabilities of the components for each row, of shape (n_samples, n_components).

        Rows that no component can have made get `weights_`.
        """
        score, _, resp = self._posterior(X, exposure=exposure, resp=True)
        assert resp is not None
        resp[np.isneginf(score)] = self.weights_
        return resp

    @rows_to_file
    def score_samples(self, X: Any, exposure: Any = None) -> Double:
        """Give the log-likelihood of each row, -inf if no component can have made it."""
        return self._posterior(X, exposure=exposure).score

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, exposure: Any = None) -> float:
        """Mean log-likelihood of the rows."""
        return self._mean(np.asarray(self.score_samples(X, exposure)), sample_weight)

    def aic(self, X: Any, *, sample_weight: Any = None, exposure: Any = None) -> float:
        """Akaike's information criterion of the model on X; lower is better."""
        return self._criterion(np.asarray(self.score_samples(X, exposure)), sample_weight, price=2.0)

    def bic(self, X: Any, *, sample_weight: Any = None, exposure: Any = None) -> float:
        """Schwarz's (Bayesian) information criterion of the model on X; lower is better."""
        return self._criterion(np.asarray(self.score_samples(X, exposure)), sample_weight)

    def standard_errors(
        self, X: Any, *, sample_weight: Any = None, exposure: Any = None
    ) -> tuple[Double, Double]:
        """Give standard errors of `weights_` and `rates_` fitted to X, by the observed information.

        They say what other data of this size would have given, for a fit that has converged and components
        that are not each other's copies. NaN for rates of 0, the edge of what they can be.

        Returns
        -------
        weights : ndarray of shape (n_components,)
        rates : ndarray of shape (n_components, n_features)
        """
        check_fitted(self)
        counts = self._counts(X, exposure, sample_weight, reset=False)
        theta, prior = self._fitted(), (float(self.prior_shape), float(self.prior_rate))
        resp = np.empty((counts.source.rows, len(theta.weights)))
        counts.run(theta, resp=resp)
        found = standard_errors(counts, theta, resp, prior)
        return found.weights, found.rates

    def sample(self, n_samples: int = 1, exposure: Any = None) -> tuple[Double, NDArray[np.int64]]:
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int
        exposure : array-like of shape (n_samples,), optional

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        labels : ndarray of shape (n_samples,)
        """
        check_fitted(self)
        n = check_samples(n_samples, self.rates_.shape[1])
        rng = seeded(self.random_state)
        s = check_weights(exposure, n, "exposure", positive=True)
        shares = self.weights_.astype(np.float64)
        labels = np.repeat(np.arange(len(shares)), rng.multinomial(n, shares / shares.sum()))
        means = self.rates_[labels].astype(np.float64)
        means = means if s is None else s[:, None] * means
        if means.max() > MOST_COUNTS:
            raise ValueError(
                f"rates_ and exposure ask for counts of about {means.max():.3g}, too many to be drawn: lower "
                "prior_shape, or scale exposure"
            )
        return rng.poisson(means).astype(np.float64), labels

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.categorical = True  # counts: whole numbers
        tags.input_tags.sparse = True
        return tags

    def _check_parameters(self) -> None:
        super()._check_parameters()
        real(self.prior_shape, "prior_shape", low=1.0)
        real(self.prior_rate, "prior_rate")

    def _counts(self, X: Any, exposure: Any, sample_weight: Any, *, reset: bool) -> Counts:
        X = read_rows(X, self, reset=reset, segments=True, unread=True)
        s = check_weights(exposure, X.shape[0], "exposure", positive=True)
        w = check_weights(sample_weight, X.shape[0])
        return Counts(X, s, w, effective_threads(self.n_threads), self)

    def _model(self, counts: Counts) -> PoissonModel:
        weights = check_mixing(self.weights_init, self.n_components)
        rates = self.rates_init
        if rates is not None:
            rates = read_array(rates, "rates_init", dtype=np.float64)
            shape = (self.n_components, counts.source.cols)
            if rates.shape != shape:
                raise ValueError(f"rates_init must have shape {shape}, got {rates.shape}")
            if (rates < 0).any():
                raise ValueError(f"rates_init must not be negative, got {rates.min():g}")
        prior = float(self.prior_shape), float(self.prior_rate)
        return PoissonModel(counts, self.n_components, prior, self.init_params, weights, rates)

    def _fitted(self) -> PoissonParameters:
        return PoissonParameters(self.weights_.astype(np.float64), self.rates_.astype(np.float64))

    def _posterior(self, X: Any, *, exposure: Any = None, resp: bool = False) -> Posterior:
        check_fitted(self)
        counts = self._counts(X, exposure, None, reset=False)
        n, dtype = counts.source.rows, counts.source.dtype
        score, labels = np.empty(n), np.empty(n, np.int64)
        found = np.empty((n, len(self.weights_))) if resp else None
        counts.run(self._fitted(), resp=found, score=score, labels=labels)
        return Posterior(score + counts.constants, labels, None if found is None else found.astype(dtype))

    def _n_parameters(self) -> int:
        return self.rates_.size + len(self.weights_) - 1
