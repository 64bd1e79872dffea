"""Every argument of every method beside X, set to what it should not be: refused by its name, or taken."""

import inspect

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hostile_values import COLS, MAKERS, ROWS, VALUES, call, fault, finite, outcome

METHODS = (
    "fit", "fit_transform", "partial_fit", "transform", "predict", "score", "score_samples", "sample", "bic",
    "standard_errors",
)  # fmt: skip
LEARN = METHODS[:3]
# What these call a thing in messages of theirs.
ALSO = {"mask": ("mask", "masked", "observed"), "checkpoint_every": ("checkpoint_every", "every")}
SOME = (
    "None", "-1", "2**63", "10**400", "1.5", "nan", "inf", "1e308", "complex", "nonsense", "[]", "ragged",
    "{}", "object", "ones(7)", "ones(2, 3)", "strings", "dates", "huge int",
)  # fmt: skip
ARRAYS = {
    "a row less": np.ones(ROWS - 1), "two columns": np.ones((ROWS, 2)), "negative": -np.ones(ROWS),
    "nothing": np.zeros(ROWS), "nan(24)": np.full(ROWS, np.nan), "inf(24)": np.full(ROWS, np.inf),
    "strings(24)": np.full(ROWS, "a"), "objects(24)": np.full(ROWS, object()),
    "cube": np.ones((ROWS, COLS, 2)), "complex(24)": np.full(ROWS, 1j),
    "frame of another length": pd.DataFrame(np.ones((ROWS + 1, 1))),
    "sparse(24, 6)": sp.csr_array(np.ones((ROWS, COLS))), "empty": np.empty((0, COLS)),
    "negative(24, 6)": -np.ones((ROWS, COLS)), "nan(24, 6)": np.full((ROWS, COLS), np.nan),
    "strings(24, 6)": np.full((ROWS, COLS), "a"), "all hidden": np.zeros((ROWS, COLS), bool),
    "negative W": -np.ones((ROWS, 3)), "negative H": -np.ones((3, COLS)),
}  # fmt: skip
CUSTOM = {"W": np.ones((ROWS, 3)), "H": np.ones((3, COLS))}


def arguments(name):
    """The methods of an estimator with what they take beside X."""
    model = MAKERS[name]()
    for method in METHODS:
        if hasattr(type(model), method):
            taken = inspect.signature(getattr(model, method)).parameters.values()
            for one in taken:
                if one.kind is not one.VAR_KEYWORD and one.name not in ("X", "out", "resume"):
                    yield method, one.name


@pytest.mark.parametrize("name", [name for name in MAKERS if "," not in name or "missing" in name])
def test_an_argument_is_refused_by_name_or_taken(name, tmp_path):
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
            if argument == "checkpoint_every":
                given["checkpoint"] = tmp_path / f"{len(faults)}-{method}-{abs(hash(shown))}"
            before = vars(model).copy()
            found, error = outcome(lambda m=model, method=method, g=given: call(m, method, **g))
            where = f"{method}({argument}={shown})"
            if error is not None:
                faults += [
                    f"{where}: {said}" for said in [fault(error, *ALSO.get(argument, (argument,)))] if said
                ]
                same = before.keys() == vars(model).keys() and all(
                    vars(model)[k] is v for k, v in before.items()
                )
                faults += [f"{where}: left half fitted"] * (method != "fit_transform" and not same)
            elif not finite(found):
                faults.append(f"{where}: not finite")
    assert not faults, "\n".join(faults)
