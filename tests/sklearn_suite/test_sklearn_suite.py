"""scikit-learn's own tests, run with gramfold's classes in place of theirs."""

import re

import pytest
from sklearn_suite.suite import HERE, MODULES, README, VERSION, counted, counts, outcomes, with_column

KINDS = ("private", "wording", "better")


def expected_failures(module):
    """What is listed of a module for this version, and the pattern of names that it stands for."""
    found = {}
    for line in (HERE / "expected_failures.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        test, versions, kind, reason = (part.strip() for part in line.split(" | "))
        assert kind in KINDS, line
        assert reason, line
        where, name = test.split("::")
        if where == module and (versions == "all" or VERSION in versions.split()):
            pattern = ".*".join(re.escape(part) for part in name.split("*"))
            found[test] = re.compile(pattern + ("" if "[" in name else r"(\[.*)?"))
    return found


def entry_of(listed, name):
    """The line of the list that a test is on."""
    return next((test for test, pattern in listed.items() if pattern.fullmatch(name)), None)


@pytest.mark.skipif(VERSION not in counts(), reason=f"no list of failures for scikit-learn {VERSION}")
@pytest.mark.parametrize("module", MODULES)
def test_scikit_learns_own_tests_pass_but_for_those_listed(module):
    found, listed = outcomes(module), expected_failures(module)
    failed = {name: why for name, outcome, why in found if outcome == "failed"}
    passed = [name for name, outcome, _ in found if outcome == "passed"]
    assert not {name: why for name, why in failed.items() if entry_of(listed, name) is None}
    assert not [name for name in passed if entry_of(listed, name)], "these pass, and are listed as failing"
    assert {entry_of(listed, name) for name in failed} == set(listed), (
        "every line of the list must be about a test"
    )
    assert counts()[VERSION][module] == counted(found), "run tests/sklearn_suite/suite.py"


@pytest.mark.slow
@pytest.mark.skipif(VERSION not in counts(), reason=f"no list of failures for scikit-learn {VERSION}")
@pytest.mark.parametrize("module", MODULES)
def test_they_pass_as_well_by_accelerate_which_goes_back_where_gramfold_refuses(module):
    found, listed = outcomes(module, GRAMFOLD_ACCELERATE="1"), expected_failures(module)
    failed = {name: why for name, outcome, why in found if outcome == "failed"}
    assert not {name: why for name, why in failed.items() if entry_of(listed, name) is None}


def test_the_readme_says_how_much_passes():
    assert with_column(README.read_text()) == README.read_text()
