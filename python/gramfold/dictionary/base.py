"""What the learners of dictionaries share: parameters, their checks, transform."""

import copy
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np

from ..coding.coder import MATCHING, Coder, make_coder, with_default_size
from ..coding.sparse_coder import NAMES, BaseCoder
from ..fit.arguments import (
    Seed,
    check_reporting,
    check_room,
    choice,
    effective_threads,
    flag,
    real,
    seeded,
    shown,
    whole,
)
from ..fit.estimator import check_fitted
from ..fit.floats import name_of
from ..fit.inputs import read_rows
from ..fit.monitor import Callback
from ..fit.out import rows_to_file
from ..fold.observed import Observed
from ..fold.segments import source_of
from ..fold.source import Array, Source
from .algorithms import CODERS
from .atoms import AtomRule, foresee_start, held, start_atoms
from .units import typical

# Sizes of X between which no sum of products of its entries over- or underflows, even where but a small share
# of X is left.
SCALES = {"float32": (1e-15, 1e15), "float64": (1e-140, 1e140)}


class BaseDictionaryLearning(BaseCoder):
    """Parameters and steps of both learners."""

    n_components: int | None
    alpha: float
    max_iter: int
    tol: float
    fit_algorithm: str
    dict_init: Any
    verbose: int
    random_state: Seed
    positive_dict: bool
    l2: float
    dict_l1: float
    dict_l2: float
    unit_ball: bool
    warm_start: bool
    callback: Callback | None
    max_time: float | None
    components_: Array
    _rng: np.random.RandomState
    _about_nan = "missing='mask' leaves such entries out"
    _coders: Mapping[str, str] = CODERS

    @rows_to_file
    def transform(self, X: Any) -> Any:
        """Codes of X by `transform_algorithm`, of shape (n_samples, n_components)."""
        check_fitted(self)
        return self._encode(X, self.components_)

    def inverse_transform(self, X: Any) -> Array:
        """Return codes @ components_, of shape (n_samples, n_features)."""
        check_fitted(self)
        return self._decode(X, self.components_)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_) * (2 if self.split_sign else 1)

    def _source(self, X: Any, *, reset: bool) -> Source:
        X = read_rows(X, self, reset=reset, segments=True, unread=True)
        x = source_of(X, effective_threads(self.n_threads))
        if reset and self.dict_init is None:
            foresee_start(x, self.n_components, self.random_state)
        x.check_finite(self)
        return x

    def _check_parameters(self, n_features: int) -> tuple[Coder, AtomRule]:
        if self.n_components is not None:
            whole(self.n_components, "n_components")
        real(self.tol, "tol")
        choice(self.fit_algorithm, "fit_algorithm", tuple(self._coders))
        if not isinstance(self.max_iter, Integral) or self.max_iter < 0:
            raise ValueError(f"max_iter must be a whole number of at least 0, got {shown(self.max_iter)}")
        flag(self.warm_start, "warm_start")
        check_reporting(self)
        self._check_transform()
        return self._make_coder(n_features), self._make_rule()

    def _make_coder(self, n_features: int) -> Coder:
        algorithm = self._coders[self.fit_algorithm]
        if real(self.l2, "l2") > 0 and not algorithm.startswith("lasso"):
            raise ValueError(f"l2 goes with the lasso, not with fit_algorithm={self.fit_algorithm!r}")
        to_error = self.transform_max_error is not None and algorithm in MATCHING
        coder = make_coder(
            algorithm, alpha=self.alpha, l2=self.l2, positive=self.positive_code,
            n_nonzero=self.transform_n_nonzero_coefs, tol=None, max_iter=self.transform_max_iter,
            all_atoms=to_error, names=NAMES | {"algorithm": "fit_algorithm", "alpha": "alpha", "l2": "l2"},
        )  # fmt: skip
        return with_default_size(coder, n_features)

    def _make_rule(self) -> AtomRule:
        rule = AtomRule(
            real(self.dict_l1, "dict_l1"), real(self.dict_l2, "dict_l2"),
            flag(self.positive_dict, "positive_dict"), flag(self.unit_ball, "unit_ball"),
        )  # fmt: skip
        if not rule.ball and not rule.penalised:
            raise ValueError(
                "unit_ball=False needs dict_l1 > 0 or dict_l2 > 0: else codes shrink while atoms grow"
            )
        return rule

    def _begin(
        self, x: Source | Observed, rule: AtomRule, warm: bool, way: str = "warm_start=True"
    ) -> tuple[Array, np.random.RandomState]:
        """Give the atoms to start from (k, m), those of the last fit if `warm`, and the generator."""
        _check_scale(x)
        k = x.cols if self.n_components is None else int(self.n_components)
        if k > max(x.rows, x.cols):
            check_room(k, "n_components", k * (k + x.cols))
        if not warm:
            rng = seeded(self.random_state)
            return start_atoms(x, k, self.dict_init, rule, rng), rng
        learned = len(self.components_)
        if learned != k:
            raise ValueError(
                f"{way} goes on with the {learned} atoms learned, but n_components is {k}: set it to "
                f"{learned}, or begin anew with a clone"
            )
        rng = copy.deepcopy(self._rng)
        return held(self.components_, x, rule, rng), rng


def _check_scale(x: Source | Observed) -> None:
    """Refuse an X whose squares leave the range of its type."""
    low, high = SCALES[name_of(x.dtype)]
    size = typical(x)
    if not low <= size <= high and x.largest > 0:
        wide = low < 1e-100
        raise ValueError(
            f"X is too {'small' if size < 1 else 'large'} for {x.dtype}, with {x.largest:.3g} its largest "
            f"entry: multiply X by a power of two, and alpha with it{'' if wide else ', or pass float64'}"
        )
