"""What NMF and its mini-batch form share: checks, the start, transform."""

from math import isinf
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags

from ..fit.arguments import Seed, check_reporting, check_room, choice, effective_threads, flag, real, whole
from ..fit.estimator import Estimator, check_fitted
from ..fit.inputs import FLOATS, read_rows
from ..fit.monitor import Callback
from ..fit.out import rows_to_file
from ..fit.warn import warn
from ..fold.observe import observe
from ..fold.observed import Observed
from ..fold.segments import source_of
from ..fold.source import Array, Source
from ..fold.stored import Stored, stored_of
from ..least_squares.rows import Penalty
from .checks import check_factor, check_scale
from .divergence import BetaDivergence, MaskedKullbackLeibler
from .losses import Frobenius, Loss
from .masked import MaskedFrobenius
from .start import INITS, foresee_start, initialize
from .weights import Weighted

NEAR = 1e-8  # 0 or 1, where the formula of a beta divergence is 0/0, and near them rounding
BETA_LOSSES = {"frobenius": 2.0, "kullback-leibler": 1.0, "itakura-saito": 0.0}


class BaseNMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Parameters, checks and the fixed-components half of NMF."""

    n_components: int | str | None
    init: str | None
    solver: str
    beta_loss: float | str
    tol: float
    max_iter: int
    random_state: Seed
    alpha_W: float
    alpha_H: float | str
    l1_ratio: float
    verbose: int
    W_nonneg: bool
    H_nonneg: bool
    missing: str
    frozen: Any = None
    _ways: tuple[str, ...] = ("error", "mask")  # of missing
    n_threads: int | None
    callback: Callback | None
    max_time: float | None
    components_: Array
    n_components_: int

    @rows_to_file
    def transform(self, X: Any, mask: Any = None) -> Array:
        """Find W for new rows with the components fixed, each row to convergence.

        Parameters
        ----------
        X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
        mask : array-like of shape (n_samples, n_features), optional
            As in `fit_transform`.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        check_fitted(self)
        loss = self._loss(X, mask, reset=False)
        return loss.encode(np.ascontiguousarray(self.components_.T, dtype=loss.x.dtype))

    def score(self, X: Any, y: Any = None, mask: Any = None, sample_weight: Any = None) -> float:
        """Give minus the loss of X, without penalties, per row; the higher the better.

        Parameters
        ----------
        X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
        y : ignored
        mask : array-like of shape (n_samples, n_features), optional
            As in `fit_transform`.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0, as in `NMF.fit_transform`; the loss is then their weighted mean.

        Returns
        -------
        float
            Of 1/2 |X - WH|^2, or of the beta divergence, with W as `transform` finds it.
        """
        check_fitted(self)
        loss = self._loss(X, mask, reset=False)
        H = np.ascontiguousarray(self.components_.T, dtype=loss.x.dtype)
        if sample_weight is None:
            return -0.5 * loss.finish(H)[1] ** 2 / loss.x.rows
        weighted = Weighted.of(loss, self._beta(), sample_weight)
        return -0.5 * weighted.loss.finish(H)[1] ** 2 / weighted.total

    def inverse_transform(self, X: Any) -> Array:
        """Give X @ components_, for an X of codes as `transform` gives it, dense or sparse."""
        check_fitted(self)
        W = read_rows(X)
        if W.shape[1] != self.n_components_:
            raise ValueError(
                f"X must have {self.n_components_} columns, as many as components, got {W.shape[1]}"
            )
        return np.asarray(W @ self.components_)

    @property
    def _n_components(self) -> int:  # scikit-learn's name, which other packages read
        return self.n_components_

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _warn_of_the_limit(self) -> None:
        """Warn that the fit ended at max_iter."""
        W, H = self._strengths()
        advice = f"Increase it to improve convergence, or raise tol={float(self.tol):g}"
        if (W > 0) != (H > 0):
            advice = (
                f"alpha_W={W:g} and alpha_H={H:g} penalise one factor alone, which shrinks without end while "
                "the other grows: penalise both"
            )
        warn(f"Maximum number of iterations {self.max_iter} reached. {advice}", ConvergenceWarning)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = bool(self.W_nonneg and self.H_nonneg)
        tags.input_tags.sparse = self.missing != "mask"
        tags.input_tags.allow_nan = self.missing == "mask"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_parameters(self) -> None:
        self._check_of_rows()
        if self.n_components is not None and not (
            isinstance(self.n_components, str) and self.n_components == "auto"
        ):
            whole(self.n_components, "n_components")
        choice(self.init, "init", (None, *INITS))
        whole(self.max_iter, "max_iter")
        for name in ("tol", "alpha_W"):
            real(getattr(self, name), name)
        if not isinstance(self.alpha_H, str) or self.alpha_H != "same":
            real(self.alpha_H, "alpha_H")
        real(self.l1_ratio, "l1_ratio", high=1.0)
        self._beta()
        check_reporting(self)

    def _check_of_rows(self) -> None:
        """Check the parameters on which a row of W depends but for its penalty, in `transform` too."""
        choice(self.missing, "missing", self._ways)
        choice(self.solver, "solver", ("cd", "hals", "mu"))
        for name in ("W_nonneg", "H_nonneg"):
            flag(getattr(self, name), name)
        if self.max_time is not None:
            real(self.max_time, "max_time")

    def _start(self, x: Source | Observed, W: Any, H: Any, draws: Seed) -> tuple[Array, Array]:
        """W (n, k) and H (k, m) to start from."""
        if self.init != "custom":
            if W is not None or H is not None:
                warn(
                    f"When init!='custom', provided W or H are ignored, got init={self.init!r}; set "
                    "init='custom' to start from them",
                    RuntimeWarning,
                )
            k = x.cols if self.n_components in ("auto", None) else int(self.n_components)
            if k > max(x.rows, x.cols):
                check_room(k, "n_components", k * (k + x.rows + x.cols))
            return initialize(x, k, self.init, draws, (self.W_nonneg, self.H_nonneg))
        if W is None or H is None:
            raise ValueError("init='custom' needs both W and H")
        W = check_factor(W, "W", x.dtype, self.W_nonneg)
        H = check_factor(H, "H", x.dtype, self.H_nonneg)
        if not H.any():
            raise ValueError("Array passed to NMF (input H) is full of zeros, from which nothing moves")
        self._check_shapes(x, W, H)
        return W, H

    def _any_start(self, x: Source | Observed, H: Any) -> tuple[Array, Array]:
        """Factors of the shapes that `_start` gives, whose values a checkpoint replaces."""
        default = x.cols if self.init != "custom" or self.n_components is None else len(H)
        k = default if self.n_components in ("auto", None) else int(self.n_components)
        return np.ones((x.rows, k), x.dtype), np.ones((k, x.cols), x.dtype)

    def _check_shapes(self, x: Source | Observed, W: Array | None, H: Array) -> None:
        """Whether factors that were given fit X and n_components."""
        given: dict[Any, int] = {"auto": len(H), None: x.cols}
        k = given.get(self.n_components, self.n_components)
        for name, factor, shape in (("W", W, (x.rows, k)), ("H", H, (k, x.cols))):
            if factor is not None and factor.shape != shape:
                which = "second" if factor.shape[0] == shape[0] else "first"
                raise ValueError(
                    f"Array with wrong {which} dimension passed to {type(self).__name__} (input {name}): "
                    f"{name} must have shape {shape} for X of shape {(x.rows, x.cols)} and "
                    f"n_components={self.n_components!r}, got {factor.shape}"
                )

    def _frozen(self, x: Source | Observed) -> Array:
        """The components that stay as they are, (n_frozen, m)."""
        if self.frozen is None:
            return np.empty((0, x.cols), x.dtype)
        frozen = check_factor(self.frozen, "frozen", x.dtype, self.H_nonneg)
        if frozen.shape[1] != x.cols:
            raise ValueError(f"frozen must have {x.cols} columns, as X has, got shape {frozen.shape}")
        return frozen

    def _loss(self, X: Any, mask: Any, *, reset: bool, dtype: Any = FLOATS, once: bool = False) -> Loss:
        """Check X and give it its loss and penalties; `once` as in `Source`."""
        self._check_of_rows()
        masked = self.missing == "mask"
        x = self._observed(X, mask, reset, dtype) if masked else self._source(X, mask, reset, dtype, once)
        if x.least < 0 and self.W_nonneg and self.H_nonneg:
            raise ValueError(
                "Negative values in data passed to NMF: X must be non-negative unless W_nonneg or "
                "H_nonneg is False"
            )
        check_scale(x)
        penalties = self._penalties(x.rows, x.cols)
        beta, frozen = self._beta(), self._frozen(x)
        if isinstance(x, Observed | Stored):
            if beta == 1:
                return MaskedKullbackLeibler(x, *penalties, self.max_time)
            return MaskedFrobenius(x, *penalties, len(frozen))
        if beta == 2 and self.solver != "mu":
            return Frobenius(x, *penalties, len(frozen))
        if beta <= 0 and x.largest and (x.least == 0 or x.entries < x.rows * x.cols):
            raise ValueError(
                "When beta_loss <= 0 and X contains zeros, the solver may diverge. Add small values to X, or "
                f"use a positive beta_loss, got {self.beta_loss!r}"
            )
        return BetaDivergence(x, *penalties, beta, self.solver != "mu", self.max_time)

    def _beta(self) -> float:
        """Check beta_loss with what it goes with, and give it as a number."""
        if isinstance(self.beta_loss, str):
            beta = BETA_LOSSES[choice(self.beta_loss, "beta_loss", tuple(BETA_LOSSES))]
        else:
            beta = real(self.beta_loss, "beta_loss", low=-np.inf)
            if abs(beta - round(beta)) < NEAR:
                beta = float(round(beta))
        if self.solver != "mu" and beta not in (1, 2):
            raise ValueError(
                f"Invalid beta_loss parameter: solver {self.solver!r} does not handle beta_loss = "
                f"{self.beta_loss!r}; use solver='mu'"
            )
        least_squares = "needs beta_loss='frobenius' and solver='cd'"
        if (beta != 2 or self.solver == "mu") and not (self.W_nonneg and self.H_nonneg):
            raise ValueError(f"W_nonneg=False or H_nonneg=False {least_squares}")
        if (beta != 2 or self.solver == "mu") and self.frozen is not None:
            raise ValueError(f"frozen {least_squares}")
        if self.solver == "mu" and self.missing != "error":
            raise ValueError(
                f"missing={self.missing!r} needs solver='cd' with beta_loss='frobenius' or 'kullback-leibler'"
            )
        return beta

    def _source(self, X: Any, mask: Any, reset: bool, dtype: Any, once: bool) -> Source:
        if mask is not None:
            raise ValueError("mask is only used with missing='mask'")
        X = read_rows(X, self, ensure_all_finite=False, segments=True, reset=reset, dtype=dtype)
        x = source_of(X, effective_threads(self.n_threads), once=once)
        if reset:
            foresee_start(x, self.n_components, self.init, self.random_state)
        x.check_finite(self)
        if self.missing != "unstored" or not x.sparse:
            return x
        if reset and not x.entries:
            raise ValueError("X has no stored entry, which with missing='unstored' are those observed")
        return stored_of(X, x.n_threads)

    def _observed(self, X: Any, mask: Any, reset: bool, dtype: Any) -> Observed:
        X = read_rows(X, self, sparse=False, gaps=True, segments=True, reset=reset, dtype=dtype)
        return observe(X, mask, n_threads=effective_threads(self.n_threads))

    def _strengths(self) -> tuple[float, float]:
        """alpha_W and alpha_H as numbers."""
        alpha_W = real(self.alpha_W, "alpha_W")
        if isinstance(self.alpha_H, str):
            return alpha_W, alpha_W if choice(self.alpha_H, "alpha_H", ("same",)) else 0.0
        return alpha_W, real(self.alpha_H, "alpha_H")

    def _penalties(self, n_samples: int, n_features: int) -> tuple[Penalty, Penalty]:
        """The penalties on W and H in scikit-learn's scaling."""
        l1 = real(self.l1_ratio, "l1_ratio", high=1.0)
        l2, (alpha_W, alpha_H) = 1 - l1, self._strengths()
        W, H = n_features * alpha_W, n_samples * alpha_H
        for name, strength, count in (("alpha_W", W, n_features), ("alpha_H", H, n_samples)):
            if isinf(strength):
                raise ValueError(f"{name} is too large: {count} times its value leaves the range of float64")
        signs = flag(self.W_nonneg, "W_nonneg"), flag(self.H_nonneg, "H_nonneg")
        return Penalty(W * l1, W * l2, signs[0]), Penalty(H * l1, H * l2, signs[1])
