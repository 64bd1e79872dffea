"""Every argument of every public function, set to what it should not be: refused by its name, or taken."""

import numpy as np
import pytest
import scipy.sparse as sp
from entries import state
from hostile_functions import FUNCTIONS, NONE, files, public
from hostile_values import ARRAYS, VALUES, fault, finite, missing, outcome

# What these call a thing in messages of theirs, as scikit-learn does.
ROWS_OF = ("n_samples", "path", "rows")
ALSO = {"X": ROWS_OF, "A": ROWS_OF, "codes": ROWS_OF, "mask": ("masked", "observed"), "alphas": ("alpha",)}
ALSO |= {
    "source": ("blocks", "block", "path"),
    "signal": ("axes",),
    "bases": ("axes",),
    "shape": ("n_frames",),
}
# NaN in, NaN out; and what a camera lost.
GAPS = (("patches.extract", "images"), ("patches.average", "patches"), ("datasets.make_video", "dead"))
LARGE = ("2**31", "2**63", "2**200", "10**400")
# So many objects, fits or trials are made as are asked for.
ENDLESS = ("n_objects", "n_restarts", "n_local_trials")


def test_every_public_function_is_here():
    here = {name.partition(",")[0] for name in FUNCTIONS} | set(NONE)
    assert here == public()


def kept(given):
    """What arguments hold."""
    return {name: state(value) if _is_array(value) else id(value) for name, value in given.items()}


def _is_array(value):
    return sp.issparse(value) or (isinstance(value, np.ndarray) and value.dtype != object)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sound_arguments_are_taken(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = FUNCTIONS[name]
    found, error = outcome(lambda: function.called(**function.sound()))
    assert error is None, error
    assert finite(found)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_argument_is_refused_by_name_or_taken(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function, faults = FUNCTIONS[name], []
    for argument in function.arguments():
        for shown, value in (VALUES | ARRAYS).items():
            if argument in ENDLESS and shown in LARGE:
                continue
            given = function.sound() | {argument: value}
            before, there = kept(given), files(tmp_path)
            found, error = outcome(lambda: function.called(**given))  # noqa: B023
            where = f"{name}({argument}={shown})"
            said = error is not None and not missing(error, value)
            said = said and fault(error, argument, *ALSO.get(argument, ()))
            faults += [f"{where}: {said}"] * bool(said)
            faults += [f"{where}: not finite"] * (not finite(found) and (name, argument) not in GAPS)
            faults += [f"{where}: its arguments were changed"] * (kept(given) != before)
            faults += [f"{where}: files were changed"] * (error is not None and files(tmp_path) != there)
    assert not faults, "\n".join(faults)
