"""A `partial_fit` that fails late leaves the model, and what it draws from, as they were."""

import copy

import numpy as np
import pytest
from entries import ENTRIES, counts
from saved import assert_same

from gramfold.fit.unchanged import unchanged_on_error


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.learn == "partial_fit"])
def test_a_batch_that_fails_when_all_is_computed_is_forgotten(name, monkeypatch):
    entry = ENTRIES[name]
    x = counts()
    given = {key: value(x) for key, value in entry.given.items()}
    model = entry.estimator()
    model.partial_fit(x, **given)
    before, expected = copy.deepcopy(vars(model)), copy.deepcopy(model)
    expected.partial_fit(x, **given)
    kind, set_plainly = type(model), type(model).__setattr__

    def refuse(self, attribute, value):
        if attribute in LAST:
            raise MemoryError
        set_plainly(self, attribute, value)

    with monkeypatch.context() as patched:
        patched.setattr(kind, "__setattr__", refuse, raising=False)
        with pytest.raises(MemoryError):
            model.partial_fit(x, **given)
    assert_same(vars(model), before)
    model.partial_fit(x, **given)
    learned, wanted = (
        {key: value for key, value in vars(each).items() if key != "history_"} for each in (model, expected)
    )
    assert_same(learned, wanted)


# What is set when a batch has been learned.
LAST = ("components_", "cluster_centers_", "coef_")


def test_a_fit_that_fails_gives_back_what_it_drew():
    class Model:
        pass

    model = Model()
    model.rng = np.random.RandomState(0)

    def fit():
        with unchanged_on_error(model):
            model.rng.random_sample(5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit()
    assert model.rng.random_sample() == np.random.RandomState(0).random_sample()
