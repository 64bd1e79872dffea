"""A fit that fails leaves its estimator as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sklearn.base import BaseEstimator


@contextmanager
def unchanged_on_error(estimator: BaseEstimator) -> Iterator[None]:
    """Give the estimator back as it was if the fit in this block fails, and what it draws from too."""
    before = dict(vars(estimator))
    drawn_from = [value for value in before.values() if isinstance(value, np.random.RandomState)]
    states = [rng.get_state(legacy=False) for rng in drawn_from]
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        for rng, state in zip(drawn_from, states, strict=True):
            rng.set_state(state)
        raise
