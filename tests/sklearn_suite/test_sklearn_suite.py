"""scikit-learn's own tests, run with gramfold's classes in place of theirs."""

import re

import pytest
from sklearn_suite.suite import HERE, MODULES, README, VERSION, counted, counts, outcomes, with_column

KINDS = ("private", "wording", "better", "numbers")


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


@pytest.mark.skipif(VERSION not in counts(), reason=f"no list of failures for scikit-learn {VERSION}")
@pytest.mark.parametrize("module", MODULES)
def test_scikit_learns_own_tests_pass_but_for_those_listed(module):
    found, listed = outcomes(module), expected_failures(module)

    def entry(name):
        return next((test for test, pattern in listed.items() if pattern.fullmatch(name)), None)

    failed = {name: why for name, outcome, why in found if outcome == "failed"}
    passed = [name for name, outcome, _ in found if outcome == "passed"]
    assert not {name: why for name, why in failed.items() if entry(name) is None}
    assert not [name for name in passed if entry(name)], "these pass, and are listed as failing"
    assert set(map(entry, failed)) == set(listed), "every line of the list must be about a test"
    assert counts()[VERSION][module] == counted(found), "run tests/sklearn_suite/suite.py"


def test_the_readme_says_how_much_passes():
    assert with_column(README.read_text()) == README.read_text()
