"""Every argument of every method beside X, set to what it should not be: refused by its name, or taken."""

import inspect

import numpy as np
import pytest
from hostile_values import ARRAYS, COLS, MAKERS, ROWS, SOME, VALUES, call, fault, finite, missing, outcome

METHODS = (
    "fit", "fit_transform", "partial_fit", "transform", "predict", "score", "score_samples", "sample", "bic",
    "standard_errors",
)  # fmt: skip
LEARN = METHODS[:3]
# What these call a thing in messages of theirs.
ALSO = {
    "X": ("X", "n_samples", "path", "rows"),
    "mask": ("mask", "masked", "observed"),
    "checkpoint_every": ("checkpoint_every", "every"),
}
CUSTOM = {"W": np.ones((ROWS, 3)), "H": np.ones((3, COLS))}


def arguments(name):
    """The methods of an estimator with what they take beside X."""
    model = MAKERS[name]()
    for method in METHODS:
        if hasattr(type(model), method):
            taken = inspect.signature(getattr(model, method)).parameters.values()
            for one in taken:
                if one.kind is not one.VAR_KEYWORD:
                    yield method, one.name


@pytest.mark.parametrize("name", [name for name in MAKERS if "," not in name or "missing" in name])
def test_an_argument_is_refused_by_name_or_taken(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faults = []
    fitted = MAKERS[name]()
    assert outcome(lambda: call(fitted, "fit"))[1] is None
    for method, argument in arguments(name):
        values = {shown: VALUES[shown] for shown in SOME} | (ARRAYS if argument != "n_samples" else {})
        for shown, value in values.items():
            if argument == "checkpoint" and isinstance(value, str):
                continue
            if type(fitted).__name__ == "Ridge" and method == "score":
                continue  # scikit-learn's
            model = MAKERS[name]() if method in LEARN else fitted
            given = {argument: value}
            if argument in ("W", "H"):
                model.set_params(init="custom")
                given = CUSTOM | given
            if argument in ("checkpoint_every", "resume"):
                given["checkpoint"] = tmp_path / f"{len(faults)}-{method}-{abs(hash(shown))}"
            before = vars(model).copy()
            found, error = outcome(lambda m=model, method=method, g=given: call(m, method, **g))
            where = f"{method}({argument}={shown})"
            if error is not None and not missing(error, value):
                faults += [
                    f"{where}: {said}" for said in [fault(error, *ALSO.get(argument, (argument,)))] if said
                ]
                same = before.keys() == vars(model).keys() and all(
                    vars(model)[k] is v for k, v in before.items()
                )
                faults += [f"{where}: left half fitted"] * (method != "fit_transform" and not same)
            elif not finite(found) and (method, argument) != (
                "standard_errors",
                "X",
            ):  # not those of a maximum
                faults.append(f"{where}: not finite")
    assert not faults, "\n".join(faults)
