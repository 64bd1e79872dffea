"""What the names of `fit_algorithm` stand for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..coding.coder import MATCHING, Coder, row_errors
from ..coding.codes import row_budgets
from ..fold.observed import Observed
from ..fold.source import Source
from .atoms import AtomRule
from .gram import GramSteps
from .iterate import Steps
from .masked import MaskedSteps
from .residual import KsvdSteps, SoupSteps

# The coder of each, and of those that keep the residual what iterates.
CODERS = {
    "lars": "lasso_lars", "cd": "lasso_cd", "lasso_lars": "lasso_lars", "lasso_cd": "lasso_cd", "omp": "omp",
    "ols": "ols", "threshold": "threshold",
}  # fmt: skip
ALL_CODERS = CODERS | {"ksvd": "omp", "soup_l1": "lasso_cd", "soup_l0": "lasso_cd"}
RESIDUAL: dict[str, Callable[..., Steps]] = {"ksvd": KsvdSteps, "soup_l1": SoupSteps, "soup_l0": SoupSteps}
MASKED_NOT = ("threshold", *RESIDUAL)


def fitting(name: str, coder: Coder, rule: AtomRule, missing: str) -> tuple[Coder, AtomRule]:
    """Check that an algorithm goes with the other parameters; gives its coder and rule."""
    if name in MASKED_NOT and missing == "mask":
        raise ValueError(f"missing='mask' does not go with fit_algorithm={name!r}; 'cd' and 'omp' have it")
    if name not in RESIDUAL:
        return coder, rule
    if rule.penalised or not rule.ball:
        raise ValueError(
            f"fit_algorithm={name!r} keeps atoms of norm 1: dict_l1, dict_l2 and unit_ball=False do not "
            "go with it"
        )
    if name != "ksvd":
        if coder.l2 > 0:
            raise ValueError(f"l2 does not go with fit_algorithm={name!r}")
        coder = replace(coder, algorithm=name)
    return coder, replace(rule, unit=True)


def make_steps(
    name: str, x: Source | Observed, coder: Coder, rule: AtomRule, rng: np.random.RandomState, *,
    max_error: Any, start: Any,
) -> Steps:  # fmt: skip
    """What iterates, from codes `start` (None: from none); matching pursuits may end rows at `max_error`."""
    errors = row_errors(max_error if coder.algorithm in MATCHING else None, x.rows, "transform_max_error")
    if isinstance(x, Observed):
        return MaskedSteps(x, coder, rule, rng, errors=errors, start=start)
    make: Callable[..., Steps] = RESIDUAL.get(name, GramSteps)
    return make(x, coder, rule, rng, errors=row_budgets(x, errors), start=start)
