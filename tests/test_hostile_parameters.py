"""Every parameter of every estimator, set to what it should not be: refused by its name, or a sound fit.

Never an error of another type or another library's words, never NaN in a result, never a hang; and what is
refused leaves the estimator as it was.
"""

from fractions import Fraction

import numpy as np
import pytest
from hostile_values import MAKERS, VALUES, call, fault, finite, outcome

import gramfold as gf

METHODS = (
    "transform",
    "predict",
    "predict_proba",
    "score_samples",
    "score",
    "inverse_transform",
    "partial_fit",
)
# So many starts, or updates, are made as are asked for.
ENDLESS = ("n_init", "fresh_restarts_max_iter")
LARGE = ("2**31", "2**63", "2**200", "10**400")
# Of a fitted model: one of each kind.
LATER = (
    "None",
    "-1",
    "2**63",
    "10**400",
    "nan",
    "inf",
    "complex",
    "nonsense",
    "[]",
    "ragged",
    "object",
    "ones(2, 3)",
)
# Numbers that are none by default.
MORE = {
    "Ridge, sgd": {"step": 1e-3}, "Ridge, admm": {"rho": 2.0}, "OnlineRobustPCA": {"threshold": 3.0},
    "NMF, KL": {"max_time": 1000.0}, "GaussianMixture": {"max_time": 1000.0},
}  # fmt: skip
# Known to be infinite: no gap without a penalty, no bound before the first iteration.
INFINITE = {"alpha": "duality_gap_", "max_iter": "lower_bound_"}


def test_every_estimator_is_here():
    public = {name for name in gf.__all__ if hasattr(getattr(gf, name), "get_params")}
    assert {name.partition(",")[0] for name in MAKERS} == public


def state(model):
    return {name: id(value) for name, value in vars(model).items()}


def cases(model, values=tuple(VALUES)):
    for parameter in model.get_params(deep=False):
        for shown, value in ((shown, VALUES[shown]) for shown in values):
            if parameter not in ENDLESS or shown not in LARGE:
                yield parameter, shown, value


@pytest.mark.parametrize("name", MAKERS)
def test_a_parameter_is_refused_by_name_or_fitted_with(name):
    faults = []
    for parameter, shown, value in cases(MAKERS[name]()):
        model = MAKERS[name]().set_params(**{parameter: value})
        before = state(model)
        _, error = outcome(lambda model=model: call(model, "fit"))
        where = f"{parameter}={shown}: fit"
        if error is not None:
            faults += [f"{where}: {said}" for said in [fault(error, parameter)] if said]
            faults += [f"{where}: left half fitted"] * (state(model) != before)
            continue
        faults += [
            f"{where}: {attribute} is not finite"
            for attribute, found in vars(model).items()
            if attribute.endswith("_") and not finite(found) and attribute != INFINITE.get(parameter)
        ]
        faults += used(model, parameter, shown)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", MAKERS)
def test_a_parameter_of_a_fitted_model_is_refused_by_name_or_used(name):
    faults = []
    model = MAKERS[name]()
    assert outcome(lambda: call(model, "fit"))[1] is None
    for parameter, shown, value in cases(model, LATER):
        sound = getattr(model, parameter)
        model.set_params(**{parameter: value})
        faults += used(model, parameter, shown, METHODS[:-1])
        model.set_params(**{parameter: sound})
    assert not faults, "\n".join(faults)


def used(model, parameter, shown, methods=METHODS):
    """What is wrong with the methods of a fitted model."""
    for method in methods:
        if not hasattr(model, method) or (parameter == "split_sign" and method == "inverse_transform"):
            continue
        before = state(model)
        found, error = outcome(lambda method=method: call(model, method))
        where = f"{parameter}={shown}: {method}"
        if error is not None:
            said = fault(error, parameter)
            if said:
                yield f"{where}: {said}"
            if state(model) != before:
                yield f"{where}: left half fitted"
        elif not finite(found):
            yield f"{where}: not finite"


@pytest.mark.parametrize("name", ["KMeans", "NMF", "GaussianMixture", "DictionaryLearning", "Ridge"])
def test_numbers_of_numpy_are_taken(name):
    model = MAKERS[name]()
    for parameter, value in model.get_params().items():
        if isinstance(value, bool):
            model.set_params(**{parameter: np.bool_(value)})
        elif isinstance(value, int):
            model.set_params(**{parameter: np.int64(value)})
        elif isinstance(value, float):
            model.set_params(**{parameter: np.float32(value)})
    assert outcome(lambda: call(model, "fit"))[1] is None


@pytest.mark.parametrize("kind", [Fraction, np.float16, np.longdouble])
@pytest.mark.parametrize("name", MAKERS)
def test_a_number_of_another_type_is_that_number(name, kind):
    model = MAKERS[name]()
    numbers = model.get_params(deep=False) | MORE.get(name, {})
    given = {key: kind(value) for key, value in numbers.items() if type(value) is float}
    expected = MAKERS[name]().set_params(**{key: float(value) for key, value in given.items()})
    for one in (model.set_params(**given), expected):
        error = outcome(lambda one=one: call(one, "fit"))[1]
        assert error is None, error
    for attribute, value in vars(expected).items():
        if attribute.endswith("_") and isinstance(value, np.ndarray | float):
            np.testing.assert_array_equal(getattr(model, attribute), value, err_msg=attribute)
